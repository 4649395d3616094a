"""Which findings an asset has now, and which a run found."""

from __future__ import annotations

import pytest

from dlpagent.errors import StateError
from dlpagent.state import Finish


@pytest.fixture
def sweep(state, some):
    """Sweeps assets: name → (first finding, status or None when cut off)."""

    def run(**assets):
        run_id = some.begin(state)
        for name, (first, status) in assets.items():
            asset = some.asset(name)
            if status == "skipped":
                state.skip(run_id, asset)
                continue
            lease = state.claim(run_id, asset)
            finish = Finish(status) if status else None
            some.commit(
                state, lease, None, 1, findings=some.findings(2, first=first), finish=finish
            )
        state.finish_run(run_id, "complete")
        return run_id

    return run


def test_a_run_has_its_own_findings_asset_by_asset(state, some, sweep):
    sweep(a=(0, "done"))
    run_id = sweep(a=(10, "done"), b=(20, "done"))
    batches = list(state.findings(run_id))
    assert [batch.asset_uri for batch in batches] == [some.asset("a").uri, some.asset("b").uri]
    assert some.starts(batches) == [10, 11, 20, 21]
    assert some.starts(state.findings(run_id, some.asset("b"))) == [20, 21]


@pytest.mark.parametrize(
    ("later", "latest"),
    [
        ((10, "done"), [10, 11]),
        ((10, "incomplete"), [10, 11]),
        ((10, "failed"), [10, 11]),
        ((10, None), [0, 1]),  # cut off: the finished run before it counts
        ((10, "skipped"), [0, 1]),  # unchanged: it has what it had
    ],
)
def test_the_latest_findings_are_of_the_last_finished_run(state, some, sweep, later, latest):
    sweep(a=(0, "done"))
    sweep(a=later)
    assert some.starts(state.latest_findings()) == latest
    assert some.starts(state.latest_findings(some.asset("a"))) == latest


def test_an_asset_without_a_finished_run_shows_what_was_found_so_far(state, some, sweep):
    sweep(a=(0, None))
    assert some.starts(state.latest_findings()) == [0, 1]


def test_each_asset_is_looked_up_on_its_own(state, some, sweep):
    first = sweep(a=(0, "done"), b=(10, "done"))
    second = sweep(b=(20, "done"))
    found = {batch.asset_uri: batch.run_id for batch in state.latest_findings()}
    assert found == {some.asset("a").uri: first, some.asset("b").uri: second}


def test_pruned_findings_are_an_error_not_an_empty_answer(state, some, sweep):
    runs = [sweep(a=(n, "done")) for n in (0, 10)]
    state.prune(keep_runs=1)
    with pytest.raises(StateError, match="no longer kept"):
        list(state.findings(runs[0]))
    assert some.starts(state.findings(runs[1])) == [10, 11]
