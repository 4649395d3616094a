"""Files of audit records: the CSV of an audit search, its JSON, saved blobs of the feed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from dlpagent.connectors.sources._audit_record import EVENT, audit_record, is_ai
from dlpagent.connectors.sources._csv_form import HEAD_BYTES, form_of
from dlpagent.connectors.sources._csv_rows import CsvRow, CsvRows
from dlpagent.connectors.sources._files import head_of, opened
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, Span
from dlpagent.connectors.sources._log_fields import dict_at, json_or_text, list_at, text_at
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import (
    LogFile,
    LogRecord,
    Step,
    generic_record,
    read_steps,
)
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.records import Asset, Checkpoint, without_surrogates

_APP = "Microsoft 365"
_COLUMN = "AuditData"
# Columns of an audit search that say once more what AuditData says.
_CSV_KEYS = frozenset({
    "RecordId", "Identity", "CreationDate", "RecordType", "Operation", "Operations", "UserId",
    "UserIds", "AssociatedAdminUnits", "AssociatedAdminUnitsNames", "ResultIndex", "ResultCount",
    "IsValid", "ObjectState", "PSComputerName", "RunspaceId", "PSShowComputerName",
})  # fmt: skip
_GRAPH_KEYS = frozenset({
    "id", "createdDateTime", "auditLogRecordType", "operation", "organizationId", "userType",
    "userId", "service", "objectId", "userPrincipalName", "clientIp", "administrativeUnits",
    "@odata.type",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditFile:
    """One file. Its records are named by their Id."""

    log: LogFile

    @property
    def is_csv(self) -> bool:
        return self.log.path.suffix.lower() == ".csv"

    def read(
        self, asset: Asset, after: Checkpoint | None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any record."""
        if not self.is_csv:
            yield from self.log.read(asset, after, records_of)
            return
        if after is not None and after.done:
            return
        with opened(self.log.path) as file:
            stream = ByteStream(file)
            split = partial(_rows, head_of(self.log.path, HEAD_BYTES))
            # Rows are counted from the heading on, so resuming reads the file from its beginning.
            place = str(self.log.path.resolve())
            step = Step(place, stream, split, _csv_record, replay=True)
            yield from read_steps(
                [step], asset, after, self.log.batch_rows, lambda: stream.consumed
            )


def audit_file(
    path: Path,
    connector: str,
    batch_rows: int = 2000,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> AuditFile:
    """The file at a path; nothing is opened yet."""
    return AuditFile(LogFile(path, connector, _APP, batch_rows, max_record_bytes))


def is_audit(path: Path) -> bool:
    """By a column AuditData, or records of AI use bare, in `value` or in `auditData`."""
    if path.suffix.lower() == ".csv":
        first = head_of(path).split(b"\n", 1)[0]
        return _COLUMN.encode() in first or _COLUMN.encode("utf-16-le") in first
    for head in head_records(path):
        for one in (head, *list_at(head, "value")[:3]):
            data = json_or_text(dict_at(one).get("auditData", one))
            if EVENT in dict_at(data) and "CreationTime" in dict_at(data):
                return True
    return False


def records_of(value: Any, identity: str) -> Iterator[LogRecord]:
    """The audit records in a value: one alone, a page of a search, a blob."""
    if isinstance(value, list):
        for place, one in enumerate(value):
            yield from records_of(one, f"{identity}.{place}")
    elif not isinstance(value, dict):
        yield generic_record(value, identity)
    elif isinstance(value.get("value"), list):
        yield from records_of(value["value"], identity)
        rest = {k: one for k, one in value.items() if k != "value" and not k.startswith("@odata")}
        if rest:
            yield generic_record(rest, f"{identity}#page")
    elif "auditData" in value:
        yield from _told_by(value, "auditData", _GRAPH_KEYS, identity)
    elif is_ai(value) or ("CreationTime" in value and "Operation" in value):
        yield audit_record(value, identity)
    else:
        yield generic_record(value, identity)


def _csv_record(value: Any, identity: str) -> Iterator[LogRecord]:
    yield from _told_by(dict_at(value), _COLUMN, _CSV_KEYS, identity)


def _told_by(
    value: Mapping[str, Any], key: str, known: frozenset[str], identity: str
) -> Iterator[LogRecord]:
    """The record inside a field, and what stands around it; what cannot be read of it is told."""
    inner = json_or_text(value.get(key))
    damage: list[ShapePart] = []
    if isinstance(inner, str):
        problem = f"expected a JSON object, found {len(inner)} characters that are none"
        damage.append(ShapePart(key, None, status="unread", problem=problem))
        inner, tail = salvage(inner.encode("utf-8", "replace"))
        if tail.strip():
            damage.append(ShapePart("#tail", tail))
    elif not isinstance(inner, dict):
        problem = f"expected a JSON object, found {'nothing' if inner is None else 'another value'}"
        damage.append(ShapePart(key, None, status="unread", problem=problem))
    own = text_at(value, "RecordId") or text_at(value, "id")
    name = own or identity
    if isinstance(inner, dict):
        record = audit_record(inner, name)
        name = str(record.columns["record_id"])
        yield record
    elif inner is not None:
        yield generic_record(inner, name)
    row_problem = value.get("#row")
    if row_problem is not None:
        damage.append(ShapePart("#row", None, status="unread", problem=str(row_problem)))
    around = {
        name: one
        for name, one in value.items()
        if name not in (key, "#row") and (name not in known or isinstance(one, dict | list))
    }
    parts = [*parts_of(around), *damage]
    if parts:
        yield LogRecord({"record_id": f"{identity}#row"}, parts)


def _rows(head: bytes, blocks: Iterator[bytes], _start: int, _in_array: bool) -> Iterator[Span]:
    """Each row below the heading as JSON of its cells by name; `#row` says what is wrong with it."""
    form = form_of(head, encoding=None, delimiter=None, header=True, tabs=False)
    stream = cast("ByteStream", _Blocks(blocks))
    rows = CsvRows(stream, encoding=form.encoding, delimiter=form.delimiter)
    names = [name.strip("\ufeff ") for name in form.heading or ()]
    for place, row in enumerate(rows.rows(0)):
        if place:
            raw = json.dumps(_cells(names, row, form.delimiter)).encode()
            yield Span(row.start, raw, row.end - row.start, row.end)


class _Blocks:
    """A stream that was opened already."""

    problem: str | None = None

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def blocks(self, _start: int = 0) -> Iterator[bytes]:
        return self._blocks


def _cells(names: list[str], row: CsvRow, delimiter: str) -> dict[str, Any]:
    if row.cells is None:
        return {"#row": row.problem}
    cells = [without_surrogates(cell) for cell in row.cells]
    told: dict[str, Any] = dict(zip(names, cells, strict=False))
    problem = row.problem
    if problem is not None:
        # An unclosed quote: the cells were cut at every comma of the JSON.
        line = delimiter.join(cells)
        begin = line.find('"{')
        if begin >= 0:
            plain = line[:begin].split(delimiter)[: len(names)]
            told = dict(zip(names, plain, strict=False))
            told[_COLUMN] = line[begin + 1 :].replace('""', '"')
    elif len(cells) != len(names):
        problem = f"expected {len(names)} fields, found {len(cells)}"
        told |= {f"field{n}": one for n, one in enumerate(cells[len(names) :], len(names))}
    return {**told, "#row": problem} if problem else told
