"""What every source yields: Arrow batches of record parts, and the asset they came from.

asset (collection, table, file, mailbox) → record (row, message, vector record) → part (a field, a
message body, an attachment). A part is the unit of matching: proximity never crosses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

# What a policy can name as the kind of place an asset is.
AssetKind = Literal["chat_log", "vector_collection", "dataset", "document", "stream"]

# What happened to a part. Everything but "read" counts against completeness, except "no_content":
# the source says there was nothing to read (content logging is off), which is reported, not clean.
PartStatus = Literal["read", "unread", "no_content", "protected", "opaque"]

# What a policy decides on: each record (a message with its attachments, a vector record) or the
# whole asset (a document, a file of a training corpus).
ItemLevel = Literal["record", "asset"]

LOCATOR_TYPE = pa.struct(
    [
        pa.field("file", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("row_group", pa.int32()),
        pa.field("row", pa.int64()),
    ]
)
ATTACHMENT_TYPE = pa.struct(
    [
        pa.field("name", pa.string()),
        pa.field("mime", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("ref", pa.string()),
    ]
)

RECORD_SCHEMA = pa.schema(
    [
        pa.field("asset_uri", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("seq", pa.int32(), nullable=False),
        pa.field("text", pa.large_string()),
        pa.field("context", pa.string()),
        pa.field("mime", pa.string()),
        pa.field("role", pa.string()),
        pa.field("actor_id", pa.string()),
        pa.field("app", pa.string()),
        pa.field("model", pa.string()),
        pa.field("conversation_id", pa.string()),
        pa.field("parent_id", pa.string()),
        pa.field("created_at", pa.timestamp("us", tz="UTC")),
        pa.field("modified_at", pa.timestamp("us", tz="UTC")),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("attachments", pa.list_(ATTACHMENT_TYPE)),
        pa.field("metadata", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("problem", pa.string()),
        pa.field("locator", LOCATOR_TYPE),
    ],
    metadata={"dlpagent.schema": "record", "dlpagent.version": "1"},
)
"""One row per part. seq numbers the parts of one record from 0, in reading order. All rows of one
record are neighbours and lie in one batch. record_id is the source's own id where it has one, else
its position. problem says why a part was not read; text is null then. locator.row counts from 0,
locator.offset is in bytes. An optional extra column `vector` (fixed-size list of float32) may follow.
context holds the words a person would see beside the text (column heading, JSON key, file title):
supporting elements are searched there too, at distance 0; primary elements never are.
metadata is a JSON object or null; it is not scanned (a source yields what must be scanned as parts).
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """One collection, table, file or mailbox a source can read on its own.

    change_key: equal keys mean unchanged content (size and mtime, ETag, table version); None when
    the source cannot tell. size_bytes and rows are estimates for progress, None when unknown.
    """

    uri: str
    kind: AssetKind
    connector: str
    item: ItemLevel = "record"
    change_key: str | None = None
    size_bytes: int | None = None
    rows: int | None = None
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where reading goes on after a batch: opaque to all but the source that made it.

    cursor is a small JSON object; done marks the last batch of the asset; bytes_read is the
    progress in the asset's own bytes, for display only.
    """

    cursor: Mapping[str, Any]
    done: bool = False
    bytes_read: int | None = None


@dataclass(slots=True)
class PartRows:
    """Gathers parts one at a time and gives them as batches of RECORD_SCHEMA.

    add() takes the columns of RECORD_SCHEMA by name; what is left out is null. The owner calls
    is_full() between records (never inside one) and take() to get the batch.
    """

    asset_uri: str
    max_rows: int = 2_000
    max_chars: int = 4_000_000
    _columns: dict[str, list[Any]] = field(init=False)
    _chars: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._columns = {name: [] for name in RECORD_SCHEMA.names}

    def __len__(self) -> int:
        return len(self._columns["record_id"])

    def is_full(self) -> bool:
        """True when the batch should be taken before the next record is begun."""
        return len(self) >= self.max_rows or self._chars >= self.max_chars

    def add(
        self,
        *,
        record_id: str,
        part: str,
        seq: int,
        text: str | None,
        context: str | None = None,
        status: PartStatus = "read",
        problem: str | None = None,
        mime: str | None = None,
        role: str | None = None,
        actor_id: str | None = None,
        app: str | None = None,
        model: str | None = None,
        conversation_id: str | None = None,
        parent_id: str | None = None,
        created_at: datetime | None = None,
        modified_at: datetime | None = None,
        labels: Sequence[str] | None = None,
        attachments: Sequence[Mapping[str, Any]] | None = None,
        metadata: str | None = None,
        locator: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one part. Lone surrogates become U+FFFD, one for one, so offsets hold."""
        values = locals()
        columns = self._columns
        for name in RECORD_SCHEMA.names:
            if name != "asset_uri":
                columns[name].append(values[name])
        columns["asset_uri"].append(self.asset_uri)
        if text is not None:
            self._chars += len(text)
            if not text.isascii():
                columns["text"][-1] = without_surrogates(text)

    def take(self) -> pa.RecordBatch:
        """The gathered rows as one batch; the builder is empty afterwards."""
        arrays = [_column(self._columns[column.name], column.type) for column in RECORD_SCHEMA]
        batch = pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)
        self.__post_init__()
        self._chars = 0
        return batch


def _column(values: list[Any], of_type: pa.DataType) -> pa.Array:
    """Values as a column; what cannot be encoded (rare, so tried first) is mended."""
    try:
        return pa.array(values, type=of_type)
    except UnicodeEncodeError:
        return pa.array([_encodable(value) for value in values], type=of_type)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, Mapping):
        return {name: _encodable(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_encodable(item) for item in value]
    return value


def without_surrogates(text: str) -> str:
    """Text that can be encoded: each lone surrogate code point replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def batch_of_columns(asset_uri: str, rows: int, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """A batch of RECORD_SCHEMA from whole columns; what is not given is null (or its default).

    Defaults: asset_uri as given, seq 0, status "read". Columns are cast to the schema's types.
    Raises pyarrow.ArrowInvalid when a column cannot be cast.
    """
    defaults: dict[str, Any] = {"asset_uri": asset_uri, "seq": 0, "status": "read"}
    arrays = []
    for column in RECORD_SCHEMA:
        given = columns.get(column.name)
        if given is not None:
            arrays.append(given if given.type == column.type else given.cast(column.type))
        elif column.name in defaults:
            arrays.append(pa.repeat(pa.scalar(defaults[column.name], column.type), rows))
        else:
            arrays.append(pa.nulls(rows, column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)
