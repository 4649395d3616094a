"""Scheduled sweeps: the real process, its children, signals, health; pause by another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlpagent.service.cli import run as cli
from dlpagent.state import open_state
from dlpagent.state.agenda import Agenda, agenda_of, change_agenda

ROOT = Path(__file__).resolve().parent.parent.parent.parent
COMMAND = [sys.executable, "-c", "from dlpagent.service.cli import main; main()"]


class Agent:
    """A running `sweep schedule`; its log is read line by line, so nothing waits by the clock."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "sweep", "schedule", str(place / "sweep.yaml"), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line))
            if self.said[-1]["event"] == event:
                return self.said[-1]
        raise AssertionError(f"it ended without {event}: {self.said}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.until("stopped")
        return self.process.wait(60)


def scheduled(place: Path, cron: str) -> None:
    with (place / "sweep.yaml").open("a") as file:
        file.write(f"schedule: '{cron}'\n")


def long_ago(place: Path) -> None:
    """As if the job had been known since 2020, so that missed times are due at once."""
    with open_state(place / "state.db") as state:
        change_agenda(state.database, "job", lambda _: Agenda(known="2020-01-01T00:00:00Z"))


@pytest.fixture
def agents() -> Iterator[list[Agent]]:
    made: list[Agent] = []
    yield made
    for agent in made:
        agent.process.kill()
        agent.process.wait()
        assert agent.process.stderr is not None
        agent.process.stderr.close()


def test_missed_times_make_one_run_and_a_stop_is_clean(place, matches, agents) -> None:
    (place / "data" / "a.jsonl").write_text('{"id": "1", "text": "about TCK-000001"}\n')
    scheduled(place, "0 0 1 * *")
    long_ago(place)
    agents.append(Agent(place, "--health", "0"))
    agent = agents[0]
    port = agent.until("scheduling")["health_port"]
    ended = agent.until("sweep-ends")
    assert (ended["exit"], ended["status"], ended["records"], ended["sent"]) == (
        1,
        "complete",
        1,
        1,
    )
    assert agent.until("planned")["job"] == "job"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        assert json.load(answer)["sweeps"] == 1
    assert agent.stop() == 0
    assert sum(event["event"] == "sweep-begins" for event in agent.said) == 1
    assert matches() == {"1": 1}


@pytest.mark.slow
def test_a_paused_sweep_waits_and_unpause_lets_it_go_on(place, agents) -> None:
    (place / "data" / "a.jsonl").write_text('{"id": "1", "text": "none"}\n')
    scheduled(place, "* * * * *")
    long_ago(place)
    assert cli(["sweep", "pause", str(place / "sweep.yaml")]) == 0
    agents.append(Agent(place))
    agent = agents[0]
    assert agent.until("planned")["paused"] is True
    assert cli(["sweep", "unpause", str(place / "sweep.yaml")]) == 0
    agent.until("unpaused")
    agent.until("sweep-begins")
    assert agent.stop() == 0  # the child is asked to stop, too
    with open_state(place / "state.db") as state:
        assert not agenda_of(state.database, "job").paused
        assert {run.status for run in state.runs()} <= {"complete", "interrupted"}


@pytest.mark.slow
def test_a_sweep_that_cannot_begin_is_put_off(place, agents) -> None:
    scheduled(place, "* * * * *")
    long_ago(place)
    (place / "pack" / "ticket.yaml").write_text("no: pack\n")
    agents.append(Agent(place))
    agent = agents[0]
    assert agent.until("sweep-ends")["exit"] == 2
    agent.until("planned")
    with open_state(place / "state.db") as state:
        assert agenda_of(state.database, "job").waiting[""].failures == 1
    assert agent.stop() == 0


@pytest.mark.parametrize("text", ["", "schedule: never\n"])
def test_a_file_without_a_schedule_is_refused(place, text, capsys) -> None:
    with (place / "sweep.yaml").open("a") as file:
        file.write(text)
    assert cli(["sweep", "schedule", str(place / "sweep.yaml")]) == 2
    assert "schedule" in capsys.readouterr().err
