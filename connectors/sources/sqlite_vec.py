"""SQLite files with vectors of sqlite-vec: its virtual tables, and the ordinary ones beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources import _vec0_tables as tables
from dlpagent.connectors.sources._files import head_of, reading
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "sqlite-vec:///folder/file.db or sqlite-vec:///folder/file.db#table"
_MAGIC = b"SQLite format 3\x00"
_BUSY_S = 30.0


class SqliteVec:
    """Every table of a file: `sqlite-vec:///file.db#table`. Cursor: after, the key of the last row."""

    name = "sqlite-vec"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a path or URI. Raises ConfigurationError for an address it does not know."""
        address: Address | None = None
        if target.startswith("sqlite-vec:"):
            address = address_of(target, _EXAMPLE)
        self._only = address.only if address else ""
        self._path = Path(address.path if address else target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for an SQLite file with a table of vec0."""
        if head_of(path, len(_MAGIC)) != _MAGIC:
            return False
        try:
            with _opened(path) as connection:
                return tables.holds_vectors(connection)
        except SourceError:
            return False

    def discover(self) -> Iterator[Asset]:
        """Every table. Raises SourceError when the file cannot be read, or holds no vectors."""
        return found_or_refused(self._assets(), self._only, str(self._path))

    def _assets(self) -> Iterator[Asset]:
        with _opened(self._path) as connection:
            if not tables.holds_vectors(connection):
                raise SourceError(
                    "holds no vectors",
                    where=str(self._path),
                    expected="an SQLite file with a virtual table of vec0",
                    found="none",
                    remedy="Name the file the application gave to sqlite-vec.",
                )
            found = tables.tables_in(connection)
        key, size = _state_of(self._path)
        for table in found:
            if self._only in ("", table.name):
                yield Asset(
                    f"sqlite-vec://{quote(str(self._path.resolve()))}#{quote(table.name, safe='')}",
                    "vector_collection",
                    self.name,
                    change_key=key,
                    size_bytes=size // len(found),
                )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of rows by key. Raises SourceError when the file cannot be read."""
        if after is None or not after.done:
            start = None if after is None else after.cursor["after"]
            yield from with_checkpoints(self._batches(asset, start))

    def _batches(
        self, asset: Asset, start: Any
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        rows = StoreRows(asset.uri, place=str(self._path.resolve()), max_rows=self._batch_rows)
        name = unquote(urlsplit(asset.uri).fragment)
        with _opened(self._path) as connection:
            table = next((one for one in tables.tables_in(connection) if one.name == name), None)
            if table is None:
                raise SourceError(
                    "is not there any more",
                    where=unquote(asset.uri),
                    expected="the table that was found when the sweep began",
                    found="none of that name",
                    remedy="Sweep again without --resume.",
                )
            pages = tables.pages_of(connection, table, start)
            yield from keyed_batches(rows, pages, lambda key: {"after": key}, start)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only. Raises SourceError, also for what goes wrong while it is read."""
    with reading(path):
        path.stat()
    try:
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
        with closing(connection):
            yield connection
    except sqlite3.Error as error:
        raise SourceError(
            "cannot be read",
            where=str(path),
            expected="an SQLite file, whole and not locked for long",
            found=getattr(error, "sqlite_errorname", type(error).__name__),
            remedy="Check its permissions and that no writer holds it, then use --resume.",
        ) from None


def _state_of(path: Path) -> tuple[str, int]:
    """A change key of the file and its journal, and their size in bytes."""
    marks, size = [], 0
    for one in (path, path.with_name(f"{path.name}-wal")):
        try:
            stat = one.stat()
        except OSError:
            continue
        if stat.st_size:
            marks.append(f"{stat.st_size}-{stat.st_mtime_ns}")
            size += stat.st_size
    return "+".join(marks), size
