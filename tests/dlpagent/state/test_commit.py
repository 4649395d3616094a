"""A batch is stored whole or not at all, and only after the checkpoint it was read after."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from dlpagent.errors import BusyError, StateError
from dlpagent.records import Checkpoint
from dlpagent.state import BatchCommit, Counters, Finish, PartProblem
from dlpagent.state import commit as commit_module
from dlpagent.state.tables import (
    events,
    findings,
    outbox,
    problems,
    run_assets,
    violations,
)

PROBLEM = PartProblem("r1", "body", "unread", "broken UTF-8", None, {"row": 7})


@pytest.fixture
def lease(state, some):
    return state.claim(some.begin(state), some.asset())


def _full(some, number):
    """A batch with something for every table."""
    return {
        "findings": some.findings(3, first=number * 3),
        "problems": (PROBLEM,),
        "violations": (some.violation(f"v{number}"),),
        "counters": Counters(records=2, parts=4, chars=100, statuses={"read": 3, "unread": 1}),
        "sinks": ("file", "http"),
    }


def _rows(state):
    with state.database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in (findings, problems, violations, events, outbox)
        }


def test_one_commit_stores_everything_of_a_batch(state, some, lease):
    committed = some.commit(state, lease, None, 1, **_full(some, 0))
    assert (committed.new, committed.changed, committed.repeated) == (1, 0, 0)
    assert _rows(state) == {
        "findings": 3,
        "problems": 1,
        "violations": 1,
        "events": 1,
        "outbox": 2,
    }
    assert state.asset_progress(lease.run_id, some.asset()).checkpoint == some.point(1)


def test_counters_add_up_over_batches(state, some, lease):
    for number in range(3):
        some.commit(state, lease, number or None, number + 1, **_full(some, number))
    counters = state.asset_progress(lease.run_id, some.asset()).counters
    assert counters == Counters(
        records=6,
        parts=12,
        chars=300,
        findings=9,
        problems=3,
        levels={"low": 3, "medium": 3, "high": 3},
        sits={"sit-0": 3, "sit-1": 3, "sit-2": 3},
        statuses={"read": 9, "unread": 3},
    )


def test_every_kind_of_tally_is_kept(state, some, lease):
    counters = Counters(labels={"l1": 2}, carried={"l2": 1}, roles={"user": 5})
    some.commit(state, lease, None, 1, counters=counters)
    some.commit(state, lease, 1, 2, counters=Counters(labels={"l1": 1, "l3": 4}))
    found = state.asset_progress(lease.run_id, some.asset()).counters
    assert (found.labels, found.carried, found.roles) == (
        {"l1": 3, "l3": 4},
        {"l2": 1},
        {"user": 5},
    )


def test_findings_levels_sits_and_problems_are_counted_from_what_is_stored(state, some, lease):
    wrong = Counters(findings=99, problems=99, levels={"high": 99}, sits={"x": 99})
    some.commit(state, lease, None, 1, findings=some.findings(1), counters=wrong)
    found = state.asset_progress(lease.run_id, some.asset()).counters
    assert (found.findings, found.problems, found.levels, found.sits) == (
        1,
        0,
        {"low": 1},
        {"sit-0": 1},
    )


def test_a_rule_not_applied_to_a_part_that_was_read_is_counted_as_unchecked(state, some, lease):
    late = PartProblem("r1", "body", "unchecked", "out of time", "sit-1")
    some.commit(
        state, lease, None, 1, problems=(late, late), counters=Counters(statuses={"read": 5})
    )
    found = state.asset_progress(lease.run_id, some.asset()).counters
    assert found.statuses == {"read": 5, "unchecked": 2}


def test_progress_in_bytes_is_what_the_last_checkpoint_says(state, some, lease):
    one, two, three = (Checkpoint({"n": n}, bytes_read=b) for n, b in ((1, 10), (2, None), (3, 40)))
    for before, after, shown in ((None, one, 10), (one, two, 10), (two, three, 40)):
        state.commit_batch(lease.run_id, lease, BatchCommit(before, after))
        assert state.asset_progress(lease.run_id, some.asset()).bytes_read == shown


@pytest.mark.parametrize("before", [None, 0, 2, 7])
def test_a_batch_read_after_another_checkpoint_is_refused_whole(state, some, lease, before):
    some.commit(state, lease, None, 1, **_full(some, 0))
    kept = _rows(state)
    with pytest.raises(BusyError, match="nothing of this batch was stored"):
        some.commit(state, lease, before, 9, **_full(some, 1))
    assert _rows(state) == kept
    assert state.asset_progress(lease.run_id, some.asset()).checkpoint == some.point(1)


def test_checkpoints_are_compared_whole(state, lease):
    state.commit_batch(lease.run_id, lease, BatchCommit(None, Checkpoint({"n": 1}, bytes_read=5)))
    for other in (Checkpoint({"n": 1}), Checkpoint({"n": 1}, done=True, bytes_read=5)):
        with pytest.raises(BusyError):
            state.commit_batch(lease.run_id, lease, BatchCommit(other, Checkpoint({"n": 2})))


def test_of_two_writers_of_the_same_batch_one_is_refused(opened, some):
    first, second = opened(), opened()
    lease = first.claim(some.begin(first), some.asset())
    some.commit(first, lease, None, 1, **_full(some, 0))
    with pytest.raises(BusyError):
        some.commit(second, lease, None, 1, **_full(some, 0))
    assert _rows(first)["findings"] == 3


def test_a_failure_in_the_middle_leaves_nothing_of_the_batch(state, some, lease, monkeypatch):
    some.commit(state, lease, None, 1, **_full(some, 0))
    kept = _rows(state)
    monkeypatch.setattr(commit_module, "_advance", _fail)
    with pytest.raises(OSError, match="disk"):
        some.commit(state, lease, 1, 2, **_full(some, 1))
    monkeypatch.undo()
    assert _rows(state) == kept
    some.commit(state, lease, 1, 2, **_full(some, 1))
    assert _rows(state)["findings"] == 6


def _fail(*_: object) -> None:
    raise OSError("disk")


def test_a_full_database_is_a_state_error_and_nothing_is_lost(sqlite_place, some, clock):
    from dlpagent.state import open_state

    with open_state(sqlite_place.url, clock=clock) as state:
        lease = state.claim(some.begin(state), some.asset())
        some.commit(state, lease, None, 1, findings=some.findings(10))
        with state.database.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StateError, match="full"):
            some.commit(state, lease, 1, 2, findings=some.findings(5000))
        with state.database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        assert some.starts(state.findings(lease.run_id)) == list(range(10))
        some.commit(state, lease, 1, 2, findings=some.findings(5000, first=10))
        assert some.starts(state.findings(lease.run_id)) == list(range(5010))


@pytest.mark.parametrize("status", ["done", "incomplete", "failed"])
def test_finishing_an_asset_stores_how_it_ended(state, some, lease, status):
    finish = Finish(status, error="why" if status == "failed" else None)
    some.commit(state, lease, None, 1)
    some.commit(state, lease, 1, 1, finish=finish, violations=(some.violation(),))
    progress = state.asset_progress(lease.run_id, some.asset())
    assert (progress.status, progress.error) == (status, finish.error)
    assert progress.ended_at == "2026-01-02T03:04:05.000000Z"
    assert progress.checkpoint == some.point(1)


def test_a_finished_asset_takes_no_more_batches(state, some, lease):
    some.commit(state, lease, None, 1, finish=Finish("done"))
    with pytest.raises(BusyError):
        some.commit(state, lease, 1, 2, findings=some.findings(1))


def test_the_label_an_asset_should_carry_is_kept(state, some, lease):
    label = {"id": "g", "name": "Confidential", "priority": 3}
    some.commit(state, lease, None, 1, finish=Finish("done", recommended_label=label))
    assert state.asset_progress(lease.run_id, some.asset()).recommended_label == label


def test_an_asset_that_failed_before_its_first_batch_can_be_finished(state, some, lease):
    finish = Finish("failed", error="cannot be opened")
    state.commit_batch(lease.run_id, lease, BatchCommit(None, None, finish=finish))
    progress = state.asset_progress(lease.run_id, some.asset())
    assert (progress.status, progress.checkpoint) == ("failed", None)


def test_problems_beyond_the_limit_are_counted_but_not_kept(state, some, lease, monkeypatch):
    monkeypatch.setattr(commit_module, "MAX_PROBLEM_ROWS", 5)
    for number in range(3):
        some.commit(state, lease, number or None, number + 1, problems=(PROBLEM,) * 3)
    assert len(state.problems(lease.run_id)) == 5
    assert state.asset_progress(lease.run_id, some.asset()).counters.problems == 9


def test_text_no_database_takes_is_kept_exactly(state, some, lease):
    odd = "a\x00b\x1a"
    problem = PartProblem(odd, odd, "unread", odd, None, {"file": odd + "\udcff"})
    rows = some.findings(1, record_id=odd, part=odd, masked="*\x00*", locator_file=odd)
    violation = some.violation(odd, record_id=odd, reason=odd)
    some.commit(state, lease, None, 1, findings=rows, problems=(problem,), violations=(violation,))
    (found,) = state.problems(lease.run_id)
    assert (found.record_id, found.reason, found.locator) == (odd, odd, problem.locator)
    (batch,) = state.findings(lease.run_id)
    assert batch.rows.equals(rows)
    (stored,) = state.violations()
    assert stored.violation == violation


def test_commits_are_counted(state, some, lease):
    for number in range(4):
        some.commit(state, lease, number or None, number + 1)
    assert state.asset_progress(lease.run_id, some.asset()).commits == 4
    with state.database.read() as connection:
        assert connection.scalar(select(run_assets.c.tail)) == 0
