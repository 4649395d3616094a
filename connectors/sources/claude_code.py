"""Claude Code transcripts (`projects/<folder>/<session>.jsonl`): one event per line, append-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    actor_of,
    chat_parts,
    content_parts,
    dict_at,
    first_time,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Claude Code"
_LINE_KEYS = frozenset({
    "type", "timestamp", "sessionId", "uuid", "parentUuid", "leafUuid", "isSidechain", "userType",
    "version", "requestId", "cwd", "message", "logicalParentUuid", "messageId", "toolUseID",
    "parentToolUseID", "sourceToolAssistantUUID",
})  # fmt: skip
_MESSAGE_KEYS = frozenset({
    "id", "type", "role", "model", "content", "stop_reason", "stop_sequence",
})  # fmt: skip


class ClaudeCode:
    """Each event is a record named by its `uuid`, else by its line number from 0."""

    name = "claude-code"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_line_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_line_bytes: longer lines are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_line_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By events that have a `sessionId` and a message or uuid."""
        return any(
            isinstance(value.get("sessionId"), str)
            and isinstance(value.get("type"), str)
            and ("uuid" in value or "message" in value)
            for value in head_records(path)
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any line."""
        return self._log.read(asset, after, _records, by_lines=True)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    message = dict_at(value, "message")
    model = text_at(message, "model")
    columns = {
        "record_id": text_at(value, "uuid") or identity,
        "conversation_id": text_at(value, "sessionId"),
        "parent_id": text_at(value, "parentUuid"),
        "actor_id": actor_of(value.get("cwd")),
        "model": None if model == "<synthetic>" else model,
        "created_at": first_time(value, "timestamp"),
    }
    yield LogRecord(columns, _parts(value, message))


def _parts(value: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = role_of(message.get("role")) or role_of(value.get("type"))
    said: set[str] = set()
    for part in content_parts(message.get("content"), role, "message.content"):
        said.add(part.text or "")
        yield part
    odd = value.get("message")
    if odd is not None and not isinstance(odd, Mapping):
        yield from parts_of({"message": odd})
    for part in chat_parts(rest_of(message, _MESSAGE_KEYS), role):
        if part.part not in ("content", "type") and not part.part.startswith("content["):
            yield part._replace(part=f"message.{part.part}")
    rest = {key: child for key, child in rest_of(value, _LINE_KEYS).items() if key != "message"}
    if "cwd" in value:
        rest["cwd"] = value["cwd"]
    for part in parts_of(rest):
        # `toolUseResult` says once more what a block of the message said.
        if not (part.part.startswith("toolUseResult") and part.text in said):
            yield part
