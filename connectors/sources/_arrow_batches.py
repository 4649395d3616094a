"""The record batches of one Arrow IPC file or stream, with only the columns that hold text.

One record batch is held at a time, as its writer made it: that, not the file, bounds the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.types as pt

from dlpagent.connectors.sources._columns import Leaf, begins_as_text, leaves_of
from dlpagent.connectors.sources._files import arrow_source, reading
from dlpagent.connectors.sources._parquet_groups import DAMAGE
from dlpagent.errors import SourceError

_MAGIC = b"ARROW1"
# The file format is a stream behind its magic bytes, with an index of the batches at the end.
_STREAM_AT = 8
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_PROBE_BATCHES = 8
_CUT_OFF = "expected the end of the Arrow {}, found the file cut off; what comes before was read"
_DAMAGED = "expected an Arrow record batch, found damaged or cut off data; its rows were not read"


class ArrowBatches:
    """An open file. Raises SourceError when its schema cannot be read.

    opaque: innermost columns that hold no text. json_columns: columns of the JSON type.
    seen: record batches met so far.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen = 0
        with reading(path):
            source = arrow_source(path)
            self._source = pa.OSFile(source, "rb") if isinstance(source, str) else source
        try:
            self._find_format()
            self._plan(self._open(None).schema)
        except UnicodeDecodeError:
            self.close()
            raise SourceError(
                "the names of the columns are damaged",
                where=str(path),
                expected="names in UTF-8",
                found="bytes that are not",
                remedy="Copy or write the file again.",
            ) from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ArrowBatches:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return int(self._source.tell())

    def tables(self, start: int) -> Iterator[tuple[int, pa.RecordBatch | None, str | None]]:
        """Record batches from number `start` on, each with its number; or what is wrong with it."""
        self.seen = start
        if not self._wanted:
            return
        reader = self._open(self._wanted)
        given = self._by_index(reader, start) if self._is_indexed else self._in_turn(reader, start)
        for table in given:
            is_whole = table is not None and _is_sound(table)
            yield self.seen, table if is_whole else None, None if is_whole else _DAMAGED
            self.seen += 1
        if self._cut_off:
            yield self.seen, None, self._cut_off

    def _by_index(self, reader: Any, start: int) -> Iterator[pa.RecordBatch | None]:
        for index in range(start, reader.num_record_batches):
            try:
                yield reader.get_batch(index)
            except DAMAGE:
                yield None

    def _in_turn(self, reader: Any, start: int) -> Iterator[pa.RecordBatch | None]:
        batches = iter(reader)
        place = 0
        try:
            for place in range(start):  # noqa: B007  tells how far it came
                next(batches)
            place = start
            yield from batches
        except StopIteration:  # what follows the last batch was told before
            self._cut_off = ""
        except DAMAGE:
            self._cut_off = ""
            if place == start:
                yield None

    def _find_format(self) -> None:
        """Sets _is_indexed, _stream_at, and _cut_off: what is missing at the end, or nothing."""
        size = self._source.size()
        is_file = self._source.read(len(_MAGIC)) == _MAGIC
        self._stream_at = _STREAM_AT if is_file else 0
        self._source.seek(max(0, size - len(_END_OF_STREAM)))
        tail = self._source.read()
        self._cut_off, self._is_indexed = "", False
        if not is_file:
            # Old streams end with four zero bytes; both marks end so.
            self._cut_off = "" if tail.endswith(_END_OF_STREAM[-4:]) else _CUT_OFF.format("stream")
            return
        self._is_indexed = True
        try:
            self._open(None)
        except DAMAGE:
            self._is_indexed, self._cut_off = False, _CUT_OFF.format("file, its index,")

    def _open(self, fields: Sequence[int] | None) -> Any:
        options = pa.ipc.IpcReadOptions(included_fields=None if fields is None else list(fields))
        if self._is_indexed:
            return pa.ipc.open_file(self._source, options=options)
        self._source.seek(self._stream_at)
        try:
            return pa.ipc.open_stream(self._source, options=options)
        except DAMAGE as error:
            raise SourceError(
                "cannot be read as Arrow",
                where=str(self._path),
                expected="an Arrow IPC file or stream",
                found=f"{self._source.size()} bytes without a readable schema",
                remedy="Copy or write the file again; other formats need another --connector.",
            ) from error

    def _plan(self, schema: pa.Schema) -> None:
        leaves = leaves_of(schema)
        textual = {leaf.column for leaf in leaves if leaf.kind == "text"}
        binary = {leaf.column for leaf in leaves if leaf.kind == "bytes"}
        textual |= self._textual(schema, binary)
        self._wanted = [place for place, name in enumerate(schema.names) if name in textual]
        self.opaque: list[Leaf] = [
            leaf
            for leaf in leaves
            if leaf.kind == "opaque" or (leaf.kind == "bytes" and leaf.column not in textual)
        ]
        self.json_columns = frozenset(
            field.name
            for field in schema
            if getattr(field.type, "extension_name", "") == "arrow.json"
        )

    def _textual(self, schema: pa.Schema, columns: set[str]) -> set[str]:
        """Those binary columns whose first values are UTF-8 text."""
        places = [place for place, name in enumerate(schema.names) if name in columns]
        undecided = dict.fromkeys(columns, True)
        if not places:
            return set()
        reader = self._open(places)
        tables = self._by_index(reader, 0) if self._is_indexed else self._in_turn(reader, 0)
        cut_off = self._cut_off
        decided: set[str] = set()
        for table in islice(tables, _PROBE_BATCHES):
            if table is None or decided == columns:
                continue
            for name in columns - decided:
                is_text = begins_as_text(table.column(name))
                if is_text is not None:
                    undecided[name] = is_text
                    decided.add(name)
        self._cut_off = cut_off
        return {name for name, is_text in undecided.items() if is_text}


def _is_sound(table: pa.RecordBatch) -> bool:
    """True when no offset of the batch leads outside it; UTF-8 is looked at later, cell by cell."""
    try:
        table.validate(full=True)
    except DAMAGE:
        try:
            for column in table.columns:
                _raw(column).validate(full=True)
        except DAMAGE:
            return False
    return True


def _raw(column: pa.Array) -> pa.Array:
    if pt.is_string(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.large_binary()) if pt.is_large_string(column.type) else column
