"""Assets in a run: planned, claimed, skipped, resumed."""

from __future__ import annotations

import pytest

from dlpagent.errors import StateError
from dlpagent.records import Checkpoint
from dlpagent.state import Counters, Finish
from dlpagent.state.assets import checkpoint_from, checkpoint_text
from dlpagent.state.tables import run_assets


@pytest.mark.parametrize(
    "checkpoint",
    [
        None,
        Checkpoint({}),
        Checkpoint({"offset": 2**40, "seen": ["a\x00", "\udcff", "é"]}, done=True, bytes_read=7),
    ],
)
def test_a_checkpoint_comes_back_as_it_was_stored(checkpoint):
    assert checkpoint_from(checkpoint_text(checkpoint)) == checkpoint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v":1}', '{"v":2,"cursor":{}}', '"x"', "7"])
def test_a_checkpoint_that_cannot_be_read_counts_as_none(text):
    assert checkpoint_from(text) is None


def test_an_asset_is_new_when_first_claimed(state, some):
    run_id = some.begin(state)
    progress = state.claim(run_id, some.asset()).progress
    assert (progress.status, progress.checkpoint, progress.counters) == (
        "running",
        None,
        Counters(),
    )
    assert (progress.asset_uri, progress.change_key) == (some.asset().uri, "k1")


def test_an_asset_with_an_impossible_name_is_kept_exactly(state, some):
    asset = some.asset("a\x00b\udcff\x1a", app="ap\x00p")
    run_id = some.begin(state)
    state.claim(run_id, asset)
    assert state.asset_progress(run_id, asset).asset_uri == asset.uri
    assert state.progress(run_id)[0].asset_uri == asset.uri


def test_an_asset_can_only_be_claimed_for_a_running_run(state, some):
    run_id = some.begin(state)
    state.finish_run(run_id, "complete")
    for each, found in ((run_id, "complete"), ("nope", "no such run")):
        with pytest.raises(StateError, match=found):
            state.claim(each, some.asset())


def test_planned_assets_are_pending_until_they_are_claimed(state, some):
    run_id = some.begin(state)
    state.plan(run_id, [some.asset("a"), some.asset("b")])
    state.claim(run_id, some.asset("b"))
    state.plan(run_id, [some.asset("a"), some.asset("b")])  # again, on resuming
    assert [each.status for each in state.progress(run_id)] == ["pending", "running"]


def test_planning_many_assets_is_one_step(state, some):
    run_id = some.begin(state)
    state.plan(run_id, [some.asset(f"{number}") for number in range(3000)])
    assert len(state.progress(run_id)) == 3000


def test_an_asset_a_run_never_met_has_no_progress(state, some):
    assert state.asset_progress(some.begin(state), "file:///other") is None


def test_claiming_again_in_the_same_run_goes_on_at_the_checkpoint(state, some):
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 5, findings=some.findings(3), counters=Counters(records=2))
    state.release(lease)
    progress = state.claim(run_id, some.asset()).progress
    assert progress.checkpoint == some.point(5)
    assert (progress.counters.findings, progress.counters.records) == (3, 2)


@pytest.mark.parametrize("many", [3, 40])  # in rows; in a segment
def test_progress_in_an_asset_that_changed_meanwhile_is_forgotten(opened, some, place, many):
    state = opened(segment_rows=20)
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 5, findings=some.findings(many))
    state.release(lease)
    progress = state.claim(run_id, some.asset(change_key="k2")).progress
    assert (progress.checkpoint, progress.counters, progress.commits) == (None, Counters(), 0)
    assert progress.change_key == "k2"
    assert some.starts(state.findings(run_id)) == []
    assert not place.folder.exists() or list(place.folder.iterdir()) == []


def test_an_asset_that_changed_before_its_first_commit_is_just_begun(state, some):
    run_id = some.begin(state)
    state.release(state.claim(run_id, some.asset()))
    assert state.claim(run_id, some.asset(change_key="k2")).progress.change_key == "k2"


def test_a_stored_checkpoint_that_cannot_be_read_means_reading_again_not_skipping(state, some):
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 5, findings=some.findings(3))
    state.release(lease)
    with state.database.write() as connection:
        connection.execute(run_assets.update().values(checkpoint='{"v":1,"cur'))
    again = state.claim(run_id, some.asset())
    assert again.progress.checkpoint is None
    some.commit(state, again, None, 1, findings=some.findings(3))
    assert some.starts(state.findings(run_id)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("status", "claimed"), [("done", "done"), ("incomplete", "incomplete"), ("failed", "running")]
)
def test_in_one_run_only_a_failed_asset_is_tried_again(state, some, status, claimed):
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 5, finish=Finish(status, error="why"))
    state.release(lease)
    again = state.claim(run_id, some.asset()).progress
    assert again.status == claimed
    assert again.error == (None if claimed == "running" else "why")


def _read_whole(state, some, asset, *, status="done", **run):
    run_id = some.begin(state, **run)
    lease = state.claim(run_id, asset)
    some.commit(state, lease, None, 1, finish=Finish(status))
    state.finish_run(run_id, "complete")
    return run_id


def test_an_asset_read_whole_is_known_with_its_change_key(state, some):
    run_id = _read_whole(state, some, some.asset())
    last = state.last_complete(some.asset(), "hash-1", "7")
    assert (last.change_key, last.run_id) == ("k1", run_id)


@pytest.mark.parametrize(
    ("pack_hash", "policy"), [("other", "7"), ("hash-1", "8"), ("hash-1", None)]
)
def test_another_pack_or_policy_means_reading_again(state, some, pack_hash, policy):
    _read_whole(state, some, some.asset())
    assert state.last_complete(some.asset(), pack_hash, policy) is None


def test_a_run_without_a_policy_is_compared_as_such(state, some):
    _read_whole(state, some, some.asset(), policy=None)
    assert state.last_complete(some.asset(), "hash-1", None) is not None


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_an_asset_whose_newest_reading_was_not_whole_is_read_again(state, some, status):
    _read_whole(state, some, some.asset())
    _read_whole(state, some, some.asset(), status=status)
    assert state.last_complete(some.asset(), "hash-1", "7") is None


def test_a_reading_cut_off_after_a_whole_one_means_reading_again(state, some):
    _read_whole(state, some, some.asset())
    state.claim(some.begin(state), some.asset(change_key="k2"))
    assert state.last_complete(some.asset(), "hash-1", "7") is None


def test_skipping_and_planning_do_not_hide_the_whole_reading(state, some):
    first = _read_whole(state, some, some.asset())
    run_id = some.begin(state)
    state.plan(run_id, [some.asset()])
    assert state.last_complete(some.asset(), "hash-1", "7").run_id == first
    state.skip(run_id, some.asset())
    assert state.asset_progress(run_id, some.asset()).status == "skipped"
    assert state.last_complete(some.asset(), "hash-1", "7").run_id == first


def test_skipping_does_not_undo_what_was_read_in_the_same_run(state, some):
    run_id = _read_whole(state, some, some.asset())
    state.skip(run_id, some.asset())
    assert state.asset_progress(run_id, some.asset()).status == "done"
