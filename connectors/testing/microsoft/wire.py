"""A request as the loopback reads it, and an answer as it gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """path: decoded, without the query. headers: names in lower case. body: as it came."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body; the server adds length, date and request id."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, **headers: str) -> Answer:
    """A value as JSON; header names with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """An OData error, as Graph and Azure Monitor both write it."""
    return json_answer(status, {"error": {"code": code, "message": message}}, **headers)
