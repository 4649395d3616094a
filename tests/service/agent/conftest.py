"""A small pack and policy, and a watch that is driven turn by turn."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dlpagent.service.agent.asked import Asked
from dlpagent.service.agent.health import Health
from dlpagent.service.agent.hints import Hints
from dlpagent.service.agent.units import Units
from dlpagent.service.agent.watch_run import WatchRequest, own_files, settings_of
from dlpagent.service.agent.watching import Pace, Watch
from dlpagent.service.session import open_session

PACK = r"""
id: 33333333-3333-4333-8333-333333333333
name: Ticket number
version: 1
parity: own
elements:
  Ticket: {regex: '\bTCK-\d{6}\b'}
patterns: [{confidence: 85, primary: Ticket}]
examples: [{text: TCK-123456, confidence: 85}]
"""
POLICY = """
id: 44444444-4444-4444-8444-444444444444
name: Tickets
version: "1"
mode: audit
rules:
  - id: 55555555-5555-4555-8555-555555555555
    name: A ticket
    severity: low
    item: record
    locations: [any]
    conditions: {sit: 33333333-3333-4333-8333-333333333333}
    actions: [audit]
"""
SWEEP = """
name: job
state: state.db
packs: [pack]
policy: policy.yaml
sources: [data]
sinks: {o365: events.jsonl}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pack, policy, sweep.yaml and an empty folder `data`."""
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.yaml").write_text("id: p\nname: p\nversion: 1.0.0.0\n")
    (tmp_path / "pack" / "ticket.yaml").write_text(PACK)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "data").mkdir()
    return tmp_path


Watching = Callable[[], AbstractContextManager[Watch]]


@pytest.fixture
def watching(place: Path) -> Watching:
    """A watch of `data` at work, each time as if the process had been started anew."""

    @contextmanager
    def opened() -> Iterator[Watch]:
        roots = [(place / "data").resolve()]
        request = WatchRequest(folders=tuple(roots), file=place / "sweep.yaml")
        with open_session(settings_of(request)) as session:
            watch = Watch(
                session, Units(roots, own_files(session)), Hints(lambda: None), Asked(), Health(),
                Pace(settle=0.0, rescan=0.0, push=0.0),
            )  # fmt: skip
            with watch.at_work():
                yield watch

    return opened


@pytest.fixture
def matches(place: Path) -> Callable[[], Counter[str]]:
    """Record ids of the match events written so far."""

    def read() -> Counter[str]:
        path = place / "events.jsonl"
        events = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return Counter(
            event["DlpAgent"]["item"]["record"]
            for event in events
            if event["Operation"] == "DlpRuleMatch"
        )

    return read
