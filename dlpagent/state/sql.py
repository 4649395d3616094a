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


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows that do not exist yet; existing ones stay. Returns how many went in.

    The number is certain for a single row only: drivers do not agree on it for many.
    """
    if not rows:
        return 0
    result = connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))
    return int(result.rowcount)


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
