"""Records of vector stores as batches of record parts: many alike at once, odd ones one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from dlpagent.connectors.sources._columns import text_sizes, texts_of
from dlpagent.connectors.sources._existing_labels import is_label_field, labels_of, may_hold_labels
from dlpagent.connectors.sources._flat_rows import Plan, hangs_on_value, parts_in_rows
from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._record_rows import _UNPLANNED
from dlpagent.connectors.sources._vector_payload import (
    METADATA_FIELDS,
    bodies_in,
    may_be_folded,
    parts_of_record,
    unfolded,
)
from dlpagent.errors import SourceError
from dlpagent.records import (
    LOCATOR_TYPE,
    Checkpoint,
    PartRows,
    batch_of_columns,
    without_surrogates,
)

Fields = Mapping[str, Any]
# Fewer neighbours of one shape are quicker one by one than as columns.
_MIN_ALIKE = 16
_MAX_CHARS = 4_000_000
_TEXT = pa.large_string()
_NO_TEXT = "expected a text beside the vector, found none"


class Unread(NamedTuple):
    """Stands for a record the store could not give. problem: what was expected and found."""

    problem: str


@dataclass(frozen=True, slots=True)
class ColumnPage:
    """A page of a table, column by column: quicker than record by record where all are alike."""

    keys: Sequence[Any]
    ids: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def records(self) -> list[Fields]:
        """The same page record by record."""
        names = list(self.columns)
        if not names:
            return [{} for _ in self.ids]
        rows = zip(*self.columns.values(), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]


class StoreRows:
    """Turns records of one asset into batches of RECORD_SCHEMA.

    prefix: what part names begin with; place: the file records lie in, for the locator. A record
    without any text of its own is one part more, status "no_content".
    """

    def __init__(
        self, asset_uri: str, *, prefix: str = "", place: str | None = None, max_rows: int = 2_000
    ) -> None:
        self._asset_uri, self._prefix, self._max_rows = asset_uri, prefix, max_rows
        self._locator = None if place is None else {"file": place}
        self._locator_scalar = pa.scalar(self._locator, LOCATOR_TYPE)
        self._plans: dict[tuple[Any, ...], Plan | None] = {}

    def batches(
        self, ids: Sequence[str], records: Sequence[Fields | Unread]
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches, each with the number of records behind it; all of them give at least one."""
        return self._joined(self._pieces(ids, records), len(records))

    def page(self, page: ColumnPage) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The same for a page of columns."""
        arrays = {name: _array_of(values) for name, values in page.columns.items()}
        found = None
        if not any(array is None for array in arrays.values()):
            found = self._columns(pa.array(page.ids, _TEXT), arrays)
        if found is None:
            return self.batches(page.ids, page.records())
        return self._joined(found, len(page.ids))

    def table(
        self, ids: Sequence[str] | pa.Array, table: pa.RecordBatch
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The same for records that lie in columns already."""
        columns = {name: table.column(name) for name in table.schema.names}
        found = self._columns(pa.array(ids, _TEXT), columns)
        if found is None:
            found = self._one_by_one(list(map(str, _values(ids))), table.to_pylist(), 0)
        return self._joined(found, table.num_rows)

    def _joined(
        self, pieces: Iterator[tuple[pa.RecordBatch, int]], total: int
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        held: list[pa.RecordBatch] = []
        rows, chars, position = 0, 0, 0
        for batch, behind in pieces:
            size = batch.column("text").nbytes
            if held and (rows + batch.num_rows > self._max_rows or chars + size > _MAX_CHARS):
                yield _one(held), position
                held, rows, chars = [], 0, 0
            held.append(batch)
            rows, chars, position = rows + batch.num_rows, chars + size, behind
        yield _one(held) if held else batch_of_columns(self._asset_uri, 0, {}), total

    def _pieces(
        self, ids: Sequence[str], records: Sequence[Fields | Unread]
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        start = 0
        for stop, alike in _runs(records):
            found = None
            if alike:
                columns = _columns_of(records[start:stop])
                if columns is not None:
                    some = pa.array(ids[start:stop], _TEXT)
                    found = self._columns(some, columns, start)
            if found is None:
                found = self._one_by_one(ids[start:stop], records[start:stop], start)
            yield from found
            start = stop

    def _columns(
        self, ids: pa.Array, given: Mapping[str, pa.Array], first: int = 0
    ) -> Iterator[tuple[pa.RecordBatch, int]] | None:
        """None when the records are no plain texts, or when some have no text of their own."""
        fields = [pa.field(name, array.type) for name, array in given.items()]
        # A key that may be a value is read even where what stands under it is not.
        if any(map(may_hold_labels, fields)) or any(map(_is_keyed_by_value, fields)):
            return None
        columns: dict[str, pa.Array] = {}
        for name, column in given.items():
            texts = texts_of(column, name)
            if texts.invalid_bytes:
                return None
            if texts.values is not None:
                columns[name] = texts.values
        plan = self._plan_of(columns)
        bodies = bodies_in(given)
        if plan is None or hangs_on_value(columns, METADATA_FIELDS):
            return None
        named = [name for name in bodies or columns if name in columns and name != "id"]
        if not _all_have_text([columns[name] for name in named]):
            return None
        return self._all_at_once(ids, columns, plan, first)

    def _all_at_once(
        self, ids: pa.Array, columns: Mapping[str, pa.Array], plan: Plan, first: int
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        portions = parts_in_rows(columns, plan, ids, max_rows=self._max_rows, max_chars=_MAX_CHARS)
        for parts, behind in portions:
            found = dict(parts.columns)
            if self._locator is not None:
                found["locator"] = pa.repeat(self._locator_scalar, len(parts.rows))
            yield batch_of_columns(self._asset_uri, len(parts.rows), found), first + behind

    def _one_by_one(
        self, ids: Sequence[str], records: Sequence[Fields | Unread], first: int
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        rows = PartRows(self._asset_uri, self._max_rows)
        for place, (record_id, record) in enumerate(zip(ids, records, strict=True)):
            if rows.is_full():
                yield rows.take(), first + place
            self._add(rows, record_id, record)
        if len(rows):
            yield rows.take(), first + len(ids)

    def _add(self, rows: PartRows, record_id: str, record: Fields | Unread) -> None:
        if isinstance(record, Unread):
            self._add_problem(rows, record_id, 0, self._prefix or "record", record)
            return
        parts = list(parts_of_record(record, self._prefix))
        labels = labels_of(unfolded(record))
        for seq, part in enumerate(parts):
            rows.add(
                record_id=record_id,
                part=part.part,
                seq=seq,
                text=part.text,
                context=part.context,
                role=part.role,
                status=part.status,
                problem=part.problem,
                labels=labels,
                locator=self._locator,
            )
        bodies = bodies_in(record)
        fields = {self._field_of(part.part) for part in parts}
        if not (fields.intersection(bodies) if bodies else fields - {"id"}):
            name = ".".join(word for word in (self._prefix, *bodies[:1]) if word)
            self._add_problem(rows, record_id, len(parts), name or "record", None)

    def _field_of(self, part: str) -> str:
        """The field of the record that a part lies in."""
        path = part.removeprefix(f"{self._prefix}.") if self._prefix else part
        return re.split(r"[.\[{#]", path, maxsplit=1)[0]

    def _add_problem(
        self, rows: PartRows, record_id: str, seq: int, part: str, unread: Unread | None
    ) -> None:
        rows.add(
            record_id=record_id,
            part=part,
            seq=seq,
            text=None,
            status="unread" if unread else "no_content",
            problem=unread.problem if unread else _NO_TEXT,
            locator=self._locator,
        )

    def _plan_of(self, columns: Mapping[str, pa.Array]) -> Plan | None:
        key = tuple((name, str(column.type)) for name, column in columns.items())
        if key not in self._plans:
            self._plans[key] = _plan(columns, self._prefix)
        return self._plans[key]


def with_checkpoints(
    given: Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]],
) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
    """Each batch with the checkpoint of its cursor; the last one is done.

    An empty batch only moves the cursor, unless it is the only one. What was read before an error
    is given before the error is.
    """
    held: tuple[pa.RecordBatch, Mapping[str, Any]] | None = None
    try:
        for batch, cursor in given:
            if held is not None and batch.num_rows == 0:
                held = held[0], cursor
                continue
            if held is not None:
                yield held[0], Checkpoint({"v": 1, **held[1]})
            held = batch, cursor
    except SourceError:
        if held is not None:
            yield held[0], Checkpoint({"v": 1, **held[1]})
        raise
    if held is not None:
        yield held[0], Checkpoint({"v": 1, **held[1]}, done=True)


def keyed_batches(
    rows: StoreRows,
    pages: Iterator[Sequence[tuple[Any, str, Fields | Unread]] | ColumnPage],
    cursor_of: Callable[[Any], Mapping[str, Any]],
    start: Any,
) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
    """Batches of pages of (key, record id, fields), each with the cursor made of its last key."""
    is_empty = True
    for page in pages:
        if not page:
            continue
        is_empty = False
        if isinstance(page, ColumnPage):
            for batch, behind in rows.page(page):
                yield batch, cursor_of(page.keys[behind - 1])
            continue
        ids = [without_surrogates(record_id) for _, record_id, _ in page]
        for batch, behind in rows.batches(ids, [fields for _, _, fields in page]):
            yield batch, cursor_of(page[behind - 1][0])
    if is_empty:
        yield next(rows.batches([], []))[0], cursor_of(start)


def _values(ids: Sequence[str] | pa.Array) -> Sequence[Any]:
    return ids.to_pylist() if isinstance(ids, pa.Array) else ids


def _one(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _runs(records: Sequence[Fields | Unread]) -> Iterator[tuple[int, bool]]:
    """Where each run of records ends that are to be read alike; False: one by one.

    Short runs are joined with what comes after or before them.
    """
    start, stop = 0, 0
    for shape, group in groupby(records, key=_shape):
        count = sum(1 for _ in group)
        if shape is not None and count >= _MIN_ALIKE:
            if stop > start:
                yield stop, False
            stop += count
            start = stop
            yield stop, True
        else:
            stop += count
    if stop > start:
        yield stop, False


def _shape(record: Fields | Unread) -> tuple[Any, ...] | None:
    """The keys of the record and of the objects in it; None when it must be read by itself."""
    if isinstance(record, Unread):
        return None
    return tuple(
        (key, tuple(value)) if isinstance(value, dict) else key for key, value in record.items()
    )


def _columns_of(records: Sequence[Any]) -> dict[str, pa.Array] | None:
    """The values of records of one shape as columns; None when they are not plain or mixed."""
    names = list(records[0])
    if not names or not all(isinstance(name, str) for name in names):
        return None
    columns: dict[str, pa.Array] = {}
    values = zip(*(record.values() for record in records), strict=True)
    for name, column in zip(names, values, strict=True):
        array = _array_of(column)
        if array is None or is_label_field(name):
            return None
        columns[name] = array
    return columns


def _are_alike(values: Sequence[Any]) -> bool:
    """Whether all are objects with the same keys in the same order, and at least one key."""
    first = list(values[0]) if values[0] else []
    return bool(first) and all(one is not None and list(one) == first for one in values)


def _array_of(values: Sequence[Any]) -> pa.Array | None:
    kinds = {*map(type, values)} - {type(None)}
    if len(kinds) > 1:
        return None
    kind = kinds.pop() if kinds else str
    if kind is dict:
        inner = _columns_of(values) if _are_alike(values) else None
        return None if inner is None else pa.StructArray.from_arrays(
            list(inner.values()), names=list(inner))  # fmt: skip
    if kind not in (str, int, float, bool):
        return None
    try:
        return pa.array(values, _TEXT) if kind is str else pa.array(values)
    except (UnicodeEncodeError, pa.ArrowInvalid, OverflowError):
        return None


def _plan(columns: Mapping[str, pa.Array], prefix: str) -> Plan | None:
    sample = {name: _sample(column.type) for name, column in columns.items()}
    if not sample or None in sample.values() or _has_odd_keys(sample):
        return None
    parts = tuple(parts_of_record(sample, prefix))
    if len(parts) != sum(len(one) if isinstance(one, dict) else 1 for one in sample.values()):
        return None
    return Plan(
        pa.array([part.part for part in parts], pa.string()),
        pa.array([part.role for part in parts], pa.string()),
        pa.array([part.context for part in parts], pa.string()),
    )


def _sample(kind: pa.DataType) -> Any:
    """A letter for a text, an object of letters for a struct of texts, None for the rest."""
    if not pt.is_struct(kind):
        return "x" if kind == _TEXT else None
    children = {field.name: "x" for field in kind if field.type == _TEXT}
    return children if len(children) == kind.num_fields else None


def _has_odd_keys(sample: Mapping[str, Any]) -> bool:
    inner = {name for one in sample.values() if isinstance(one, dict) for name in one}
    names = inner | set(sample)
    return may_be_folded(names) or not _UNPLANNED.isdisjoint(names)


def _is_keyed_by_value(field: pa.Field) -> bool:
    children = list(field.type) if pt.is_struct(field.type) else []
    return is_value_like(field.name) or any(map(_is_keyed_by_value, children))


def _all_have_text(columns: Sequence[pa.Array]) -> bool:
    leaves = [leaf for column in columns for leaf in _leaves(column)]
    if not leaves:
        return False
    return bool(np.stack([text_sizes(leaf) > 0 for leaf in leaves]).any(axis=0).all())


def _leaves(column: pa.Array) -> list[pa.Array]:
    if pt.is_struct(column.type):
        return [leaf for child in column.flatten() for leaf in _leaves(child)]
    return [column]
