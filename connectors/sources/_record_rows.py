"""Batches of generic records, built column by column: faster than one part at a time.

Records with the same flat keys share a plan (part names, roles, contexts), made once by parts_of,
so that what a part is called is decided in one place only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._shapes import parts_of, record_id_of
from dlpagent.records import LOCATOR_TYPE, PartStatus, batch_of_columns, without_surrogates

# Keys whose meaning hangs on their values, or on each other: such records go the general way.
_UNPLANNED = frozenset({"role", "from", "data"})
_MAX_PLANS = 1_000
_MAX_FLAT_INT = 1 << 63
_Plan = tuple[tuple[str, str | None, str | None], ...]


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
        self._ids: list[str] = []
        self._parts: list[str] = []
        self._seqs: list[int] = []
        self._texts: list[str | None] = []
        self._contexts: list[str | None] = []
        self._roles: list[str | None] = []
        self._offsets: list[int | None] = []
        self._rows: list[int] = []
        self._statuses: dict[int, tuple[PartStatus, str | None]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def is_full(self) -> bool:
        """True when the batch should be taken before the next record is begun."""
        return len(self._ids) >= self._max_rows or self._chars >= self._max_chars

    def add(self, record: Mapping[str, Any], *, row: int, offset: int | None) -> None:
        """Append the parts of one record; row is its position, used as its id when it has none."""
        keys = tuple(record)
        try:
            plan = self._plans[keys]
        except KeyError:
            plan = self._remember(keys)
        if plan is None or not self._add_flat(record, plan, row, offset):
            self._add_any(record, row, offset)

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
        goes_on = bool(self._rows) and self._rows[-1] == row
        identity = record_id or (self._ids[-1] if goes_on else str(row))
        seq = self._seqs[-1] + 1 if goes_on else 0
        self._statuses[len(self._ids)] = (status, problem)
        self._append(identity, part, seq, None, None, None, row, offset)

    def take(self) -> pa.RecordBatch:
        """The gathered rows as one batch; the builder is empty afterwards."""
        count = len(self._ids)
        columns = {
            "record_id": pa.array(self._ids, pa.string()),
            "part": pa.array(self._parts, pa.string()),
            "seq": pa.array(self._seqs, pa.int32()),
            "text": pa.array(self._texts, pa.large_string()),
            "context": pa.array(self._contexts, pa.string()),
            "role": pa.array(self._roles, pa.string()),
            "locator": self._locators(count),
        }
        if self._statuses:
            statuses = [self._statuses.get(row, ("read", None)) for row in range(count)]
            columns["status"] = pa.array([status for status, _ in statuses], pa.string())
            columns["problem"] = pa.array([problem for _, problem in statuses], pa.string())
        batch = batch_of_columns(self._asset_uri, count, columns)
        self._begin()
        return batch

    def _locators(self, count: int) -> pa.Array:
        given = {
            "file": pa.repeat(pa.scalar(self._file, pa.string()), count),
            "offset": pa.array(self._offsets, pa.int64()),
            "row_group": pa.nulls(count, pa.int32()),
            "row": pa.array(self._rows, pa.int64()),
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
                plan = tuple((part.part, part.role, part.context) for part in parts)
        self._plans[keys] = plan
        return plan

    def _add_flat(
        self, record: Mapping[str, Any], plan: _Plan, row: int, offset: int | None
    ) -> bool:
        """False, with nothing appended, when a value is not plain text or a plain number."""
        texts = []
        for value in record.values():
            kind = type(value)
            if kind is str:
                if value[:5] == "data:" or not (value.isascii() or _is_encodable(value)):
                    return False
                texts.append(value)
            elif kind is int and -_MAX_FLAT_INT < value < _MAX_FLAT_INT:
                texts.append(str(value))
            elif value is None or kind is float or kind is bool:
                texts.append("")
            else:
                return False
        identity = record_id_of(record) or str(row)
        seq = 0
        for (part, role, context), text in zip(plan, texts, strict=True):
            if text:
                self._append(identity, part, seq, text, context, role, row, offset)
                seq += 1
        return True

    def _add_any(self, record: Mapping[str, Any], row: int, offset: int | None) -> None:
        identity = record_id_of(record) or str(row)
        for seq, part in enumerate(parts_of(record)):
            text = part.text if part.text is None else without_surrogates(part.text)
            if part.status != "read":
                self._statuses[len(self._ids)] = (part.status, part.problem)
            self._append(identity, part.part, seq, text, part.context, part.role, row, offset)

    def _append(  # noqa: PLR0917  called once per part: keywords would cost a tenth of the speed
        self,
        identity: str,
        part: str,
        seq: int,
        text: str | None,
        context: str | None,
        role: str | None,
        row: int,
        offset: int | None,
    ) -> None:
        if text is not None:
            self._chars += len(text)
        self._ids.append(identity)
        self._parts.append(part)
        self._seqs.append(seq)
        self._texts.append(text)
        self._contexts.append(context)
        self._roles.append(role)
        self._rows.append(row)
        self._offsets.append(offset)


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
    batches: Iterator[tuple[pa.RecordBatch, Any]],
) -> Iterator[tuple[pa.RecordBatch, Any, bool]]:
    """Each batch with True for the last one, by looking one ahead."""
    held: tuple[pa.RecordBatch, Any] | None = None
    for batch in batches:
        if held is not None:
            yield (*held, False)
        held = batch
    if held is not None:
        yield (*held, True)
