"""The Claude Compliance API: live (`claude-compliance://api.anthropic.com`), and what was saved of it.

Source of the interface: Anthropic's documentation of the Compliance API. Only reading requests are
made; the interface also has some that delete.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._claude_record import (
    APP,
    activity_record,
    chat_records,
    is_activity,
    saved_records,
)
from dlpagent.connectors.sources._http_store import RefusedError, is_local
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import dict_at, first_time, list_at, text_at
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.connectors.sources._store_address import Address, address_of
from dlpagent.connectors.sources._text_settings import names_in, text_settings
from dlpagent.connectors.sources._windows import WINDOW_SETTINGS, Window, whole_number, windows
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

if TYPE_CHECKING:
    from dlpagent.connectors.sources._live_api import LiveApi

KEY_VARIABLE = "ANTHROPIC_COMPLIANCE_KEY"
_EXAMPLE = "claude-compliance://api.anthropic.com, perhaps with ?user=user_01…&since=30d"
_SETTINGS = ("user", "allowed_hosts", *WINDOW_SETTINGS)
_HOST = "api.anthropic.com"
_ROOT = "/v1/compliance"
_PAGE = 100
REMEDIES = {
    401: f"Give a Compliance key by the environment variable {KEY_VARIABLE}.",
    403: "Give the key the scopes for activities and for user data.",
}


def _now() -> datetime:
    return datetime.now(UTC)


class ClaudeCompliance:
    """Live: windows of the activity feed, and the chats of each user, are assets.

    Saved: the file is. Each activity, chat title and message is a record.
    """

    name = "claude-compliance"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        max_record_bytes: int = MAX_RECORD_BYTES,
        user: str = "",
        since: str = "",
        until: str = "",
        window_days: int = 7,
        settle_hours: int = 24,
        allowed_hosts: tuple[str, ...] = (),
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """target: an address, or a file. Raises ConfigurationError for settings that are wrong, and
        for a host that may not get the key.
        """
        given = {name: value for name, value in locals().items() if name in _SETTINGS}
        self._batch_rows, self._clock = batch_rows, clock
        self._address: Address | None = None
        if "://" not in target:
            self._log = LogFile(Path(target), self.name, APP, batch_rows, max_record_bytes)
            return
        self._address = address_of(target, _EXAMPLE, _SETTINGS)
        said = text_settings(given, self._address.settings, _SETTINGS)
        self._users = names_in(said["user"])
        self._since, self._until = said["since"] or "30d", said["until"]
        self._days = whole_number(said["window_days"] or window_days, "window_days")
        self._settle = whole_number(said["settle_hours"] or settle_hours, "settle_hours")
        self._base = _base(self._address, names_in(said["allowed_hosts"]))
        self._windows()

    @staticmethod
    def recognises(path: Path) -> bool:
        """By pages of activities, or of a chat's messages."""
        for head in head_records(path)[:5]:
            if any(is_activity(one) for one in (head, *list_at(head, "data")[:3])):
                return True
            page = {"has_more", "first_id", "last_id"} <= head.keys()
            first = dict_at({"one": next(iter(list_at(head, "data")), None)}, "one")
            if page and {"role", "content"} <= first.keys():
                return True
        return False

    def discover(self) -> Iterator[Asset]:
        """Windows of the feed, the oldest first, then users: those named, else those in the feed.

        Raises SourceError when the feed cannot be read.
        """
        if self._address is None:
            yield self._log.asset()
            return
        found = self._windows()
        with self._opened() as api:
            users = dict.fromkeys(self._users)
            if not self._users:
                for one in _activities(api, found[0].start, found[-1].end):
                    user = text_at(one, "actor", "user_id")
                    if user:
                        users.setdefault(user)
                for window in found:
                    key = "closed" if window.is_closed else None
                    yield self._asset(f"activities#{window.name}", key)
            for user in sorted(users):
                yield self._asset(f"users/{quote(user, safe='')}", _key_of(_chats(api, user)))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any record. Raises SourceError when the interface cannot be read.

        Cursor: v, after (the unit being read: a chat, the feed), skip (records of it given).
        """
        if self._address is None:
            yield from self._log.read(asset, after, saved_records)
            return
        if after is not None and after.done:
            return
        parts = urlsplit(asset.uri)
        cursor = after.cursor if after is not None else {}
        at, skip = str(cursor.get("after", "")), int(cursor.get("skip", 0))
        with self._opened() as api:
            if parts.fragment:
                units = _feed_units(api, Window.named(parts.fragment), at)
            else:
                units = _chat_units(api, unquote(parts.path.rpartition("/")[2]), at)
            for batch, place, last in mark_last(self._filled(asset, units, at, skip)):
                yield batch, Checkpoint({"v": 1, **place}, done=last)

    def _filled(
        self, asset: Asset, units: Iterator[tuple[str, Iterator[LogRecord]]], at: str, skip: int
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        place: dict[str, Any] = {"after": at, "skip": skip}
        for name, records in units:
            for number, record in enumerate(records):
                if name == at and number < skip:
                    continue
                for seq, part in enumerate(record.parts):
                    known = {**record.columns, **part._asdict()}
                    rows.add(seq=seq, app=APP, locator={"file": asset.uri, "row": number}, **known)
                place = {"after": name, "skip": number + 1}
                if rows.is_full():
                    yield rows.take(), place
        yield rows.take(), place

    def _windows(self) -> Sequence[Window]:
        return list(windows(self._since, self._until, self._days, self._settle, self._clock()))

    def _asset(self, name: str, change_key: str | None) -> Asset:
        host = urlsplit(self._base).netloc
        uri = f"claude-compliance://{host}/{name}"
        return Asset(uri, "chat_log", self.name, change_key=change_key, app=APP)

    @contextmanager
    def _opened(self) -> Iterator[LiveApi]:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            raise ConfigurationError(
                "a key is missing",
                where=f"the environment variable {KEY_VARIABLE}",
                expected="a key for the Compliance API",
                found="nothing",
                remedy="Set it where dlpagent runs; keys are not written into addresses.",
            )
        from dlpagent.connectors.sources._live_api import LiveApi  # noqa: PLC0415 - loads httpx

        api = LiveApi(self._base, headers={"x-api-key": key}, remedies=REMEDIES)
        try:
            yield api
        finally:
            api.close()


def _feed_units(api: LiveApi, window: Window, at: str) -> Iterator[tuple[str, Iterator[LogRecord]]]:
    """The window's activities in the order of time and id, from one on."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for one in _activities(api, window.start, window.end):
        own = text_at(one, "id") or ""
        found[f"{text_at(one, 'created_at') or ''} {own}"] = own, one
    for key, (own, one) in sorted(found.items()):
        if key >= at:
            yield key, iter([activity_record(one, own)])


