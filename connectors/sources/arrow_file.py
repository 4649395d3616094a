"""Arrow IPC files and streams (.arrow, .feather), and the folders Hugging Face datasets saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._arrow_batches import ArrowBatches
from dlpagent.connectors.sources._files import (
    check_unchanged,
    file_asset,
    head_of,
    path_of,
    path_of_uri,
    reading,
)
from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._table_rows import TableRows, or_else
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_SUFFIXES = (".arrow", ".feather", ".ipc", ".arrows")
# What save_to_disk writes beside the shards of one split, and above several splits.
_DATASET, _SPLITS = "state.json", "dataset_dict.json"
_Batches = Iterator[tuple[pa.RecordBatch, dict[str, Any]]]


class ArrowFile:
    """One Arrow file, or a saved dataset folder with one asset for each shard.

    Cursor: batch (Arrow record batch in the file), row (first one not yet read, counted in it),
    before (rows of the file before that batch).
    """

    name = "arrow"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._path = path_of(target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for Arrow files by name or first bytes, and for folders save_to_disk wrote."""
        if path.is_dir():
            return (path / _SPLITS).is_file() or (
                (path / _DATASET).is_file() and any(path.glob("*.arrow"))
            )
        return path.suffix.lower() in _SUFFIXES or head_of(path, 6) == b"ARROW1"

    def discover(self) -> Iterator[Asset]:
        """The file, or every shard of the folder. Raises SourceError when there is none."""
        if not self._path.is_dir():
            yield file_asset(self._path, "dataset", self.name)
            return
        with reading(self._path):
            shards = sorted(path for path in self._path.rglob("*.arrow") if _is_shard(path))
        if not shards:
            raise SourceError(
                "holds no Arrow shards",
                where=str(self._path),
                expected="a folder written by save_to_disk, with files named *.arrow",
                found="none",
                remedy="Name the folder above the shards, or the files themselves.",
            )
        for shard in shards:
            yield file_asset(shard, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of the file. Raises SourceError when it has no Arrow schema."""
        if after is not None and after.done:
            return
        path = path_of_uri(asset.uri)
        cursor = None if after is None else after.cursor
        with ArrowBatches(path) as file:
            end = {"v": 1, "batch": 0, "row": 0, "before": 0}
            found = or_else(
                self._batches(asset, str(path), file, cursor),
                lambda: (PartRows(asset.uri).take(), (end, file.consumed)),
            )
            for batch, (place, consumed), last in mark_last(found):
                yield batch, Checkpoint(place, done=last, bytes_read=consumed)
        check_unchanged(path)

    def _batches(
        self, asset: Asset, path: str, file: ArrowBatches, cursor: Mapping[str, Any] | None
    ) -> Iterator[tuple[pa.RecordBatch, tuple[dict[str, Any], int]]]:
        place = {"v": 1, "batch": 0, "row": 0, "before": 0} if cursor is None else dict(cursor)
        if cursor is None and file.opaque:
            yield _opaque(asset, path, file), (place, 0)
        rows = TableRows(asset.uri, path, max_rows=self._batch_rows, json_columns=file.json_columns)
        before = place["before"]
        for index, table, problem in file.tables(place["batch"]):
            skip = place["row"] if index == place["batch"] else 0
            if table is not None:
                first = before + skip
                for batch, next_row in rows.batches(table.slice(skip), first):
                    here = {"batch": index, "row": next_row - before, "before": before}
                    yield batch, ({"v": 1, **here}, file.consumed)
                before += table.num_rows
            behind = {"v": 1, "batch": index + 1, "row": 0, "before": before}
            if problem is not None:
                yield _unread(asset, path, index, before, problem), (behind, file.consumed)
            place = {"batch": -1}


def _is_shard(path: Path) -> bool:
    """False for the caches datasets leaves beside its shards."""
    return path.is_file() and not path.name.startswith(("cache-", "tmp", "."))


def _opaque(asset: Asset, path: str, file: ArrowBatches) -> pa.RecordBatch:
    notes = PartRows(asset.uri)
    for seq, leaf in enumerate(file.opaque):
        notes.add(
            record_id="#columns",
            part=f"{{{seq}}}" if is_value_like(leaf.path) else leaf.path,
            seq=seq,
            text=None,
            status="opaque",
            problem=f"expected text, found a column of {leaf.found[:80]}; none of it was read",
            locator={"file": path},
        )
    return notes.take()


def _unread(asset: Asset, path: str, index: int, row: int, problem: str) -> pa.RecordBatch:
    notes = PartRows(asset.uri)
    notes.add(
        record_id=f"#batch:{index}",
        part="#batch",
        seq=0,
        text=None,
        status="unread",
        problem=problem,
        locator={"file": path, "row": row},
    )
    return notes.take()
