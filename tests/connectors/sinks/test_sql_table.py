"""Violations become rows, each once; what a database refuses is found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sinks._event import extension
from dlpagent.connectors.sinks.sql_table import SqlTable
from dlpagent.errors import ConfigurationError, SinkError
from dlpagent.violations import Event

GOLDEN = Path(__file__).parent / "golden"


def rows(path: Path, table: str = "dlpagent_events") -> list[dict[str, Any]]:
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def sink(path: Path) -> Any:
    made = SqlTable(f"sqlite:///{path}")
    yield made
    made.close()


def test_every_event_is_a_row_once_in_order(
    sink: SqlTable, path: Path, every_event: list[Event]
) -> None:
    for _ in range(2):
        assert all(receipt.ok for receipt in sink.deliver(every_event))
    assert [row["event_id"] for row in rows(path)] == [event.id for event in every_event]


def test_the_body_is_the_extension(
    sink: SqlTable, path: Path, make_event: Callable[..., Event]
) -> None:
    event = make_event(actor_id="ann@example.org", app="ChatGPT")
    sink.deliver([event])
    (row,) = rows(path)
    assert json.loads(row["body"]) == json.loads(json.dumps(extension(event)))
    assert (row["severity"], row["mode"], row["confidence"], row["findings"]) == (
        "high", "enforce", 85, 3,
    )  # fmt: skip
    assert (row["actor"], row["app"], row["item"]) == (
        "ann@example.org", "ChatGPT", "file:///data/chat.jsonl#r7",
    )  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
)
def test_a_row_of_each_kind_stays_as_it_is(
    sink: SqlTable, make_event: Callable[..., Event], kind: str
) -> None:
    golden = json.loads((GOLDEN / f"sql-{kind}.json").read_text("utf-8"))
    assert sink.row(make_event(kind)) == golden


def test_a_row_the_database_refuses_is_found(
    path: Path, sink: SqlTable, every_event: list[Event]
) -> None:
    sink.deliver(every_event[:1])
    bad = every_event[4].id
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON dlpagent_events "
            f"WHEN NEW.event_id = '{bad}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    receipts = sink.deliver(every_event[:9])
    assert [receipt.ok for receipt in receipts] == [index != 4 for index in range(9)]
    assert (receipts[4].retry, receipts[4].detail) == (False, "IntegrityError")
    assert len(rows(path)) == 8


def test_a_database_that_is_not_there_keeps_the_events_here(
    tmp_path: Path, every_event: list[Event]
) -> None:
    sink = SqlTable(f"sqlite:///{tmp_path}/missing/events.db")
    with pytest.raises(SinkError, match="OperationalError") as caught:
        sink.deliver(every_event)
    assert "chat.jsonl" not in str(caught.value)


def test_a_table_of_another_name_is_used(tmp_path: Path, every_event: list[Event]) -> None:
    sink = SqlTable(f"sqlite:///{tmp_path}/e.db", table="main.alerts")
    sink.deliver(every_event[:2])
    sink.close()
    assert len(rows(tmp_path / "e.db", "alerts")) == 2


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("mysql://h/db", "no database it knows"),
        ("nonsense", "no database it knows"),
        ("kafka://h", "no database it knows"),
        ("postgresql://ann:geheim@h/db", "holds a password"),
    ],
)
def test_targets_that_cannot_work_are_named_without_their_password(target: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as caught:
        SqlTable(target)
    assert "geheim" not in str(caught.value)


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "geheim")
    sink = SqlTable("postgresql://ann@localhost:1/db", password_env="DB_PASSWORD")
    with pytest.raises(SinkError, match=r"ann:\*\*\*@localhost") as caught:
        sink.deliver([])  # a transaction is begun all the same
    assert "geheim" not in str(caught.value)


def test_hostile_text_is_kept_as_text(
    sink: SqlTable, path: Path, make_event: Callable[..., Event]
) -> None:
    event = replace(make_event(rule_name="'); DROP TABLE dlpagent_events; --\x00"), id="e'\"")
    assert sink.deliver([event])[0].ok
    assert rows(path)[0]["event_id"] == "e'\""
