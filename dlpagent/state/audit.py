"""The audit log: every administrative act and verdict, in a chain that shows tampering.

A row names its predecessor's hash, so that nothing before it can change unseen; its own hash is
sealed (HMAC-SHA256 under a key that is not in the database), so that a chain made anew is not
taken for ours; the head says how many rows there are, so that none can be cut off at the end. New
rows continue the head, never what is found in the table: damage is not healed by going on.
docs/decisions/0006-audit-log.md says why this and not signatures.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from dlpagent.evidence import load_secret
from dlpagent.home import home_folder
from dlpagent.state.sql import insert_new, insert_or_update
from dlpagent.state.tables import acts, audit_head, meta
from dlpagent.state.types import Clock, moment, storable, to_json, utc_now

KEY_FILE = "audit.key"
HEAD = "head"
AUDIT_LOCK = 0x646C_7003  # see dlpagent.state.connection
_COLUMNS = ("seq", "at", "actor", "act", "subject", "details", "previous")


@dataclass(frozen=True, slots=True)
class AuditKey:
    """The secret that seals; never printed. id names it without revealing it."""

    secret: bytes
    id: str

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"

    def seal(self, *said: object) -> str:
        """HMAC-SHA256 over what is said, as hexadecimal digits."""
        return hmac.new(self.secret, to_json(said).encode(), "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands: how many acts, and the hash of the newest."""

    acts: int
    hash: str

    def __str__(self) -> str:
        return f"{self.acts}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the log. at: UTC, ISO 8601 with Z. details hold names and numbers, never content."""

    seq: int
    at: str
    actor: str
    act: str
    subject: str
    details: Mapping[str, Any]
    hash: str


def load_audit_key(path: Path | None = None) -> AuditKey:
    """The key of this installation ($DLPAGENT_HOME/audit.key), made on first use with mode 0600."""
    secret = load_secret(path or home_folder() / KEY_FILE, "audit key")
    return AuditKey(secret, hmac.new(secret, b"dlpagent audit key", "sha256").hexdigest()[:12])


def local_actor() -> str:
    """Who acts when a command is run: the account and the machine."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        account = f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{account}@{socket.gethostname()}"


def record_act(
    connection: Connection,
    actor: str,
    act: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    *,
    key: AuditKey | None = None,
    clock: Clock = utc_now,
) -> Head:
    """Add an act to the log, inside the caller's write transaction (state.database.write()).

    actor: who, as local_actor() or a principal of the service says; act: what, as `area.verb` (say
    `violation.override`); subject: the id or name of what it was done to; details: JSON values,
    never a raw value. Returns the new head. Raises StateError when the key cannot be read or made.
    """
    key = key or load_audit_key()
    _one_at_a_time(connection)
    head = _standing(connection)
    row: dict[str, Any] = {
        "seq": head.acts + 1,
        "at": moment(clock()),
        "actor": storable(actor),
        "act": act,
        "subject": storable(subject),
        "details": to_json(dict(details or {})),
        "previous": head.hash,
    }
    row["hash"] = hash_of(row)
    connection.execute(insert(acts).values(**row, key_id=key.id, seal=key.seal("act", row["hash"])))
    new = Head(row["seq"], row["hash"])
    sealed = {"name": HEAD, "acts": new.acts, "hash": new.hash, "key_id": key.id}
    insert_or_update(
        connection, audit_head, [{**sealed, "seal": key.seal("head", new.acts, new.hash)}]
    )
    return new


def hash_of(row: Mapping[str, Any]) -> str:
    """SHA-256 over a row as it is stored, each column in its place."""
    return hashlib.sha256(to_json([1, *(row[name] for name in _COLUMNS)]).encode()).hexdigest()


def beginning(connection: Connection) -> str:
    """What the first act names as its predecessor: this database, so no other's log fits in."""
    name = connection.scalar(select(meta.c.value).where(meta.c.name == "audit_id"))
    return hashlib.sha256(to_json(["dlpagent audit log", name]).encode()).hexdigest()


def act_from(row: Any) -> Act:
    """A row of the table as a value; details that are no JSON any more are shown as text."""
    try:
        details = json.loads(row.details)
    except ValueError:
        details = {"unreadable": True}
    return Act(row.seq, row.at, row.actor, row.act, row.subject, details, row.hash)


def _one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": AUDIT_LOCK})


def _standing(connection: Connection) -> Head:
    """Where to go on. Without a head but with rows, behind them: the break in the chain shows."""
    row = connection.execute(select(audit_head).where(audit_head.c.name == HEAD)).first()
    newest = connection.scalar(select(func.max(acts.c.seq))) or 0
    if row is not None:
        return Head(max(row.acts, newest), row.hash)
    if newest == 0:
        insert_new(connection, meta, [{"name": "audit_id", "value": os.urandom(16).hex()}])
    return Head(newest, beginning(connection))
