"""SQLite files opened for remedies: other writers kept out, and nothing left of what was deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dlpagent.connectors.remedies._names import failed

_BUSY_S = 30.0


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that overwrites what it deletes, in a transaction; readers may read meanwhile.

    The transaction is the caller's to end: COMMIT, then perhaps VACUUM. Raises SourceError.
    """
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise failed(
            str(path), error, "Check its permissions, and that no other program holds it."
        ) from None


def vacuum(connection: sqlite3.Connection) -> None:
    """End the transaction and write the file anew, journal included."""
    if connection.in_transaction:
        connection.execute("COMMIT")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
