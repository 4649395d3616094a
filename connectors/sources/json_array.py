"""JSON files (.json), plain or compressed: an array of records, one object, or objects in a row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._files import file_asset, path_of
from dlpagent.connectors.sources._json_records import read_json_records
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, values
from dlpagent.records import Asset, Checkpoint


class JsonArray:
    """Each element of an outermost array is a record, as is each value outside of arrays.

    record_id is the record's own id, else its position from 0.
    """

    name = "json"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger records are reported unread, so that memory stays bounded."""
        self._path = path_of(target)
        self._batch_rows, self._max_record_bytes = batch_rows, max_record_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """By suffix. Ask the connectors for chat exports and JSON Lines first."""
        return path.name.lower().removesuffix(".gz").removesuffix(".zst").endswith(".json")

    def discover(self) -> Iterator[Asset]:
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        split = partial(values, max_bytes=self._max_record_bytes)
        return read_json_records(self._path, asset, split, after, self._batch_rows)
