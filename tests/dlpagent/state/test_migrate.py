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


def test_the_migrations_build_exactly_the_tables_of_the_code(bare_place):
    with open_state(bare_place.url) as state, state.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        assert stored_revision(connection) == HEAD


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


def test_a_migration_cut_off_half_way_leaves_nothing(bare_place, monkeypatch, clock):
    from alembic import command

    real = command.upgrade

    def upgrade_then_die(config, revision):
        real(config, revision)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", upgrade_then_die)
    with pytest.raises(KeyboardInterrupt):
        open_state(bare_place.url)
    monkeypatch.undo()
    with open_state(bare_place.url, clock=clock) as state:
        assert state.runs() == []


def _set_revision(state, revision):
    with state.database.write() as connection:
        statement = text(f"UPDATE {VERSION_TABLE} SET version_num = :to")
        connection.execute(statement, {"to": revision})