def _activities(api: LiveApi, start: datetime, end: datetime) -> Iterator[Mapping[str, Any]]:
    """From the newest back to the start: the feed is in this order, and only grows at its head."""
    for one in _paged(api, f"{_ROOT}/activities", {}):
        when = first_time(one, "created_at")
        if when is not None and when < start:
            return
        if isinstance(one, Mapping) and (when is None or when < end):
            yield one


def _chat_units(api: LiveApi, user: str, at: str) -> Iterator[tuple[str, Iterator[LogRecord]]]:
    """A user's chats in the order of their ids, from one on; each with all its messages."""
    for name, chat in sorted(_chats(api, user).items()):
        if name < at:
            continue
        path = f"{_ROOT}/apps/chats/{quote(name, safe='')}/messages"
        messages: list[Any] = []
        try:
            for page in _pages(api, path, {}):
                messages += list_at(page, "chat_messages") or list_at(page, "data")
        except RefusedError as error:
            if error.status != 404:
                raise
            problem = "expected the messages of a chat, found that it was deleted meanwhile"
            part = ShapePart("#messages", None, status="unread", problem=problem)
            yield name, iter([LogRecord({"record_id": f"{name}#title"}, [part])])
            continue
        yield name, chat_records(chat, messages, name)


def _chats(api: LiveApi, user: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for one in _paged(api, f"{_ROOT}/apps/chats", {"user_ids[]": user}):
        name = text_at(one, "id")
        if name and isinstance(one, Mapping):
            found[name] = one
    return found


def _key_of(chats: Mapping[str, Mapping[str, Any]]) -> str:
    """Equal while no chat came, went or was written in."""
    told = "\n".join(f"{name} {one.get('updated_at')}" for name, one in sorted(chats.items()))
    return f"{len(chats)}-{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"


def _paged(api: LiveApi, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
    for page in _pages(api, path, query):
        yield from list_at(page, "data")


def _pages(api: LiveApi, path: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Pages by after_id, until has_more is false."""
    after: str | None = None
    while True:
        asked = {"limit": _PAGE, **query, **({"after_id": after} if after else {})}
        page = dict_at({"page": api.get(path, asked).value}, "page")
        yield page
        last = text_at(page, "last_id")
        if page.get("has_more") is not True:
            return
        if not last or last == after:
            raise SourceError(
                "a page does not say where the next one begins",
                where=path,
                expected="another last_id with has_more",
                found="none, or the same again",
                remedy="Run again with --resume.",
            )
        after = last


def _base(address: Address, allowed: tuple[str, ...]) -> str:
    """Where requests go. Raises ConfigurationError for a host that may not get the key."""
    host = address.host or _HOST
    if host != _HOST and host not in allowed:
        raise ConfigurationError(
            "is not a host that may get the key",
            where=address.shown,
            expected=_HOST,
            found=host,
            remedy="Name it in the setting allowed_hosts if it is yours.",
        )
    place = host if address.port is None else f"{host}:{address.port}"
    return f"{'http' if is_local(host) else 'https'}://{place}"
