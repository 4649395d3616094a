"""LibreChat: conversations exported as JSON, and messages or conversations dumped from its database.

Source of the shapes: the message schema of LibreChat; its export "json", flat or with `children`;
mongoexport's extended JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    first_text,
    list_at,
    no_content,
    rest_of,
    text_at,
    time_of,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import MAX_DEPTH, ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "LibreChat"
_ROOT = "00000000-0000-0000-0000-000000000000"
_KEYS = frozenset({
    "_id", "__v", "messageId", "conversationId", "parentMessageId", "overrideParentMessageId",
    "responseMessageId", "user", "isCreatedByUser", "createdAt", "updatedAt", "model", "endpoint",
    "tokenCount", "unfinished", "error", "isEdited", "finish_reason", "thread_id", "depth",
    "siblingIndex",
})  # fmt: skip
_CONVERSATION_KEYS = frozenset({
    "_id", "__v", "conversationId", "user", "createdAt", "updatedAt", "model", "endpoint",
    "endpointType", "exportAt", "branches", "recursive", "messages",
})  # fmt: skip
_TYPES = frozenset({"text", "think", "tool_call", "image_url", "image_file", "error"})


class LibreChat:
    """Each message is a record, named by `CONVERSATION#MESSAGE`; titles are `CONVERSATION#title`."""

    name = "librechat"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger conversations are reported unread: memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By messages with `messageId` and `isCreatedByUser`, bare or in a conversation."""
        return any(
            "messageId" in dict_at(one) and "isCreatedByUser" in dict_at(one)
            for head in head_records(path)
            for one in (head, *list_at(head, "messages")[:3])
        )

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
    elif "messageId" in value or "isCreatedByUser" in value:
        yield from _messages([value], text_at(value, "conversationId") or identity, {})
    elif "messages" in value or "conversationId" in value:
        yield from _conversation(value, identity)
    else:
        yield generic_record(value, identity)


