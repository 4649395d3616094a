"""Tokens of Entra ID: signature, issuer, audience, tenant, times and app roles.

The signing keys are fetched from the tenant's own address and kept; a key id that is not known
fetches them again, at most once a minute, which is how a rotation is noticed. While they cannot be
fetched, keys already known serve on for a day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from dlpagent.service.http.access import Principal, highest
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.settings import EntraSettings

ALGORITHMS = ("RS256",)  # the only one Entra ID signs with
LEEWAY_S = 60
FETCH_AGAIN_S = 60.0
FRESH_S, USABLE_S = 6 * 3600.0, 24 * 3600.0
FETCH_TIMEOUT_S = 5.0
MOST_JWKS_BYTES = 1_000_000
ROLE_PREFIX = "dlpagent."

Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]


async def fetched(url: str) -> Mapping[str, Any]:
    """A JSON document over HTTPS. Raises httpx.HTTPError, ValueError."""
    async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, follow_redirects=False) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        if len(answer.content) > MOST_JWKS_BYTES:
            raise ValueError("too large")
        found: Mapping[str, Any] = answer.json()
        return found


@dataclass(slots=True)
class _Keys:
    by_id: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Entra:
    """Checks tokens for the tenants that are served."""

    def __init__(
        self,
        settings: EntraSettings,
        tenants: Collection[str],
        fetch: Fetch = fetched,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._fetch, self._clock = settings, fetch, clock
        self._keys = {tenant: _Keys() for tenant in tenants}

    async def principal_of(self, token: str) -> Principal | None:
        """Whose token it is; None when it is not good for us. Raises Refusal (403, 503)."""
        try:
            header = jwt.get_unverified_header(token)
            tenant = _tenant_named(token)
        except jwt.InvalidTokenError:
            return None
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or "crit" in header:
            return None
        if tenant not in self._keys:
            return None
        key = await self._key(tenant, kid)
        if key is None:
            return None
        claims = self._claims(token, key, tenant)
        return None if claims is None else _principal(claims, tenant)

    def _claims(self, token: str, key: jwt.PyJWK, tenant: str) -> Mapping[str, Any] | None:
        authority = self._settings.authority.rstrip("/")
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=list(self._settings.audience),
                issuer=[f"{authority}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"],
                leeway=LEEWAY_S,
                options={"require": ["exp", "nbf", "iat", "iss", "aud", "tid"]},
            )
        except jwt.PyJWTError:
            return None
        return claims if claims["tid"] == tenant else None

    async def _key(self, tenant: str, kid: str) -> jwt.PyJWK | None:
        keys = self._keys[tenant]
        known = keys.by_id.get(kid)
        age = self._clock() - keys.fetched_at
        if known is not None and age < FRESH_S:
            return known
        async with keys.lock:
            if self._clock() - keys.tried_at >= FETCH_AGAIN_S:
                keys.tried_at = self._clock()
                await self._refresh(tenant, keys)
        age = self._clock() - keys.fetched_at
        if age >= USABLE_S:
            raise Refusal(
                503, "signing-keys", "the signing keys of Entra ID cannot be fetched",
                remedy="Try again later, or use an API key.", headers={"Retry-After": "60"},
            )  # fmt: skip
        return keys.by_id.get(kid)

    async def _refresh(self, tenant: str, keys: _Keys) -> None:
        url = f"{self._settings.authority.rstrip('/')}/{tenant}/discovery/v2.0/keys"
        try:
            document = await self._fetch(url)
            found = {
                each["kid"]: jwt.PyJWK(each, algorithm="RS256")
                for each in document["keys"]
                if each.get("kty") == "RSA" and each.get("use", "sig") == "sig" and "kid" in each
            }
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError,
                jwt.PyJWTError):  # fmt: skip
            return
        if found:
            keys.by_id, keys.fetched_at = found, self._clock()


def _tenant_named(token: str) -> str:
    """The tenant a token says it is of, before anything is proved; it chooses the keys to try."""
    claims = jwt.decode(token, options={"verify_signature": False})
    tenant = claims.get("tid")
    if not isinstance(tenant, str):
        raise jwt.InvalidTokenError("no tid")
    return tenant


def _principal(claims: Mapping[str, Any], tenant: str) -> Principal:
    roles = claims.get("roles")
    named = {
        each.removeprefix(ROLE_PREFIX)
        for each in (roles if isinstance(roles, list) else [])
        if isinstance(each, str) and each.startswith(ROLE_PREFIX)
    }
    role = highest(named)
    if role is None:
        raise Refusal(
            403, "forbidden", "the token has no role of dlpagent",
            expected=f"an app role such as {ROLE_PREFIX}reader",
            remedy="Assign one in the enterprise application of Entra ID.",
        )  # fmt: skip
    subject = str(claims.get("oid") or claims.get("sub") or "")
    return Principal(f"entra:{subject}", subject, role, tenant)
