"""Whether the process that holds something still lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from dlpagent.state.owner import Owner, is_dead, this_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="start times come from /proc")


def test_this_process_lives():
    assert not is_dead(this_process())
    assert this_process().pid == os.getpid()


def test_a_process_that_ended_is_dead(dead_owner):
    assert is_dead(Owner(**dead_owner))


def test_a_process_of_another_host_is_never_known_to_be_dead(dead_owner):
    assert not is_dead(replace(Owner(**dead_owner), host="elsewhere"))


@linux
def test_another_process_with_the_same_pid_does_not_count():
    assert is_dead(replace(this_process(), process="an-earlier-boot:17"))


def test_a_living_pid_without_a_known_start_counts_as_alive():
    assert not is_dead(Owner(socket.gethostname(), os.getpid(), ""))


@linux
def test_a_zombie_is_dead():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = Owner(socket.gethostname(), process.pid, _birth(process.pid))
        assert not is_dead(owner)
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but not yet collected
        assert is_dead(owner)


def _birth(pid: int) -> str:
    from dlpagent.state.owner import _birth_of

    return _birth_of(pid)


def test_an_owner_names_process_and_host():
    assert str(Owner("host-7", 42, "x")) == "process 42 on host-7"
