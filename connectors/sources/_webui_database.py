"""The database of Open WebUI (`webui.db`, SQLite): its chats, and every other table that holds texts.

It is opened for reading only. Tables of credentials and of the software itself are left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dlpagent.connectors.sources._files import head_of
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._log_fields import first_text, first_time, json_or_text
from dlpagent.connectors.sources._log_reader import LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart

MAGIC = b"SQLite format 3\0"
_CREDENTIALS = frozenset({"auth", "api_key", "oauth_session", "config"})
_SOFTWARE = frozenset({"alembic_version", "migratehistory"})


def is_database(path: Path) -> bool:
    """True for a SQLite file with Open WebUI's tables."""
    if head_of(path, len(MAGIC)) != MAGIC:
        return False
    try:
        with closing(_opened(path)) as db:
            names = _tables(db)
            return {"chat", "user"} <= set(names) and {"chat", "user_id"} <= _columns(db, "chat")
    except sqlite3.Error:
        return False


def wal_key(path: Path) -> str:
    """What the write-ahead log beside it adds to a change key: writes go there first."""
    try:
        stat = path.with_name(path.name + "-wal").stat()
    except OSError:
        return ""
    return f"-{stat.st_size}-{stat.st_mtime_ns}" if stat.st_size else ""


def database_records(
    path: Path, of_chat: Callable[[Any, str], Iterator[LogRecord]]
) -> Iterator[LogRecord]:
    """Chats in the order of their ids, then the rows of the other tables; damage is told."""
    try:
        with closing(_opened(path)) as db:
            emails = _emails(db)
            yield from _chats(db, emails, of_chat)
            for table in _tables(db):
                if table not in _CREDENTIALS | _SOFTWARE | {"chat"}:
                    yield from _rows(db, table, emails)
    except sqlite3.Error as error:
        problem = f"expected a whole database, found {type(error).__name__}"
        part = ShapePart("#file", None, status="unread", problem=problem)
        yield LogRecord({"record_id": "#damage"}, [part])


def _chats(
    db: sqlite3.Connection,
    emails: Mapping[str, str],
    of_chat: Callable[[Any, str], Iterator[LogRecord]],
) -> Iterator[LogRecord]:
    for number, row in enumerate(db.execute("SELECT * FROM chat ORDER BY id")):
        value = dict(row)
        raw = value["chat"] if isinstance(value["chat"], bytes) else str(value["chat"]).encode()
        parsed, damage = parse(raw), []
        if parsed.problem is not None:
            damage.append(ShapePart("chat", None, status="unread", problem=parsed.problem))
            value["chat"], tail = salvage(raw)
            if tail.strip():
                damage.append(ShapePart("#tail", tail))
        else:
            value["chat"] = parsed.value
        for key in ("meta", "variables"):
            if key in value:
                value[key] = json_or_text(value[key])
        user = str(value.get("user_id") or "")
        if user in emails:
            value["user"] = {"email": emails[user]}
        identity = f"chat{number}"
        yield from of_chat({k: one for k, one in value.items() if one is not None}, identity)
        if damage:
            yield LogRecord({"record_id": f"{value.get('id') or identity}#damage"}, damage)


def _rows(db: sqlite3.Connection, table: str, emails: Mapping[str, str]) -> Iterator[LogRecord]:
    quoted = table.replace('"', '""')
    for number, row in enumerate(db.execute(f'SELECT * FROM "{quoted}"')):  # noqa: S608 - quoted
        value = {key: json_or_text(one) for key, one in dict(row).items() if one is not None}
        user = first_text(value, "user_id") or ""
        columns = {
            "actor_id": emails.get(user, user or None),
            "created_at": first_time(value, "created_at"),
            "modified_at": first_time(value, "updated_at"),
        }
        yield generic_record(value, f"{table}#{number}", **columns)


def _emails(db: sqlite3.Connection) -> dict[str, str]:
    if not {"id", "email"} <= _columns(db, "user"):
        return {}
    found = db.execute('SELECT id, email FROM "user" WHERE email IS NOT NULL')
    return {str(row["id"]): str(row["email"]) for row in found}


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row["name"] for row in found if not row["name"].startswith("sqlite_")]


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row["name"] for row in db.execute(f'PRAGMA table_info("{table}")')}


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return db
