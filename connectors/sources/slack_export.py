"""Slack exports: the zip or its folder, with `users.json`, `channels.json` and `CHANNEL/DATE.json`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._archive import Archive, Member, MemberStream
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._log_archive import LogExport
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    dict_at,
    first_text,
    list_at,
    rest_of,
    text_at,
    time_of,
    without,
)
from dlpagent.connectors.sources._log_reader import LogRecord, RecordsOf, generic_record
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.records import Asset, Checkpoint, without_surrogates

_APP = "Slack"
_DAY = re.compile(r"(?:.*/)?([^/]+)/\d{4}-\d\d-\d\d\.json")
_ABOUT = frozenset({"users.json", "channels.json", "groups.json", "dms.json", "mpims.json"})
_MAX_ABOUT_BYTES = 64 << 20
_MESSAGE_KEYS = frozenset({
    "type", "subtype", "ts", "user", "bot_id", "app_id", "team", "user_team", "source_team",
    "client_msg_id", "thread_ts", "parent_user_id", "latest_reply",
})  # fmt: skip
# Constants of Slack's blocks.
_BLOCK_KEYS = frozenset({"type", "block_id", "style", "verbatim", "emoji"})
_MAX_CONSTANT_CHARS = 64


class SlackExport:
    """Each message is a record `CHANNEL#TS`; users, channels and files are records of their own."""

    name = "slack"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._export = LogExport(Path(target), self.name, _APP, batch_rows)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By users.json or channels.json beside folders with one file per day."""
        try:
            if path.is_dir():
                is_about = any((path / name).is_file() for name in _ABOUT)
                return is_about and any(
                    _DAY.fullmatch(f"{day.parent.name}/{day.name}")
                    for day in path.glob("*/????-??-??.json")
                )
            if path.suffix.lower() != ".zip":
                return False
            with Archive(path) as archive:
                names = {member.basename for member in archive.members}
                return not _ABOUT.isdisjoint(names) and any(
                    _DAY.fullmatch(member.name) for member in archive.members
                )
        except Exception:  # noqa: BLE001  a question about a file of any kind must not fail
            return False

    def discover(self) -> Iterator[Asset]:
        yield self._export.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any message. Raises SourceError when the zip has no directory."""
        return self._export.read(asset, after, _plan)


class _Workspace:
    """Who is behind the ids: users by their e-mail address, which of them are bots, channel ids."""

    def __init__(self, archive: Archive) -> None:
        self.emails: dict[str, str] = {}
        self.bots: set[str] = set()
        self.channels: dict[str, str] = {}
        for member in archive.members:
            if member.basename in _ABOUT:
                raw = MemberStream(archive, member).read(_MAX_ABOUT_BYTES)
                for one in list_at(parse(raw).value) if raw else ():
                    self._note(one, member.basename == "users.json")

    def _note(self, one: Any, is_user: bool) -> None:
        own = text_at(one, "id")
        if own and is_user:
            email = text_at(one, "profile", "email")
            if email:
                self.emails[own] = email
            if dict_at(one).get("is_bot") is True:
                self.bots.add(own)
        elif own:
            self.channels[text_at(one, "name") or own] = own


def _plan(archive: Archive) -> list[tuple[Member, RecordsOf | None]]:
    """Users and channels first, then the days of each channel, then the files."""
    workspace = _Workspace(archive)
    found: list[tuple[int, str, Member, RecordsOf | None]] = []
    for member in archive.members:
        day = _DAY.fullmatch(member.name)
        if day:
            found.append((1, member.name, member, _Channel(day.group(1), workspace).records))
        elif member.basename.endswith(".json"):
            found.append((0, member.name, member, _about))
        else:
            found.append((2, member.name, member, None))
    found.sort(key=lambda one: one[:2])
    return [(member, means) for _, _, member, means in found]


def _about(value: Any, identity: str) -> Iterator[LogRecord]:
    yield generic_record(value, identity)


class _Channel:
    """What the messages of one channel mean."""

    def __init__(self, name: str, workspace: _Workspace) -> None:
        name = without_surrogates(name)
        self._id = workspace.channels.get(name, name)
        self._workspace = workspace

    def records(self, value: Any, identity: str) -> Iterator[LogRecord]:
        if not isinstance(value, dict):
            yield generic_record(value, identity)
            return
        user = first_text(value, "user", "user_id")
        known = self._workspace
        own, thread = text_at(value, "ts"), text_at(value, "thread_ts")
        is_bot = user in known.bots or "bot_id" in value or value.get("subtype") == "bot_message"
        columns = {
            "record_id": f"{self._id}#{own}" if own else identity,
            "conversation_id": self._id,
            "parent_id": f"{self._id}#{thread}" if thread and thread != own else None,
            "actor_id": known.emails.get(user or "", user or text_at(value, "bot_id")),
            "created_at": _time(own),
            "modified_at": _time(text_at(value, "edited", "ts")),
            "attachments": [_file(one) for one in list_at(value, "files")] or None,
        }
        yield LogRecord(columns, _parts(value, "assistant" if is_bot else "user"))


def _parts(value: Mapping[str, Any], role: str) -> Iterator[ShapePart]:
    rest = rest_of(value, _MESSAGE_KEYS)
    blocks = rest.pop("blocks", None)
    said = rest.get("text") if isinstance(rest.get("text"), str) else ""
    yield from chat_parts(rest, role)
    plain = html.unescape(str(said))
    for part in chat_parts({"blocks": without(blocks, _is_constant)}, role):
        # Blocks say with layout what `text` says without it.
        if part.text is None or not (part.text in str(said) or part.text in plain):
            yield part._replace(context=None)
    for place, one in enumerate(list_at(value, "files")):
        if one:
            problem = "expected the file in the export, found its address only"
            yield ShapePart(f"files[{place}]", None, role, None, "opaque", problem)


def _is_constant(key: str, value: Any) -> bool:
    if isinstance(value, (bool, int)):
        return key in _BLOCK_KEYS
    return key in _BLOCK_KEYS and isinstance(value, str) and len(value) <= _MAX_CONSTANT_CHARS


def _time(stamp: str | None) -> Any:
    """A Slack time stamp: seconds since 1970 with six decimals, as text."""
    try:
        return time_of(float(stamp)) if stamp else None
    except ValueError:
        return None


def _file(one: Any) -> dict[str, Any]:
    size = dict_at(one).get("size")
    is_size = type(size) is int and 0 <= size < 1 << 63
    ref = first_text(one, "url_private", "permalink", "id")
    name, mime = first_text(one, "name", "title"), text_at(one, "mimetype")
    return {"name": name, "mime": mime, "size": size if is_size else None, "ref": ref}
