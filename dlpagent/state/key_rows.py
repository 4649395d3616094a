"""API keys of the service at rest: never the key, only its keyed digest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Column, insert, select, update

from dlpagent.state.audit import record_act
from dlpagent.state.database import Database
from dlpagent.state.tables import api_keys

_NAMES = ("id", "name", "role", "tenant_id", "digest", "created_at", "created_by", "expires_at",
          "revoked_at", "revoked_by")  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as stored. Times are UTC, ISO 8601 with Z. digest: HMAC-SHA256 under the service's key."""

    id: str
    name: str
    role: str
    tenant_id: str
    digest: str
    created_at: str
    created_by: str
    expires_at: str | None = None
    revoked_at: str | None = None
    revoked_by: str | None = None

    def __repr__(self) -> str:
        return f"StoredKey({self.id})"


def add_key(db: Database, key: StoredKey, actor: str) -> None:
    """Store a new key and note who made it."""
    row = asdict(key)
    row["key_id"] = row.pop("id")
    with db.write() as connection:
        connection.execute(insert(api_keys).values(**row))
        record_act(connection, actor, "key.create", key.id, {
            "name": key.name, "role": key.role, "tenant_id": key.tenant_id,
            "expires_at": key.expires_at,
        }, clock=db.clock)  # fmt: skip


def revoke_key(db: Database, ident: str, actor: str, tenant_id: str | None = None) -> bool:
    """Revoke a key (of a tenant) for good; False when there is none. Once is enough."""
    mine = api_keys.c.key_id == ident
    if tenant_id is not None:
        mine &= api_keys.c.tenant_id == tenant_id
    with db.write() as connection:
        found = connection.execute(select(api_keys.c.revoked_at).where(mine)).first()
        if found is None:
            return False
        if found.revoked_at is None:
            connection.execute(
                update(api_keys).where(mine).values(revoked_at=db.moment(), revoked_by=actor)
            )
            record_act(connection, actor, "key.revoke", ident, clock=db.clock)
    return True


def key_row(db: Database, ident: str) -> StoredKey | None:
    """One key by its id."""
    query = select(*_columns()).where(api_keys.c.key_id == ident)
    with db.read() as connection:
        row = connection.execute(query).first()
    return StoredKey(*row) if row else None


def key_rows(db: Database, tenant_id: str | None = None) -> list[StoredKey]:
    """All keys, oldest first; those of one tenant, if given."""
    query = select(*_columns()).order_by(api_keys.c.created_at, api_keys.c.key_id)
    if tenant_id is not None:
        query = query.where(api_keys.c.tenant_id == tenant_id)
    with db.read() as connection:
        return [StoredKey(*row) for row in connection.execute(query)]


def _columns() -> list[Column[Any]]:
    return [api_keys.c["key_id" if name == "id" else name] for name in _NAMES]
