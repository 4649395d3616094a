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
import pyarrow.parquet as pq
import pytest

from dlpagent.assess import Assessor
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.errors import BusyError, RuleError, SourceError
from dlpagent.findings import MATCH_SCHEMA, Classified, PackRef
from dlpagent.jobs import Job, in_this_process
from dlpagent.pool import PORTION_BYTES, READ_AHEAD, in_workers
from dlpagent.portions import Portion
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


@dataclass(frozen=True)
class Cuttable(Texts):
    """The same, in portions of two texts; one that holds "unseen" cannot even be looked through."""

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        assert (asset.uri, size_bytes) == (ASSET.uri, PORTION_BYTES)
        for number in range(2, len(self.texts), 2):
            if "unseen" in self.texts[number - 1]:
                raise SourceError("unseen")
            if after is None or number > after.cursor["n"]:
                yield Portion(after, {"n": number})
                after = Checkpoint({"n": number})
        yield Portion(after)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        until = None if portion.until is None else portion.until["n"]
        for batch, after in self.read(asset, portion.after):
            yield batch, after
            if after.cursor["n"] == until:
                return


def cuttable(*texts: str, error: SourceError | None = None, after: int | None = None) -> Job:
    checkpoint = None if after is None else Checkpoint({"n": after})
    progress = AssetProgress("run", "a", ASSET.uri, "running", checkpoint=checkpoint)
    lease = Lease("a", ASSET.uri, "run", "token", progress)
    return Job(Cuttable(texts, error), ASSET, lease)


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


@pytest.mark.parametrize("after", [None, 1, 2, 5])
def test_portions_are_read_by_the_workers_and_joined_in_order(
    assessor: Assessor, after: int | None
) -> None:
    texts = ["slow 1", "2 and 3", "4", *(f"text {n}" for n in range(20))]
    made = [cuttable(*texts, after=after), job("6"), cuttable(), cuttable("5")]
    alone = list(in_this_process(assessor, iter(made)))
    together = list(in_workers(2)(assessor, iter(made)))
    assert [step.after for step, _ in together] == [step.after for step, _ in alone]
    assert [step.before for step, _ in together] == [step.before for step, _ in alone]
    assert [keys(found) for _, found in together] == [keys(found) for _, found in alone]


def test_a_portion_at_which_a_worker_dies_is_read_again(assessor: Assessor) -> None:
    made = cuttable("1", "2", "3", "4 die once", "5", "6")
    found = list(in_workers(2)(assessor, iter([made])))
    assert [key for _, item in found for key in keys(item)] == ["1", "2", "3", "4", "5", "6"]


def test_of_a_portion_no_worker_survives_only_the_one_batch_is_unchecked(
    assessor: Assessor,
) -> None:
    made = cuttable("1", "2", "3", "4 die always", "5")
    found = list(in_workers(2)(assessor, iter([made])))
    assert [keys(item) for _, item in found] == [["1"], ["2"], ["3"], [], ["5"], []]
    assert [item.status for item in found[3][1].problems] == ["opaque", "unchecked"]  # type: ignore[union-attr]


def test_an_error_within_a_portion_ends_the_asset_at_the_checkpoint_before_it(
    assessor: Assessor,
) -> None:
    made = cuttable("1", "2", "3", error=SourceError("gone"))
    *read, end = in_workers(2)(assessor, iter([made]))
    assert [keys(item) for _, item in read] == [["1"], ["2"], ["3"]]
    assert (end[0].before, end[0].after, end[0].error) == (Checkpoint({"n": 3}), None, "gone")


def test_an_asset_that_cannot_be_looked_through_ends_behind_what_could_be_cut(
    assessor: Assessor,
) -> None:
    made = cuttable("1", "2", "3", "4", "5", "6 unseen", "7", "8")
    *read, end = in_workers(2)(assessor, iter([made]))
    assert [keys(item) for _, item in read] == [["1"], ["2"]]
    assert (end[0].before, end[0].error) == (Checkpoint({"n": 2}), "unseen")


def test_an_error_in_a_portion_of_an_asset_drops_the_portions_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"number {n}" for n in range(400)]})
    pq.write_table(table, path, row_group_size=100)
    source = ParquetFile(str(path), batch_rows=50)
    (asset,) = source.discover()
    progress = AssetProgress("run", "a", asset.uri, "running")
    made = Job(source, asset, Lease("a", asset.uri, "run", "token", progress))
    engine = in_workers(1, portion_bytes=1)
    found = engine(Assessor(Digits(tmp_path / "memory")), iter([made]))
    first = next(found)
    assert keys(first[1])[:2] == ["0", "1"]
    path.unlink()
    rest = list(found)
    assert rest[-1][0].after is None
    assert sum(step.after is None for step, _ in rest) == 1
