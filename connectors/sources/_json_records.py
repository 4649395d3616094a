"""Reading JSON records out of a byte stream into batches: what JSON Lines and JSON arrays share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from dlpagent.connectors.sources._files import opened
from dlpagent.connectors.sources._json_parse import NOT_JSON, decode_strictly, parse
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._json_split import Span
from dlpagent.connectors.sources._record_rows import RecordRows, as_record, mark_last
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

# (blocks, start offset, inside an array) → spans
Splitter = Callable[[Iterator[bytes], int, bool], Iterator[Span]]
_BLANK = b" \t\r\n"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_TORN = "expected the end of the array, found the end of the file"


class JsonStream(Protocol):
    """What ByteStream gives: see there."""

    problem: str | None
    consumed: int

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Blocks from the offset on."""


def read_json_records(
    path: Path,
    asset: Asset,
    split: Splitter,
    after: Checkpoint | None,
    batch_rows: int,
    until: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
    """Batches of the file's records, each with the checkpoint behind it.

    The cursor holds v, offset (decompressed bytes), row (records or lines so far) and in_array.
    until: the offset where to stop, that of a record; the last checkpoint is not done then.
    """
    if after is not None and after.done:
        return
    cursor = dict(after.cursor) if after is not None else {"offset": 0, "row": 0}
    with opened(path) as file:
        _check_encoding(path, file.read(2))
        file.seek(0)
        stream = ByteStream(file, until)
        rows = RecordRows(asset.uri, str(path.resolve()), max_rows=batch_rows)
        batches = record_batches(stream, rows, split, cursor)
        for batch, (position, consumed), last in mark_last(batches):
            yield batch, Checkpoint(position, done=last and until is None, bytes_read=consumed)


def record_batches(
    stream: JsonStream, rows: RecordRows, split: Splitter, cursor: dict[str, Any]
) -> Iterator[tuple[pa.RecordBatch, tuple[dict[str, Any], int]]]:
    """Batches from the cursor on, each with the cursor behind it and the bytes read for it."""
    row, offset = int(cursor["row"]), int(cursor["offset"])
    in_array = bool(cursor.get("in_array", False))
    for span in split(stream.blocks(offset), offset, in_array):
        add_span(rows, span, row)
        row, offset, in_array = row + 1, span.goes_on, span.in_array
        if rows.is_full():
            yield rows.take(), (_cursor(offset, row, in_array), stream.consumed)
    if stream.problem is not None:
        rows.add_problem("#stream", stream.problem, row=row, offset=offset)
    yield rows.take(), (_cursor(offset, row, in_array), stream.consumed)


def _cursor(offset: int, row: int, in_array: bool) -> dict[str, Any]:
    return {"v": 1, "offset": offset, "row": row, "in_array": in_array}


def add_span(rows: RecordRows, span: Span, row: int) -> None:
    """Append the record of one span, or the reason why it cannot be read. Blank spans give none."""
    if span.raw and not span.torn:
        try:
            value = decode_strictly(span.raw)
        except NOT_JSON:
            pass
        else:
            rows.add(as_record(value), row=row, offset=span.offset)
            return
    _add_odd_span(rows, span, row)


def _add_odd_span(rows: RecordRows, span: Span, row: int) -> None:
    if span.torn and span.in_array:
        rows.add_problem("#stream", _TORN, row=row, offset=span.offset)
    if span.raw is None:
        problem = f"expected a record within the size limit, found one of {span.size} bytes"
        rows.add_problem("#record", problem, row=row, offset=span.offset)
    elif span.raw.strip(_BLANK):
        parsed = parse(span.raw)
        if parsed.problem is None:
            rows.add(as_record(parsed.value), row=row, offset=span.offset)
        else:
            _add_salvaged(rows, span.raw, row, span.offset)
            problem = parsed.problem
            if span.torn:
                problem += f"; the file ends inside this record after {span.size} bytes"
            rows.add_problem("#record", problem, row=row, offset=span.offset)
        if parsed.invalid_bytes:
            problem = (
                f"expected UTF-8, found {parsed.invalid_bytes} bytes that are not (read as U+FFFD)"
            )
            rows.add_problem("#encoding", problem, row=row, offset=span.offset)


def _add_salvaged(rows: RecordRows, raw: bytes, row: int, offset: int) -> None:
    """What stands before the damage as it is, what stands behind it as the text `#tail`."""
    value, tail = salvage(raw)
    if value is not None:
        rows.add(as_record(value), row=row, offset=offset)
    if tail.strip():
        rows.add_text("#tail", tail, row=row, offset=offset)


def _check_encoding(path: Path, head: bytes) -> None:
    if head in _UTF16:
        raise SourceError(
            "is not in UTF-8",
            where=str(path),
            expected="JSON in UTF-8, as RFC 8259 demands",
            found="the byte order mark of UTF-16",
            remedy="Convert it first: iconv -f UTF-16 -t UTF-8 FILE > COPY.",
        )
