"""Old findings go, newest ones and all counts stay."""

from __future__ import annotations

import pytest

from dlpagent.state import Finish
from dlpagent.state.tables import runs


@pytest.fixture
def sweep(opened, some):
    """Sweeps asset a with 12 findings of its own (a segment and rows) in a run of a job."""
    state = opened(segment_rows=10)

    def run(first, status="done", *, job="job", ended="complete", name="a"):
        run_id = some.begin(state, job)
        lease = state.claim(run_id, some.asset(name))
        finish = Finish(status) if status else None
        some.commit(state, lease, None, 1, findings=some.findings(10, first=first))
        more = {"findings": some.findings(2, first=first + 10), "finish": finish}
        some.commit(state, lease, 1, 2, **more)
        if ended:
            state.finish_run(run_id, ended)
        return run_id

    run.state = state
    return run


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (3, 3), (9, 4), (0, 1)])
def test_the_newest_finished_runs_of_an_asset_are_kept(sweep, some, place, keep, left):
    ids = [sweep(n * 100) for n in range(4)]
    pruned = sweep.state.prune(keep_runs=keep)
    assert (pruned.run_assets, pruned.files) == (4 - left, 4 - left)
    assert len(list(place.folder.iterdir())) == left
    for run_id in ids[4 - left :]:
        assert len(some.starts(sweep.state.findings(run_id))) == 12
    assert sweep.state.prune(keep_runs=keep).run_assets == 0


def test_counters_and_violations_of_pruned_runs_stay(sweep, some):
    first = sweep(0)
    sweep(100)
    sweep.state.prune(keep_runs=1)
    assert sweep.state.asset_progress(first, some.asset()).counters.findings == 12


def test_an_asset_that_is_no_longer_swept_keeps_its_findings(sweep, some):
    sweep(0, name="b")
    for n in range(1, 4):
        sweep(n * 100)
    sweep.state.prune(keep_runs=1)
    assert len(some.starts(sweep.state.latest_findings(some.asset("b")))) == 12


def test_what_can_still_be_resumed_is_kept(sweep, some):
    cut_off = sweep(0, None, ended="interrupted")
    sweep(100, job="other")
    sweep(200, job="other")
    sweep.state.prune(keep_runs=1)
    assert len(some.starts(sweep.state.findings(cut_off))) == 12


def test_what_can_no_longer_be_resumed_goes(sweep, some, dead_owner):
    sweep(0, None, ended="interrupted")
    killed = sweep(50, None, ended=None)
    with sweep.state.database.write() as connection:
        connection.execute(runs.update().where(runs.c.run_id == killed).values(**dead_owner))
        connection.exec_driver_sql("DELETE FROM leases")
    sweep(100)
    assert sweep.state.prune(keep_runs=1).run_assets == 2
    assert some.starts(sweep.state.latest_findings()) == list(range(100, 112))


def test_a_run_at_work_is_left_alone(sweep, some):
    running = sweep(0, None, ended=None)
    sweep(100, name="b")
    sweep.state.prune(keep_runs=1)
    assert len(some.starts(sweep.state.findings(running))) == 12
