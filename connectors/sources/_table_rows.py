"""Rows of Arrow tables as batches of record parts.

Flat columns of text go the vectorised way, with no step per row. Whatever is not flat, and whatever
hangs on a value (chat messages, JSON in a string, data URLs, damaged UTF-8), goes record by record.
Both ways give the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from dlpagent.connectors.sources._columns import text_sizes, texts_of
from dlpagent.connectors.sources._existing_labels import labels_of, may_hold_labels
from dlpagent.connectors.sources._flat_rows import (
    Ints,
    Plan,
    hangs_on_value,
    parts_in_rows,
    plan_of,
    record_ids,
)
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._record_rows import RecordRows
from dlpagent.records import LOCATOR_TYPE, RECORD_SCHEMA, batch_of_columns

# Columns that hold JSON in a string, in data sets whose writers avoid nested types.
JSON_COLUMNS = frozenset({
    "messages", "conversations", "conversation", "dialog", "dialogue", "chosen", "rejected",
    "inputs", "outputs", "tools", "tool_calls",
})  # fmt: skip
_MAX_CHARS = 4_000_000
# Rows are made text in steps of so many bytes: dictionaries may spell out far larger.
_STEP_BYTES = 16_000_000
# A step with an odd row is halved down to this, so that the others go the fast way.
_MIN_STEP_ROWS = 256
_T = TypeVar("_T")
_Problems = Mapping[int, Sequence[tuple[str, str]]]


class _Step(NamedTuple):
    """Some neighbouring rows. first_row counts from the start of the asset."""

    table: pa.RecordBatch
    first_row: int
    row_group: int | None
    offsets: Ints | None
    problems: _Problems

    def part(self, start: int, stop: int) -> _Step:
        """The rows from start up to stop."""
        return _Step(
            self.table.slice(start, stop - start),
            self.first_row + start,
            self.row_group,
            None if self.offsets is None else self.offsets[start:stop],
            {row - start: found for row, found in self.problems.items() if start <= row < stop},
        )


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
        self._plans: dict[tuple[Any, ...], Plan | None] = {}

    def batches(
        self,
        table: pa.RecordBatch,
        first_row: int,
        *,
        row_group: int | None = None,
        offsets: Ints | None = None,
        problems: _Problems | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches with the number of the row behind each; rows without any text give none.

        first_row: the number of the table's first row in the asset. offsets: where each row begins.
        problems: by row of the table, parts to report as unread behind the row's own, and why.
        """
        whole = _Step(table, first_row, row_group, offsets, problems or {})
        for start, stop in _steps(table):
            yield from self._step(whole.part(start, stop))

    def _step(self, step: _Step) -> Iterator[tuple[pa.RecordBatch, int]]:
        columns: dict[str, pa.Array] = {}
        invalid, rows = 0, step.table.num_rows
        for name, column in zip(
            _distinct(step.table.schema.names), step.table.columns, strict=True
        ):
            texts = texts_of(column, name)
            invalid += texts.invalid_bytes
            if texts.values is not None:
                columns[name] = texts.values
        if not columns:
            return
        plan = self._plan_of(columns)
        is_odd = plan is not None and (
            bool(step.problems) or hangs_on_value(columns, self._json_columns)
        )
        if rows > 1 and (invalid or (is_odd and rows > _MIN_STEP_ROWS)):
            yield from self._step(step.part(0, rows // 2))
            yield from self._step(step.part(rows // 2, rows))
            return
        if invalid:
            found = f"expected UTF-8, found {invalid} bytes that are not; they were read as U+FFFD"
            step = step._replace(problems={0: [*step.problems.get(0, ()), ("#encoding", found)]})
        labels = _labels(columns, rows)
        if plan is None or is_odd or invalid:
            given = self._one_by_one(step, columns)
        else:
            given = self._all_at_once(step, columns, plan)
        for batch, row in given:
            yield self._labelled(batch, step, labels), row

    def _plan_of(self, columns: Mapping[str, pa.Array]) -> Plan | None:
        key = tuple((name, str(column.type)) for name, column in columns.items())
        if key not in self._plans:
            self._plans[key] = plan_of(columns)
        return self._plans[key]

    def _all_at_once(
        self, step: _Step, columns: Mapping[str, pa.Array], plan: Plan
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        ids = record_ids(columns, step.first_row, step.table.num_rows)
        portions = parts_in_rows(columns, plan, ids, max_rows=self._max_rows, max_chars=_MAX_CHARS)
        for parts, behind in portions:
            given = {**parts.columns, "locator": self._locators(step, parts.rows)}
            batch = batch_of_columns(self._asset_uri, len(parts.rows), given)
            yield batch, step.first_row + behind

    def _one_by_one(
        self, step: _Step, columns: Mapping[str, pa.Array]
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        gathered = RecordRows(self._asset_uri, self._file, max_rows=self._max_rows)
        last = step.table.num_rows - 1
        for place, record in enumerate(_records(columns, self._json_columns)):
            row = step.first_row + place
            offset = None if step.offsets is None else int(step.offsets[place])
            gathered.add(record, row=row, offset=offset)
            for part, problem in step.problems.get(place, ()):
                gathered.add_problem(part, problem, row=row, offset=offset)
            if gathered.is_full() or place == last:
                batch = gathered.take()
                if step.row_group is not None:
                    rows = batch.column("locator").field("row").to_numpy() - step.first_row
                    batch = _with(batch, "locator", self._locators(step, rows))
                yield batch, row + 1

    def _labelled(
        self, batch: pa.RecordBatch, step: _Step, labels: list[list[str] | None] | None
    ) -> pa.RecordBatch:
        if labels is None:
            return batch
        rows = batch.column("locator").field("row").to_numpy() - step.first_row
        column = pa.array(labels, pa.list_(pa.string())).take(pa.array(rows))
        return _with(batch, "labels", column)

    def _locators(self, step: _Step, row: Ints) -> pa.Array:
        count, offsets = len(row), step.offsets
        fields = {
            "file": pa.repeat(pa.scalar(self._file, pa.string()), count),
            "offset": pa.nulls(count, pa.int64()) if offsets is None else pa.array(offsets[row]),
            "row_group": pa.repeat(pa.scalar(step.row_group, pa.int32()), count),
            "row": pa.array(row + step.first_row, pa.int64()),
        }
        return pa.StructArray.from_arrays(
            [fields[field.name] for field in LOCATOR_TYPE], fields=list(LOCATOR_TYPE)
        )


def _steps(table: pa.RecordBatch) -> Iterator[tuple[int, int]]:
    sizes = np.zeros(table.num_rows + 1, np.int64)
    for column in table.columns:
        sizes[1:] += text_sizes(column)
    total = np.cumsum(sizes)
    start = 0
    while start < table.num_rows:
        room = int(np.searchsorted(total, total[start] + _STEP_BYTES, side="right")) - 1
        stop = min(max(room, start + 1), table.num_rows)
        yield start, stop
        start = stop


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Column names, a repeated one with its position behind it."""
    seen: set[str] = set()
    for place, name in enumerate(names):
        yield f"{name}~{place}" if name in seen else name
        seen.add(name)


def _records(
    columns: Mapping[str, pa.Array], json_columns: frozenset[str]
) -> Iterator[dict[str, Any]]:
    names = list(columns)
    may_be_json = [name in json_columns for name in names]
    for row in zip(*(_values(column) for column in columns.values()), strict=True):
        yield {
            name: _parsed(value) if is_json and isinstance(value, str) else value
            for name, is_json, value in zip(names, may_be_json, row, strict=True)
        }


def _values(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist(maps_as_pydicts="strict"))
    except KeyError:  # a map with a key twice: its row keeps all as [key, value] pairs
        return [_value(scalar) for scalar in column]


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


def _with(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    return batch.set_column(RECORD_SCHEMA.get_field_index(name), RECORD_SCHEMA.field(name), column)


def or_else(found: Iterator[_T], otherwise: Callable[[], _T]) -> Iterator[_T]:
    """What was found; the other one when nothing was."""
    is_empty = True
    for one in found:
        is_empty = False
        yield one
    if is_empty:
        yield otherwise()
