"""The sweep loop over sources in memory: errors, stops, resumption, what was not checked."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.errors import BusyError, RuleError, SourceError
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, PackRef
from dlpagent.records import Asset, Checkpoint, ItemLevel, PartRows
from dlpagent.state import AssetProgress, Committed, Counters, State, open_state
from dlpagent.sweep import Plan, Result, Stopped, Sweep
from dlpagent.violations import Decision, FiredRule, Item, LabelRef, PolicyRef, Recommendation


@dataclass
class Memory:
    """A source of rows: text, None (unread) or "!…" (the source fails there). Two rows a batch."""

    assets: dict[str, list[str | None]]
    keys: dict[str, str] = field(default_factory=dict)
    reads: list[tuple[str, int]] = field(default_factory=list)
    broken: str = ""

    def discover(self) -> Iterator[Asset]:
        for name in self.assets:
            yield Asset(f"mem://{name}", "dataset", "memory", change_key=self.keys.get(name))
        if self.broken:
            raise SourceError(self.broken, where="mem://lost")

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        rows = self.assets[asset.uri.removeprefix("mem://")]
        place = int(after.cursor["row"]) if after else 0
        self.reads.append((asset.uri, place))
        while True:
            parts = PartRows(asset.uri)
            for number, text in enumerate(rows[place : place + 2], place):
                if text is not None and text.startswith("!"):
                    raise SourceError(text[1:], where=f"{asset.uri}#{number}")
                parts.add(record_id=str(number), part="text", seq=0, text=text,
                          status="read" if text is not None else "unread",
                          problem=None if text is not None else "torn",
                          locator={"row": number})  # fmt: skip
            place = min(place + 2, len(rows))
            yield (
                parts.take(),
                Checkpoint({"row": place}, done=place >= len(rows), bytes_read=place),
            )
            if place >= len(rows):
                return


class Digits:
    """Finds runs of digits; a text with "slow" in it is more than it can do."""

    pack = PackRef("digits", "1", "h")
    sit_names: Mapping[str, str] = {"s": "Digits"}

    def classify(self, batch: pa.RecordBatch) -> Classified:
        rows, late = [], []
        for row, text in enumerate(batch.column("text").to_pylist()):
            if text and "slow" in text:
                late.append(Incomplete(row, "s", "a rule ran out of time"))
            rows += [
                {"row": row, "start": m.start(), "end": m.end(), "sit_id": "s", "confidence": 85,
                 "pattern": 0, "masked": "*", "key": m[0]}
                for m in re.finditer(r"\d+", text or "")
            ]  # fmt: skip
        return Classified(pa.RecordBatch.from_pylist(rows, schema=MATCH_SCHEMA), tuple(late))


LABEL = LabelRef("l", "Confidential", 5)


@dataclass
class Fires:
    """Labels and reports every item with a finding, on the levels it is told."""

    wanted: frozenset[ItemLevel]
    policy: PolicyRef = field(default_factory=lambda: PolicyRef("p", "Policy", "1"))
    seen: list[Item] = field(default_factory=list)

    def levels(self, asset: Asset) -> Set[ItemLevel]:  # noqa: ARG002 - the port's signature
        return self.wanted

    def decide(self, item: Item) -> Decision:
        self.seen.append(item)
        if not item.tallies:
            return Decision()
        rule = FiredRule("r", "Rule", "high", "enforce", (), ("s",), "found", "datasets")
        return Decision(Recommendation(LABEL, None, "found", ("s",)), (rule,))


@dataclass
class Watcher:
    told: list[str] = field(default_factory=list)

    def asset_begins(self, asset: Asset, progress: AssetProgress) -> None:  # noqa: ARG002
        self.told.append(f"begins {asset.uri}")

    def batch_done(
        self,
        asset: Asset,
        findings: pa.RecordBatch,
        checkpoint: Checkpoint,
        committed: Committed,  # noqa: ARG002
        counters: Counters,
    ) -> None:
        self.told.append(
            f"batch {asset.uri} {checkpoint.cursor['row']} {findings.num_rows} {counters.records}"
        )

    def asset_ends(self, asset: Asset, progress: AssetProgress) -> None:
        self.told.append(f"ends {asset.uri} {progress.status}")

    def planned(self, assets: Sequence[Asset]) -> None:  # noqa: ARG002
        assert not self.told, "what is planned is told before anything is read"

    def asset_skipped(self, asset: Asset) -> None:
        self.told.append(f"skipped {asset.uri}")


ROWS: list[str | None] = ["call 12", "nothing", "12 and 345", "x", "6"]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with open_state(tmp_path / "state.db") as opened:
        yield opened


def swept(
    state: State,
    source: Memory,
    *levels: ItemLevel,
    stop_after: int = 0,
    resume: bool = False,
    **plan: object,
) -> tuple[Result, Watcher, Fires]:
    watcher, decider = Watcher(), Fires(frozenset(levels))

    def enough() -> bool:
        return bool(stop_after) and sum(t.startswith("batch") for t in watcher.told) >= stop_after

    sweep = Sweep(
        Plan("job", "scan", **plan), state, Digits(), decider if levels else None, watcher, enough
    )  # type: ignore[arg-type]
    run = state.resumable_run("job") if resume else None
    assert run or not resume
    return sweep.run([source], resume=run), watcher, decider


def stored(state: State, run_id: str) -> list[tuple[str, str, int, int]]:
    return [
        (batch.asset_uri, row["record_id"], row["start"], row["end"])
        for batch in state.findings(run_id)
        for row in batch.rows.to_pylist()
    ]


def test_every_batch_is_told_after_it_is_durable(state: State) -> None:
    result, watcher, _ = swept(state, Memory({"a": ROWS}))
    assert watcher.told == [
        "begins mem://a", "batch mem://a 2 1 2", "batch mem://a 4 2 2", "batch mem://a 5 1 1",
        "ends mem://a done",
    ]  # fmt: skip
    assert (result.status, result.counters.records, result.counters.findings) == ("complete", 5, 4)
    assert stored(state, result.run_id)[1:3] == [("mem://a", "2", 0, 2), ("mem://a", "2", 7, 10)]


def test_an_empty_asset_is_complete(state: State) -> None:
    result, *_ = swept(state, Memory({"a": []}), "record", "asset")
    assert (result.status, result.assets) == ("complete", {"done": 1})


def test_a_source_that_fails_midway_keeps_what_was_read_and_the_rest_goes_on(state: State) -> None:
    source = Memory({"a": [*ROWS[:2], "!the disk is gone"], "b": ROWS, "c": ["!at once"]})
    result, watcher, decider = swept(state, source, "record", "asset")
    assert result.status == "incomplete"
    assert result.assets == {"failed": 2, "done": 1}
    assert [item[0] for item in stored(state, result.run_id)] == ["mem://a"] + ["mem://b"] * 4
    progress = {item.asset_uri: item for item in state.progress(result.run_id)}
    assert "the disk is gone" in (progress["mem://a"].error or "")
    whole = {item.asset.uri: item for item in decider.seen if item.level == "asset"}
    assert {uri: item.incomplete for uri, item in whole.items()} == {
        "mem://a": True, "mem://b": False, "mem://c": True,
    }  # fmt: skip
    assert watcher.told.count("ends mem://b done") == 1


def test_what_cannot_be_discovered_is_unreachable_and_the_rest_is_read(state: State) -> None:
    result, *_ = swept(state, Memory({"a": ROWS}, broken="no rights"))
    assert result.status == "incomplete"
    assert result.unreachable == [("mem://lost", "mem://lost: no rights")]
    assert result.assets == {"done": 1}


@pytest.mark.parametrize(
    ("rows", "accept", "status", "problem"),
    [
        ([None, "1"], "", "incomplete", ("unread", "torn", None)),
        ([None, "1"], "unread", "complete", ("unread", "torn", None)),
        (["slow 1"], "", "incomplete", ("unchecked", "a rule ran out of time", "s")),
        (["slow 1"], "unchecked", "complete", ("unchecked", "a rule ran out of time", "s")),
    ],
)
def test_what_was_not_read_or_not_checked_is_incomplete_unless_accepted(
    state: State, rows: list[str | None], accept: str, status: str, problem: tuple[str, str, str]
) -> None:
    result, _, decider = swept(state, Memory({"a": rows}), "record", "asset",
                               accept=frozenset({accept} - {""}))  # fmt: skip
    assert result.status == status
    (found,) = state.problems(result.run_id)
    assert (found.status, found.reason, found.sit_id) == problem
    assert (found.record_id, found.locator) == ("0", {"row": 0})
    assert decider.seen[-1].incomplete is (status == "incomplete")


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("levels", [(), ("record",), ("asset",), ("record", "asset")])
def test_a_stopped_sweep_ends_as_if_it_had_never_been_stopped(
    tmp_path: Path, stop_after: int, levels: tuple[ItemLevel, ...]
) -> None:
    data = {"a": ROWS, "b": [None, "7", "slow 8"], "c": ["9"]}
    keys = {"a": "k", "c": "k"}
    with open_state(tmp_path / "whole.db") as state:
        whole, _, _ = swept(state, Memory(data, keys), *levels)
        wanted = (outcome(whole), stored(state, whole.run_id), violations(state, whole.run_id))
    with open_state(tmp_path / "cut.db") as state:
        with pytest.raises(Stopped):
            swept(state, Memory(data, keys), *levels, stop_after=stop_after)
        source = Memory(data, keys)
        result, _, _ = swept(state, source, *levels, resume=True)
        assert (
            outcome(result),
            stored(state, result.run_id),
            violations(state, result.run_id),
        ) == wanted
        assert ("mem://a", 0) not in source.reads
        assert state.resumable_run("job") is None


def outcome(result: Result) -> tuple[object, ...]:
    return result.status, result.counters, result.assets, result.unreachable, result.unchanged


def violations(state: State, run_id: str) -> list[tuple[str, str]]:
    return sorted((item.violation.id, item.violation.event_id) for item in state.violations(run_id))


@pytest.mark.parametrize(
    ("levels", "items", "many"),
    [
        ((), [], 0),
        (("record",), ["record:0", "record:2", "record:4"], 3),
        (("asset",), ["asset:"], 1),
        (("record", "asset"), ["record:0", "record:2", "record:4", "asset:"], 4),
    ],
)
def test_the_decider_says_which_items_it_wants(
    state: State, levels: tuple[ItemLevel, ...], items: list[str], many: int
) -> None:
    result, _, decider = swept(state, Memory({"a": ROWS}), *levels)
    assert [f"{item.level}:{item.record_id}" for item in decider.seen] == items
    assert len(violations(state, result.run_id)) == many
    assert result.counters.labels == ({"l": many} if many else {})


def test_unchanged_assets_are_skipped_and_their_findings_counted(state: State) -> None:
    source = Memory({"a": ROWS, "b": ["1"]}, {"a": "k1"})
    first, *_ = swept(state, source)
    second, watcher, _ = swept(state, source)
    assert "skipped mem://a" in watcher.told
    assert (second.counters.findings, second.unchanged.findings) == (1, 4)
    assert first.counters.findings == 5
    source.keys["a"] = "k2"
    third, watcher, _ = swept(state, source)
    assert "skipped mem://a" not in watcher.told
    fourth, watcher, _ = swept(state, source, full=True)
    assert "skipped mem://a" not in watcher.told
    assert third.counters == fourth.counters


def test_an_asset_that_was_not_read_whole_is_read_again(state: State) -> None:
    source = Memory({"a": [None, "1"]}, {"a": "k"})
    swept(state, source)
    swept(state, source)
    assert source.reads == [("mem://a", 0), ("mem://a", 0)]


@pytest.mark.parametrize("keys", [{}, {"a": "k"}])
def test_an_asset_named_twice_is_read_once(state: State, keys: dict[str, str]) -> None:
    source = Memory({"a": ROWS}, keys)
    watcher = Watcher()
    result = Sweep(Plan("job", "scan"), state, Digits(), None, watcher).run([source, source])
    assert source.reads == [("mem://a", 0)]
    assert (result.counters.findings, result.unchanged.findings) == (4, 0)
    assert watcher.told.count("ends mem://a done") == 1


def test_an_asset_that_another_sweep_holds_is_refused(state: State) -> None:
    asset = Asset("mem://a", "dataset", "memory")
    other = state.begin_run(job="other", command="scan", pack=Digits.pack, policy=None)
    state.claim(other, asset)
    with pytest.raises(BusyError):
        swept(state, Memory({"a": ROWS}))
    assert [run.status for run in state.runs(job="job")] == ["failed"]


def test_an_error_that_is_no_source_s_leaves_a_run_that_can_be_resumed(state: State) -> None:
    class Broken(Digits):
        def classify(self, batch: pa.RecordBatch) -> Classified:  # noqa: ARG002
            raise ZeroDivisionError("cannot divide 12")

    with pytest.raises(RuleError, match=r"ZeroDivisionError at test_sweep\.py") as caught:
        Sweep(Plan("job", "scan"), state, Broken(), None, Watcher()).run([Memory({"a": ROWS})])
    told = "".join(traceback.format_exception(caught.value))
    assert "cannot divide" not in told, "what it came of may hold content"
    result, *_ = swept(state, Memory({"a": ROWS}), resume=True)
    assert (result.status, result.counters.findings) == ("complete", 4)


def test_a_value_never_crosses_into_a_stopped_message(state: State) -> None:
    with pytest.raises(Stopped) as caught:
        swept(state, Memory({"a": ["12"] * 9}), stop_after=1)
    assert "12" not in str(caught.value)
    assert replace(Plan("j", "c"), full=True).full
