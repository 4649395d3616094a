"""Batches of generic records, built column by column: faster than one part at a time.

Records with the same flat keys share a plan (part names, roles, contexts), made once by parts_of,
so that what a part is called is decided in one place only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from dlpagent.connectors.sources._existing_labels import is_label_field, labels_of
from dlpagent.connectors.sources._leaves import digits_of_float
from dlpagent.connectors.sources._shapes import ID_KEYS, parts_of, record_id_of
from dlpagent.records import LOCATOR_TYPE, PartStatus, batch_of_columns, without_surrogates

# Keys whose meaning hangs on their values, or on each other: such records go the general way.
_UNPLANNED = frozenset({"role", "from", "data"})
_MAX_PLANS = 1_000
_MAX_FLAT_INT = 1 << 63
_Position = TypeVar("_Position")
_Row = tuple[str, str, int, str | None, str | None, str | None, int, int | None]


class _Plan(NamedTuple):
    """What each key of a flat record is called: part, role and context; has_labels: one holds any."""

    parts: tuple[tuple[str, str | None, str | None], ...]
    has_id: bool
    has_labels: bool


class RecordRows:
    """Gathers records and gives batches of RECORD_SCHEMA. Ask is_full() between records."""

    def __init__(
        self, asset_uri: str, file: str, *, max_rows: int = 2_000, max_chars: int = 4_000_000
    ) -> None:
        self._asset_uri, self._file = asset_uri, file
        self._max_rows, self._max_chars = max_rows, max_chars
        self._plans: dict[tuple[str, ...], _Plan | None] = {}
        self._begin()

    def _begin(self) -> None:
        self._chars = 0
        # One tuple per part: record_id, part, seq, text, context, role, row, offset.
        self._gathered: list[_Row] = []
        self._statuses: dict[int, tuple[PartStatus, str | None]] = {}
        self._labels: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._gathered)

    def is_full(self) -> bool:
        """True when the batch should be taken before the next record is begun."""
        return len(self._gathered) >= self._max_rows or self._chars >= self._max_chars

    def add(self, record: Mapping[str, Any], *, row: int, offset: int | None) -> None:
        """Append the parts of one record; row is its position, used as its id when it has none."""
        keys = tuple(record)
        try:
            plan = self._plans[keys]
        except KeyError:
            plan = self._remember(keys)
        begun = len(self._gathered)
        is_flat = plan is not None and self._add_flat(record, plan, row, offset)
        if not is_flat:
            self._add_any(record, row, offset)
        if not is_flat or (plan and plan.has_labels):  # a flat one has them in its own fields only
            labels = labels_of(record)
            if labels:
                places = range(begun, len(self._gathered))
                self._labels.update(dict.fromkeys(places, labels))

    def add_problem(
        self,
        part: str,
        problem: str,
        *,
        row: int,
        offset: int | None,
        record_id: str | None = None,
        status: PartStatus = "unread",
    ) -> None:
        """Append a part that could not be read: with the record before it when that has its row."""
        self._statuses[len(self._gathered)] = (status, problem)
        self._append(part, None, row, offset, record_id)

    def add_text(self, part: str, text: str, *, row: int, offset: int | None) -> None:
        """Append a text that is no value of the record: with it when it was begun."""
        self._chars += len(text)
        self._append(part, without_surrogates(text), row, offset, None)

    def _append(
        self, part: str, text: str | None, row: int, offset: int | None, record_id: str | None
    ) -> None:
        before = self._gathered[-1] if self._gathered else None
        goes_on = before is not None and before[6] == row
        identity = record_id or (before[0] if before is not None and goes_on else str(row))
        seq = before[2] + 1 if before is not None and goes_on else 0
        self._gathered.append((identity, part, seq, text, None, None, row, offset))

    def take(self) -> pa.RecordBatch:
        """The gathered rows as one batch; the builder is empty afterwards."""
        count = len(self._gathered)
        columns = {}
        if count:
            ids, parts, seqs, texts, contexts, roles, rows, offsets = zip(
                *self._gathered, strict=True
            )
            columns = {
                "record_id": pa.array(ids, pa.string()),
                "part": pa.array(parts, pa.string()),
                "seq": pa.array(seqs, pa.int32()),
                "text": pa.array(texts, pa.large_string()),
                "context": pa.array(contexts, pa.string()),
                "role": pa.array(roles, pa.string()),
                "locator": self._locators(rows, offsets),
            }
        if self._labels:
            carried = [self._labels.get(place) for place in range(count)]
            columns["labels"] = pa.array(carried, pa.list_(pa.string()))
        if self._statuses:
            statuses = [self._statuses.get(place, ("read", None)) for place in range(count)]
            columns["status"] = pa.array([status for status, _ in statuses], pa.string())
            columns["problem"] = pa.array([problem for _, problem in statuses], pa.string())
        batch = batch_of_columns(self._asset_uri, count, columns)
        self._begin()
        return batch

    def _locators(self, rows: Sequence[int], offsets: Sequence[int | None]) -> pa.Array:
        given = {
            "file": pa.repeat(pa.scalar(self._file, pa.string()), len(rows)),
            "offset": pa.array(offsets, pa.int64()),
            "row_group": pa.nulls(len(rows), pa.int32()),
            "row": pa.array(rows, pa.int64()),
        }
        return pa.StructArray.from_arrays(
            [given[field.name] for field in LOCATOR_TYPE], fields=list(LOCATOR_TYPE)
        )

    def _remember(self, keys: tuple[str, ...]) -> _Plan | None:
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        plan: _Plan | None = None
        if not _UNPLANNED.intersection(keys):
            parts = tuple(parts_of(dict.fromkeys(keys, "x")))
            if len(parts) == len(keys):
                named = tuple((part.part, part.role, part.context) for part in parts)
                has_labels = any(map(is_label_field, keys))
                plan = _Plan(named, not ID_KEYS.isdisjoint(keys), has_labels)
        self._plans[keys] = plan
        return plan

    def _add_flat(
        self, record: Mapping[str, Any], plan: _Plan, row: int, offset: int | None
    ) -> bool:
        """False, with nothing appended, when a value is not plain text or a plain number."""
        identity = record_id_of(record) if plan.has_id else None
        identity = identity or str(row)
        gathered, begun, seq, chars = self._gathered, len(self._gathered), 0, 0
        for (part, role, context), value in zip(plan.parts, record.values(), strict=True):
            text = value if type(value) is str else _number_text(value)
            if text is None or text[:5] == "data:" or not (text.isascii() or _is_encodable(text)):
                del gathered[begun:]
                return False
            if text:
                gathered.append((identity, part, seq, text, context, role, row, offset))
                seq += 1
                chars += len(text)
        self._chars += chars
        return True

    def _add_any(self, record: Mapping[str, Any], row: int, offset: int | None) -> None:
        identity = record_id_of(record) or str(row)
        for seq, (name, read, role, context, status, problem) in enumerate(parts_of(record)):
            text = read if read is None or read.isascii() else without_surrogates(read)
            if status != "read":
                self._statuses[len(self._gathered)] = (status, problem)
            self._chars += len(text or "")
            self._gathered.append((identity, name, seq, text, context, role, row, offset))


def _number_text(value: object) -> str | None:
    """An integer's digits, "" for what is no part (null, truth, fraction), None for the rest."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return digits_of_float(value) or ""
    if isinstance(value, int) and -_MAX_FLAT_INT < value < _MAX_FLAT_INT:
        return str(value)
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_record(value: Any) -> Mapping[str, Any]:
    """A JSON value as a record: objects as they are, anything else under the name `$`."""
    return value if isinstance(value, dict) else {"$": value}


def mark_last(
    batches: Iterator[tuple[pa.RecordBatch, _Position]],
) -> Iterator[tuple[pa.RecordBatch, _Position, bool]]:
    """Each batch with True for the last one, by looking one ahead.

    An empty batch at the end only moves the position of the one before it.
    """
    held: tuple[pa.RecordBatch, _Position] | None = None
    for batch, position in batches:
        if held is not None and batch.num_rows == 0:
            held = held[0], position
            continue
        if held is not None:
            yield (*held, False)
        held = batch, position
    if held is not None:
        yield (*held, True)
