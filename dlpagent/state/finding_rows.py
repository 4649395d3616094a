"""Findings at rest: the newest of a run-asset in rows, the bulk before them in segments.

When the rows of a run-asset would exceed the limit they move, with the batch at hand, into one
segment. So the database stays small however much is found, files are few and large, and reading
segments first and rows after them gives reading order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Text, delete, select, type_coerce
from sqlalchemy.types import TypeEngine

from dlpagent.errors import StateError
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.state.connection import SEGMENT_LOCK, lock
from dlpagent.state.database import Database
from dlpagent.state.tables import finding_segments, findings
from dlpagent.state.types import SourceText, restored, storable

SEGMENT_ROWS = 50_000
_PAGE = 20_000
_INSERTED = ", ".join(["run_asset", *(f'"{name}"' for name in FINDING_SCHEMA.names)])
# Column types without the work per value of SourceText; whole columns are looked at instead.
_RAW: dict[str, TypeEngine[Any]] = {
    name: Text() if isinstance(findings.c[name].type, SourceText) else findings.c[name].type
    for name in FINDING_SCHEMA.names
}


def store_findings(
    connection: Connection,
    db: Database,
    run_asset: int,
    batch: pa.RecordBatch,
    *,
    stored: int,
    tail: int,
) -> int:
    """Add a batch; returns how many findings of the run-asset now lie in rows.

    stored: findings of the run-asset before; tail: how many of them lie in rows.
    """
    if db.folder is None or tail + batch.num_rows < db.segment_rows:
        _insert(connection, run_asset, batch)
        return tail + int(batch.num_rows)
    lock(connection, SEGMENT_LOCK, shared=True)
    rows = [page for page, _ in _pages(connection, run_asset)]
    segment = db.folder.write(run_asset, stored - tail, [*rows, batch])
    connection.execute(delete(findings).where(findings.c.run_asset == run_asset))
    connection.execute(
        finding_segments.insert().values(
            run_asset=run_asset,
            file=segment.name,
            rows=segment.rows,
            bytes=segment.bytes,
            created_at=db.moment(),
        )
    )
    return 0


def _insert(connection: Connection, run_asset: int, batch: pa.RecordBatch) -> None:
    """Insert rows column-wise and without SQLAlchemy's work per value: three times as fast."""
    if not batch.num_rows:
        return
    columns = [_storable_values(batch.column(name)) for name in FINDING_SCHEMA.names]
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    marks = ", ".join([mark] * (1 + len(columns)))
    statement = f"INSERT INTO findings ({_INSERTED}) VALUES ({marks})"  # noqa: S608 - constants
    connection.exec_driver_sql(statement, list(zip(repeat(run_asset), *columns, strict=False)))


def _storable_values(column: pa.Array) -> list[Any]:
    """The values of a column as SourceText would store them."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(column.type) and _any(column, "[\x00\x1a]"):
        return [None if value is None else storable(value) for value in values]
    return values


def _restored_column(values: Sequence[Any], column: pa.Field) -> pa.Array:
    """Stored values as an array, text as SourceText would give it back."""
    array = pa.array(values, type=column.type)
    if pa.types.is_string(column.type) and _any(array, "\x1a"):
        given = [None if value is None else restored(value) for value in values]
        return pa.array(given, type=column.type)
    return array


def _any(column: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())


def read_findings(
    db: Database, run_asset: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The findings of a run-asset in reading order. columns: only these, all when None.

    No transaction stays open while the caller works. Segments and the first page of rows come from
    one snapshot; a sweep that goes on meanwhile can add findings but cannot make one be missed,
    because rows fit into that page whenever they may still move into a segment.
    """
    names = list(columns) if columns is not None else FINDING_SCHEMA.names
    with db.read() as connection:
        files = list(
            connection.scalars(
                select(finding_segments.c.file)
                .where(finding_segments.c.run_asset == run_asset)
                .order_by(finding_segments.c.seq)
            )
        )
        limit = _PAGE if db.folder is None else max(_PAGE, db.segment_rows)
        page, last = _page(connection, run_asset, 0, limit, names)
    for file in files:
        if db.folder is None:
            raise _no_folder(file)
        yield from db.folder.read(file, columns)
    while page.num_rows:
        yield page
        if page.num_rows < limit:
            return
        with db.read() as connection:
            page, last = _page(connection, run_asset, last, limit, names)


def _pages(connection: Connection, run_asset: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    last = 0
    while True:
        page, last = _page(connection, run_asset, last, _PAGE, FINDING_SCHEMA.names)
        if not page.num_rows:
            return
        yield page, last


def _page(
    connection: Connection, run_asset: int, after: int, limit: int, names: Sequence[str]
) -> tuple[pa.RecordBatch, int]:
    """Rows behind the number `after`, and the number of the last one."""
    rows = connection.execute(
        select(findings.c.seq, *(type_coerce(findings.c[name], _RAW[name]) for name in names))
        .where(findings.c.run_asset == run_asset, findings.c.seq > after)
        .order_by(findings.c.seq)
        .limit(limit)
    ).all()
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * (len(names) + 1)
    schema = FINDING_SCHEMA
    if list(names) != FINDING_SCHEMA.names:
        schema = pa.schema([FINDING_SCHEMA.field(name) for name in names])
    arrays = [
        _restored_column(values, field) for values, field in zip(columns[1:], schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema), columns[0][-1] if rows else after


def _no_folder(file: str) -> StateError:
    return StateError(
        "findings lie in files, but no folder for them is configured",
        where=file,
        expected="the folder the sweep wrote its findings to",
        remedy="Name it in the URL of the state: postgresql://…?findings_dir=/path",
    )
