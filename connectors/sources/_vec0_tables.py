"""Tables of an SQLite file that holds vectors of sqlite-vec, read without the extension.

A virtual table `docs` of vec0 keeps its rows in ordinary tables beside it: `docs_rowids` (id, chunk
and place in the chunk), `docs_auxiliary` (columns declared with +), `docs_chunks` (partition keys)
and, for each metadata column, `docs_metadatachunksNN`: numbers of 8 bytes, texts of 16: a length
and the text itself if it has at most 12 bytes; longer ones are in `docs_metadatatextNN`.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlpagent.connectors.sources._store_pages import Page, PageSize, keyset_pages
from dlpagent.connectors.sources._store_rows import ColumnPage

_VEC0 = re.compile(r"\bUSING\s+vec0\s*\((.*)\)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_SHADOWS = re.compile(
    r"_(info|chunks|rowids|auxiliary|(vector_chunks|metadatachunks|metadatatext)\d\d)"
)
_INDEX_SHADOWS = re.compile(r"_(data|idx|docsize|config|segments|segdir|stat|node|parent|rowid)")
_VECTOR_TYPE = re.compile(r"^(float|f32|int8|i8|bit)\d*\s*\[", re.IGNORECASE)
_VECTOR_NAME = re.compile(r"embedding|vector", re.IGNORECASE)
_INLINE_BYTES = 12
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Vec0:
    """A virtual table: its columns by kind, in the order in which the shadow tables count them."""

    name: str
    partitions: tuple[str, ...]
    auxiliary: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """An ordinary table. keys: columns by which its rows are told apart and ordered."""

    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]


def tables_in(connection: sqlite3.Connection) -> list[Vec0 | Plain]:
    """Every table of vec0, and every ordinary one: the texts often lie in a table of their own."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' ORDER BY name"
    ).fetchall()
    virtual = {name for name, sql in rows if re.match(r"\s*CREATE\s+VIRTUAL", sql, re.IGNORECASE)}
    found: list[Vec0 | Plain] = []
    for name, sql in rows:
        declared = _VEC0.search(sql) if name in virtual else None
        if declared:
            found.append(_vec0(name, declared[1]))
        elif name not in virtual and not _is_shadow(name, virtual):
            found.append(_plain(connection, name, sql))
    return found


def holds_vectors(connection: sqlite3.Connection) -> bool:
    """True when at least one table is of vec0."""
    return any(isinstance(table, Vec0) for table in tables_in(connection))


def pages_of(
    connection: sqlite3.Connection, table: Vec0 | Plain, start: Sequence[Any] | None
) -> Iterator[Page]:
    """Pages of (key, record id, fields) in the order of keys."""
    size = PageSize(_PAGE)
    if isinstance(table, Plain):
        return keyset_pages(lambda after, n: _plain_page(connection, table, after, n), start, size)
    return keyset_pages(lambda after, n: _vec0_page(connection, table, after, n), start, size)


def _is_shadow(name: str, virtual: set[str]) -> bool:
    for owner in virtual:
        rest = name.removeprefix(owner)
        if rest != name and (_SHADOWS.fullmatch(rest) or _INDEX_SHADOWS.fullmatch(rest)):
            return True
    return False


def _vec0(name: str, declared: str) -> Vec0:
    partitions: list[str] = []
    auxiliary: list[str] = []
    metadata: list[tuple[str, str]] = []
    for part in _split(declared):
        words = part.split()
        if len(words) < 2 or _VECTOR_TYPE.match(words[1]) or "=" in words[0]:
            continue
        kind = " ".join(words[1:]).lower()
        if words[0].startswith("+"):
            auxiliary.append(words[0][1:])
        elif kind.endswith("partition key"):
            partitions.append(words[0])
        elif not kind.endswith("primary key"):
            metadata.append((words[0], words[1].lower()))
    return Vec0(name, tuple(partitions), tuple(auxiliary), tuple(metadata))


def _split(declared: str) -> Iterator[str]:
    without_comments = re.sub(r"--[^\n]*|/\*.*?\*/", " ", declared, flags=re.DOTALL)
    for part in re.split(r",(?![^\[(]*[\])])", without_comments):
        if part.strip():
            yield part.strip().replace("+ ", "+")


def _plain(connection: sqlite3.Connection, name: str, sql: str) -> Plain:
    info = connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
    names = [column for _, column, *_ in info]
    shown = [column for _, column, kind, _, _, place in info if _is_shown(column, kind, place)]
    if re.search(r"\bWITHOUT\s+ROWID\b", sql, re.IGNORECASE):
        keyed = sorted((place, column) for _, column, _, _, _, place in info if place)
        return Plain(name, tuple(shown), tuple(column for _, column in keyed))
    taken = {column.lower() for column in names}
    rowid = next(one for one in ("rowid", "_rowid_", "oid") if one not in taken)
    return Plain(name, tuple(shown), (rowid,))


