"""Nothing that was committed is lost by kill -9, and nothing is stored half or twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlpagent
from dlpagent.state import open_state

ROOT = Path(dlpagent.__file__).parents[1]
COMMITTER = Path(__file__).with_name("committer.py")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_after_every_kill_exactly_the_committed_batches_are_there(place, rounds):
    # The committer checks rows, segments, counters, violations and outbox after every kill.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(COMMITTER), place.url, str(place.folder), str(rounds), "7"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    with open_state(place.url, findings_dir=place.folder) as state:
        (run,) = state.runs()
        assert run.status == "interrupted"
        assert state.progress(run.id)[0].commits > 2 * rounds
    left = {path.suffix for path in place.folder.iterdir()}
    assert left == {".parquet"}  # kills fell into times when segments were written
