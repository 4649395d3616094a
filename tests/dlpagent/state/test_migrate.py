"""A database is brought to the current tables on opening, once, by one process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from dlpagent.errors import StateError
from dlpagent.state import migrate as migrate_module
from dlpagent.state import open_state
from dlpagent.state.migrate import HEAD, REVISIONS, VERSION_TABLE, stored_revision
from dlpagent.state.tables import metadata

FOLDER = Path(migrate_module.__file__).parent / "migrations"


def test_the_known_revisions_are_those_in_the_folder():
    script = ScriptDirectory(str(FOLDER))
    found = [revision.revision for revision in script.walk_revisions()]
    assert found[::-1] == list(REVISIONS)


@pytest.mark.parametrize("way", ["at once", "by revisions"])
def test_a_new_state_has_exactly_the_tables_of_the_code(bare_place, monkeypatch, way):
    if way == "by revisions":
        monkeypatch.setattr(migrate_module, "_begin", migrate_module.upgrade)
    with open_state(bare_place.url) as state, state.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        assert stored_revision(connection) == HEAD


def test_both_ways_make_the_same_columns_defaults_and_indexes(tmp_path, monkeypatch):
    def shape(path):
        open_state(path).close()
        connection = sqlite3.connect(path)
        tables = sorted(
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        )
        columns = {
            name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info('{name}')"))
            for name in tables
        }
        keys = {
            name: sorted(
                row[2:] for row in connection.execute(f"PRAGMA foreign_key_list('{name}')")
            )
            for name in tables
        }
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        indexes = {name: " ".join((sql or "").split()) for name, sql in made}
        connection.close()
        return columns, keys, indexes

    at_once = shape(tmp_path / "now.db")
    monkeypatch.setattr(migrate_module, "_begin", migrate_module.upgrade)
    assert shape(tmp_path / "revisions.db") == at_once


def test_opening_again_keeps_everything(opened, some):
    run_id = some.begin(opened())
    assert opened().run_of(run_id).id == run_id


def test_an_up_to_date_state_opens_without_alembic(tmp_path):
    path = tmp_path / "s.db"
    open_state(path).close()
    code = (
        "import sys; from dlpagent.state import open_state; "
        f"open_state({str(path)!r}).close(); print('alembic' in sys.modules)"
    )
    root = Path(migrate_module.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_newer_state_is_refused_and_left_alone(bare_place):
    state = open_state(bare_place.url)
    _set_revision(state, "0999")
    with pytest.raises(StateError) as caught:
        open_state(bare_place.url)
    message = str(caught.value)
    assert "newer version" in message
    assert "0999" in message
    assert state.place in message
    with state.database.read() as connection:
        assert stored_revision(connection) == "0999"
    state.close()


def test_a_sqlite_file_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    with pytest.raises(StateError, match="not a state of dlpagent"):
        open_state(path)
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert names == ["customers"]


def test_many_openings_of_a_new_state_at_once_all_succeed(bare_place):
    with ThreadPoolExecutor(6) as pool:
        states = list(pool.map(lambda _: open_state(bare_place.url), range(6)))
    for state in states:
        with state, state.database.read() as connection:
            assert stored_revision(connection) == HEAD


@pytest.mark.parametrize("way", ["_begin", "upgrade"])
def test_a_migration_cut_off_half_way_leaves_nothing(bare_place, monkeypatch, clock, way):
    real = getattr(migrate_module, way)

    def build_then_die(connection):
        real(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate_module, "_begin", build_then_die)
    with pytest.raises(KeyboardInterrupt):
        open_state(bare_place.url)
    monkeypatch.undo()
    with open_state(bare_place.url, clock=clock) as state:
        assert state.runs() == []


def _set_revision(state, revision):
    with state.database.write() as connection:
        statement = text(f"UPDATE {VERSION_TABLE} SET version_num = :to")
        connection.execute(statement, {"to": revision})
