"""The two statements SQLAlchemy's common language lacks: insert-if-new and insert-or-update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

# Below the bound-variable limits of both databases (SQLite 32,766 since 3.32).
CHUNK = 500


def _insert(connection: Connection, table: Table) -> Any:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that do not exist yet; existing ones stay as they are."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def insert_if_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless it exists; says whether it went in.

    Asked by RETURNING: drivers do not agree on counting the rows of such an insert.
    """
    statement = _insert(connection, table).on_conflict_do_nothing()
    returned = connection.execute(statement.returning(*table.primary_key), dict(row))
    return returned.first() is not None


def insert_or_update(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: frozenset[str] = frozenset(),
) -> None:
    """Insert rows; where the primary key exists, set every other column given, except keep."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = {column.name for column in table.primary_key}
    changed = {
        name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed), list(rows)
    )


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Consecutive pieces of at most size."""
    rest = iter(values)
    while piece := list(islice(rest, size)):
        yield piece
