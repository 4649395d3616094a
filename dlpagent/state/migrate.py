"""Brings a database to the tables this version knows, on opening.

Alembic is imported only when there is something to upgrade: an up-to-date database opens after
reading one row, and a new one gets the tables of today at once. Two processes may open a new database
at once; one makes the tables, the other waits and goes on.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    text,
)

from dlpagent.errors import StateError
from dlpagent.state.connection import MIGRATION_LOCK, lock, place_of, reading, writing
from dlpagent.state.tables import metadata

VERSION_TABLE = "dlpagent_version"
# Every revision in migrations/versions, oldest first; a test compares this with the folder.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]


def migrate(engine: Engine) -> None:
    """Upgrade the database if needed. Raises StateError for one that is newer or not ours."""
    with reading(engine) as connection:
        if stored_revision(connection) == HEAD:
            return
    with writing(engine) as connection:
        lock(connection, MIGRATION_LOCK)
        found = stored_revision(connection)
        if found == HEAD:
            return
        _refuse(connection, found)
        if found is None:
            _begin(connection)
        else:
            upgrade(connection)


def stored_revision(connection: Connection) -> str | None:
    """The revision the database says it has; None when it has no version table or no row in it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    value = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - constant
    return None if value is None else str(value)


def _refuse(connection: Connection, found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise StateError(
            "the state was written by a newer version of dlpagent",
            where=place_of(connection.engine),
            expected=f"schema {HEAD} or older",
            found=f"schema {found}",
            remedy="Use that newer version, or name another state with --state.",
        )
    # A PostgreSQL database may be shared; a SQLite file with other tables is somebody else's.
    foreign = inspect(connection).get_table_names() if found is None else []
    if foreign and connection.dialect.name == "sqlite":
        raise StateError(
            "the file is a database, but not a state of dlpagent",
            where=place_of(connection.engine),
            expected="a new file or one that dlpagent made",
            found=f"{len(foreign)} other table(s)",
            remedy="Name another file with --state.",
        )


def _begin(connection: Connection) -> None:
    """The tables as they are now; a test holds them equal to what the revisions build."""
    metadata.create_all(connection, checkfirst=False)
    versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), nullable=False))
    versions.append_constraint(PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"))
    versions.create(connection)
    connection.execute(versions.insert().values(version_num=HEAD))


def upgrade(connection: Connection) -> None:
    """Run the revisions that a database lacks, all of them for a new one."""
    from alembic import command  # noqa: PLC0415 - 0.2 s that an up-to-date database need not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
