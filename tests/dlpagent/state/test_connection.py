"""Where a state may lie, how it is opened, and who may read its files."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from dlpagent.errors import StateError
from dlpagent.state import open_state
from dlpagent.state.connection import database_url, findings_folder
from dlpagent.state.tables import meta

posix = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")


@pytest.mark.parametrize(
    ("place", "backend", "database"),
    [
        (Path("/x/state.db"), "sqlite", "/x/state.db"),
        ("/x/state.db", "sqlite", "/x/state.db"),
        ("sqlite:////x/state.db", "sqlite", "/x/state.db"),
        ("postgresql://u@h/db", "postgresql", "db"),
        ("postgres://u@h/db", "postgresql", "db"),
        ("postgresql+psycopg://u@h/db", "postgresql", "db"),
    ],
)
def test_a_path_or_url_names_a_database(place, backend, database):
    url = database_url(place)
    assert (url.get_backend_name(), url.database) == (backend, database)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("postgresql://u@h/db", None),
        ("postgresql://u@h/db?findings_dir=/mnt/f", Path("/mnt/f")),
        ("postgresql://u@h/db?connect_timeout=3&findings_dir=/mnt/f", Path("/mnt/f")),
        ("sqlite:////x/state.db?findings_dir=/mnt/f", Path("/mnt/f")),
        ("/x/state.db?findings_dir=/mnt/f", None),
        (Path("/x/state.db"), None),
    ],
)
def test_a_url_may_name_the_folder_of_findings_and_the_driver_does_not_see_it(place, folder):
    assert findings_folder(place) == folder
    if "://" in str(place):
        assert "findings_dir" not in database_url(place).render_as_string()


def test_findings_lie_in_the_folder_the_url_names(postgresql_place, some, clock):
    url = f"{postgresql_place.url}&findings_dir={postgresql_place.folder}"
    with open_state(url, clock=clock, segment_rows=5) as state:
        lease = state.claim(some.begin(state), some.asset())
        some.commit(state, lease, None, 1, findings=some.findings(9))
        assert len(list(postgresql_place.folder.iterdir())) == 1
        assert some.starts(state.findings(lease.run_id)) == list(range(9))


def test_a_relative_path_does_not_depend_on_later_changes_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert database_url("state.db").database == str(tmp_path / "state.db")


@pytest.mark.parametrize("place", ["mysql://u:secret@h/db", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused_without_showing_the_password(place):
    with pytest.raises(StateError) as caught:
        database_url(place)
    assert "secret" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


def test_the_password_is_not_part_of_the_place(postgres_url):
    with open_state(postgres_url.replace("postgres:", "postgres:hunter2", 1)) as state:
        assert "hunter2" not in state.place
        assert "hunter2" not in repr(state)


def test_a_server_that_does_not_answer_is_a_state_error_without_the_password():
    with pytest.raises(StateError) as caught:
        open_state("postgresql://u:hunter2@127.0.0.1:1/db?connect_timeout=2")
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@posix
def test_the_files_of_a_state_are_private_from_the_first_byte(tmp_path, some):
    before = os.umask(0)
    try:
        with open_state(tmp_path / "new" / "state.db") as state:
            some.begin(state)
            files = sorted((tmp_path / "new").iterdir())
            assert [file.name for file in files] == ["state.db", "state.db-shm", "state.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)


@posix
def test_a_state_that_others_could_read_is_made_private(tmp_path):
    path = tmp_path / "state.db"
    open_state(path).close()
    path.chmod(0o644)
    with open_state(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sqlite_is_opened_in_wal_mode_with_full_flushes_and_foreign_keys(tmp_path):
    with open_state(tmp_path / "s.db") as state, state.database.read() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_a_folder_in_place_of_the_file_is_a_state_error_with_its_name(tmp_path):
    with pytest.raises(StateError, match=str(tmp_path)):
        open_state(tmp_path)


def test_a_file_that_is_no_database_is_a_state_error(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be looked at as one" * 10)
    with pytest.raises(StateError, match=r"notes\.txt"):
        open_state(path)
    assert path.read_text().startswith("not a database")


def test_a_writer_waits_for_another_instead_of_failing(tmp_path, some):
    path = tmp_path / "s.db"
    with open_state(path) as state:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Event()
        timer = threading.Timer(0.05, lambda: (waiting.set(), other.execute("COMMIT")))
        timer.start()
        some.begin(state)
        assert waiting.is_set()
        timer.join()
        other.close()


def test_an_error_inside_a_transaction_undoes_all_of_it(state):
    with suppress(RuntimeError), state.database.write() as connection:
        connection.execute(meta.insert().values(name="x", value=1))
        raise RuntimeError
    with state.database.read() as connection:
        assert not connection.execute(meta.select().where(meta.c.name == "x")).all()


def test_a_database_error_names_the_place_and_holds_no_parameters(state):
    row = meta.insert().values(name="twice", value="4111111111111111")
    with state.database.write() as connection:
        connection.execute(row)
    with pytest.raises(StateError) as caught, state.database.write() as connection:
        connection.execute(row)
    assert "4111111111111111" not in str(caught.value)
    assert state.place in str(caught.value)
