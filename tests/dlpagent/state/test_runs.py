"""Runs begin, end, and are found again after an interruption."""

from __future__ import annotations

import os
import socket

import pytest

from dlpagent.errors import BusyError, StateError
from dlpagent.state.tables import leases, runs
from dlpagent.violations import PolicyRef


def test_a_run_comes_back_as_it_was_begun(state, some):
    run_id = some.begin(state, "nightly", command="sweep run x.yaml", config_hash="c1")
    run = state.run_of(run_id)
    assert (run.job, run.command, run.status, run.config_hash) == (
        "nightly",
        "sweep run x.yaml",
        "running",
        "c1",
    )
    assert run.pack == some.pack
    assert run.policy == PolicyRef("policy", "Policy", "7")
    assert run.started_at == "2026-01-02T03:04:05.000000Z"
    assert run.ended_at is None


def test_a_run_without_a_policy_has_none(state, some):
    assert state.run_of(some.begin(state, policy=None)).policy is None


def test_a_finished_run_keeps_its_totals_and_gives_back_its_leases(state, some, clock):
    run_id = some.begin(state)
    state.claim(run_id, some.asset())
    clock.advance(2)
    state.finish_run(run_id, "complete", {"records": 3})
    run = state.run_of(run_id)
    assert (run.status, run.totals, run.ended_at) == (
        "complete",
        {"records": 3},
        "2026-01-02T03:04:07.000000Z",
    )
    state.claim(some.begin(state), some.asset())


def test_the_newest_runs_come_first_even_within_one_microsecond(state, some):
    ids = [some.begin(state, job) for job in ("a", "b", "a")]
    assert [run.id for run in state.runs()] == ids[::-1]
    assert [run.id for run in state.runs(job="a")] == [ids[2], ids[0]]
    assert [run.id for run in state.runs(limit=1)] == [ids[2]]


def test_an_unknown_run_is_named_in_the_error(state):
    with pytest.raises(StateError, match="no-such-id"):
        state.run_of("no-such-id")


@pytest.mark.parametrize("status", ["complete", "incomplete", "failed"])
def test_a_run_that_ended_cannot_be_resumed(state, some, status):
    run_id = some.begin(state)
    state.finish_run(run_id, status)
    assert state.resumable_run("job") is None
    with pytest.raises(StateError, match="has ended"):
        state.resume_run(run_id)


def test_an_interrupted_run_can_be_resumed(state, some):
    run_id = some.begin(state)
    state.finish_run(run_id, "interrupted")
    assert state.resumable_run("job").id == run_id
    assert state.resume_run(run_id).status == "running"


def test_only_the_newest_run_of_a_job_can_be_resumed(state, some):
    old = some.begin(state)
    state.finish_run(old, "interrupted")
    state.finish_run(some.begin(state, "other"), "interrupted")
    state.finish_run(some.begin(state), "complete")
    assert state.resumable_run("job") is None


def test_a_run_at_work_is_not_offered_for_resuming(state, some):
    some.begin(state)
    assert state.resumable_run("job") is None
    assert state.runs()[0].status == "running"


def test_a_run_whose_process_died_counts_as_interrupted(state, some, dead_owner):
    run_id = some.begin(state)
    _set_owner(state, run_id, **dead_owner)
    assert state.run_of(run_id).status == "interrupted"
    assert state.resumable_run("job").id == run_id
    assert state.resume_run(run_id).status == "running"
    assert state.resumable_run("job") is None  # it is ours now


def test_a_run_of_another_host_counts_as_at_work_while_it_holds_a_live_lease(state, some, clock):
    run_id = some.begin(state)
    state.claim(run_id, some.asset())
    _set_owner(state, run_id, host="elsewhere", pid=1, process="x")
    _move_leases(state)
    assert state.resumable_run("job") is None
    with pytest.raises(BusyError, match="elsewhere"):
        state.resume_run(run_id)
    clock.advance(301)
    assert state.resumable_run("job").id == run_id


def test_a_process_that_lost_its_run_cannot_end_it(state, some):
    run_id = some.begin(state)
    parent = {"host": socket.gethostname(), "pid": os.getppid(), "process": ""}
    _set_owner(state, run_id, **parent)
    with pytest.raises(BusyError, match=str(os.getppid())):
        state.finish_run(run_id, "interrupted")
    assert state.run_of(run_id).status == "running"


def _set_owner(state, run_id, **owner):
    with state.database.write() as connection:
        connection.execute(runs.update().where(runs.c.run_id == run_id).values(**owner))


def _move_leases(state):
    with state.database.write() as connection:
        connection.execute(leases.update().values(host="elsewhere", pid=1))
