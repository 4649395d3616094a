"""What the tests of stores over HTTP share: the checks that every one of them must pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from dlpagent.connectors.sources import _http_store
from dlpagent.connectors.testing import (
    Answer,
    Faults,
    Request,
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
    serving,
)
from dlpagent.errors import SourceError


class Served(Protocol):
    """A store in memory that answers as the documentation of its interface says."""

    def answer(self, request: Request) -> Answer: ...

    def put(self, records: Sequence[tuple[str, str]]) -> None: ...

    def delete(self, ids: Sequence[str]) -> None: ...


def check_store(
    made: Callable[[], Served],
    opened: Callable[..., Any],
    new_id: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    count: int = 700,
) -> None:
    """All of the kit. opened(port, batch_rows=…, changes=…) gives a source of one collection."""
    waits: list[float] = []
    monkeypatch.setattr(_http_store, "_wait", waits.append)
    records = {new_id(number): f"text {number} né" for number in range(count)}
    expected = {one: [text] for one, text in records.items()}
    store = made()
    store.put(list(records.items()))
    with serving(store.answer) as running:
        check_reads_exactly(lambda: opened(running.port), expected)
        check_discovers_the_same_again(lambda: opened(running.port))
        quick = lambda: opened(running.port, batch_rows=150, changes="ignore")  # noqa: E731
        check_resumes_everywhere(quick)
        check_closes_what_it_opens(quick, times=3)
    with serving(store.answer, Faults(rate=0.1)) as running:
        for _ in range(4):
            check_survives_failures(
                lambda: opened(running.port, batch_rows=100, changes="ignore"), expected
            )
        assert running.faults.happened
        assert waits
    for resume_after in (None, 3):
        store = made()
        store.put(list(records.items()))
        with serving(store.answer) as running:
            check_misses_nothing_while_records_change(
                lambda: opened(running.port, batch_rows=120, changes="ignore"),
                store,
                records,
                new_id=new_id,
                resume_after=resume_after,
            )


def check_refuses(opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of another shape, and refusals, are source errors with a remedy and no content."""
    monkeypatch.setattr(_http_store, "_wait", lambda _: None)
    for answer in (
        Answer(b"<html>"), Answer({}), Answer([]), Answer({"x": None}), Answer(b""),
        Answer({"error": "hunter2"}, 403), Answer({"error": "hunter2"}, 404), Answer({}, 302),
        Answer({}, 503),
    ):  # fmt: skip
        with serving(lambda _, answer=answer: answer) as running:
            with pytest.raises(SourceError) as caught:
                list(opened(running.port).discover())
            assert caught.value.remedy
            assert "hunter2" not in str(caught.value)
