"""Opening the database: SQLite in WAL mode by path, PostgreSQL by URL.

SQLite: one writer at a time (BEGIN IMMEDIATE, so a writer waits at its start and never deadlocks
half-way), readers beside it. synchronous=FULL: a commit returns after the log is on the disk, so
neither kill -9 nor power loss takes a committed batch; it costs one fsync per commit
(docs/decisions/0002-state.md has the figures).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from dlpagent.errors import StateError, missing_extra

BUSY_TIMEOUT_MS = 30_000
FINDINGS_DIR = "findings_dir"  # our own word in a URL; the driver never sees it
_WRITE = {"dlpagent_write": True}
# Any fixed number; one for all databases of the product (PostgreSQL advisory locks).
SEGMENT_LOCK = 0x646C_7001
MIGRATION_LOCK = 0x646C_7002


def database_url(place: str | Path) -> URL:
    """The database a path (SQLite) or a URL (sqlite:// or postgresql://) names."""
    text_form = str(place)
    if isinstance(place, Path) or "://" not in text_form:
        return URL.create("sqlite", database=str(Path(place).expanduser().absolute()))
    url = _url_of(text_form).difference_update_query([FINDINGS_DIR])
    if url.get_backend_name() in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise _not_supported(url.render_as_string(hide_password=True))
    return URL.create("sqlite", database=str(Path(url.database).absolute()))


def findings_folder(place: str | Path) -> Path | None:
    """The folder for bulk findings a URL names: postgresql://…?findings_dir=/path."""
    if isinstance(place, Path) or "://" not in place:
        return None
    named = _url_of(place).query.get(FINDINGS_DIR)
    return Path(named).absolute() if isinstance(named, str) and named else None


def _url_of(text_form: str) -> URL:
    try:
        return make_url(text_form)
    except ArgumentError:
        raise _not_supported("a URL that cannot be read") from None


def _not_supported(found: str) -> StateError:
    return StateError(
        "the state cannot be kept there",
        expected="a file path, sqlite:///path or postgresql://user@host/database",
        found=found,
        remedy="Give such a place with --state.",
    )


def connect(url: URL) -> Engine:
    """An engine for the URL; makes the SQLite file (mode 0600) if it does not exist."""
    if url.get_backend_name() == "sqlite":
        _private_file(Path(str(url.database)))
        engine = create_engine(url, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise missing_extra("psycopg", "postgres", "a state in PostgreSQL") from None


def _private_file(path: Path) -> None:
    """Make the file before SQLite does; SQLite gives -wal and -shm the mode of the file itself."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if os.name == "posix":
            for each in (
                path,
                path.with_name(path.name + "-wal"),
                path.with_name(path.name + "-shm"),
            ):
                if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o077:
                    each.chmod(0o600)
    except OSError as error:
        raise StateError(
            f"the state file cannot be opened ({error.strerror})",
            where=str(path),
            expected="a file this user can read, write and make private",
            remedy="Name another file with --state, or correct its owner and mode.",
        ) from None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions on its own; _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("dlpagent_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A short read transaction: one snapshot. Raises StateError when the database fails."""
    with _as_state_errors(engine), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # By default each statement would see its own; SQLite's BEGIN gives one for all.
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction: commits at the end, rolls back on any error."""
    with (
        _as_state_errors(engine),
        engine.connect().execution_options(**_WRITE) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def _as_state_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise StateError(
            f"the state database failed: {reason[0][:200]}",
            where=place_of(engine),
            expected="a database that can be read and written",
            found=type(error.orig).__name__,
            remedy="What was committed before is kept. Correct the cause (space, permissions, "
            "server, another process) and resume the run.",
        ) from None


def lock(connection: Connection, number: int, *, shared: bool = False) -> None:
    """Hold an advisory lock until the transaction ends; SQLite's one writer needs none."""
    if connection.dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        connection.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:number)"), {"number": number})


def place_of(engine: Engine) -> str:
    """The database as an error names it, without the password."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)
