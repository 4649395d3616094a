"""TFRecord files (.tfrecord, .tfrecords), plain or packed with gzip: checked records of tf.train.Example.

A record is its length (uint64), the masked CRC-32C of that, the data, the masked CRC-32C of those.
Source: tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from dlpagent.connectors.sources._crc32c import crc32c, masked, plain_crc32c
from dlpagent.connectors.sources._decode import binary_kind
from dlpagent.connectors.sources._files import file_asset, head_of, opened, path_of
from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._record_rows import RecordRows, mark_last
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._tf_example import NotProtobufError, features_of
from dlpagent.records import Asset, Checkpoint

_NAMED = re.compile(r"\.tfrecords?(-\d+-of-\d+)?$|\.tfrec$")
_HEADER, _FOOTER = 12, 4
MAX_RECORD_BYTES = 64 << 20


class _Record(NamedTuple):
    """data is None when it was not read, and problem says why. goes_on: where the next one begins."""

    offset: int
    data: bytes | None
    goes_on: int
    problem: str | None = None


class TfRecord:
    """Every record is one of ours. Cursor: offset (byte where one begins), row (its number)."""

    name = "tfrecord"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger records are reported unread, so that memory stays bounded."""
        self._path = path_of(target)
        self._batch_rows, self._max_record_bytes = batch_rows, max_record_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """By name, or by a first header whose checksum is right."""
        if path.is_dir():
            return False
        if _NAMED.search(path.name.lower().removesuffix(".gz")):
            return True
        head = head_of(path, _HEADER)
        return len(head) == _HEADER and head != bytes(_HEADER) and _length_in(head) is not None

    def discover(self) -> Iterator[Asset]:
        """The one file. Raises SourceError when it is not there."""
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of the file. Raises SourceError when it cannot be opened."""
        if after is not None and after.done:
            return
        place: Mapping[str, Any] = after.cursor if after is not None else {"offset": 0, "row": 0}
        with opened(self._path) as file:
            stream = ByteStream(file)
            for batch, cursor, last in mark_last(self._batches(asset, stream, place)):
                yield batch, Checkpoint(cursor, done=last, bytes_read=stream.consumed)

    def _batches(
        self, asset: Asset, stream: ByteStream, place: Mapping[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = RecordRows(asset.uri, str(self._path.resolve()), max_rows=self._batch_rows)
        row, offset = int(place["row"]), int(place["offset"])
        for record in _records(stream, offset, self._max_record_bytes):
            if record.data is None:
                rows.add_problem("#record", record.problem or "", row=row, offset=record.offset)
            else:
                _add(rows, record.data, row, record.offset)
            row, offset = row + 1, record.goes_on
            if rows.is_full():
                yield rows.take(), {"v": 1, "offset": offset, "row": row}
        if stream.problem is not None:
            rows.add_problem("#stream", stream.problem, row=row, offset=offset)
        yield rows.take(), {"v": 1, "offset": offset, "row": row}


def _length_in(header: bytes) -> int | None:
    """The length a header tells; None when its checksum is another one."""
    length, crc = struct.unpack("<QI", header)
    return int(length) if masked(plain_crc32c(header[:8])) == crc else None


def _records(stream: ByteStream, start: int, max_bytes: int) -> Iterator[_Record]:
    reader = _Reader(stream.blocks(start))
    offset = start
    while header := reader.take(_HEADER):
        length = _length_in(header) if len(header) == _HEADER else None
        if length is None:
            found = (
                "a header that is cut off" if len(header) < _HEADER else "a wrong checksum of it"
            )
            rest = len(header) + reader.skip()
            problem = f"expected the length of a record, found {found}; {rest} bytes were not read"
            yield _Record(offset, None, offset + rest, problem)
            return
        goes_on = offset + _HEADER + length + _FOOTER
        yield _record(reader, offset, length, goes_on, max_bytes)
        offset = goes_on


def _record(reader: _Reader, offset: int, length: int, goes_on: int, max_bytes: int) -> _Record:
    if length > max_bytes:
        lost = length + _FOOTER - reader.skip(length + _FOOTER)
        found = "the file cut off" if lost else f"{length}"
        problem = f"expected at most {max_bytes} bytes in a record, found {found}"
        return _Record(offset, None, goes_on, problem)
    raw = reader.take(length + _FOOTER)
    if len(raw) < length + _FOOTER:
        found = f"expected a record of {length} bytes, found the file cut off after {len(raw)}"
        return _Record(offset, None, offset + _HEADER + len(raw), found)
    data = raw[:length]
    if masked(crc32c(data)) != int.from_bytes(raw[length:], "little"):
        found = f"expected the checksum of the record, found another; {length} bytes were not read"
        return _Record(offset, None, goes_on, found)
    return _Record(offset, data, goes_on)


class _Reader:
    """Takes bytes off a run of blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held, self._at = blocks, b"", 0

    def take(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        pieces = [self._held[self._at : self._at + size]]
        have = len(pieces[0])
        self._at += have
        while have < size and (block := next(self._blocks, b"")):
            piece = block[: size - have]
            pieces.append(piece)
            have += len(piece)
            self._held, self._at = block, len(piece)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    def skip(self, size: int | None = None) -> int:
        """Pass over so many bytes (or all the rest); how many there were."""
        passed = 0
        while size is None or passed < size:
            step = len(self.take(1 << 20 if size is None else min(1 << 20, size - passed)))
            if not step:
                break
            passed += step
        return passed


def _add(rows: RecordRows, data: bytes, row: int, offset: int) -> None:
    """The features of a record; what is no Example is text, or opaque."""
    try:
        found = features_of(data)
    except NotProtobufError:
        if binary_kind(data[: 1 << 16]) is None:
            rows.add({"$": data.decode("utf-8", "replace")}, row=row, offset=offset)
        else:
            problem = "expected a tf.train.Example or text, found other bytes"
            rows.add_problem("#record", problem, row=row, offset=offset, status="opaque")
        return
    rows.add(found.values, row=row, offset=offset)
    for place, (name, what) in enumerate(found.opaque.items()):
        shown = f"{{{place}}}" if is_value_like(name) else name
        problem = f"expected text, found {what}"
        rows.add_problem(shown, problem, row=row, offset=offset, status="opaque")
