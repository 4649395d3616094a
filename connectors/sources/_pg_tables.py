"""Tables of PostgreSQL with vectors in them: which there are, and their rows, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from dlpagent.connectors.sources._store_pages import Page, PageSize, keyset_pages
from dlpagent.connectors.sources._store_rows import ColumnPage
from dlpagent.connectors.sources._vector_payload import is_made_up

# The types of pgvector, and of what is not text or stands in another column already.
_VECTORS = frozenset({"vector", "halfvec", "sparsevec"})
_NO_TEXT = frozenset(
    {"bool", "float4", "float8", "interval", "tsvector", "tsquery", "bit", "varbit", "money"}
)
_AS_THEY_ARE = frozenset(
    {"text", "varchar", "bpchar", "name", "int2", "int4", "int8", "numeric", "json", "jsonb",
     "bytea", "uuid", "_text", "_varchar", "_int4", "_int8"}
)  # fmt: skip
_PAGE, _BLOCKS = 1_000, 64


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is read. expression: how it stands in a query."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table with vectors. keys: (column, type) of what identifies a row; empty when nothing does."""

    schema: str
    name: str
    is_ordinary: bool
    rows: int
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, str], ...]

    @property
    def source(self) -> str:
        """How it stands behind FROM: without the tables that inherit from it, which are their own."""
        only = "ONLY " if self.is_ordinary else ""
        return f"{only}{quoted(self.schema)}.{quoted(self.name)}"


def quoted(name: str) -> str:
    """An identifier as SQL writes it, % doubled for the driver."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


_TABLES = """
    SELECT c.oid, n.nspname, c.relname, c.relkind = 'r', greatest(c.reltuples, 0)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_(toast|temp)'
      AND EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = c.oid AND NOT a.attisdropped
                    AND ltrim(t.typname, '_') = ANY(%s))
    ORDER BY 2, 3"""
_COLUMNS = """
    SELECT a.attname, t.typname, t.typtype, format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
# The primary key, else a unique index over columns that are never null.
_KEYS = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k(n, p)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.p)
    FROM pg_index i
    WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
      AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid
                      AND a.attnum = ANY(i.indkey::smallint[]) AND NOT a.attnotnull)
    ORDER BY i.indisprimary DESC, i.indnatts LIMIT 1"""


def tables_in(connection: Any) -> Iterator[Table]:
    """Every table and materialised view with a column of vectors; partitions one by one."""
    for oid, schema, name, is_ordinary, rows in connection.execute(
        _TABLES, [sorted(_VECTORS)]
    ).fetchall():
        columns = connection.execute(_COLUMNS, [oid]).fetchall()
        types = {column: full for column, _, _, full in columns}
        found = connection.execute(_KEYS, [oid]).fetchone()
        keys = tuple((key, types[key]) for key in found[0]) if found else ()
        yield Table(schema, name, is_ordinary, rows, tuple(_read(columns)), keys)


def _read(columns: Sequence[tuple[str, str, str, str]]) -> Iterator[Column]:
    for name, kind, category, _ in columns:
        plain = kind.lstrip("_")
        if plain in _VECTORS or plain in _NO_TEXT:
            continue
        is_plain = kind in _AS_THEY_ARE and category == "b"
        yield Column(name, f"t.{quoted(name)}{'' if is_plain else '::text'}")


def change_key(connection: Any, table: Table) -> str:
    """Made of the transactions that wrote the rows there are: it follows every committed write."""
    query = f"""
        SELECT count(*), coalesce(max(xmin::text::bigint), 0), coalesce(sum(xmin::text::bigint), 0)
        FROM {table.source}"""  # noqa: S608 - quoted identifiers
    return "-".join(map(str, connection.execute(query, []).fetchone()))


def keyed_pages(connection: Any, table: Table, start: Sequence[str] | None) -> Iterator[Page]:
    """Pages of (key as texts, record id, fields) in the order of the table's key."""
    names = ", ".join(f"t.{quoted(name)}" for name, _ in table.keys)
    texts = ", ".join(f"t.{quoted(name)}::text" for name, _ in table.keys)
    marks = ", ".join(f"%s::text::{kind.replace('%', '%%')}" for _, kind in table.keys)
    fields = "".join(f", {column.expression}" for column in _beside_key(table))
    what = f"SELECT {texts}{fields} FROM {table.source} t"  # noqa: S608 - quoted identifiers
    order = f"ORDER BY {names}"
    wide = len(table.keys)

    def fetch(after: Sequence[str] | None, limit: int) -> Page:
        # As a literal: a plan for any limit would be one for a tenth of the table.
        if after is None:
            rows = connection.execute(f"{what} {order} LIMIT {limit:d}", []).fetchall()
        else:
            behind = f"WHERE ({names}) > ({marks})"
            query = f"{what} {behind} {order} LIMIT {limit:d}"
            rows = connection.execute(query, after).fetchall()
        return _page(table, rows, wide)

    yield from keyset_pages(fetch, start, PageSize(_PAGE, 2 * _PAGE))


def placed_pages(connection: Any, table: Table, start: str) -> Iterator[Page]:
    """Pages of (place, record id, fields) behind a place in the heap, for a table without a key.

    A place is `(block,row)`; rows keep theirs only within one snapshot.
    """
    fields = "".join(f", {column.expression}" for column in table.columns)
    query = (
        f"SELECT t.ctid::text{fields} FROM {table.source} t "  # noqa: S608 - quoted identifiers
        "WHERE t.ctid > %s::text::tid AND t.ctid < %s::text::tid"
    )
    size = "SELECT pg_relation_size(%s::text::regclass) / current_setting('block_size')::int"
    named = table.source.removeprefix("ONLY ").replace("%%", "%")
    (blocks,) = connection.execute(size, [named]).fetchone()
    after, behind = start, _place(start)[0]
    while behind < blocks:
        behind += _BLOCKS
        rows = connection.execute(query, [after, f"({behind},0)"]).fetchall()
        rows.sort(key=lambda row: _place(row[0]))
        if rows:
            page = _page(table, rows, 1)
            yield replace(page, keys=[key for (key,) in page.keys])
        after = f"({behind},0)"


def _place(ctid: str) -> tuple[int, int]:
    block, row = ctid.strip("()").split(",")
    return int(block), int(row)


def _beside_key(table: Table) -> list[Column]:
    """The columns but for those of the key, whose texts are read as the key."""
    keys = {name for name, _ in table.keys}
    return [column for column in table.columns if column.name not in keys]


def _page(table: Table, rows: Sequence[Sequence[Any]], wide: int) -> ColumnPage:
    if not rows:
        return ColumnPage([], [], {})
    values = list(zip(*rows, strict=True))
    keys, read = values[:wide], dict(zip((name for name, _ in table.keys), values, strict=False))
    for column, found in zip(_beside_key(table), values[wide:], strict=True):
        read[column.name] = tuple(map(_plain, found)) if _is_uuid(found) else found
    ids = list(keys[0]) if wide == 1 else list(map(",".join, zip(*keys, strict=True)))
    if len(table.keys) == 1 and all(map(is_made_up, ids)):
        read.pop(table.keys[0][0])
    fields = {column.name: read[column.name] for column in table.columns if column.name in read}
    return ColumnPage(list(map(list, zip(*keys, strict=True))), ids, fields)


def _is_uuid(values: Sequence[Any]) -> bool:
    return any(isinstance(value, UUID) for value in values)


def _plain(value: Any) -> Any:
    """UUIDs are made up: they are no text."""
    return None if isinstance(value, UUID) else value
