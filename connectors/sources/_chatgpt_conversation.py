"""One conversation of a ChatGPT export as records: its messages, on all branches, and its title.

The messages are a tree (`mapping`): an edited question leaves the old branch in the export, and
what was typed there is as much data as the rest. Content types change often, so every string of a
message is a part unless it is known to be a constant of the format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dlpagent.connectors.sources._shapes import ShapePart, parts_of, role_of
from dlpagent.records import without_surrogates

# Keys that hold constants or the format's own ids. Everything else is scanned.
_MESSAGE_KEYS = frozenset({
    "id", "author", "create_time", "update_time", "status", "weight", "recipient", "channel",
    "end_turn", "content", "metadata",
})  # fmt: skip
_ROLE = frozenset({"role"})
_PLAIN_CONTENT = frozenset({"content_type", "parts"})
_METADATA_KEYS = frozenset({
    "request_id", "message_type", "model_slug", "default_model_slug", "requested_model_slug",
    "parent_id", "turn_exchange_id", "message_source", "timestamp_", "finish_details",
    "message_id", "turn_trace_id", "resolved_model_slug",
})  # fmt: skip
_CONVERSATION_KEYS = frozenset({
    "id", "conversation_id", "current_node", "create_time", "update_time", "mapping",
    "default_model_slug", "gizmo_id", "conversation_template_id", "gizmo_type", "async_status",
    "voice", "memory_scope", "conversation_origin", "atlas_mode_enabled", "workspace_id",
})  # fmt: skip
_ATTACHMENT_KEYS = frozenset({
    "id", "mime_type", "mimeType", "size", "width", "height", "file_token_size",
})  # fmt: skip
_POINTER_KEYS = frozenset({
    "asset_pointer", "size_bytes", "width", "height", "fovea", "format", "content_type",
    "audio_asset_pointer", "video_container_asset_pointer", "frames_asset_pointers",
})  # fmt: skip
_CONTENT_TYPES = frozenset({
    "text", "multimodal_text", "code", "execution_output", "thoughts", "reasoning_recap",
    "tether_quote", "tether_browsing_display", "user_editable_context", "system_error",
    "audio_transcription", "image_asset_pointer", "audio_asset_pointer", "model_editable_context",
    "real_time_user_audio_video_asset_pointer", "sonic_webpage", "app_pairing_content",
})  # fmt: skip
_ASSET_ID = re.compile(r"file[-_][0-9A-Za-z]+")
_MAX_POINTER_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file a message names. asset_id is how the export's members begin (file-…, file_…)."""

    name: str
    asset_id: str | None
    mime: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """One record: columns common to its rows, its parts, the files it names."""

    columns: Mapping[str, Any]
    parts: tuple[ShapePart, ...]
    attachments: tuple[Attachment, ...] = ()


def messages_of(conversation: Mapping[str, Any], fallback_id: str) -> Iterator[Message]:
    """The title record, then one per message, in the order of the export.

    fallback_id names a conversation that has no id. record_id is `CONVERSATION#MESSAGE`, that of
    the title `CONVERSATION#title`. Without a mapping the first record says so (status "unread").
    """
    identity = _text_of(conversation, "conversation_id") or _text_of(conversation, "id")
    identity = identity or fallback_id
    mapping = conversation.get("mapping")
    yield _title(conversation, identity, has_mapping=isinstance(mapping, dict))
    if not isinstance(mapping, dict):
        return
    active = _active_nodes(mapping, conversation.get("current_node"))
    for key, node in mapping.items():
        message = node.get("message") if isinstance(node, dict) else node
        if message is not None:
            yield _message(conversation, identity, key, node, active)


def asset_id_of(pointer: object) -> str | None:
    """The file id in an asset pointer (`sediment://file_1`, `file-service://file-1`) or name."""
    found = _ASSET_ID.search(pointer) if isinstance(pointer, str) else None
    return found.group() if found else None


