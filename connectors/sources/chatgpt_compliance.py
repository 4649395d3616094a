"""ChatGPT Enterprise: conversations and messages as its compliance interface and logs give them.

The schema is not public in full: conversations with `messages` (a list, or {data: […]}) and single
messages are read by the fields that are known; every other field is scanned under its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    first_text,
    first_time,
    list_at,
    no_content,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "ChatGPT Enterprise"
_OBJECT = "compliance.workspace."
_LOG_TYPES = ("CONVERSATION", "CODEX", "AUTH", "AUDIT", "ADMIN", "GPT", "CANVAS", "MEMORY")
_KEYS = frozenset({
    "object", "id", "event_id", "message_id", "conversation_id", "workspace_id", "organization_id",
    "user_id", "created_at", "last_active_at", "updated_at", "timestamp", "type", "event_type",
    "model", "parent_id", "parent_message_id", "role", "status",
})  # fmt: skip
_CONTENT_KEYS = frozenset({"content_type", "type"})
_BODIES = ("payload", "data", "message")


class ChatGptCompliance:
    """Each message is a record, `CONVERSATION#MESSAGE`; conversations and other events are too."""

    name = "chatgpt-compliance"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger records are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By objects `compliance.workspace.…`, or events of a known log with a workspace."""
        for head in head_records(path)[:5]:
            for one in (head, *list_at(head, "data")[:3]):
                if (text_at(one, "object") or "").startswith(_OBJECT):
                    return True
                kind = (first_text(one, "type", "event_type") or "").upper()
                if kind.startswith(_LOG_TYPES) and kind.endswith("_LOG"):
                    return True
        return False

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any message."""
        return self._log.read(asset, after, _records)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif isinstance(value.get("data"), list):
        for place, one in enumerate(value["data"]):
            yield from _records(one, f"{identity}.{place}")
        rest = {key: one for key, one in value.items() if key not in ("data", "object")}
        if rest:
            yield generic_record({"page": rest}, f"{identity}#page")
    elif "messages" in value:
        yield from _conversation(value, identity)
    else:
        yield _message(value, identity, {})


def _conversation(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    own = first_text(value, "id", "conversation_id") or identity
    common = {
        "conversation_id": own,
        "actor_id": first_text(value, "user_email", "user.email", "user_id", "user.id"),
        "model": text_at(value, "model"),
    }
    held = value.get("messages")
    messages = held if isinstance(held, list) else dict_at(held).get("data")
    rest = rest_of(value, _KEYS - {"role"})
    rest.pop("messages", None)
    if isinstance(held, Mapping):
        around = {key: one for key, one in held.items() if key not in ("data", "object")}
        rest |= {"messages": around} if around else {}
    parts = list(parts_of(rest))
    if not isinstance(messages, list):
        problem = "expected a list of messages, found none"
        parts.append(ShapePart("messages", None, status="unread", problem=problem))
        parts += parts_of({"messages": messages})
    columns = {
        "record_id": f"{own}#title",
        "created_at": first_time(value, "created_at"),
        "modified_at": first_time(value, "last_active_at", "updated_at"),
    }
    yield LogRecord({**common, **columns}, parts)
    for place, one in enumerate(list_at(messages)):
        yield _message(one, f"{own}#{place}", common)


def _message(value: Any, identity: str, common: Mapping[str, Any]) -> LogRecord:
    if not isinstance(value, dict):
        return LogRecord({**common, "record_id": identity}, parts_of({"message": value}))
    name, body = _body(value)
    conversation = (
        first_text(value, "conversation_id")
        or text_at(body, "conversation_id")
        or common.get("conversation_id")
    )
    own = first_text(body, "message_id", "id") or first_text(value, "event_id", "id")
    prefix = f"{conversation}#" if conversation else ""
    parent = first_text(body, "parent_message_id", "parent_id")
    actor = ("user_email", "user.email", "actor.email", "user_id", "user.id", "actor.id")
    columns = {
        **common,
        "record_id": f"{prefix}{own}" if own else identity,
        "conversation_id": conversation,
        "parent_id": f"{prefix}{parent}" if parent else None,
        "actor_id": first_text(body, *actor) or first_text(value, *actor) or common.get("actor_id"),
        "model": first_text(body, "model", "metadata.model_slug")
        or text_at(value, "model")
        or common.get("model"),
        "created_at": first_time(body, "created_at", "timestamp")
        or first_time(value, "timestamp", "created_at"),
        "attachments": [_file(one) for one in list_at(body, "files")] or None,
    }
    return LogRecord(columns, list(_parts(value, name, body)))


def _body(value: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Where the message itself stands: in the record, or in its payload."""
    for key in _BODIES:
        inner = value.get(key)
        if isinstance(inner, dict) and ("content" in inner or "author" in inner):
            return key, inner
    return "", value


def _parts(value: Mapping[str, Any], name: str, body: Mapping[str, Any]) -> Iterator[ShapePart]:
    author = body.get("author")
    role = role_of(dict_at(author).get("role")) or role_of(body.get("role")) or role_of(author)
    rest = rest_of(body, _KEYS - ({"role"} if role is None else set()))
    content = rest.pop("content", None)
    rest["author"] = _unknown(author)
    said = 0
    for part in _content(content, role):
        said += 1
        yield _below(part, name)
    if not said and ("content" in body or role is not None):
        yield _below(no_content("content", "the message was logged without its content"), name)
    for part in chat_parts(rest, role):
        yield _below(part, name)
    for place, one in enumerate(list_at(body, "files")):
        if one:
            problem = "expected the file itself, found its name only"
            yield _below(ShapePart(f"files[{place}]", None, role, None, "opaque", problem), name)
    if name:
        around = rest_of(value, _KEYS)
        around.pop(name, None)
        yield from parts_of(around)


def _content(content: Any, role: str | None) -> Iterator[ShapePart]:
    if not isinstance(content, Mapping):
        yield from content_parts(content, role)
        return
    rest = rest_of(content, _CONTENT_KEYS)
    for key in ("parts", "text", "value"):
        if key in rest:
            yield from content_parts(rest.pop(key), role, f"content.{key}")
    for part in chat_parts(rest, role):
        yield part._replace(part=f"content.{part.part}")


def _unknown(author: Any) -> Any:
    """An author without the role that is known."""
    if isinstance(author, dict):
        is_known = role_of(author.get("role")) is not None
        return {key: one for key, one in author.items() if not (key == "role" and is_known)}
    return None if role_of(author) is not None else author


def _below(part: ShapePart, name: str) -> ShapePart:
    return part._replace(part=f"{name}.{part.part}") if name else part


def _file(one: Any) -> dict[str, Any]:
    name, mime = first_text(one, "name", "filename"), first_text(one, "mime_type", "mimetype")
    return {"name": name, "mime": mime, "size": None, "ref": first_text(one, "id", "file_id")}