def _conversation(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    own = text_at(value, "conversationId") or identity
    options = dict_at(value, "options")
    common = {
        "conversation_id": own,
        "actor_id": _user(value),
        "model": text_at(value, "model") or text_at(options, "model"),
    }
    rest = rest_of(value, _CONVERSATION_KEYS)
    messages = rest.pop("messages", None)
    for key in _CONVERSATION_KEYS & rest.keys():
        if _is_extended(rest[key]):
            del rest[key]
    parts = list(parts_of(rest))
    # A dump of conversations lists the ids of its messages, which are in a dump of their own.
    ids = [one for one in list_at(messages) if not _is_message(one)]
    is_dump = "_id" in value and len(ids) == len(list_at(messages))
    if "messages" in value and not isinstance(messages, list):
        problem = "expected a list `messages`, found something else"
        parts.append(ShapePart("messages", None, status="unread", problem=problem))
        parts += parts_of({"messages": messages})
    elif not is_dump:
        parts += parts_of({"messages": ids})
    columns = {"record_id": f"{own}#title", "created_at": _time(value, "createdAt")}
    yield LogRecord({**common, **columns}, parts)
    yield from _messages([one for one in list_at(messages) if _is_message(one)], own, common)


def _messages(
    found: list[Any], conversation: str, common: Mapping[str, Any]
) -> Iterator[LogRecord]:
    """Messages and, in a recursive export, what answers them; as deep as the tree is."""
    waiting = [(one, f"{place}", 0) for place, one in enumerate(found)][::-1]
    while waiting:
        value, place, depth = waiting.pop()
        inner = value.get("children")
        children = inner if isinstance(inner, list) and depth < MAX_DEPTH else []
        deeper = [one for one in children if _is_message(one)]
        odd = [one for one in children if not _is_message(one)] if children else inner
        yield _message(value, f"{conversation}#{place}", common, odd)
        waiting += [(one, f"{place}.{number}", depth + 1) for number, one in enumerate(deeper)][
            ::-1
        ]


def _message(
    value: Mapping[str, Any], identity: str, common: Mapping[str, Any], children: Any
) -> LogRecord:
    conversation = text_at(value, "conversationId") or common.get("conversation_id")
    own, parent = text_at(value, "messageId"), text_at(value, "parentMessageId")
    is_user = value.get("isCreatedByUser")
    files = [*list_at(value, "files"), *list_at(value, "attachments")]
    columns = {
        **common,
        "record_id": f"{conversation}#{own}" if own and conversation else identity,
        "conversation_id": conversation,
        "parent_id": f"{conversation}#{parent}" if parent and parent != _ROOT else None,
        "actor_id": _user(value) or common.get("actor_id"),
        "model": None if is_user is True else text_at(value, "model") or common.get("model"),
        "created_at": _time(value, "createdAt"),
        "modified_at": _time(value, "updatedAt"),
        "attachments": [_file(one) for one in files] or None,
    }
    role = None if not isinstance(is_user, bool) else "user" if is_user else "assistant"
    return LogRecord(columns, list(_parts(value, role, children)))


def _parts(value: Mapping[str, Any], role: str | None, children: Any) -> Iterator[ShapePart]:
    rest = rest_of(value, _KEYS)
    rest |= {key: one for key, one in (("error", value.get("error")),) if isinstance(one, str)}
    for key in _KEYS & rest.keys():
        if _is_extended(rest[key]):
            del rest[key]
    content, text = rest.pop("content", None), rest.pop("text", None)
    rest.pop("children", None)
    said: list[str] = []
    for part in _content(content, role):
        said.append(part.text or "")
        yield part
    for part in content_parts(text, role, "text"):
        if part.text is None or not _is_repeat(part.text, said):
            said.append(part.text or "")
            yield part
    if not said and not value.get("error"):
        yield no_content("text", "the message was stored without its text")
    if children:
        rest["children"] = children
    yield from chat_parts(rest, role)
    for place, one in enumerate(list_at(value, "files")):
        if one:
            problem = "expected the file in the export, found its name only"
            yield ShapePart(f"files[{place}]", None, role, None, "opaque", problem)


def _content(content: Any, role: str | None) -> Iterator[ShapePart]:
    """Blocks: {type: text, text}, {type: think, think}, {type: tool_call, tool_call: {…, output}}."""
    if not isinstance(content, list):
        if content is not None:
            yield from content_parts(content, role)
        return
    for place, block in enumerate(content):
        name = f"content[{place}]"
        shown = block if isinstance(block, dict) else {"": block}
        call = dict_at(shown, "tool_call")
        rest = {k: one for k, one in shown.items() if not (k == "type" and str(one) in _TYPES)}
        if "output" in call:
            rest["tool_call"] = {key: one for key, one in call.items() if key != "output"}
        for part in chat_parts(rest, role):
            yield part._replace(part=f"{name}.{part.part}".rstrip("."))
        if "output" in call:
            yield from content_parts(call["output"], "tool", f"{name}.tool_call.output")


def _is_repeat(text: str, said: list[str]) -> bool:
    """True when `text` only says once more what the blocks say."""
    left = text
    for one in sorted(filter(None, said), key=len, reverse=True):
        left = left.replace(one, "", 1)
    return not left.strip()


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and not _is_extended(one)


def _is_extended(value: Any) -> bool:
    """An id, a time or a number of mongoexport: {"$oid": "…"}, {"$date": …}."""
    known = ("$oid", "$date", "$numberLong", "$numberInt")
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in known
        and len(str(value)) < 100
    )


def _time(value: Mapping[str, Any], key: str) -> datetime | None:
    found = value.get(key)
    if isinstance(found, dict):
        found = found.get("$date")
    if isinstance(found, dict):
        digits = text_at(found, "$numberLong") or ""
        found = int(digits) if digits.isascii() and digits.isdigit() else None
    return time_of(found)


def _user(value: Mapping[str, Any]) -> str | None:
    return first_text(value, "user", "user.$oid", "user.email", "user.id")


def _file(one: Any) -> dict[str, Any]:
    size = dict_at(one).get("bytes")
    is_size = type(size) is int and 0 <= size < 1 << 63
    return {
        "name": first_text(one, "filename", "name"),
        "mime": text_at(one, "type"),
        "size": size if is_size else None,
        "ref": first_text(one, "filepath", "file_id"),
    }
