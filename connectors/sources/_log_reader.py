"""Reading interaction logs: the JSON values of a file, or of an export's members, as records.

A source says what one value means (RecordsOf); all else is here: batches, checkpoints, places, and
what happens to values that are damaged. Their readable beginning is read, the rest is scanned as
the text it is and told as unread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from dlpagent.connectors.sources._files import file_asset, opened
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_records import Splitter
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, Span, lines, values
from dlpagent.connectors.sources._record_rows import as_record, mark_last
from dlpagent.connectors.sources._shapes import ShapePart, parts_of, record_id_of
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.records import Asset, Checkpoint, PartRows, PartStatus

__all__ = [
    "LogFile", "LogRecord", "LogStream", "RecordsOf", "Step", "following", "generic_record",
    "read_steps",
]  # fmt: skip
_BLANK = b" \t\r\n"


class LogRecord(NamedTuple):
    """One record. columns: arguments of PartRows.add that all its rows share, with record_id."""

    columns: Mapping[str, Any]
    parts: Iterable[ShapePart]


# (a JSON value, the id of a record that has none) → its records. Must not raise on any value.
RecordsOf = Callable[[Any, str], Iterable[LogRecord]]


class LogStream(Protocol):
    """What ByteStream and MemberStream have in common."""

    @property
    def problem(self) -> str | None:
        """Why blocks() ended early; known behind it."""

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Blocks from the (unpacked) offset on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stream of values. place: its file, for locators. prefix: what ids from positions begin by.

    replay: records hang on the values before them, so resuming reads from the beginning again.
    whole: the records of a member that is no JSON; the stream is not read then.
    """

    place: str
    stream: LogStream
    split: Splitter
    records_of: RecordsOf
    prefix: str = ""
    replay: bool = False
    on_problem: PartStatus = "unread"
    whole: Callable[[], Iterable[LogRecord]] | None = None


class _Unit(NamedTuple):
    at: dict[str, Any]
    goes_on: dict[str, Any]
    locator: dict[str, Any]
    records: Iterable[LogRecord]


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log that is one file, plain or packed with gzip or Zstandard."""

    path: Path
    connector: str
    app: str
    batch_rows: int = 2000
    max_record_bytes: int = MAX_RECORD_BYTES

    def asset(self) -> Asset:
        """Raises SourceError when there is no such file."""
        return file_asset(self.path, "chat_log", self.connector, item="record", app=self.app)

    def read(
        self,
        asset: Asset,
        after: Checkpoint | None,
        records_of: RecordsOf,
        *,
        by_lines: bool = False,
        replay: bool = False,
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Its records; by_lines: a value never goes on behind the end of its line."""
        if after is not None and after.done:
            return
        limit = self.max_record_bytes
        split = partial(_lines, max_bytes=limit) if by_lines else partial(values, max_bytes=limit)
        with opened(self.path) as file:
            stream = ByteStream(file)
            step = Step(str(self.path.resolve()), stream, split, records_of, replay=replay)
            yield from read_steps([step], asset, after, self.batch_rows, lambda: stream.consumed)


def read_steps(
    steps: Sequence[Step],
    asset: Asset,
    after: Checkpoint | None,
    batch_rows: int,
    consumed: Callable[[], int],
) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
    """Batches of the steps' records in order.

    The cursor holds v, step, offset, row and in_array of a value, and skip: how many of that
    value's records were given already.
    """
    rows = PartRows(asset.uri, max_rows=batch_rows)
    cursor = dict(after.cursor) if after is not None else {}
    with ExitStack() as stack:
        batches = _batches(steps, rows, cursor, asset.app)
        stack.callback(batches.close)  # type: ignore[attr-defined]  # a generator
        counted = ((batch, (place, consumed())) for batch, place in batches)
        for batch, (place, spent), last in mark_last(counted):
            yield batch, Checkpoint(place, done=last, bytes_read=spent)


def following(last: Checkpoint) -> Checkpoint:
    """Where to go on when a log that was read to its end has grown: behind its last whole value.

    Holds for logs that are only added to; one that shrank or begins otherwise is read anew.
    """
    return Checkpoint(last.cursor)


def generic_record(value: Any, identity: str, **columns: Any) -> LogRecord:
    """A value of no known shape: every leaf of it is a part."""
    record = as_record(value)
    own = record_id_of(record)
    prefix = identity.rpartition("#")[0]
    name = identity if own is None else f"{prefix}#{own}" if prefix else own
    return LogRecord({"record_id": name, **columns}, parts_of(record))


