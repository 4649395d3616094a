"""What the Claude Compliance API tells: activities, chats, and the messages of a chat.

Source of the shapes: Anthropic's documentation of the Compliance API. Activities name chats, files
and projects; texts are in chats only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
from dlpagent.connectors.sources._log_reader import LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

APP = "Claude"
_ACTIVITY_KEYS = frozenset({
    "id", "created_at", "organization_id", "organization_uuid", "type", "claude_chat_id",
    "claude_project_id", "claude_file_id", "claude_artifact_id",
})  # fmt: skip
_ACTOR_KEYS = frozenset({"type", "user_id", "api_key_id", "admin_api_key_id"})
_CHAT_KEYS = frozenset({
    "id", "created_at", "updated_at", "deleted_at", "organization_id", "organization_uuid",
    "project_id", "claude_project_id", "model", "has_more", "first_id", "last_id",
})  # fmt: skip
_MESSAGE_KEYS = frozenset({
    "id", "role", "created_at", "updated_at", "model", "stop_reason", "parent_message_id",
})  # fmt: skip


def is_activity(value: object) -> bool:
    """An entry of the activity feed: an actor, a type, an organisation."""
    found = dict_at(value)
    return isinstance(found.get("actor"), Mapping) and "type" in found and "created_at" in found


def activity_record(value: Mapping[str, Any], identity: str) -> LogRecord:
    """Who did what, when, from where; with the chat it is about as the conversation."""
    actor = dict_at(value, "actor")
    rest = rest_of(value, _ACTIVITY_KEYS)
    if actor:
        rest["actor"] = rest_of(actor, _ACTOR_KEYS)
    columns = {
        "record_id": text_at(value, "id") or identity,
        "conversation_id": text_at(value, "claude_chat_id"),
        "actor_id": first_text(actor, "email_address", "user_id", "api_key_id", "type"),
        "created_at": first_time(value, "created_at"),
    }
    return LogRecord(columns, list(parts_of(rest)))


def chat_records(
    chat: Mapping[str, Any], messages: list[Any], identity: str
) -> Iterator[LogRecord]:
    """A chat's title and its messages, `CHAT#MESSAGE`."""
    own = text_at(chat, "id") or identity
    common = {
        "conversation_id": own,
        "actor_id": first_text(chat, "user.email_address", "user.id"),
        "model": text_at(chat, "model"),
    }
    rest = {
        key: one
        for key, one in rest_of(chat, _CHAT_KEYS).items()
        if not (key in ("chat_messages", "data") and isinstance(one, list))
    }
    if isinstance(rest.get("user"), Mapping):
        rest["user"] = rest_of(rest["user"], {"id"})
    columns = {
        "record_id": f"{own}#title",
        "created_at": first_time(chat, "created_at"),
        "modified_at": first_time(chat, "updated_at"),
    }
    yield LogRecord({**common, **columns}, list(parts_of(rest)))
    for place, one in enumerate(messages):
        yield _message(one, f"{own}#{place}", common)


def _message(value: Any, identity: str, common: Mapping[str, Any]) -> LogRecord:
    if not isinstance(value, dict):
        return LogRecord({**common, "record_id": identity}, parts_of({"message": value}))
    chat, own = common["conversation_id"], text_at(value, "id")
    prefix, parent = f"{chat}#" if chat else "", text_at(value, "parent_message_id")
    files = [*list_at(value, "files"), *list_at(value, "attachments")]
    columns = {
        **common,
        "record_id": f"{prefix}{own}" if own else identity,
        "parent_id": f"{prefix}{parent}" if parent else None,
        "model": text_at(value, "model") or common["model"],
        "created_at": first_time(value, "created_at"),
        "modified_at": first_time(value, "updated_at"),
        "attachments": [_file(one) for one in files] or None,
    }
    return LogRecord(columns, list(_parts(value)))


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = role_of(value.get("role"))
    rest = rest_of(value, _MESSAGE_KEYS - ({"role"} if role is None else set()))
    content = rest.pop("content", None)
    said = 0
    for part in content_parts(content, role):
        said += 1
        yield part
    if not said and not list_at(value, "files") and not list_at(value, "artifacts"):
        yield no_content("content", "the message has no content")
    yield from chat_parts(rest, role)
    for key in ("files", "artifacts"):
        for place, one in enumerate(list_at(value, key)):
            if one and not first_text(one, "content", "text", "extracted_content"):
                problem = "expected the file itself, found its name only"
                yield ShapePart(f"{key}[{place}]", None, role, None, "opaque", problem)


def saved_records(value: Any, identity: str) -> Iterator[LogRecord]:
    """The records of what was saved: pages of activities, chats, or the messages of one chat."""
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif isinstance(value.get("chat_messages"), list):
        yield from chat_records(value, value["chat_messages"], identity)
    elif is_activity(value) or (text_at(value, "id") or "").startswith("activity_"):
        yield activity_record(value, identity)
    elif isinstance(value.get("data"), list):
        for place, one in enumerate(value["data"]):
            here = f"{identity}.{place}"
            if "role" in dict_at(one) and "content" in dict_at(one):
                yield _message(
                    one, here, {"conversation_id": None, "actor_id": None, "model": None}
                )
            else:
                yield from saved_records(one, here)
        rest = {key: one for key, one in rest_of(value, _CHAT_KEYS).items() if key != "data"}
        if rest:
            yield generic_record(rest, f"{identity}#page")
    else:
        yield generic_record(value, identity)


def _file(one: Any) -> dict[str, Any]:
    name, mime = first_text(one, "filename", "file_name", "title"), text_at(one, "mime_type")
    return {"name": name, "mime": mime, "size": None, "ref": text_at(one, "id")}
