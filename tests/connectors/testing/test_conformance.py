"""The conformance kit catches every way of reading wrongly that it says it does."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
)
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows


class Memory:
    """A store in memory with a source over it that is right, unless told to be wrong."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong
        self.records = {f"{number:04d}": f"text {number}" for number in range(400)}
        self.fails = 0
        self.kept: list[Any] = []

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        self.records |= dict(records)

    def delete(self, ids: Sequence[str]) -> None:
        for one in ids:
            del self.records[one]

    def discover(self) -> Iterator[Asset]:
        self.fails += 1
        key = str(self.fails) if self.wrong == "another key" else "k"
        for _ in range(2 if self.wrong == "an asset twice" else 1):
            yield Asset("memory:", "vector_collection", "memory", change_key=key)

    def read(self, asset: Asset, after: Checkpoint | None = None) -> Any:
        reading = self._read(asset, after)
        return iter(list(reading)) if self.wrong == "no generator" else reading

    def _read(self, asset: Asset, after: Checkpoint | None) -> Iterator[Any]:
        if after is not None and after.done:
            return
        self._open()
        start = "" if after is None else after.cursor["after"]
        if self.wrong == "resumes at the beginning":
            start = ""
        place = 0 if after is None else after.cursor.get("place", 0)
        while True:
            ids = sorted(self.records)
            if self.wrong == "pages by position":
                page = ids[place : place + 50]
                last = place + 50 >= len(ids)
            else:
                page = [one for one in ids if one > start][:50]
                last = not page or page[-1] == ids[-1]
            start, place = page[-1] if page else start, place + 50
            rows = PartRows(asset.uri)
            for one in self._spoilt(page):
                self._add(rows, one)
            cursor = {"after": start, "place": place}
            if self.wrong == "a large cursor":
                cursor["ids"] = ids * 9
            yield rows.take(), Checkpoint(cursor, done=last and self.wrong != "never done")
            self.fails += 1
            if self.wrong.startswith("fails") and self.fails % 3 == 0:
                raise (KeyError if self.wrong == "fails otherwise" else SourceError)("x")
            if last:
                return

    def _spoilt(self, page: list[str]) -> list[str]:
        if self.wrong == "skips one":
            return [one for one in page if one != "0123"]
        if self.wrong == "one twice":
            return [*page, page[0]]
        return page

    def _add(self, rows: PartRows, one: str) -> None:
        seq = 1 if self.wrong == "wrong numbers" else 0
        uri = "other:" if self.wrong == "another record" and one == "0007" else ""
        text = None if self.wrong == "silent" and one == "0007" else self.records[one]
        if self.wrong == "old text" and one in self.records:
            text = "never there"
        status: Any = "unread" if self.wrong == "says unread" and one == "0007" else "read"
        rows.add(record_id=uri + one, part="text", seq=seq, text=text, status=status)

    def _open(self) -> None:
        if self.wrong == "leaves a file open":
            self.kept.append(tempfile.TemporaryFile())  # noqa: SIM115 - that is the fault
        if self.wrong == "leaves a thread":
            thread = threading.Event()
            threading.Thread(target=thread.wait, args=(20,), name="left-1", daemon=True).start()
            self.kept.append(thread)


def expected() -> dict[str, list[str]]:
    return {one: [text] for one, text in Memory().records.items()}


def check(name: str, memory: Memory) -> None:
    match name:
        case "reads":
            check_reads_exactly(lambda: memory, expected())
        case "discovers":
            check_discovers_the_same_again(lambda: memory)
        case "resumes":
            check_resumes_everywhere(lambda: memory)
        case "closes":
            check_closes_what_it_opens(lambda: memory)
        case "survives":
            check_survives_failures(lambda: memory, expected())
        case "changes":
            check_misses_nothing_while_records_change(
                lambda: memory, memory, dict(memory.records), new_id=lambda number: f"{number:04d}"
            )


CHECKS = ("reads", "discovers", "resumes", "closes", "survives", "changes")


@pytest.mark.parametrize("name", CHECKS)
def test_a_source_that_is_right_passes(name: str) -> None:
    check(name, Memory())


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ("skips one", "reads"), ("one twice", "reads"), ("wrong numbers", "reads"),
        ("another record", "reads"), ("silent", "reads"), ("says unread", "reads"),
        ("never done", "reads"), ("old text", "reads"), ("a large cursor", "reads"),
        ("another key", "discovers"), ("an asset twice", "discovers"),
        ("resumes at the beginning", "resumes"),
        ("no generator", "closes"), ("leaves a file open", "closes"), ("leaves a thread", "closes"),
        ("skips one", "survives"),
        ("pages by position", "changes"), ("skips one", "changes"), ("one twice", "changes"),
        ("old text", "changes"),
    ],
)  # fmt: skip
def test_a_source_that_is_wrong_is_caught(wrong: str, name: str) -> None:
    memory = Memory(wrong)
    with pytest.raises(AssertionError) as caught:
        check(name, memory)
    assert str(caught.value)
    for kept in memory.kept:
        kept.set() if isinstance(kept, threading.Event) else kept.close()


def test_failures_are_survived_and_counted_and_other_errors_are_not() -> None:
    failing = Memory("fails")
    assert check_survives_failures(lambda: failing, expected()) > 0
    with pytest.raises(KeyError):
        check("survives", Memory("fails otherwise"))


def test_a_source_with_too_few_batches_proves_nothing() -> None:
    memory = Memory()
    memory.records = {"0001": "only"}
    with pytest.raises(AssertionError, match="give the source more records"):
        check("resumes", memory)


def test_the_kit_leaves_nothing_behind(tmp_path: Path) -> None:
    check("closes", Memory())
    assert list(tmp_path.iterdir()) == []
