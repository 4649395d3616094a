"""API keys: made once, shown once, stored as a keyed digest.

A key is `dlpa_<id>_<secret>`; the secret has 256 random bits, so that a keyed digest (HMAC-SHA256
under service.key, which is not in the database) protects it as well as a slow hash would, at a cost
that every request can bear.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from anyio import to_thread

from dlpagent.errors import ConfigurationError
from dlpagent.evidence import load_secret
from dlpagent.home import home_folder
from dlpagent.service.http.access import ROLES, Principal, Role
from dlpagent.state import State
from dlpagent.state.key_rows import StoredKey, add_key, key_row, key_rows, revoke_key
from dlpagent.state.types import moment

PREFIX = "dlpa_"
KEY_FILE = "service.key"
_ID_BYTES, _SECRET_BYTES = 8, 32
_KEPT_SECONDS = 2.0


def load_service_secret(path: Path | None = None) -> bytes:
    """The service's secret ($DLPAGENT_HOME/service.key), made on first use with mode 0600."""
    return load_secret(path or home_folder() / KEY_FILE, "service key")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown, once, to whoever made it."""

    key: str
    stored: StoredKey

    def __repr__(self) -> str:
        return f"NewKey({self.stored.id})"


def id_of(key: str) -> str:
    """The id a key names."""
    return key.removeprefix(PREFIX).partition("_")[0]


class ApiKeys:
    """The keys of one tenant, in its state; a key of another tenant in it is not taken.

    A revoked key is refused at once here, within two seconds by other processes.
    """

    def __init__(
        self,
        tenant_id: str,
        state: State,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tenant_id = tenant_id
        self._state, self._secret, self._clock = state, secret, clock
        self._kept: dict[str, tuple[float, StoredKey | None]] = {}
        self._revoked: set[str] = set()

    def create(self, name: str, role: str, actor: str, expires: datetime | None = None) -> NewKey:
        """Make a key and note the act. Raises ConfigurationError."""
        if role not in ROLES:
            raise ConfigurationError(
                "this is not a role", where="role", expected=" or ".join(ROLES), found=role[:40]
            )
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise ConfigurationError(
                "this is not a name for a key",
                where="name",
                expected="1 to 100 printable characters",
            )
        ident = secrets.token_hex(_ID_BYTES)
        key = f"{PREFIX}{ident}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        stored = StoredKey(
            id=ident,
            name=name,
            role=role,
            tenant_id=self.tenant_id,
            digest=self._digest(key),
            created_at=moment(self._state.database.now()),
            created_by=actor,
            expires_at=moment(expires) if expires else None,
        )
        add_key(self._state.database, stored, actor)
        return NewKey(key, stored)

    def all(self) -> list[StoredKey]:
        """The keys, oldest first."""
        return key_rows(self._state.database, self.tenant_id)

    def revoke(self, ident: str, actor: str) -> bool:
        """Revoke a key and note the act; False when there is none."""
        is_done = revoke_key(self._state.database, ident, actor, self.tenant_id)
        if is_done:  # a row that was read before may be kept after: what is kept is not enough
            self._revoked.add(ident)
        return is_done

    async def principal_of(self, key: str) -> Principal | None:
        """Whose key it is; None when it is unknown, wrong, expired or revoked."""
        stored = await self._stored(id_of(key))
        digest = stored.digest if stored else "0" * 64
        if not hmac.compare_digest(self._digest(key), digest) or stored is None:
            return None
        return self._principal(stored)

    async def principal_of_id(self, ident: str) -> Principal | None:
        """Whose key has this id, for a session that was begun with it."""
        stored = await self._stored(ident)
        return self._principal(stored) if stored else None

    def _principal(self, stored: StoredKey) -> Principal | None:
        now = moment(self._state.database.now())
        if stored.tenant_id != self.tenant_id or stored.revoked_at is not None:
            return None
        if stored.id in self._revoked:
            return None
        if stored.expires_at and stored.expires_at <= now:
            return None
        role: Role = stored.role  # type: ignore[assignment] # create() takes no other
        return Principal(f"key:{stored.id}", stored.name, role, stored.tenant_id)

    async def _stored(self, ident: str) -> StoredKey | None:
        if len(ident) != 2 * _ID_BYTES or not ident.isalnum():
            return None
        now = self._clock()
        kept = self._kept.get(ident)
        if kept is None or kept[0] <= now:
            if len(self._kept) > 10_000:
                self._kept.clear()
            found = await to_thread.run_sync(partial(key_row, self._state.database, ident))
            kept = self._kept[ident] = (now + _KEPT_SECONDS, found)
        return kept[1]

    def _digest(self, key: str) -> str:
        return hmac.new(self._secret, f"dlpagent api key {key}".encode(), "sha256").hexdigest()


class KeyRing:
    """The keys of all tenants that are served."""

    def __init__(self, tenants: Sequence[ApiKeys]) -> None:
        self._tenants = tenants

    async def principal_of(self, key: str) -> Principal | None:
        """Whose key it is; None when it is no tenant's."""
        for keys in self._tenants:
            if (principal := await keys.principal_of(key)) is not None:
                return principal
        return None

    async def principal_of_id(self, ident: str) -> Principal | None:
        """Whose key has this id."""
        for keys in self._tenants:
            if (principal := await keys.principal_of_id(ident)) is not None:
                return principal
        return None
