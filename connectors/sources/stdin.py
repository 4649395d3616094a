"""Standard input (`-`): JSON Lines when it looks like it, else one text. It cannot be resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from dlpagent.connectors.sources._decode import binary_kind, decode, mark_of
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_records import record_batches
from dlpagent.connectors.sources._json_split import Span, lines
from dlpagent.connectors.sources._record_rows import RecordRows, mark_last
from dlpagent.connectors.sources._streams import BLOCK_BYTES
from dlpagent.connectors.sources._text_pieces import MAX_WHOLE_BYTES, add_binary, add_text, pieces
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_URI = "stdin:"
_SNIFF_BYTES = 1 << 16

StdinFormat = Literal["auto", "jsonl", "text"]


class Stdin:
    """Records as of the connector jsonl or text. An asset of kind stream, named `stdin:`."""

    name = "stdin"

    def __init__(
        self,
        target: str = "-",
        *,
        batch_rows: int = 2000,
        form: StdinFormat = "auto",
        stream: BinaryIO | None = None,
    ) -> None:
        """form: "auto" means jsonl if every line in the first 64 KB is a JSON object, else text.

        stream: read instead of standard input.
        """
        self._target, self._batch_rows, self._form = target, batch_rows, form
        self._file = stream if stream is not None else sys.stdin.buffer

    def discover(self) -> Iterator[Asset]:
        yield Asset(_URI, "stream", self.name, "asset")

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The cursor says how far reading came; SourceError when asked to go on from there."""
        if after is not None and after.done:
            return
        if after is not None:
            raise SourceError(
                "cannot be read again from the middle",
                where=_URI,
                expected="a source that can be resumed",
                found=f"standard input, read up to byte {after.cursor.get('offset')} before",
                remedy="Save the input to a file and scan that, or scan again without --resume.",
            )
        head = _read_up_to(self._file, _SNIFF_BYTES)
        is_jsonl = self._form == "jsonl" or (self._form == "auto" and _are_objects(head))
        source = _Replay(head, self._file)
        batches = self._records(asset, source) if is_jsonl else self._text(asset, source, head)
        for batch, cursor, last in mark_last(batches):
            yield batch, Checkpoint(cursor, done=last, bytes_read=cursor["offset"])

    def _records(
        self, asset: Asset, source: _Replay
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = RecordRows(asset.uri, _URI, max_rows=self._batch_rows)
        begin = {"offset": 0, "row": 0}
        for batch, (cursor, _) in record_batches(source, rows, _split, begin):
            yield batch, cursor

    def _text(
        self, asset: Asset, source: _Replay, head: bytes
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        kind = binary_kind(head)
        if kind is not None:
            add_binary(rows, kind, locator={"file": _URI, "offset": 0})
            yield rows.take(), {"v": 1, "offset": len(head), "row": 1}
            return
        encoding, offset = mark_of(head)
        source.read(offset)
        row = 0
        for raw in pieces(source, encoding, MAX_WHOLE_BYTES, MAX_WHOLE_BYTES):
            locator = {"file": _URI, "offset": offset, "row": row}
            decoded = decode(raw, encoding)
            add_text(rows, decoded, record_id=str(row), mime="text/plain", locator=locator)
            offset, row = offset + len(raw), row + 1
            yield rows.take(), {"v": 1, "offset": offset, "row": row}
        yield rows.take(), {"v": 1, "offset": offset, "row": row}


class _Replay:
    """A pipe whose first bytes were looked at already."""

    problem: str | None = None

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file
        self.consumed = 0

    def read(self, size: int) -> bytes:
        """The next bytes: size of them, or fewer at the end of the input."""
        given, self._head = self._head[:size], self._head[size:]
        if len(given) < size:
            given += _read_up_to(self._file, size - len(given))
        self.consumed += len(given)
        return given

    def blocks(self, _start: int = 0) -> Iterator[bytes]:
        while block := self.read(BLOCK_BYTES):
            yield block


def _read_up_to(file: BinaryIO, size: int) -> bytes:
    """size bytes, or all that come before the end. Raises SourceError when the pipe breaks."""
    pieces_read = []
    try:
        while size > 0 and (piece := file.read(size)):
            pieces_read.append(piece)
            size -= len(piece)
    except OSError as error:
        raise SourceError(
            "cannot be read",
            where=_URI,
            expected="input up to its end",
            found=error.strerror or type(error).__name__,
            remedy="Save the input to a file and scan that.",
        ) from error
    return b"".join(pieces_read)


def _split(blocks: Iterator[bytes], start: int, _in_array: bool) -> Iterator[Span]:
    return lines(blocks, start)


def _are_objects(head: bytes) -> bool:
    """True when each whole line is a JSON object, and there is one at least."""
    found = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(head) == _SNIFF_BYTES:
        found.pop()  # a line that goes on
    whole = [line for line in found if line.strip()]
    return bool(whole) and all(
        line.lstrip().startswith(b"{") and parse(line).problem is None for line in whole
    )
