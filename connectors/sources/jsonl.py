"""JSON Lines (.jsonl, .ndjson), plain or compressed with gzip or Zstandard: one record per line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._files import file_asset, head_of, path_of
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_records import read_json_records
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, Span, lines
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.records import Asset, Checkpoint

_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")
_SNIFF_BYTES = 1 << 16


class JsonLines:
    """One record per line. record_id is the record's own id, else the line number from 0."""

    name = "jsonl"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_line_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_line_bytes: longer lines are reported unread, so that memory stays bounded."""
        self._path = path_of(target)
        self._batch_rows, self._max_line_bytes = batch_rows, max_line_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """By suffix; a .json file too when its first line is an object of its own."""
        name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
        return name.endswith(_SUFFIXES) or (name.endswith(".json") and _begins_with_lines(path))

    def discover(self) -> Iterator[Asset]:
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        split = partial(_split, max_bytes=self._max_line_bytes)
        return read_json_records(self._path, asset, split, after, self._batch_rows)


def _split(
    blocks: Iterator[bytes], start: int, _in_array: bool, *, max_bytes: int
) -> Iterator[Span]:
    return lines(blocks, start, max_bytes)


def _begins_with_lines(path: Path) -> bool:
    """True when line 1 is a whole JSON object and line 2 begins another one."""
    first, _, rest = _decoded_head(path).lstrip().partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        return False
    parsed = parse(first)
    return parsed.problem is None and isinstance(parsed.value, dict)


def _decoded_head(path: Path) -> bytes:
    head = head_of(path, _SNIFF_BYTES)
    try:
        with path.open("rb") as file:
            return next(ByteStream(file).blocks(), b"") if head else b""
    except OSError:
        return b""
