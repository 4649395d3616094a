"""Claude exports: the zip, its folder or conversations.json; chats of the compliance interface too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._archive import Archive, Member, MemberStream
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._log_archive import LogExport, member_head
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
    time_of,
    without,
)
from dlpagent.connectors.sources._log_heads import Head, head_records
from dlpagent.connectors.sources._log_reader import LogRecord, RecordsOf, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Claude"
_MAX_USERS_BYTES = 32 << 20
_CHAT_KEYS = frozenset({"uuid", "id", "created_at", "updated_at", "account"})
_MESSAGE_KEYS = frozenset({
    "uuid", "id", "sender", "role", "created_at", "updated_at", "index", "parent_message_uuid",
    "truncated", "stop_reason",
})  # fmt: skip
_TIMES = frozenset({"start_timestamp", "stop_timestamp"})
# What the export writes into `text` for blocks it cannot show there.
_PLACEHOLDER = re.compile(r"```\s*This block is not supported on your current device yet\.\s*```")


class ClaudeExport:
    """Each message is a record `CONVERSATION#MESSAGE`; titles are `CONVERSATION#title`.

    Projects with their documents, memories and accounts are records of their own.
    """

    name = "claude-export"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._export = LogExport(Path(target), self.name, _APP, batch_rows)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By a conversations file whose conversations hold `chat_messages`."""
        try:
            if path.is_dir():
                return _is_claude(head_records(path / "conversations.json"))
            if path.suffix.lower() == ".zip":
                with Archive(path) as archive:
                    chats = _conversations(archive)
                    return bool(chats) and _is_claude(member_head(archive, chats[0]))
            return path.suffix.lower() == ".json" and _is_claude(head_records(path))
        except Exception:  # noqa: BLE001  a question about a file of any kind must not fail
            return False

    def discover(self) -> Iterator[Asset]:
        yield self._export.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any record. Raises SourceError when the zip has no directory."""
        return self._export.read(asset, after, _plan)


def _plan(archive: Archive) -> list[tuple[Member, RecordsOf | None]]:
    """Conversations first, then the other JSON, then the files."""
    chats = archive.members if archive.is_file else _conversations(archive)
    emails = _emails(archive)

    def conversations(value: Any, identity: str) -> Iterator[LogRecord]:
        yield from _conversation(value, identity, emails)

    others = [one for one in archive.members if one not in chats]
    json_files = [one for one in others if one.basename.endswith(".json")]
    rest = [one for one in others if one not in json_files]
    return [
        *((one, conversations) for one in chats),
        *((one, _other) for one in json_files),
        *((one, None) for one in rest),
    ]


def _conversations(archive: Archive) -> list[Member]:
    found = [one for one in archive.members if one.basename == "conversations.json"]
    return sorted(found, key=lambda one: (one.name.count("/"), one.name))


def _emails(archive: Archive) -> dict[str, str]:
    """Account → e-mail address, as users.json tells."""
    found: dict[str, str] = {}
    for member in archive.members:
        if member.basename == "users.json":
            raw = MemberStream(archive, member).read(_MAX_USERS_BYTES)
            for user in list_at(parse(raw).value) if raw else ():
                account, email = text_at(user, "uuid"), text_at(user, "email_address")
                if account and email:
                    found[account] = email
    return found


def _other(value: Any, identity: str) -> Iterator[LogRecord]:
    record = generic_record(value, identity)
    times = {"created_at": first_time(value, "created_at")}
    times["modified_at"] = first_time(value, "updated_at")
    yield record._replace(columns={**record.columns, **times})


def _conversation(value: Any, identity: str, emails: Mapping[str, str]) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    if "chat_messages" not in value and isinstance(value.get("data"), list):
        for place, chat in enumerate(value["data"]):  # a page of the compliance interface
            yield from _conversation(chat, f"{identity}.{place}", emails)
        return
    chat_id = first_text(value, "uuid", "id") or identity
    account = first_text(value, "account.uuid", "user.id")
    actor = first_text(value, "account.email_address", "user.email_address")
    common = {
        "conversation_id": chat_id,
        "actor_id": actor or emails.get(account or "", account),
        "model": text_at(value, "model"),
    }
    yield _title(value, chat_id, common)
    for place, message in enumerate(list_at(value, "chat_messages")):
        yield _message(message, f"{chat_id}#{place}", common)


def _title(value: Mapping[str, Any], chat_id: str, common: Mapping[str, Any]) -> LogRecord:
    known = _CHAT_KEYS - {"account"}
    rest = rest_of({**value, "account": dict(_without_id(value.get("account")))}, known)
    parts = []
    if isinstance(value.get("chat_messages"), list):
        del rest["chat_messages"]
    else:
        problem = "expected a list `chat_messages`, found none"
        parts.append(ShapePart("chat_messages", None, status="unread", problem=problem))
    columns = {
        **common,
        "record_id": f"{chat_id}#title",
        "created_at": first_time(value, "created_at"),
        "modified_at": first_time(value, "updated_at"),
    }
    return LogRecord(columns, [*parts_of(rest), *parts])


def _without_id(account: Any) -> dict[str, Any]:
    if not isinstance(account, dict):
        return {} if account is None else {"account": account}
    return rest_of(account, {"uuid"})


def _message(value: Any, identity: str, common: Mapping[str, Any]) -> LogRecord:
    if not isinstance(value, dict):
        return LogRecord({**common, "record_id": identity}, parts_of({"message": value}))
    chat_id = str(common["conversation_id"])
    own = first_text(value, "uuid", "id")
    parent = text_at(value, "parent_message_uuid")
    files = [*list_at(value, "attachments"), *list_at(value, "files")]
    columns = {
        **common,
        "record_id": f"{chat_id}#{own}" if own else identity,
        "parent_id": f"{chat_id}#{parent}" if parent else None,
        "model": text_at(value, "model") or common["model"],
        "created_at": first_time(value, "created_at"),
        "modified_at": first_time(value, "updated_at"),
        "attachments": [_attachment(one) for one in files] or None,
    }
    return LogRecord(columns, _parts(value))


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = role_of(value.get("sender")) or role_of(value.get("role"))
    content = without(value.get("content"), lambda key, one: key in _TIMES and bool(time_of(one)))
    rest = rest_of(value, _MESSAGE_KEYS - ({"sender", "role"} if role is None else set()))
    rest.pop("content", None)
    if _is_repeat(rest.get("text"), content):
        del rest["text"]
    if content:
        yield from content_parts(content, role)
    yield from chat_parts(rest, role)
    for place, file in enumerate(list_at(value, "files")):
        if file:
            problem = "expected the file in the export, found its name only"
            yield ShapePart(f"files[{place}]", None, role, None, "opaque", problem)


def _is_repeat(text: Any, content: Any) -> bool:
    """True when `text` only says what the text blocks say once more."""
    if not isinstance(text, str) or not isinstance(content, list):
        return False
    left = _PLACEHOLDER.sub("", text)
    blocks = [block.get("text") for block in content if isinstance(block, dict)]
    for said in sorted((one for one in blocks if isinstance(one, str)), key=len, reverse=True):
        left = left.replace(said, "", 1) if said else left
    return not left.strip()


def _attachment(file: Any) -> dict[str, Any]:
    size = dict_at(file).get("file_size")
    is_size = type(size) is int and 0 <= size < 1 << 63
    return {
        "name": first_text(file, "file_name", "filename"),
        "mime": first_text(file, "file_type", "mime_type"),
        "size": size if is_size else None,
        "ref": first_text(file, "file_uuid", "id"),
    }


def _is_claude(head: Head) -> bool:
    for value in head:
        inner = list_at(value, "data")
        if any(isinstance(dict_at(one).get("chat_messages"), list) for one in (value, *inner[:1])):
            return True
    return False
