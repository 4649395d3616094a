"""The collections in a folder of Chroma, read from its SQLite file: without Chroma, and read-only.

Chroma's own client cannot open a folder without migrating it to its version, and two processes must
not serve one folder. Its tables have kept their form since 0.4.15: `collections`, `segments`,
`embeddings` (one row per record), `embedding_metadata` (one per field; the text is the field
`chroma:document`) and `embeddings_queue`, the journal of writes, from which `embeddings` is made.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dlpagent.connectors.sources._store_pages import PageSize, RecordPage
from dlpagent.connectors.sources._store_rows import Unread
from dlpagent.errors import SourceError

FILE = "chroma.sqlite3"
_TABLES = frozenset({"collections", "segments", "embeddings", "embedding_metadata"})
_DOCUMENT, _URI = "chroma:document", "chroma:uri"
_BUSY_S = 30.0
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection in the file. segment: of its metadata; change_key follows every write."""

    id: str
    name: str
    tenant: str
    database: str
    segment: str
    rows: int
    change_key: str


@contextmanager
def opened_file(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only. Raises SourceError, also for what goes wrong while it is read."""
    path = folder / FILE
    try:
        # closing(): the context manager of sqlite3 ends transactions only
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
        with closing(connection):
            _check(connection, path)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise SourceError(
            "cannot be read",
            where=str(path),
            expected="an SQLite file of Chroma, whole and not locked for long",
            found=getattr(error, "sqlite_errorname", type(error).__name__),
            remedy="Check its permissions; if Chroma was killed, start it once. Then use --resume.",
        ) from None


def collections_in(connection: sqlite3.Connection) -> list[Collection]:
    """Every collection of every tenant and database, by tenant, database and name."""
    query = """
        SELECT c.id, c.name, d.tenant_id, d.name, s.id,
               (SELECT count(*) FROM embeddings e WHERE e.segment_id = s.id)
        FROM collections c JOIN databases d ON d.id = c.database_id
        LEFT JOIN segments s ON s.collection = c.id AND s.scope = 'METADATA'
        ORDER BY 3, 4, 2"""
    with _snapshot(connection):
        return [
            Collection(
                one,
                name,
                tenant,
                database,
                segment or "",
                rows,
                _change_key(connection, one, segment or "", rows),
            )
            for one, name, tenant, database, segment, rows in connection.execute(query)
        ]


def pages_of(
    connection: sqlite3.Connection, collection: Collection, row: int, seq: int
) -> Iterator[RecordPage]:
    """Pages of ((row, seq), id, fields) behind a row of `embeddings` and an entry of the journal.

    Rows keep their numbers when records change, and new ones come behind. The journal's entries
    that did not reach the table yet (Chroma was killed) are read last, each write as a record.
    """
    size = PageSize(_PAGE)
    while True:
        with _snapshot(connection):
            page = _records(connection, collection, row, size.now, seq)
            if not page:
                page = _journal(connection, collection, row, seq, size.now)
        if not page:
            return
        yield page
        size.saw(page)
        row, seq = page[-1][0]


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = _tables(connection)
    if not found >= _TABLES:
        raise SourceError(
            "is no store this connector knows",
            where=str(path),
            expected="the tables of Chroma 0.4.15 or later",
            found=f"{len(found)} tables, without {', '.join(sorted(_TABLES - found))}",
            remedy="Open the folder once with a newer Chroma, which migrates it.",
        )


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read within is of one moment. Short: Chroma's writers wait for its end."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _change_key(connection: sqlite3.Connection, collection: str, segment: str, rows: int) -> str:
    newest = [_read_up_to(connection, segment)]
    if "embeddings_queue" in _tables(connection):
        query = "SELECT max(seq_id) FROM embeddings_queue WHERE topic LIKE ?"
        newest += [connection.execute(query, [f"%/{collection}"]).fetchone()[0] or 0]
    return f"{collection}-{max(newest)}-{rows}"


def _read_up_to(connection: sqlite3.Connection, segment: str) -> int:
    """The last entry of the journal that the table holds."""
    query = "SELECT max(seq_id) FROM max_seq_id WHERE segment_id = ?"
    (found,) = connection.execute(query, [segment]).fetchone()
    return int.from_bytes(found, "big") if isinstance(found, bytes) else found or 0


def _records(
    connection: sqlite3.Connection, collection: Collection, row: int, limit: int, seq: int
) -> RecordPage:
    # The + keeps SQLite from sorting the whole segment for every page.
    query = """
        SELECT id, embedding_id FROM embeddings
        WHERE +segment_id = ? AND id > ? ORDER BY id LIMIT ?"""
    found = connection.execute(query, [collection.segment, row, limit]).fetchall()
    if not found:
        return []
    last = found[-1][0]
    fields = _fields(connection, collection.segment, row, last)
    arrays = _arrays(connection, collection.segment, row, last)
    return [
        ((number, seq), _as_text(name), _record(fields.get(number, ()), arrays.get(number, ())))
        for number, name in found
    ]


def _fields(
    connection: sqlite3.Connection, segment: str, first: int, last: int
) -> dict[int, list[tuple[str, Any]]]:
    query = """
        SELECT m.id, m.key, coalesce(m.string_value, m.int_value, m.float_value) FROM embeddings e
        CROSS JOIN embedding_metadata m ON m.id = e.id
        WHERE +e.segment_id = ? AND e.id > ? AND e.id <= ?"""
    return _grouped(connection.execute(query, [segment, first, last]))


def _arrays(
    connection: sqlite3.Connection, segment: str, first: int, last: int
) -> dict[int, list[tuple[str, Any]]]:
    if "embedding_metadata_array" not in _tables(connection):
        return {}
    query = """
        SELECT a.id, a.key, coalesce(a.string_value, a.int_value, a.float_value)
        FROM embedding_metadata_array a
        JOIN embeddings e ON e.id = a.id
        WHERE +e.segment_id = ? AND a.id > ? AND a.id <= ?"""
    return _grouped(connection.execute(query, [segment, first, last]))


def _grouped(rows: Iterator[tuple[int, str, Any]]) -> dict[int, list[tuple[str, Any]]]:
    found: dict[int, list[tuple[str, Any]]] = {}
    for number, key, value in rows:
        found.setdefault(number, []).append((key, value))
    return found


def _record(
    fields: Sequence[tuple[str, Any]], arrays: Sequence[tuple[str, Any]]
) -> Mapping[str, Any]:
    """The record as Chroma's client shows it: a document and its metadata."""
    metadata = dict(fields)
    for key, value in arrays:
        metadata.setdefault(key, []).append(value)
    return as_record(metadata.pop(_DOCUMENT, None), metadata.pop(_URI, None), metadata)


def as_record(document: Any, uri: Any, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """document always, uri and metadata where there are any."""
    record: dict[str, Any] = {"document": document}
    if uri:
        record["uri"] = uri
    if metadata:
        record["metadata"] = metadata
    return record


def _journal(
    connection: sqlite3.Connection, collection: Collection, row: int, seq: int, limit: int
) -> RecordPage:
    if "embeddings_queue" not in _tables(connection):
        return []
    query = """
        SELECT seq_id, id, metadata FROM embeddings_queue
        WHERE topic LIKE ? AND seq_id > ? AND operation <> 3 ORDER BY seq_id LIMIT ?"""
    behind = max(seq, _read_up_to(connection, collection.segment))
    found = connection.execute(query, [f"%/{collection.id}", behind, limit]).fetchall()
    return [
        ((row, number), f"{_as_text(name)}#{number}", _written(metadata))
        for number, name, metadata in found
    ]


def _written(metadata: str | None) -> Mapping[str, Any] | Unread:
    try:
        fields = json.loads(metadata or "{}")
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return Unread("expected the fields of a write as JSON, found something else")
    return _record(list(fields.items()), ())


def _as_text(name: Any) -> str:
    return name if isinstance(name, str) else str(name)
