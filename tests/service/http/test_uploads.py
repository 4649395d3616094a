"""Uploads: bounded in bytes, and given up when they stop coming."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.uploads import limited


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def too_much() -> Message:
    return {"type": "http.request", "body": b"x" * 60, "more_body": True}


@pytest.mark.parametrize(("receive", "status"), [(never, 408), (too_much, 413)])
def test_an_upload_that_is_too_slow_or_too_large_is_given_up(
    receive: Callable[[], Awaitable[Message]], status: int
) -> None:
    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(Refusal) as caught:
        asyncio.run(limited(Request(scope, receive), 100, 0.01).body())
    assert caught.value.problem.status == status
