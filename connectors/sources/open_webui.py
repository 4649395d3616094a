"""Open WebUI: exports (chats-export.json) and its database; a chat is a tree of messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import head_of, opened
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, values
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    first_text,
    first_time,
    list_at,
    rest_of,
    role_of,
    text_at,
)
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
from dlpagent.connectors.sources._webui_database import (
    MAGIC,
    database_records,
    is_database,
    wal_key,
)
from dlpagent.records import Asset, Checkpoint

_APP = "Open WebUI"
_CHAT_KEYS = frozenset({
    "id", "user_id", "created_at", "updated_at", "archived", "pinned", "folder_id", "share_id",
})  # fmt: skip
_MESSAGE_KEYS = frozenset({
    "id", "parentId", "role", "model", "timestamp", "modelIdx", "done", "completedAt",
})  # fmt: skip
_ON_BRANCH = {True: '{"on_active_branch": true}', False: '{"on_active_branch": false}'}


class OpenWebUi:
    """Each message is a record `CHAT#MESSAGE`; titles and settings are `CHAT#title`."""

    name = "open-webui"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger chats are reported unread, so that memory stays bounded."""
        self._path = Path(target)
        self._log = LogFile(self._path, self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By chats that have a `chat` with a `history`, or messages and a user; by its tables."""
        if path.suffix.lower() in (".db", ".sqlite", ".sqlite3"):
            return is_database(path)
        for value in head_records(path)[:3]:
            chat = dict_at(value, "chat")
            if isinstance(chat.get("history"), dict) or ("user_id" in value and "messages" in chat):
                return True
        return False

    def discover(self) -> Iterator[Asset]:
        asset = self._log.asset()
        yield replace(asset, change_key=f"{asset.change_key}{wal_key(self._path)}")

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any message."""
        if head_of(self._path, len(MAGIC)) != MAGIC:
            yield from self._log.read(asset, after, _records)
            return
        if after is not None and after.done:
            return
        with opened(self._path) as file:
            whole = partial(database_records, self._path, _records)
            stream = ByteStream(file)
            step = Step(str(self._path.resolve()), stream, values, _records, whole=whole)
            size = asset.size_bytes or 0
            yield from read_steps([step], asset, after, self._log.batch_rows, lambda: size)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    chat, chat_id = dict_at(value, "chat"), text_at(value, "id") or identity
    tree = dict_at(chat, "history", "messages")
    common = {
        "conversation_id": chat_id,
        "actor_id": first_text(value, "user.email", "user_id"),
        "model": next((one for one in list_at(chat, "models") if isinstance(one, str)), None),
    }
    yield _title(value, chat_id, common, tree)
    active = _active(tree, text_at(chat, "history", "currentId"))
    for key, message in tree.items():
        columns = {**common, "record_id": f"{chat_id}#{_short(key)}"}
        if active is not None:
            columns["metadata"] = _ON_BRANCH[key in active]
        yield _message(message, columns)
    for place, message in enumerate(list_at(chat, "messages")):
        # The current branch once more; in older exports, which have no tree, the only one.
        own = text_at(message, "id") or str(place)
        left = _not_said(message, dict_at(tree, own))
        if left:
            yield _message(left, {**common, "record_id": f"{chat_id}#list.{own}"})


def _not_said(message: Any, in_tree: Mapping[str, Any]) -> Any:
    """What of a message its twin in the tree does not say."""
    if not in_tree or not isinstance(message, dict):
        return message
    left = {key: one for key, one in message.items() if in_tree.get(key) != one}
    return {**left, "role": message.get("role")} if left else None


def _short(key: str) -> str:
    return text_at({"key": key}, "key") or key[:100]


def _title(
    value: Mapping[str, Any], chat_id: str, common: Mapping[str, Any], tree: Mapping[str, Any]
) -> LogRecord:
    rest = rest_of(value, _CHAT_KEYS)
    chat = rest.get("chat")
    if isinstance(chat, dict):
        history = chat.get("history")
        shown = {key: one for key, one in chat.items() if key not in ("history", "messages", "id")}
        if isinstance(history, dict):
            history = rest_of(history, {"currentId"})
            if isinstance(history.get("messages"), dict):
                del history["messages"]
        rest["chat"] = {**shown, "history": history}
        if not isinstance(chat.get("messages"), list):
            rest["chat"]["messages"] = chat.get("messages")
        if shown.get("title") == value.get("title"):
            del rest["chat"]["title"]
    parts = list(parts_of(rest))
    if not tree and not list_at(value, "chat", "messages"):
        problem = "expected messages in `chat.history.messages`, found none"
        parts.append(ShapePart("chat.history.messages", None, status="unread", problem=problem))
    columns = {
        **common,
        "record_id": f"{chat_id}#title",
        "created_at": first_time(value, "created_at"),
        "modified_at": first_time(value, "updated_at"),
    }
    return LogRecord(columns, parts)


def _message(value: Any, columns: dict[str, Any]) -> LogRecord:
    if not isinstance(value, dict):
        return LogRecord(columns, parts_of({"message": value}))
    parent = text_at(value, "parentId")
    own = {
        "parent_id": f"{columns['conversation_id']}#{parent}" if parent else None,
        "model": text_at(value, "model") or columns["model"],
        "created_at": first_time(value, "timestamp"),
        "attachments": [_file(one) for one in list_at(value, "files")] or None,
    }
    return LogRecord({**columns, **own}, _parts(value))


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = role_of(value.get("role"))
    rest = rest_of(value, _MESSAGE_KEYS - ({"role"} if role is None else set()))
    if _are_ids(rest.get("childrenIds")):
        del rest["childrenIds"]
    yield from content_parts(rest.pop("content", None), role)
    yield from chat_parts(rest, role)
    for place, one in enumerate(list_at(value, "files")):
        if one and not dict_at(one, "file", "data").get("content"):
            problem = "expected the file in the export, found its name only"
            yield ShapePart(f"files[{place}]", None, role, None, "opaque", problem)


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and len(one) < 64 for one in value)


def _file(one: Any) -> dict[str, Any]:
    mime = first_text(one, "file.meta.content_type", "content_type")
    return {"name": text_at(one, "name"), "mime": mime, "size": None, "ref": text_at(one, "id")}


def _active(tree: Mapping[str, Any], current: str | None) -> frozenset[str] | None:
    """The messages from the current one up to the first; None when the chat does not tell."""
    found: set[str] = set()
    while current in tree and current not in found:
        found.add(str(current))
        current = text_at(tree[str(current)], "parentId")
    return frozenset(found) or None
