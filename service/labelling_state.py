"""Labels of the assets of a state, from the findings that were stored; nothing is read again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.service.labelling import AssetLabel, Gathered
from dlpagent.service.simulating import asset_outcome, record_outcomes
from dlpagent.state import State
from dlpagent.state.fact_rows import reading_with_facts
from dlpagent.state.readings import Reading, latest_readings
from dlpagent.violations import Recommendation, Tally


def asset_labels(state: State, policy: Policy) -> Iterator[AssetLabel]:
    """Each asset of a state with the label its newest findings and labels call for, by uri."""
    decider = PolicyDecider(policy)
    for reading in latest_readings(state.database):
        yield _of(state, policy, decider, reading)


def _of(state: State, policy: Policy, decider: PolicyDecider, reading: Reading) -> AssetLabel:
    counters, hidden = reading.progress.counters, state.suppressions()
    gathered = Gathered(records=counters.records, carried=set(counters.carried))
    whole: Recommendation | None = None
    tallies: tuple[Tally, ...] = ()
    unsure = 0
    # older states do not know which record carries which label
    run_id, uri = reading.progress.run_id, reading.asset.uri
    is_known = reading_with_facts(state.database, run_id, uri) is not None
    if not reading.pruned:
        for outcome in record_outcomes(state, policy, reading, hidden):
            if outcome.recommendation:
                gathered.add(outcome.item.record_id, outcome.recommendation, {})
            elif not is_known:
                unsure += bool(counters.carried)
        of_all = asset_outcome(state, decider, reading, hidden)
        whole, tallies = of_all.recommendation, of_all.item.tallies
    return _with_gaps(gathered.result(reading.asset, whole, tallies), reading, unsure)


def _with_gaps(found: AssetLabel, reading: Reading, unsure: int) -> AssetLabel:
    gaps = []
    if reading.pruned:
        gaps.append("its findings are no longer kept")
    if reading.progress.status != "done":
        gaps.append(f"it was not read whole ({reading.progress.status})")
    if unsure:
        gaps.append(f"of {unsure} records the state does not know which labels they carry")
    return replace(found, incomplete=tuple(gaps))


def is_state(target: str) -> bool:
    """Whether a target is a state of scans: a SQLite file of ours, by path or as sqlite:///…

    A PostgreSQL address is taken for a store to read.
    """
    path = Path(target.removeprefix("sqlite:///").partition("?")[0])
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                return False
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as held:
            query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'run_assets'"
            return held.execute(query).fetchone() is not None
    except (OSError, ValueError, sqlite3.Error):
        return False