def _is_shown(name: str, kind: str, key_place: int) -> bool:
    """Not vectors that clients keep beside the text as bytes; not the number of the row itself."""
    is_vector = "BLOB" in kind.upper() and _VECTOR_NAME.search(name) is not None
    return not is_vector and not (kind.upper() == "INTEGER" and key_place == 1)


def _plain_page(
    connection: sqlite3.Connection, table: Plain, after: Sequence[Any] | None, limit: int
) -> Page:
    keys = ", ".join(map(quoted, table.keys))
    columns = ", ".join(map(quoted, (*table.keys, *table.columns)))
    behind = f"WHERE ({keys}) > ({', '.join('?' * len(table.keys))})" if after else ""
    query = (
        f"SELECT {columns} FROM {quoted(table.name)} {behind} "  # noqa: S608 - quoted identifiers
        f"ORDER BY {keys} LIMIT ?"
    )
    wide = len(table.keys)
    rows = _rows(connection, query, [*(after or ()), limit])
    numbers = [list(row[:wide]) for row in rows]
    values = list(zip(*rows, strict=True))[wide:] if rows else []
    return ColumnPage(
        numbers,
        [",".join(map(str, one)) for one in numbers],
        dict(zip(table.columns, values, strict=False)),
    )


def _vec0_page(
    connection: sqlite3.Connection, table: Vec0, after: Sequence[Any] | None, limit: int
) -> Page:
    columns = ["r.rowid", "r.id", "r.chunk_id", "r.chunk_offset"]
    joins = ""
    if table.auxiliary:
        columns += [f"a.value{place:02}" for place in range(len(table.auxiliary))]
        joins += f" LEFT JOIN {quoted(table.name + '_auxiliary')} a ON a.rowid = r.rowid"
    if table.partitions:
        columns += [f"c.partition{place:02}" for place in range(len(table.partitions))]
        joins += f" LEFT JOIN {quoted(table.name + '_chunks')} c ON c.chunk_id = r.chunk_id"
    query = (
        f"SELECT {', '.join(columns)} FROM {quoted(table.name + '_rowids')} r{joins} "  # noqa: S608
        "WHERE r.rowid > ? ORDER BY r.rowid LIMIT ?"
    )
    start = after[0] if after else -(1 << 63)
    rows = _rows(connection, query, [start, limit])
    metadata = [
        _metadata(connection, table.name, place, kind, rows)
        for place, (_, kind) in enumerate(table.metadata)
    ]
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    fields: dict[str, Sequence[Any]] = dict(
        zip((*table.auxiliary, *table.partitions), values[4:], strict=True)
    )
    fields |= {name: found for (name, _), found in zip(table.metadata, metadata, strict=True)}
    numbers, own = values[0], values[1]
    if any(one is not None for one in own):
        fields["id"] = own
    ids = [str(n if one is None else one) for n, one in zip(numbers, own, strict=True)]
    return ColumnPage([[number] for number in numbers], ids, fields)


def _metadata(
    connection: sqlite3.Connection, name: str, place: int, kind: str, rows: Sequence[Any]
) -> list[Any]:
    """The values of one metadata column for some rows; fractions and truths are no texts."""
    if kind not in ("text", "integer", "int"):
        return [None] * len(rows)
    chunks = _by_rowid(connection, f"{name}_metadatachunks{place:02}", {row[2] for row in rows})
    if kind != "text":
        return [_integer(chunks.get(row[2]), row[3]) for row in rows]
    long = _by_rowid(connection, f"{name}_metadatatext{place:02}", {row[0] for row in rows})
    return [long.get(row[0]) or _short_text(chunks.get(row[2]), row[3]) for row in rows]


def _by_rowid(connection: sqlite3.Connection, table: str, wanted: set[int]) -> Mapping[int, Any]:
    known = {one for one in wanted if one is not None}
    marks = ", ".join("?" * len(known))
    query = f"SELECT rowid, data FROM {quoted(table)} WHERE rowid IN ({marks})"  # noqa: S608
    return dict(_rows(connection, query, list(known)))


def _integer(chunk: bytes | None, place: int) -> int | None:
    if chunk is None:
        return None
    (value,) = struct.unpack_from("<q", chunk, place * 8)
    return int(value)


def _short_text(chunk: bytes | None, place: int) -> str | None:
    if chunk is None:
        return None
    (length,) = struct.unpack_from("<i", chunk, place * 16)
    start = place * 16 + 4
    return chunk[start : start + min(max(length, 0), _INLINE_BYTES)].decode("utf-8", "replace")


def _rows(connection: sqlite3.Connection, query: str, given: Sequence[Any]) -> list[Any]:
    """The rows of a query; texts that are no UTF-8 are read as far as they are."""
    try:
        return connection.execute(query, given).fetchall()
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    before = connection.text_factory
    connection.text_factory = _decoded
    try:
        return connection.execute(query, given).fetchall()
    finally:
        connection.text_factory = before


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def quoted(name: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
