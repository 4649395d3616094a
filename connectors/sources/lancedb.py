"""LanceDB: every table of a folder, each as it was when the sweep came to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.types as pt

from dlpagent.connectors.sources._columns import leaves_of
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_rows import StoreRows, with_checkpoints
from dlpagent.errors import SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "lancedb:///folder or lancedb:///folder#table"
# What a table's own ids are usually called; without one of them the row's place is the id.
ID_COLUMNS = ("id", "uuid", "_id", "record_id", "pk", "chunk_id", "node_id")
_SUFFIX = ".lance"
_FIRST_PAGE, _PAGE = 250, 2_000
_PAGE_BYTES = 8_000_000


class LanceDb:
    """Every table of a folder: `lancedb:///folder#table`.

    A table is read at one version, so that writes meanwhile change nothing; its change key is the
    newest version. Cursor: version, and row, the number of rows read of it.
    """

    name = "lancedb"

    def __init__(self, target: str, *, batch_rows: int = 10_000) -> None:
        """target: a path or URI. Raises ConfigurationError for an address it does not know.

        batch_rows: more than elsewhere, for rows come so fast that each batch's own cost is felt.
        """
        address: Address | None = None
        if target.startswith("lancedb:"):
            address = address_of(target, _EXAMPLE)
        self._only = address.only if address else ""
        self._folder = Path(address.path if address else target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder that holds tables and nothing else: other files must not be missed."""
        try:
            children = [one for one in path.iterdir() if not one.name.startswith((".", "__"))]
        except OSError:
            return False
        return bool(children) and all(
            one.suffix == _SUFFIX and (one / "_versions").is_dir() for one in children
        )

    def discover(self) -> Iterator[Asset]:
        """Every table with its version. Raises SourceError when the folder cannot be read."""
        return found_or_refused(self._assets(), self._only, str(self._folder))

    def _assets(self) -> Iterator[Asset]:
        if not self._folder.is_dir():
            raise SourceError(
                "holds no LanceDB database",
                where=str(self._folder),
                expected="the folder an application gave to LanceDB",
                found="a file" if self._folder.exists() else "nothing",
                remedy="Name the folder that holds the .lance folders.",
            )
        with _database(self._folder) as database:
            for name in _tables(database):
                if self._only in ("", name):
                    table = database.open_table(name)
                    yield Asset(
                        f"lancedb://{quote(str(self._folder.resolve()))}#{quote(name, safe='')}",
                        "vector_collection",
                        self.name,
                        change_key=str(table.version),
                        rows=table.count_rows(),
                    )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of records in the table's own order.

        Raises SourceError when the version is gone, or the table cannot be read.
        """
        if after is None or not after.done:
            yield from with_checkpoints(self._batches(asset, {} if after is None else after.cursor))

    def _batches(
        self, asset: Asset, cursor: Mapping[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        parts = urlsplit(asset.uri)
        path = f"{unquote(parts.path)}/{unquote(parts.fragment)}{_SUFFIX}"
        rows = StoreRows(asset.uri, place=path, max_rows=self._batch_rows)
        begun = int(cursor.get("row", 0))
        version = cursor.get("version", asset.change_key)
        with _database(self._folder) as database:
            table = database.open_table(unquote(parts.fragment))
            if version is not None and not _is_at(table, int(version)) and cursor:
                raise _cleaned(asset)
            position = begun
            for batch in _scanned(table, begun):
                for found, behind in rows.table(_ids(batch, position), batch):
                    yield found, {"version": table.version, "row": position + behind}
                position += batch.num_rows
            if position == begun:
                empty, _ = next(rows.batches([], []))
                yield empty, {"version": table.version, "row": begun}


def _is_at(table: Any, version: int) -> bool:
    """Whether the table could be set to a version. A sweep that just begins takes the newest."""
    try:
        table.checkout(version)
    except (ValueError, OSError, RuntimeError):
        table.checkout_latest()
        return False
    return True


def _cleaned(asset: Asset) -> SourceError:
    return SourceError(
        "the version that was being read is gone",
        where=unquote(asset.uri),
        expected="the version the sweep began with",
        found="only others: versions were cleaned up meanwhile",
        remedy="Sweep again without --resume.",
    )


def _tables(database: Any) -> Iterator[str]:
    token: str | None = None
    while True:
        found = database.list_tables(page_token=token)
        yield from found.tables
        token = found.page_token
        if not token:
            return


def _scanned(table: Any, first: int) -> Iterator[pa.RecordBatch]:
    """The columns that hold texts, from a row on; vectors are not read.

    Begins with few rows to a batch, and begins anew where it was once it is known how large rows are.
    """
    columns, size, row = _text_columns(table.schema), _FIRST_PAGE, first
    while True:
        wanted = size
        query = table.search().select(columns).limit(None)
        for batch in (query.offset(row) if row else query).to_batches(size):
            yield batch
            row += batch.num_rows
            each = max(1, batch.nbytes // max(1, batch.num_rows))
            wanted = max(1, min(_PAGE, _PAGE_BYTES // each))
            if not size // 2 <= wanted <= size * 2:
                break
        else:
            return
        size = wanted


def _text_columns(schema: pa.Schema) -> list[str]:
    kept = [field for field in schema if not _is_vector(field.type)]
    kinds: dict[str, set[str]] = {}
    for leaf in leaves_of(pa.schema(kept)):
        kinds.setdefault(leaf.column, set()).add(leaf.kind)
    return [name for name, found in kinds.items() if found - {"skip"}]


def _is_vector(kind: pa.DataType) -> bool:
    """Numbers in a list of one length, or fractions in any list (several vectors to a row)."""
    if pt.is_fixed_size_list(kind):
        return bool(pt.is_primitive(kind.value_type))
    is_list = pt.is_list(kind) or pt.is_large_list(kind)
    return is_list and (_is_vector(kind.value_type) or pt.is_floating(kind.value_type))


def _ids(batch: pa.RecordBatch, first: int) -> pa.Array:
    for name in ID_COLUMNS:
        if name in batch.schema.names:
            column = batch.column(name)
            if column.null_count == 0 and (
                pt.is_integer(column.type)
                or pt.is_string(column.type)
                or pt.is_large_string(column.type)
            ):
                return column.cast(pa.large_string())
    return pa.array([str(first + place) for place in range(batch.num_rows)], pa.large_string())


@contextmanager
def _database(folder: Path) -> Iterator[Any]:
    """A connection. What the engine raises becomes SourceError, without its words."""
    try:
        import lancedb  # noqa: PLC0415
    except ImportError:
        raise missing_extra("lancedb", "lancedb", "reading LanceDB") from None
    try:
        yield lancedb.connect(str(folder))
    except (SourceError, GeneratorExit):
        raise
    except Exception as error:
        raise SourceError(
            "cannot be read",
            where=str(folder),
            expected="a LanceDB database, whole, with tables this version of LanceDB knows",
            found=type(error).__name__,
            remedy="Check its files and their permissions, and that the table was not dropped.",
        ) from error
