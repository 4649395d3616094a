"""A state of before violations had a life is carried over: statuses in new words, policies by column."""

from __future__ import annotations

import json

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from dlpagent.state import migrate as migrate_module
from dlpagent.state import open_state
from dlpagent.state.connection import connect, database_url, writing
from dlpagent.state.register import entries
from dlpagent.state.tables import run_assets, violations
from dlpagent.violations import USUAL_TERMS

BEFORE = "0004"


@pytest.fixture
def old(bare_place, some):
    """A state as revision 0004 left it, with 1,200 violations; every third was seen in two runs."""
    engine = connect(database_url(bare_place.url))
    config = Config()
    folder = str(migrate_module.Path(migrate_module.__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
        connection.execute(
            text(
                "INSERT INTO assets (asset_id, uri, kind, connector, item, first_seen, last_seen) "
                "VALUES ('a', 'file:///data/a.jsonl', 'dataset', 'files', 'record', 't', 't')"
            )
        )
        columns = (
            "violation_id, asset_id, record_id, status, severity, mode, rule_id, event_id, "
            "first_seen, last_seen, first_run, last_run, body"
        )
        marks = ", ".join(f":{name.strip()}" for name in columns.split(","))
        for number in range(1200):
            body = some.violation(str(number)).to_json()
            del body["override"]
            row = {
                "violation_id": body["id"], "asset_id": "a", "record_id": str(number),
                "status": "open", "severity": "high", "mode": "enforce", "rule_id": "rule",
                "event_id": body["event_id"], "first_seen": "t", "last_seen": "t",
                "first_run": "r1", "last_run": "r2" if number % 3 == 0 else "r1",
                "body": json.dumps(body),
            }  # fmt: skip
            statement = f"INSERT INTO violations ({columns}) VALUES ({marks})"
            connection.execute(text(statement), row)
    engine.dispose()
    return bare_place


def test_violations_are_carried_over(old, some):
    with open_state(old.url) as state:
        with state.database.read() as connection:
            rows = connection.execute(select(violations)).all()
            assert {row.policy_id for row in rows} == {some.policy.id}
            statuses = [row.status for row in rows]
        assert (statuses.count("new"), statuses.count("repeated")) == (800, 400)
        stored = list(state.violations())
        assert len(stored) == 1200
        assert stored[0].violation.override == USUAL_TERMS
        assert state.violations_by_severity()["high"] == 1200


def test_assets_enter_the_register_when_they_are_next_met(old, some):
    with open_state(old.url) as state:
        assert entries(state.database) == []
        run_id = some.begin(state)
        state.plan(run_id, [some.asset("a")])
        names = [entry.name for entry in entries(state.database)]
        assert names == ["file:///data", some.pack.id]
        with state.database.read() as connection:
            assert list(connection.scalars(select(run_assets.c.facts_kept))) == [False]
        state.claim(run_id, some.asset("a"))
        with state.database.read() as connection:
            assert list(connection.scalars(select(run_assets.c.facts_kept))) == [True]
