"""One sweep at a time per asset."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dlpagent
from dlpagent.errors import BusyError
from dlpagent.state.tables import leases

ROOT = Path(dlpagent.__file__).parents[1]

CLAIM = """
import sys
from pathlib import Path
from dlpagent.errors import BusyError
from dlpagent.records import Asset
from dlpagent.state import open_state
with open_state(sys.argv[1], findings_dir=Path(sys.argv[2])) as state:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        state.claim(sys.argv[3], Asset("file:///shared", "dataset", "files"))
        print("got", flush=True)
    except BusyError:
        print("busy", flush=True)
    sys.stdin.readline()
"""


def test_a_second_sweep_is_told_who_holds_the_asset_and_what_to_do(opened, some):
    run_id = some.begin(opened())
    opened().claim(run_id, some.asset())
    second = opened()
    with pytest.raises(BusyError) as caught:
        second.claim(some.begin(second), some.asset())
    message = str(caught.value)
    for part in (
        some.asset().uri,
        run_id,
        f"process {os.getpid()} on ",
        "2026-01-02 03:04:05 UTC",
        "stop that process",
    ):
        assert part in message


def test_other_assets_can_be_swept_meanwhile(state, some):
    run_id = some.begin(state)
    state.claim(run_id, some.asset("a"))
    state.claim(run_id, some.asset("b"))


def test_a_released_asset_can_be_taken(state, some):
    lease = state.claim(some.begin(state), some.asset())
    state.release(lease)
    state.claim(some.begin(state), some.asset())


def test_releasing_twice_or_after_a_takeover_does_not_disturb_the_new_holder(state, some, clock):
    first = state.claim(some.begin(state), some.asset())
    clock.advance(301)
    second = state.claim(some.begin(state), some.asset())
    state.release(first)
    state.release(first)
    with pytest.raises(BusyError):
        state.claim(some.begin(state), some.asset())
    state.release(second)


@pytest.mark.parametrize(("seconds", "taken"), [(299, False), (300, True), (400, True)])
def test_a_lease_ends_with_its_time(state, some, clock, seconds, taken):
    state.claim(some.begin(state), some.asset())
    clock.advance(seconds)
    second = some.begin(state)
    if taken:
        state.claim(second, some.asset())
    else:
        with pytest.raises(BusyError):
            state.claim(second, some.asset())


@pytest.mark.parametrize("how", ["commit", "heartbeat"])
def test_every_commit_and_heartbeat_prolongs_the_lease(state, some, clock, how):
    lease = state.claim(some.begin(state), some.asset())
    for number in range(3):
        clock.advance(200)
        if how == "commit":
            some.commit(state, lease, number - 1 if number else None, number)
        else:
            state.heartbeat(lease)
    with pytest.raises(BusyError):
        state.claim(some.begin(state), some.asset())


def test_the_lease_of_a_dead_process_is_taken_over_at_once(state, some, dead_owner):
    state.claim(some.begin(state), some.asset())
    _hold_by(state, **dead_owner)
    state.claim(some.begin(state), some.asset())


def test_a_lease_of_another_host_is_kept_until_its_time_is_over(state, some, clock, dead_owner):
    state.claim(some.begin(state), some.asset())
    _hold_by(state, **{**dead_owner, "host": "elsewhere"})
    with pytest.raises(BusyError, match="elsewhere"):
        state.claim(some.begin(state), some.asset())
    clock.advance(301)
    state.claim(some.begin(state), some.asset())


def test_who_lost_the_lease_can_neither_commit_nor_prolong_it(state, some, clock):
    first = state.claim(some.begin(state), some.asset())
    clock.advance(301)
    state.claim(some.begin(state), some.asset())
    with pytest.raises(BusyError, match="taken over"):
        some.commit(state, first, None, 1, findings=some.findings(3))
    with pytest.raises(BusyError, match="taken over"):
        state.heartbeat(first)
    assert state.asset_progress(first.run_id, some.asset()).counters.findings == 0


def test_of_many_threads_one_gets_the_asset(opened, some):
    state = opened()
    run_id = some.begin(state)

    def attempt(_: int) -> bool:
        try:
            state.claim(run_id, some.asset())
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


def test_of_two_processes_one_gets_the_asset(place, opened, some):
    run_id = some.begin(opened())
    command = [sys.executable, "-c", CLAIM, place.url, str(place.folder), run_id]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.stdout.readline().strip() for process in processes)
    for process in processes:
        process.communicate("end\n")
    assert answers == ["busy", "got"]


def _hold_by(state, **owner):
    with state.database.write() as connection:
        connection.execute(leases.update().values(**owner))
