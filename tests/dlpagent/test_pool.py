"""Worker processes: the same in the same order, whatever happens to one of them."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.assess import Assessor
from dlpagent.errors import RuleError, SourceError
from dlpagent.findings import MATCH_SCHEMA, Classified, PackRef
from dlpagent.pool import READ_AHEAD, in_this_process, in_workers
from dlpagent.records import Asset, PartRows


@dataclass(frozen=True)
class Digits:
    """Finds runs of digits. Some words make it slow, make it raise or kill its process.

    A file is the memory across processes: "die once" kills only where the file is not there yet.
    """

    memory: Path
    pack = PackRef("digits", "1", "h")
    sit_names = {"s": "Digits"}  # noqa: RUF012 - the port asks for a mapping

    def classify(self, batch: pa.RecordBatch) -> Classified:
        rows = []
        for row, text in enumerate(batch.column("text").to_pylist()):
            self._behave(text or "")
            rows += [
                {"row": row, "start": m.start(), "end": m.end(), "sit_id": "s", "confidence": 85,
                 "pattern": 0, "masked": "*", "key": m[0]}
                for m in re.finditer(r"\d+", text or "")
            ]  # fmt: skip
        return Classified(pa.RecordBatch.from_pylist(rows, schema=MATCH_SCHEMA))

    def _behave(self, text: str) -> None:
        if "slow" in text:
            time.sleep(0.2)
        if "raise" in text:
            raise ValueError(f"something with {text} in it")
        if "rule" in text:
            raise RuleError("a rule of the pack is wrong", where="sit.yaml:3")
        if "die always" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "die once" in text and not self.memory.exists():
            self.memory.touch()
            os._exit(3)


class Unloadable(Digits):
    """Cannot be copied into another process."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError


@dataclass(frozen=True)
class Read:
    asset: Asset
    batch: pa.RecordBatch | None
    number: int


ASSET = Asset("mem://a", "dataset", "memory")


def steps(*texts: str | None, error: Exception | None = None) -> Iterator[Read]:
    """A step per text, a step without a batch for None."""
    for number, text in enumerate(texts):
        if text is None:
            yield Read(ASSET, None, number)
            continue
        parts = PartRows(ASSET.uri)
        parts.add(record_id=str(number), part="text", seq=0, text=text)
        parts.add(record_id=str(number), part="more", seq=1, text=None, status="opaque")
        yield Read(ASSET, parts.take(), number)
    if error is not None:
        raise error


@pytest.fixture
def assessor(tmp_path: Path) -> Assessor:
    return Assessor(Digits(tmp_path / "memory"))


def keys(found: object) -> list[str]:
    return [] if found is None else found.findings.column("key").to_pylist()  # type: ignore[attr-defined]


def test_workers_give_what_one_process_gives_in_the_order_of_reading(assessor: Assessor) -> None:
    texts = ["slow 1", "2 and 3", None, "4", *(f"text {n}" for n in range(20)), None]
    alone = list(in_this_process(assessor, steps(*texts)))
    together = list(in_workers(2)(assessor, steps(*texts)))
    assert [step.number for step, _ in together] == list(range(len(texts)))
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert keys(one) == keys(other)
        if one is not None and other is not None:
            assert one.findings.equals(other.findings)
            assert (one.problems, one.violations, one.counters) == (
                other.problems, other.violations, other.counters)  # fmt: skip


def test_a_worker_that_dies_costs_a_retry_and_nothing_else(assessor: Assessor) -> None:
    texts = ["1", "2", "3 die once", "4", "5", "6"]
    found = list(in_workers(2)(assessor, steps(*texts)))
    assert [key for _, item in found for key in keys(item)] == ["1", "2", "3", "4", "5", "6"]
    assert all(len(item.problems) == 1 for _, item in found if item)


def test_a_batch_that_kills_every_worker_is_reported_and_the_rest_is_done(
    assessor: Assessor,
) -> None:
    found = list(in_workers(2)(assessor, steps("1", "2 die always", "3")))
    assert [keys(item) for _, item in found] == [["1"], [], ["3"]]
    problems = found[1][1].problems  # type: ignore[union-attr]
    assert [(item.part, item.status) for item in problems] == [
        ("more", "opaque"), ("text", "unchecked"),
    ]  # fmt: skip
    assert "worker processes ended" in problems[1].reason


def test_an_error_in_a_worker_names_the_asset_and_never_the_text(assessor: Assessor) -> None:
    with pytest.raises(RuleError) as caught:
        list(in_workers(2)(assessor, steps("raise 4111")))
    assert "mem://a" in str(caught.value)
    assert "ValueError" in str(caught.value)
    assert "4111" not in str(caught.value)


def test_an_error_of_ours_comes_through_as_it_is(assessor: Assessor) -> None:
    with pytest.raises(RuleError, match=r"sit\.yaml:3"):
        list(in_workers(1)(assessor, steps("rule")))


def test_what_reading_raises_comes_after_what_was_read(assessor: Assessor) -> None:
    found = in_workers(2)(assessor, steps("1", "2", error=SourceError("gone")))
    assert [next(found)[0].number, next(found)[0].number] == [0, 1]
    with pytest.raises(SourceError, match="gone"):
        next(found)


def test_reading_runs_ahead_by_a_few_batches_only(assessor: Assessor) -> None:
    read: list[int] = []

    def watched() -> Iterator[Read]:
        for step in steps(*map(str, range(30))):
            read.append(step.number)
            yield step

    for step, _ in in_workers(2)(assessor, watched()):
        assert len(read) <= step.number + 2 * READ_AHEAD


def test_workers_end_when_the_sweep_stops_early(assessor: Assessor) -> None:
    found = in_workers(2)(assessor, steps("1", "slow 2", "3", "4"))
    next(found)
    began = time.monotonic()
    found.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 60


def test_a_worker_that_cannot_start_is_an_error_and_no_endless_retry(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="could not start"):
        list(in_workers(1)(Assessor(Unloadable(tmp_path)), steps("1")))
