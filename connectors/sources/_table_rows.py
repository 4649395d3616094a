"""Rows of Arrow tables as batches of record parts.

Flat columns of text go the vectorised way: a row of k columns becomes k neighbouring parts by one
take(), with no step per row. Whatever is not flat, and whatever hangs on a value (chat messages,
JSON in a string, data URLs, damaged UTF-8), goes record by record. Both ways give the same parts:
names, roles and contexts come from parts_of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from dlpagent.connectors.sources._columns import text_sizes, texts_of
from dlpagent.connectors.sources._existing_labels import labels_of, may_hold_labels
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._record_rows import _UNPLANNED, RecordRows
from dlpagent.connectors.sources._shapes import _ID_KEYS, _MAX_ID_CHARS, parts_of

from dlpagent.records import LOCATOR_TYPE, RECORD_SCHEMA, batch_of_columns

# Columns that hold JSON in a string, in data sets whose writers avoid nested types.
JSON_COLUMNS = frozenset({
    "messages", "conversations", "conversation", "dialog", "dialogue", "chosen", "rejected",
    "inputs", "outputs", "tools", "tool_calls",
})  # fmt: skip
_MAX_CHARS = 4_000_000
_STRING = pa.large_string()
_T = TypeVar("_T")
_Problems = Mapping[int, Sequence[tuple[str, str]]]


class _Plan(NamedTuple):
    parts: pa.Array
    roles: pa.Array
    contexts: pa.Array


class _Slice(NamedTuple):
    """Some neighbouring rows. columns: all texts; first_row counts from the start of the asset."""

    columns: dict[str, pa.Array]
    rows: int
    first_row: int
    row_group: int | None
    offsets: np.ndarray[Any, Any] | None
    labels: list[list[str] | None] | None
    problems: _Problems


class TableRows:
    """Turns Arrow batches of one asset into batches of RECORD_SCHEMA.

    json_columns: columns declared to hold JSON, besides those whose name says so.
    """

    def __init__(
        self,
        asset_uri: str,
        file: str,
        *,
        max_rows: int = 2_000,
        json_columns: frozenset[str] = frozenset(),
    ) -> None:
        self._asset_uri, self._file, self._max_rows = asset_uri, file, max_rows
        self._json_columns = JSON_COLUMNS | json_columns
        self._plans: dict[tuple[Any, ...], _Plan | None] = {}

    def batches(
        self,
        table: pa.RecordBatch,
        first_row: int,
        *,
        row_group: int | None = None,
        offsets: np.ndarray[Any, Any] | None = None,
        problems: _Problems | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches with the number of the row behind each; rows without any text give none.

        first_row: the number of the table's first row in the asset. offsets: where each row begins.
        problems: by row of the table, parts to report as unread behind the row's own, and why.
        """
        for start, stop in self._cuts(table):
            given = table.slice(start, stop - start)
            there = None if offsets is None else offsets[start:stop]
            wrong = {row - start: p for row, p in (problems or {}).items() if start <= row < stop}
            yield from self._slice(given, first_row + start, row_group, there, wrong)

    def _cuts(self, table: pa.RecordBatch) -> Iterator[tuple[int, int]]:
        sizes = np.zeros(table.num_rows + 1, np.int64)
        for column in table.columns:
            sizes[1:] += text_sizes(column)
        total = np.cumsum(sizes)
        at_most = max(1, self._max_rows // max(1, table.num_columns))
        start = 0
        while start < table.num_rows:
            room = int(np.searchsorted(total, total[start] + _MAX_CHARS, side="right")) - 1
            stop = min(max(room, start + 1), start + at_most, table.num_rows)
            yield start, stop
            start = stop

    def _slice(
        self,
        table: pa.RecordBatch,
        first_row: int,
        row_group: int | None,
        offsets: np.ndarray[Any, Any] | None,
        problems: _Problems,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        columns: dict[str, pa.Array] = {}
        invalid = 0
        for name, column in zip(_distinct(table.schema.names), table.columns, strict=True):
            texts = texts_of(column, name)
            invalid += texts.invalid_bytes
            if texts.values is not None:
                columns[name] = texts.values
        if invalid and table.num_rows > 1:  # one by one, to say which row it was
            for row in range(table.num_rows):
                here = None if offsets is None else offsets[row : row + 1]
                alone = table.slice(row, 1)
                wrong = {0: problems[row]} if row in problems else {}
                yield from self._slice(alone, first_row + row, row_group, here, wrong)
            return
        if invalid:
            found = f"expected UTF-8, found {invalid} bytes that are not; they were read as U+FFFD"
            problems = {0: [*problems.get(0, ()), ("#encoding", found)]}
        labels = _labels(columns, table.num_rows)
        given = _Slice(columns, table.num_rows, first_row, row_group, offsets, labels, problems)
        plan = None if problems else self._plan_of(given)
        if plan is not None:
            yield self._interleaved(given, plan), first_row + given.rows
        elif columns:
            yield from self._one_by_one(given)

    def _plan_of(self, given: _Slice) -> _Plan | None:
        """How to name the parts; None when the rows must be read one by one."""
        key = tuple((name, str(column.type)) for name, column in given.columns.items())
        if key not in self._plans:
            self._plans[key] = _plan(given.columns)
        plan = self._plans[key]
        if plan is None or any(
            _hangs_on_value(column, name in self._json_columns)
            for name, column in given.columns.items()
        ):
            return None
        return plan

    def _interleaved(self, given: _Slice, plan: _Plan) -> pa.RecordBatch:
        leaves = [leaf for column in given.columns.values() for leaf in _leaves(column)]
        width = len(leaves)
        filled = np.stack([text_sizes(leaf) > 0 for leaf in leaves], axis=1)
        places = np.flatnonzero(filled)
        row, column = np.divmod(places, width)
        if width == 1 and len(places) == given.rows:
            texts = leaves[0]
        else:
            joined = pa.concat_arrays(leaves) if width > 1 else leaves[0]
            texts = joined.take(pa.array(column * given.rows + row))
        seq = (np.cumsum(filled, axis=1) - 1).ravel()[places]
        rows, cells = pa.array(row), pa.array(column)
        found: dict[str, Any] = {
            "record_id": _record_ids(given).take(rows),
            "part": plan.parts.take(cells),
            "seq": pa.array(seq, pa.int32()),
            "text": texts,
            "context": plan.contexts.take(cells),
            "role": plan.roles.take(cells),
            "locator": self._locators(given, row),
        }
        if given.labels is not None:
            found["labels"] = _label_column(given.labels).take(rows)
        return batch_of_columns(self._asset_uri, len(places), found)

    def _one_by_one(self, given: _Slice) -> Iterator[tuple[pa.RecordBatch, int]]:
        gathered = RecordRows(self._asset_uri, self._file, max_rows=self._max_rows)
        records = _records(given, self._json_columns)
        for place, record in enumerate(records):
            row = given.first_row + place
            offset = None if given.offsets is None else int(given.offsets[place])
            gathered.add(record, row=row, offset=offset)
            for part, problem in given.problems.get(place, ()):
                gathered.add_problem(part, problem, row=row, offset=offset)
            if gathered.is_full() or place == given.rows - 1:
                yield self._finished(gathered.take(), given), row + 1

    def _finished(self, batch: pa.RecordBatch, given: _Slice) -> pa.RecordBatch:
        """The batch with what RecordRows does not know: the row group and the labels."""
        if given.row_group is None and given.labels is None:
            return batch
        locators = batch.column("locator")
        row = locators.field("row").to_numpy() - given.first_row
        columns = {name: batch.column(name) for name in RECORD_SCHEMA.names}
        columns["locator"] = self._locators(given, row)
        if given.labels is not None:
            columns["labels"] = _label_column(given.labels).take(pa.array(row))
        return batch_of_columns(self._asset_uri, batch.num_rows, columns)

    def _locators(self, given: _Slice, row: np.ndarray[Any, Any]) -> pa.Array:
        count = len(row)
        offsets = None if given.offsets is None else given.offsets[row]
        group = given.row_group
        fields = {
            "file": pa.repeat(pa.scalar(self._file, pa.string()), count),
            "offset": pa.nulls(count, pa.int64()) if offsets is None else pa.array(offsets),
            "row_group": pa.repeat(pa.scalar(group, pa.int32()), count),
            "row": pa.array(row + given.first_row, pa.int64()),
        }
        return pa.StructArray.from_arrays(
            [fields[field.name] for field in LOCATOR_TYPE], fields=list(LOCATOR_TYPE)
        )


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Column names, a repeated one with its position behind it."""
    seen: set[str] = set()
    for place, name in enumerate(names):
        yield f"{name}~{place}" if name in seen else name
        seen.add(name)


def _plan(columns: Mapping[str, pa.Array]) -> _Plan | None:
    sample = {name: _sample(column.type, name) for name, column in columns.items()}
    nested_id = any(isinstance(sample.get(key), dict) for key in _ID_KEYS)
    if not sample or nested_id or None in sample.values():
        return None
    parts = tuple(parts_of(sample))
    if len(parts) != sum(len(_leaves(column)) for column in columns.values()):
        return None
    return _Plan(
        pa.array([part.part for part in parts], pa.string()),
        pa.array([part.role for part in parts], pa.string()),
        pa.array([part.context for part in parts], pa.string()),
    )


def _sample(kind: pa.DataType, key: str) -> Any:
    """A value of the type with a letter for each text; None when rows differ in what they hold."""
    if key in _UNPLANNED:
        return None
    if not pt.is_struct(kind):
        return "x" if kind in (_STRING, pa.large_binary()) else None
    children = {field.name: _sample(field.type, field.name) for field in kind}
    return None if None in children.values() or len(children) < kind.num_fields else children


def _leaves(column: pa.Array) -> list[pa.Array]:
    if pt.is_struct(column.type):
        return [leaf for child in column.flatten() for leaf in _leaves(child)]
    if column.type == _STRING:
        return [column]
    return [column.cast(_STRING)]  # bytes that were found to be UTF-8


def _hangs_on_value(column: pa.Array, may_be_json: bool) -> bool:
    if pt.is_struct(column.type):
        return any(_hangs_on_value(child, False) for child in column.flatten())
    if column.type == pa.large_binary():
        try:
            column = column.cast(_STRING)
        except pa.ArrowInvalid:
            return True
        if pc.any(pc.match_substring(column, "\x00")).as_py():
            return True
    starts = ("data:", "{", "[") if may_be_json else ("data:",)
    return any(pc.any(pc.starts_with(column, start)).as_py() for start in starts)


def _record_ids(given: _Slice) -> pa.Array:
    ids = pa.array(np.arange(given.first_row, given.first_row + given.rows)).cast(_STRING)
    for key in reversed(_ID_KEYS):
        own = given.columns.get(key)
        if own is not None and own.type == _STRING:
            size = pc.utf8_length(own)
            usable = pc.and_(pc.greater(size, 0), pc.less_equal(size, _MAX_ID_CHARS))
            ids = pc.if_else(pc.fill_null(usable, False), own, ids)
    return ids


def _records(given: _Slice, json_columns: frozenset[str]) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in given.columns.values()]
    names = list(given.columns)
    may_be_json = [name in json_columns for name in names]
    for row in zip(*columns, strict=True):
        yield {
            name: _parsed(value) if is_json and isinstance(value, str) else value
            for name, is_json, value in zip(names, may_be_json, row, strict=True)
        }


def _values(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist(maps_as_pydicts="strict"))
    except KeyError:  # a map with a key twice: its rows keep all as [key, value] pairs
        return [_value(column[place]) for place in range(len(column))]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="strict")
    except KeyError:
        return scalar.as_py()


def _parsed(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return text
    parsed = parse(text.encode())
    return parsed.value if parsed.problem is None else text


def _labels(columns: Mapping[str, pa.Array], rows: int) -> list[list[str] | None] | None:
    """The labels each row already carries; None when no column can hold any."""
    named = {
        name: _values(column)
        for name, column in columns.items()
        if may_hold_labels(pa.field(name, column.type))
    }
    if not named:
        return None
    return [labels_of({name: values[row] for name, values in named.items()}) for row in range(rows)]


def _label_column(labels: Sequence[list[str] | None]) -> pa.Array:
    return pa.array(labels, pa.list_(pa.string()))


def or_else(found: Iterator[_T], otherwise: Callable[[], _T]) -> Iterator[_T]:
    """What was found; the other one when nothing was."""
    is_empty = True
    for one in found:
        is_empty = False
        yield one
    if is_empty:
        yield otherwise()
