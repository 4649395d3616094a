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
from dlpagent.errors import BusyError, RuleError, SourceError
from dlpagent.findings import MATCH_SCHEMA, Classified, PackRef
from dlpagent.jobs import Job, in_this_process
from dlpagent.pool import READ_AHEAD, in_workers
from dlpagent.records import Asset, Checkpoint, PartRows
from dlpagent.state import AssetProgress, Lease


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


ASSET = Asset("mem://a", "dataset", "memory")


@dataclass(frozen=True)
class Texts:
    """A source whose assets are known to the test: every text is a batch of its own."""

    texts: tuple[str, ...]
    error: SourceError | None = None

    def discover(self) -> Iterator[Asset]:
        yield ASSET

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        for number in range(after.cursor["n"] if after else 0, len(self.texts)):
            parts = PartRows(asset.uri)
            parts.add(record_id=str(number), part="text", seq=0, text=self.texts[number])
            parts.add(record_id=str(number), part="more", seq=1, text=None, status="opaque")
            last = number + 1 == len(self.texts) and not self.error
            yield parts.take(), Checkpoint({"n": number + 1}, done=last)
        if self.error:
            raise self.error


def job(*texts: str, error: SourceError | None = None) -> Job:
    progress = AssetProgress("run", "a", ASSET.uri, "running")
    return Job(Texts(texts, error), ASSET, Lease("a", ASSET.uri, "run", "token", progress))


def jobs(*texts: str) -> Iterator[Job]:
    yield job(*texts)


@pytest.fixture
def assessor(tmp_path: Path) -> Assessor:
    return Assessor(Digits(tmp_path / "memory"))


def keys(found: object) -> list[str]:
    return [] if found is None else found.findings.column("key").to_pylist()  # type: ignore[attr-defined]


def test_workers_give_what_one_process_gives_in_the_order_of_reading(assessor: Assessor) -> None:
    texts = ["slow 1", "2 and 3", "4", *(f"text {n}" for n in range(20))]
    alone = list(in_this_process(assessor, iter([job(*texts), job(), job("5")])))
    together = list(in_workers(2)(assessor, iter([job(*texts), job(), job("5")])))
    assert [step.after for step, _ in together] == [step.after for step, _ in alone]
    assert sum(step.after is None for step, _ in together) == 3
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert keys(one) == keys(other)
        if one is not None and other is not None:
            assert one.findings.equals(other.findings)
            assert (one.problems, one.violations, one.counters) == (
                other.problems, other.violations, other.counters)  # fmt: skip


def test_a_worker_that_dies_costs_a_retry_and_nothing_else(assessor: Assessor) -> None:
    texts = ["1", "2", "3 die once", "4", "5", "6"]
    found = list(in_workers(2)(assessor, jobs(*texts)))
    assert [key for _, item in found for key in keys(item)] == ["1", "2", "3", "4", "5", "6"]
    assert all(len(item.problems) == 1 for _, item in found if item)


def test_a_batch_that_kills_every_worker_is_reported_and_the_rest_is_done(
    assessor: Assessor,
) -> None:
    found = list(in_workers(2)(assessor, jobs("1", "2 die always", "3")))
    assert [keys(item) for _, item in found] == [["1"], [], ["3"], []]
    problems = found[1][1].problems  # type: ignore[union-attr]
    assert [(item.part, item.status) for item in problems] == [
        ("more", "opaque"), ("text", "unchecked"),
    ]  # fmt: skip
    assert "worker processes ended" in problems[1].reason


def test_an_error_in_a_worker_names_the_asset_and_never_the_text(assessor: Assessor) -> None:
    with pytest.raises(RuleError) as caught:
        list(in_workers(2)(assessor, jobs("raise 4111")))
    assert "mem://a" in str(caught.value)
    assert "ValueError" in str(caught.value)
    assert "4111" not in str(caught.value)


def test_an_error_of_ours_comes_through_as_it_is(assessor: Assessor) -> None:
    with pytest.raises(RuleError, match=r"sit\.yaml:3"):
        list(in_workers(1)(assessor, jobs("rule")))


def test_what_reading_raises_comes_after_what_was_read(assessor: Assessor) -> None:
    lost = job("1", "2", error=SourceError("gone"))
    *read, end = in_workers(2)(assessor, iter([lost]))
    assert [keys(item) for _, item in read] == [["1"], ["2"]]
    assert (end[0].after, end[0].error) == (None, "gone")


def test_what_finding_jobs_raises_comes_after_the_jobs_before_it(assessor: Assessor) -> None:
    def broken() -> Iterator[Job]:
        yield job("1")
        raise BusyError("another sweep holds it")

    found = in_workers(2)(assessor, broken())
    assert [next(found)[0].after is None for _ in range(2)] == [False, True]
    with pytest.raises(BusyError):
        next(found)


def test_reading_runs_ahead_by_a_few_batches_only(assessor: Assessor) -> None:
    read: list[int] = []

    def watched() -> Iterator[Job]:
        for number in range(30):
            read.append(number)
            yield job(str(number))

    for given, _ in enumerate(in_workers(2)(assessor, watched()), 1):
        assert 2 * len(read) <= given + 2 * READ_AHEAD + 1


def test_workers_end_when_the_sweep_stops_early(assessor: Assessor) -> None:
    found = in_workers(2)(assessor, jobs("1", "slow 2", "3", "4"))
    next(found)
    began = time.monotonic()
    found.close()
    assert time.monotonic() - began < 60


def test_a_worker_that_cannot_start_is_an_error_and_no_endless_retry(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="could not start"):
        list(in_workers(1)(Assessor(Unloadable(tmp_path)), jobs("1")))
