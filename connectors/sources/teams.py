"""Teams chats that were saved: messages as Microsoft Graph gives them, and the personal export.

Source of the shapes: the chatMessage resource of Microsoft Graph (chats, channels, their exports);
`messages.json` of the data a person exports from Teams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._ai_interaction import (
    attachment_of,
    attachment_parts,
    body_parts,
    is_inner_id,
)
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    dict_at,
    first_text,
    first_time,
    list_at,
    no_content,
    rest_of,
    text_at,
    without,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Microsoft Teams"
_KEYS = frozenset({
    "id", "replyToId", "etag", "messageType", "createdDateTime", "lastModifiedDateTime",
    "lastEditedDateTime", "deletedDateTime", "importance", "locale", "chatId", "@odata.type",
    "@odata.etag", "@odata.context",
})  # fmt: skip
_EXPORT_KEYS = frozenset({
    "id", "originalarrivaltime", "composetime", "messagetype", "version", "conversationid", "from",
    "clientmessageid",
})  # fmt: skip
_CONVERSATION_KEYS = frozenset({"id", "version"})


class Teams:
    """Each message is a record, named by `CONVERSATION#ID`."""

    name = "teams"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger pages are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By messages of chats or channels, or conversations with a `MessageList`."""
        for head in head_records(path):
            for one in (head, *list_at(head, "value")[:3]):
                if "messageType" in dict_at(one) and ("chatId" in one or "channelIdentity" in one):
                    return True
            if any("MessageList" in dict_at(one) for one in list_at(head, "conversations")[:3]):
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
    elif isinstance(value.get("value"), list):
        for place, one in enumerate(value["value"]):
            yield from _records(one, f"{identity}.{place}")
        rest = {k: one for k, one in value.items() if k != "value" and not k.startswith("@odata")}
        if rest:
            yield generic_record(rest, f"{identity}#page")
    elif isinstance(value.get("conversations"), list):
        yield from _export(value, identity)
    else:
        yield from _message(value, identity)


def _message(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    """A message, and its replies where they came with it."""
    channel = dict_at(value, "channelIdentity")
    places = (text_at(channel, "teamId"), text_at(channel, "channelId"))
    conversation = text_at(value, "chatId") or "/".join(one for one in places if one) or None
    own, reply_to = text_at(value, "id"), text_at(value, "replyToId")
    prefix = f"{conversation}#" if conversation else ""
    is_bot = not dict_at(value, "from", "user") and bool(dict_at(value, "from", "application"))
    columns = {
        "record_id": f"{prefix}{own}" if own else identity,
        "conversation_id": conversation,
        "parent_id": f"{prefix}{reply_to}" if reply_to else None,
        "actor_id": first_text(value, "from.user.id", "from.application.id", "from.device.id"),
        "created_at": first_time(value, "createdDateTime"),
        "modified_at": first_time(value, "lastEditedDateTime", "lastModifiedDateTime"),
        "attachments": [attachment_of(one) for one in list_at(value, "attachments")] or None,
    }
    yield LogRecord(columns, _parts(value, "assistant" if is_bot else "user"))
    for place, one in enumerate(list_at(value, "replies")):
        if isinstance(one, dict):
            yield from _message(one, f"{identity}.{place}")


def _parts(value: Mapping[str, Any], role: str) -> Iterator[ShapePart]:
    rest = rest_of(value, _KEYS)
    body, attachments = rest.pop("body", None), rest.pop("attachments", None)
    if isinstance(value.get("replies"), list):
        rest["replies"] = [one for one in value["replies"] if not isinstance(one, dict)]
    said = 0
    for part in body_parts(body, role):
        said += 1
        yield part
    for place, one in enumerate(list_at(attachments)):
        for part in attachment_parts(one, f"attachments[{place}]", role):
            said += 1
            yield part
    if attachments is not None and not isinstance(attachments, list):
        yield from chat_parts({"attachments": attachments}, role)
    is_message = text_at(value, "messageType") in (None, "message")
    if not said and is_message:
        is_deleted = bool(value.get("deletedDateTime"))
        reason = "the message was deleted" if is_deleted else "the message was saved without text"
        yield no_content("body.content", reason)
    yield from chat_parts(without(rest, is_inner_id), role)


def _export(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    owner = text_at(value, "userId")
    rest = {key: one for key, one in value.items() if key not in ("conversations", "userId")}
    if rest:
        yield generic_record(rest, f"{identity}#export", actor_id=owner)
    for place, conversation in enumerate(value["conversations"]):
        here = f"{identity}.{place}"
        if not isinstance(conversation, dict):
            yield generic_record(conversation, here)
            continue
        thread = text_at(conversation, "id") or here
        about = rest_of(conversation, _CONVERSATION_KEYS)
        messages = about.pop("MessageList", None)
        parts = list(parts_of(about))
        if not isinstance(messages, list):
            problem = "expected a list `MessageList`, found none"
            parts.append(ShapePart("MessageList", None, status="unread", problem=problem))
        yield LogRecord({"record_id": f"{thread}#about", "conversation_id": thread}, parts)
        for number, message in enumerate(list_at(messages)):
            yield _exported(message, thread, number)


def _exported(message: Any, thread: str, number: int) -> LogRecord:
    if not isinstance(message, dict):
        return generic_record(message, f"{thread}#{number}", conversation_id=thread)
    sender = text_at(message, "from")
    role = "assistant" if (sender or "").startswith("28:") else "user"  # 28: is how bots begin
    columns = {
        "record_id": f"{thread}#{text_at(message, 'id') or number}",
        "conversation_id": thread,
        "actor_id": sender,
        "created_at": first_time(message, "originalarrivaltime", "composetime"),
    }
    parts = list(chat_parts(rest_of(message, _EXPORT_KEYS), role))
    is_text = (text_at(message, "messagetype") or "Text").startswith(("Text", "RichText"))
    if is_text and not message.get("content"):
        parts.insert(0, no_content("content", "the message was exported without its text"))
    return LogRecord(columns, parts)
