"""An open state: shared by threads, closed once, told apart from others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dlpagent.state import Finish, open_state


def test_threads_share_a_state(opened, some):
    state = opened(segment_rows=50)
    run_id = some.begin(state)

    def sweep(number):
        lease = state.claim(run_id, some.asset(str(number)))
        for step in range(8):
            batch = some.findings(10, first=step * 10)
            finish = Finish("done") if step == 7 else None
            some.commit(state, lease, step or None, step + 1, findings=batch, finish=finish)
        state.release(lease)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sweep, range(8)))
    progress = state.progress(run_id)
    assert [each.counters.findings for each in progress] == [80] * 8
    for each in progress:
        assert some.starts(state.findings(run_id, each.asset_uri)) == list(range(80))


def test_two_states_in_one_folder_do_not_touch_each_others_files(tmp_path, some, clock):
    given = {"findings_dir": tmp_path / "findings", "clock": clock, "segment_rows": 5}
    with (
        open_state(tmp_path / "a.db", **given) as first,
        open_state(tmp_path / "b.db", **given) as second,
    ):
        runs = []
        for state in (first, second):
            run_id = some.begin(state)
            lease = state.claim(run_id, some.asset())
            some.commit(state, lease, None, 1, findings=some.findings(9), finish=Finish("done"))
            state.finish_run(run_id, "complete")
            runs.append(run_id)
    with (
        open_state(tmp_path / "a.db", **given) as first,
        open_state(tmp_path / "b.db", **given) as second,
    ):
        assert some.starts(first.findings(runs[0])) == list(range(9))
        assert some.starts(second.findings(runs[1])) == list(range(9))


def test_a_state_is_closed_when_its_block_ends(sqlite_place):
    with open_state(sqlite_place.url) as state:
        assert sqlite_place.url in repr(state)
    state.close()  # again does no harm


@pytest.mark.parametrize("by", ["asset", "uri"])
def test_an_asset_may_be_named_by_its_uri(state, some, by):
    asset = some.asset() if by == "asset" else some.asset().uri
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 1, findings=some.findings(2), finish=Finish("done"))
    assert state.asset_progress(run_id, asset).status == "done"
    assert state.last_complete(asset, "hash-1", "7").run_id == run_id
    assert some.starts(state.findings(run_id, asset)) == [0, 1]
    assert some.starts(state.latest_findings(asset)) == [0, 1]
    assert state.item_tallies(run_id, asset).places_total == 2
    assert state.problems(run_id, asset) == []
    assert list(state.violations(asset=asset)) == []
