"""Codex transcripts (`sessions/Y/M/D/rollout-*.jsonl`): {timestamp, type, payload} per line."""

from __future__ import annotations

from collections import Counter, deque
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
    first_text,
    first_time,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Codex"
_TYPES = frozenset({
    "session_meta", "turn_context", "response_item", "event_msg", "compacted", "world_state",
})  # fmt: skip
_LINE_KEYS = frozenset({"timestamp", "type", "payload", "ordinal"})
_PAYLOAD_KEYS = frozenset({"id", "type", "role", "call_id", "status", "turn_id", "content"})
_ROLES = {
    "function_call": "assistant", "custom_tool_call": "assistant", "reasoning": "assistant",
    "local_shell_call": "assistant", "web_search_call": "assistant",
    "agent_message": "assistant", "agent_reasoning": "assistant",
    "function_call_output": "tool", "custom_tool_call_output": "tool", "exec_command_end": "tool",
    "user_message": "user",
}  # fmt: skip
# Events come within a few lines of the item they repeat.
_REMEMBERED = 256


class Codex:
    """Each line is a record, named `SESSION#LINE` (lines count from 0)."""

    name = "codex"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_line_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_line_bytes: longer lines are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_line_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By lines of a known type with a payload."""
        return any(
            text_at(value, "type") in _TYPES and isinstance(value.get("payload"), dict)
            for value in head_records(path)
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any line; the lines before it are read again for session and model."""
        return self._log.read(asset, after, _Session().records, by_lines=True, replay=True)


class _Session:
    """What earlier lines say about later ones: session, account, model, texts given already."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._actor: str | None = None
        self._model: str | None = None
        self._events, self._items = _Recent(), _Recent()

    def records(self, value: Any, identity: str) -> Iterator[LogRecord]:
        if not isinstance(value, dict):
            yield generic_record(value, identity)
            return
        payload, kind = dict_at(value, "payload"), text_at(value, "type")
        if kind == "session_meta":
            self._id = first_text(payload, "id", "session_id") or self._id
        if kind in ("session_meta", "turn_context"):
            self._model = text_at(payload, "model") or self._model
            self._actor = actor_of(payload.get("cwd")) or self._actor
        columns = {
            "record_id": f"{self._id}#{identity}" if self._id else identity,
            "conversation_id": self._id,
            "actor_id": self._actor,
            "model": self._model,
            "created_at": first_time(value, "timestamp", "payload.timestamp"),
        }
        parts = _parts(value, payload)
        if kind == "event_msg":
            parts = [one for one in parts if not self._items.took(one)]
            self._events.note(parts)
        elif kind == "response_item":
            parts = [one for one in parts if not self._events.took(one)]
            self._items.note(parts)
        yield LogRecord(columns, parts)


class _Recent:
    """Texts one kind of line gave lately, each to be repeated once by the other kind."""

    def __init__(self) -> None:
        self._texts: deque[int] = deque(maxlen=_REMEMBERED)
        self._open: Counter[int] = Counter()

    def note(self, parts: list[ShapePart]) -> None:
        for part in parts:
            if part.text:
                if len(self._texts) == _REMEMBERED:
                    self._open[self._texts[0]] -= 1
                    self._open += Counter()  # forget what is not open any more
                self._texts.append(hash(part.text))
                self._open[hash(part.text)] += 1

    def took(self, part: ShapePart) -> bool:
        """True when the part repeats a text that was not repeated yet."""
        if not part.text or self._open[hash(part.text)] <= 0:
            return False
        self._open[hash(part.text)] -= 1
        return True


def _parts(value: Mapping[str, Any], payload: Mapping[str, Any]) -> list[ShapePart]:
    kind = text_at(payload, "type") or ""
    role = role_of(payload.get("role")) or _ROLES.get(kind)
    if text_at(value, "type") == "session_meta":
        role = "system"
    parts = list(content_parts(payload.get("content"), role, "payload.content"))
    if not payload and value.get("payload") is not None:
        parts += parts_of({"payload": value["payload"]})
    rest = {key: one for key, one in rest_of(payload, _PAYLOAD_KEYS).items() if key != "content"}
    for part in chat_parts(rest, role):
        parts.append(part._replace(part=f"payload.{part.part}"))
    line = {key: one for key, one in rest_of(value, _LINE_KEYS).items() if key != "payload"}
    return [*parts, *parts_of(line)]