def _lines(blocks: Iterator[bytes], start: int, _: bool, *, max_bytes: int) -> Iterator[Span]:
    return lines(blocks, start, max_bytes)


def _batches(
    steps: Sequence[Step], rows: PartRows, cursor: Mapping[str, Any], app: str | None
) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
    given_before = int(cursor.get("skip", 0))
    end = dict(cursor) or _cursor(0)
    for unit in _units(steps, cursor):
        end = unit.goes_on
        for number, record in enumerate(unit.records):
            if number < given_before:
                deque(record.parts, maxlen=0)
                continue
            for seq, part in enumerate(record.parts):
                known = {"app": app, **record.columns, **part._asdict()}
                rows.add(seq=seq, locator=unit.locator, **known)
            if rows.is_full():
                yield rows.take(), {**unit.at, "skip": number + 1}
        given_before = 0
    yield rows.take(), end


def _units(steps: Sequence[Step], cursor: Mapping[str, Any]) -> Iterator[_Unit]:
    first = int(cursor.get("step", 0))
    for number, step in enumerate(steps[first:], first):
        begin = cursor if number == first and cursor else _cursor(number)
        if step.whole is not None:
            locator = {"file": step.place}
            yield _Unit(dict(begin), _cursor(number + 1), locator, step.whole())
        else:
            yield from _units_of(step, begin, number)


def _units_of(step: Step, begin: Mapping[str, Any], number: int) -> Iterator[_Unit]:
    wanted = int(begin["row"])
    at = _cursor(number) if step.replay else dict(begin)
    for span in step.split(step.stream.blocks(at["offset"]), at["offset"], at["in_array"]):
        row = int(at["row"])
        goes_on = _cursor(number, span.goes_on, row + 1, span.in_array)
        records = _records(step, span, f"{step.prefix}{row}")
        if row < wanted:
            for record in records:
                deque(record.parts, maxlen=0)
        else:
            # A torn value may be written to its end later: whoever follows the log, from the last
            # checkpoint on, reads it again from its beginning.
            behind = dict(at) if span.torn else goes_on
            yield _Unit(at, behind, _locator(step, span.offset, row), records)
        at = goes_on
    if step.stream.problem is not None:
        part = ShapePart("#stream", None, status=step.on_problem, problem=step.stream.problem)
        record = LogRecord({"record_id": f"{step.prefix}{at['row']}#damage"}, [part])
        locator = _locator(step, at["offset"], at["row"])
        yield _Unit(at, _cursor(number + 1), locator, [record])


def _records(step: Step, span: Span, identity: str) -> Iterator[LogRecord]:
    """The records of one value, and one more that tells what of it could not be read."""
    damage: list[ShapePart] = []
    if span.raw is None:
        damage.append(_unread("#record", "a record within the size limit", f"{span.size} bytes"))
    elif span.raw.strip(_BLANK):
        parsed = parse(span.raw)
        value = parsed.value
        if parsed.invalid_bytes:
            found = f"{parsed.invalid_bytes} bytes that are not (read as U+FFFD)"
            damage.append(_unread("#encoding", "UTF-8", found))
        if parsed.problem is not None:
            damage.append(ShapePart("#record", None, status="unread", problem=parsed.problem))
            value, tail = salvage(span.raw)
            if tail.strip():
                damage.append(ShapePart("#tail", tail))
        if parsed.problem is None or value is not None:
            yield from step.records_of(value, identity)
    if span.torn and (span.raw is None or not span.raw or damage):
        damage.append(_unread("#end", "the end of the record", "the end of the file"))
    if damage:
        yield LogRecord({"record_id": f"{identity}#damage"}, damage)


def _unread(part: str, expected: str, found: str) -> ShapePart:
    return ShapePart(part, None, status="unread", problem=f"expected {expected}, found {found}")


def _locator(step: Step, offset: int, row: int) -> dict[str, Any]:
    return {"file": step.place, "offset": offset, "row": row}


def _cursor(step: int, offset: int = 0, row: int = 0, in_array: bool = False) -> dict[str, Any]:
    return {"v": 1, "step": step, "offset": offset, "row": row, "in_array": in_array}
