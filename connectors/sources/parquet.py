"""Parquet files: row groups streamed, only the columns that hold text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import (
    check_unchanged,
    file_asset,
    head_of,
    path_of,
    reading,
)
from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._parquet_groups import Group, ParquetText, is_encrypted
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._table_rows import TableRows, or_else
from dlpagent.portions import Portion
from dlpagent.records import Asset, Checkpoint, PartRows

_Batches = Iterator[tuple[pa.RecordBatch, dict[str, Any]]]


class ParquetFile:
    """One Parquet file as a data set.

    Cursor: row_group, row (the first one not yet read, counted in its group) and, when some columns
    of that group are damaged, lost: their names.
    """

    name = "parquet"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._path = path_of(target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for files that begin as Parquet does, or are named so."""
        if path.is_dir():
            return False
        named = path.suffix.lower() in (".parquet", ".pq", ".parq")
        return named or head_of(path, 4) in (b"PAR1", b"PARE")

    def discover(self) -> Iterator[Asset]:
        """The one file. Raises SourceError when it is not there."""
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of the file. Raises SourceError when its footer cannot be read."""
        return self.read_portion(asset, Portion(after))

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """Row groups, several if they are small: their size is that of the columns that are read."""
        with reading(self._path):
            is_protected = is_encrypted(self._path)
        if not is_protected and (asset.size_bytes or 0) > size_bytes:
            with ParquetText(self._path) as file:
                first = int(after.cursor["row_group"]) if after is not None else 0
                size = 0
                for group in range(first, file.groups - 1):
                    size += file.text_bytes(group)
                    if size >= size_bytes:
                        here = {"v": 1, "row_group": group + 1, "row": 0}
                        yield Portion(after, here)
                        after = Checkpoint(here, bytes_read=file.bytes_before(group + 1, 0))
                        size = 0
        yield Portion(after)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The row groups of a portion."""
        after = portion.after
        if after is not None and after.done:
            return
        with reading(self._path):
            if is_encrypted(self._path):
                yield self._protected(asset), Checkpoint({}, done=True)
                return
        with ParquetText(self._path) as file:
            cursor = dict(after.cursor) if after is not None else None
            groups = file.groups if portion.until is None else int(portion.until["row_group"])
            end = {"v": 1, "row_group": groups, "row": 0}
            found = or_else(
                self._batches(asset, file, cursor, groups),
                lambda: (PartRows(asset.uri).take(), end),
            )
            for batch, place, last in mark_last(found):
                done_bytes = file.bytes_before(place["row_group"], place["row"])
                is_end = last and portion.until is None
                yield batch, Checkpoint(place, done=is_end, bytes_read=done_bytes)
        check_unchanged(self._path)

    def _batches(
        self, asset: Asset, file: ParquetText, cursor: Mapping[str, Any] | None, groups: int
    ) -> _Batches:
        rows = TableRows(
            asset.uri,
            str(self._path.resolve()),
            max_rows=self._batch_rows,
            json_columns=file.json_columns,
        )
        place: dict[str, Any] = (
            {"v": 1, "row_group": 0, "row": 0} if cursor is None else dict(cursor)
        )
        if cursor is None and file.opaque:
            yield self._opaque_columns(asset, file), place
        for index in range(place["row_group"], groups):
            here: Mapping[str, Any] = place if index == place["row_group"] else {"row": 0}
            group = Group(file, index, here["row"], frozenset(here.get("lost", ())))
            yield from self._group(asset, rows, group)

    def _group(self, asset: Asset, rows: TableRows, group: Group) -> _Batches:
        for table in group.tables():
            if isinstance(table, frozenset):
                yield self._lost(asset, group, table), group.cursor()
                continue
            first = group.first_row + group.row
            for batch, next_row in rows.batches(table, first, row_group=group.index):
                group.row = next_row - group.first_row
                yield batch, group.cursor()
            group.row = first + table.num_rows - group.first_row

    def _opaque_columns(self, asset: Asset, file: ParquetText) -> pa.RecordBatch:
        """One part for each column that holds no text anyone could read."""
        notes = PartRows(asset.uri)
        for seq, leaf in enumerate(file.opaque):
            notes.add(
                record_id="#columns",
                part=_shown(leaf.path, seq),
                seq=seq,
                text=None,
                status="opaque",
                problem=f"expected text, found a column of {leaf.found[:80]}; none of it was read",
                locator={"file": str(self._path.resolve())},
            )
        return notes.take()

    def _lost(self, asset: Asset, group: Group, columns: frozenset[str]) -> pa.RecordBatch:
        notes = PartRows(asset.uri)
        first, last = group.first_row + group.row, group.first_row + group.rows - 1
        for seq, column in enumerate(sorted(columns)):
            notes.add(
                record_id=f"#row_group:{group.index}",
                part=_shown(column, seq),
                seq=seq,
                text=None,
                status="unread",
                problem=f"expected rows {first} to {last} of row group {group.index} "
                f"({last - first + 1} rows), found damaged pages; they were not read",
                locator={
                    "file": str(self._path.resolve()),
                    "row_group": group.index,
                    "row": first,
                },
            )
        return notes.take()

    def _protected(self, asset: Asset) -> pa.RecordBatch:
        notes = PartRows(asset.uri)
        notes.add(
            record_id="#file",
            part="#file",
            seq=0,
            text=None,
            status="protected",
            problem="expected a Parquet file in the clear, found one with an encrypted footer",
            locator={"file": str(self._path.resolve())},
        )
        return notes.take()


def _shown(column: str, place: int) -> str:
    """The column's name, or its position when the name may be a value itself."""
    return f"{{{place}}}" if is_value_like(column) else column
