"""The newest reading of every asset, and that its findings are those latest_findings() gives."""

from __future__ import annotations

import pytest

from dlpagent.state import Finish
from dlpagent.state.readings import latest_readings


@pytest.fixture
def sweep(state, some):
    """One run over asset a: its first finding, and how it ended (None: cut off)."""

    def run(first, status):
        run_id = some.begin(state)
        asset = some.asset("a", app="ChatGPT", kind="chat_log")
        if status == "skipped":
            state.skip(run_id, asset)
            return run_id
        lease = state.claim(run_id, asset)
        finish = Finish(status) if status else None
        some.commit(state, lease, None, 1, findings=some.findings(2, first=first), finish=finish)
        state.finish_run(run_id, "complete")
        return run_id

    return run


def test_a_reading_has_the_asset_as_it_was_swept(state, some, sweep):
    run_id = sweep(0, "done")
    (reading,) = latest_readings(state.database)
    assert reading.asset == some.asset("a", app="ChatGPT", kind="chat_log")
    assert (reading.progress.run_id, reading.progress.counters.findings) == (run_id, 2)
    assert (reading.pack, reading.pruned) == (some.pack, False)


@pytest.mark.parametrize("status", ["done", "incomplete", "failed", None, "skipped"])
def test_it_is_the_reading_whose_findings_are_the_latest(state, some, sweep, status):
    sweep(0, "done")
    sweep(10, status)
    (reading,) = latest_readings(state.database)
    newest = state.findings(reading.progress.run_id, reading.asset)
    assert some.starts(newest) == some.starts(state.latest_findings())
    assert reading.progress.status == (status if status in ("incomplete", "failed") else "done")


def test_a_state_without_runs_has_no_readings(state):
    assert latest_readings(state.database) == []