def time_of(value: object) -> datetime | None:
    """Seconds (or milliseconds) since 1970, or an ISO time, in UTC; None for anything else."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) > 1e11 else value
            return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else None
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _title(conversation: Mapping[str, Any], identity: str, *, has_mapping: bool) -> Message:
    rest = {key: value for key, value in conversation.items() if key not in _CONVERSATION_KEYS}
    parts = [
        part._replace(context=None) if part.part == "title" else part for part in parts_of(rest)
    ]
    if not has_mapping:
        found = "none" if conversation.get("mapping") is None else "something else"
        problem = f"expected an object `mapping` with the messages, found {found}"
        parts.append(ShapePart("mapping", None, status="unread", problem=problem))
    columns = {
        "record_id": f"{identity}#title",
        "conversation_id": identity,
        "created_at": time_of(conversation.get("create_time")),
        "modified_at": time_of(conversation.get("update_time")),
        "model": _text_of(conversation, "default_model_slug"),
    }
    return Message(columns, tuple(parts))


def _message(
    conversation: Mapping[str, Any],
    identity: str,
    key: str,
    node: Any,
    active: frozenset[str] | None,
) -> Message:
    given = node.get("message") if isinstance(node, dict) else node
    message = given if isinstance(given, dict) else {"content": given}
    metadata = _dict_of(message, "metadata")
    author = _dict_of(message, "author")
    role = role_of(author.get("role"))
    attachments = tuple(_attachments(message, metadata))
    parent = _text_of(node, "parent") if isinstance(node, dict) else None
    columns = {
        "record_id": f"{identity}#{without_surrogates(key)}",
        "conversation_id": identity,
        "parent_id": f"{identity}#{parent}" if parent else None,
        "role": role,
        "created_at": time_of(message.get("create_time")),
        "modified_at": time_of(message.get("update_time")),
        "model": _text_of(metadata, "model_slug") or _text_of(conversation, "default_model_slug"),
        "metadata": _metadata_of(message, metadata, key, active),
        "attachments": [
            {"name": one.name, "mime": one.mime, "size": one.size, "ref": one.asset_id}
            for one in attachments
        ]
        or None,
    }
    return Message(columns, tuple(_parts(message, metadata, author, role)), attachments)


def _parts(
    message: Mapping[str, Any],
    metadata: Mapping[str, Any],
    author: Mapping[str, Any],
    role: str | None,
) -> Iterator[ShapePart]:
    texts = _plain_texts(message.get("content"))
    if texts is not None:
        for number, text in enumerate(texts):
            if text:
                yield ShapePart(f"content.parts[{number}]", text, role)
    else:
        yield from _content_parts(message.get("content"), role)
    rest = {key: value for key, value in message.items() if value and key not in _MESSAGE_KEYS}
    for name, given, known in (("author", author, _ROLE), ("metadata", metadata, _METADATA_KEYS)):
        left = {key: value for key, value in given.items() if value and key not in known}
        if left:
            rest[name] = left
        elif message.get(name) and not isinstance(message[name], dict):
            rest[name] = message[name]  # of another type than expected: scanned as it is
    listed = metadata.get("attachments")
    if isinstance(listed, list) and listed:
        rest["metadata"]["attachments"] = [_described(one) for one in listed]
    if rest:
        for part in parts_of(rest):
            yield part._replace(role=role)


def _plain_texts(content: object) -> list[str] | None:
    """The texts of content that holds nothing else, which most messages have; None for the rest."""
    if not isinstance(content, dict) or content.keys() != _PLAIN_CONTENT:
        return None
    texts = content["parts"]
    if content["content_type"] != "text" or not isinstance(texts, list):
        return None
    is_plain = all(isinstance(text, str) and not text.startswith("data:") for text in texts)
    return texts if is_plain else None


def _content_parts(content: Any, role: str | None) -> Iterator[ShapePart]:
    # A role marks it as a chat message, so that keys of the format give no context.
    shown = {"role": role or "user", "content": _without_pointers(content, 0)}
    for part in parts_of(shown):
        if not (part.part.endswith("content_type") and part.text in _CONTENT_TYPES):
            yield part._replace(role=role)


def _described(attachment: Any) -> Any:
    """What of an attachment's entry somebody may have written, such as its name."""
    if not isinstance(attachment, dict):
        return attachment
    return {key: value for key, value in attachment.items() if key not in _ATTACHMENT_KEYS}


