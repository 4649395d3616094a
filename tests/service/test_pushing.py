"""dlpagent push: what waits is sent, dead letters are taken up, older events only when asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.service.cli import run
from dlpagent.service.cli.sweeping import status_of, status_text
from dlpagent.service.pushing import parse_since

# a small pack and policy: what is tested here does not depend on which SITs there are
SIT = r"""id: 11111111-1111-4111-8111-111111111111
name: Card
version: 1
parity: own
elements: {Card: {regex: '\d{4}(?: \d{4}){3}', validators: [luhn]}}
patterns: [{confidence: 85, primary: Card}]
"""
POLICY = """id: 22222222-2222-4222-8222-222222222222
name: Cards
version: 1
rules:
  - id: 33333333-3333-4333-8333-333333333333
    name: No cards
    severity: high
    locations: [file]
    conditions: {sits: [Card]}
"""
HEAD = "name: job\npacks: [card.yaml]\npolicy: policy.yaml\nsources: ['*.txt']\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("dlpagent.service.session.DELIVERY_PATIENCE_S", 0.01)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"{name} 4111 1111 1111 1111")
    (tmp_path / "card.yaml").write_text(SIT)
    (tmp_path / "policy.yaml").write_text(POLICY)
    path = tmp_path / "sweeps.yaml"
    path.write_text(HEAD + "sinks: {o365: o365.jsonl}\n")
    return path


def cli(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def ids(path: Path) -> list[str]:
    return [json.loads(line)["Id"] for line in path.read_text().splitlines()]


def test_what_a_sink_could_not_take_is_sent_by_push(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = file.parent / "o365.jsonl"
    events.mkdir()  # the sink cannot be opened
    assert cli("sweep", "run", file, "--quiet") == 4
    assert cli("push", file, "--wait", 0) == 4
    assert "3 pending" in capsys.readouterr().out
    shown = status_text(status_of(file, 1))
    assert "circuit" in shown
    assert "cannot be opened" in shown
    events.rmdir()
    assert cli("push", file) == 0
    assert "3 event(s) sent now" in capsys.readouterr().out
    assert len(ids(events)) == 3
    assert "circuit" not in status_text(status_of(file, 1))
    assert cli("push", file) == 0
    assert len(ids(events)) == 3


def test_the_standing_can_be_read_by_programs(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("sweep", "run", file, "--quiet") == 1
    assert cli("push", file, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["v"], found["sent"], found["dead_letters"]) == (1, 0, [])
    (lag,) = found["sinks"]
    assert (lag["sink"], lag["sent"], lag["circuit"]) == ("o365", 3, "closed")


def test_dead_letters_are_sent_only_when_asked(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = file.parent / "receiver.db"
    file.write_text(HEAD + f"sinks: {{sql: 'sqlite:///{database}'}}\n")
    import sqlite3

    with sqlite3.connect(database) as made:  # a rule of the receiver refuses every row
        made.execute("CREATE TABLE dlpagent_events (event_id TEXT PRIMARY KEY CHECK (0))")
        columns = ("kind", "at", "tenant_id", "violation_id", "policy", "rule", "severity", "mode",
                   "asset", "item", "body", "actor", "app", "label", "confidence", "findings",
                   "incomplete")  # fmt: skip
        for column in columns:
            made.execute(f"ALTER TABLE dlpagent_events ADD COLUMN {column}")
    assert cli("sweep", "run", file, "--quiet") == 4
    assert cli("push", file) == 4
    out = capsys.readouterr().out
    assert "3 dead" in out
    assert "3 × IntegrityError" in out
    with sqlite3.connect(database) as made:
        made.execute("DROP TABLE dlpagent_events")
    assert cli("push", file) == 4
    assert cli("push", file, "--dead-letters") == 0
    with sqlite3.connect(database) as made:
        assert made.execute("SELECT count(*) FROM dlpagent_events").fetchone() == (3,)


def test_a_sink_named_later_gets_what_was_before_only_when_asked(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("sweep", "run", file, "--quiet") == 1
    file.write_text(HEAD + "sinks: {o365: o365.jsonl, late: {sink: o365, target: late.jsonl}}\n")
    late = file.parent / "late.jsonl"
    assert cli("push", file) == 0
    assert not late.exists()
    assert cli("push", file, "--sink", "late", "--since", "2999-01-01") == 0
    assert not late.exists()
    assert cli("push", file, "--sink", "late", "--since", "all") == 0
    assert "3 event(s) of before" in capsys.readouterr().out
    assert sorted(ids(late)) == sorted(ids(file.parent / "o365.jsonl"))
    assert len(ids(late)) == 3


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_in_utc_unless_it_says_otherwise(
    text: str | None, moment: datetime | None
) -> None:
    assert parse_since(text) == moment


def test_mistakes_are_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="not a time"):
        parse_since("yesterday")
    assert cli("push", file) == 2  # it has not run yet
    assert "has not run yet" in capsys.readouterr().err
    assert cli("push", file, "--sink", "kafka") == 2
    assert "no sink kafka" in capsys.readouterr().err
    file.write_text(HEAD)
    assert cli("push", file) == 2
    assert "no sink" in capsys.readouterr().err
