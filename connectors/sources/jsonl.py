"""JSON Lines (.jsonl, .ndjson), plain or compressed with gzip or Zstandard: one record per line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._files import file_asset, head_of, opened, path_of
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_records import read_json_records
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, Span, lines
from dlpagent.connectors.sources._line_portions import WORTH_CUTTING, line_cuts
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.portions import Portion
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
        return self.read_portion(asset, Portion(after))

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """Stretches between line ends. A compressed file is one."""
        offset, row = (after.cursor["offset"], after.cursor["row"]) if after else (0, 0)
        if (asset.size_bytes or 0) - offset > WORTH_CUTTING * size_bytes:
            with opened(self._path) as file:
                stream = ByteStream(file)
                if stream.compression is None:
                    for cut in line_cuts(stream.blocks(offset), offset, row, size_bytes):
                        here = {"v": 1, "offset": cut.offset, "row": cut.rows, "in_array": False}
                        yield Portion(after, here)
                        after = Checkpoint(here, bytes_read=cut.offset)
        yield Portion(after)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The lines of a portion."""
        split = partial(_split, max_bytes=self._max_line_bytes)
        until = None if portion.until is None else int(portion.until["offset"])
        return read_json_records(self._path, asset, split, portion.after, self._batch_rows, until)


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