def _without_pointers(value: Any, depth: int) -> Any:
    """The content without what only points to a file: that becomes an attachment."""
    if depth > _MAX_POINTER_DEPTH:
        return value
    if isinstance(value, list):
        return [_without_pointers(child, depth + 1) for child in value]
    if isinstance(value, dict):
        dropped = _POINTER_KEYS if _is_pointer(value) else frozenset()
        return {
            key: _without_pointers(child, depth + 1)
            for key, child in value.items()
            if key not in dropped
        }
    return value


def _is_pointer(value: Mapping[str, Any]) -> bool:
    return any(key.endswith(("asset_pointer", "asset_pointers")) for key in value)


def _attachments(message: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[Attachment]:
    """Every file the message names, once: those it lists first, they have a name."""
    seen: set[str] = set()
    listed = metadata.get("attachments")
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict):
            continue
        name, mime = (
            _text_of(entry, "name"),
            _text_of(entry, "mime_type") or _text_of(entry, "mimeType"),
        )
        asset_id = asset_id_of(entry.get("id")) or _text_of(entry, "id")
        size = entry.get("size")
        if (asset_id or name) and (asset_id or name) not in seen:
            seen.add(str(asset_id or name))
            shown = name or str(asset_id)
            yield Attachment(shown, asset_id, mime, size if _is_size(size) else None)
    content = message.get("content")
    if _plain_texts(content) is not None:
        return
    for pointer, kind, size in _pointers(content, 0):
        asset_id = asset_id_of(pointer)
        if (asset_id or pointer) not in seen:
            seen.add(asset_id or pointer)
            yield Attachment(asset_id or "asset", asset_id, kind, size if _is_size(size) else None)


def _pointers(value: Any, depth: int) -> Iterator[tuple[str, str | None, Any]]:
    if depth > _MAX_POINTER_DEPTH:
        return
    if isinstance(value, list):
        for child in value:
            yield from _pointers(child, depth + 1)
    elif isinstance(value, dict):
        pointer = value.get("asset_pointer")
        if isinstance(pointer, str):
            kind = str(value.get("content_type") or "").partition("_")[0]
            yield (
                pointer,
                f"{kind}/*" if kind in ("image", "audio", "video") else None,
                value.get("size_bytes"),
            )
        for key, child in value.items():
            if key.endswith("asset_pointers") and isinstance(child, list):
                yield from ((one, None, None) for one in child if isinstance(one, str))
            yield from _pointers(child, depth + 1)


def _metadata_of(
    message: Mapping[str, Any],
    metadata: Mapping[str, Any],
    key: str,
    active: frozenset[str] | None,
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if active is not None:
        shown["on_active_branch"] = key in active
    if metadata.get("is_visually_hidden_from_conversation") is True:
        shown["is_hidden"] = True
    kind = _dict_of(message, "content").get("content_type")
    if isinstance(kind, str) and kind in _CONTENT_TYPES:
        shown["content_type"] = kind
    return shown


def _active_nodes(mapping: Mapping[str, Any], current: object) -> frozenset[str] | None:
    """The nodes from current_node up to the root; None when the export does not tell."""
    if not isinstance(current, str) or current not in mapping:
        return None
    active: set[str] = set()
    while isinstance(current, str) and current in mapping and current not in active:
        active.add(current)
        node = mapping[current]
        current = node.get("parent") if isinstance(node, dict) else None
    return frozenset(active)


def _dict_of(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    child = value.get(key)
    return child if isinstance(child, dict) else {}


def _text_of(value: Mapping[str, Any], key: str) -> str | None:
    child = value.get(key)
    return without_surrogates(child) if isinstance(child, str) and child else None


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
