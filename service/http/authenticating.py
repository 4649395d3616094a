"""Who asks: an API key, a token of Entra ID, a console's session, or whoever sits at this machine.

A key may come as `Authorization: Bearer KEY`, as `X-API-Key: KEY`, or as the password of basic
authentication, so that clients which only know a URL can be given https://any:KEY@host.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from starlette.requests import Request

from dlpagent.service.http.access import Principal
from dlpagent.service.http.api_keys import PREFIX, KeyRing
from dlpagent.service.http.entra import Entra
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.sessions import COOKIE, Sessions
from dlpagent.service.http.settings import is_loopback
from dlpagent.violations import ZERO_TENANT

MOST_CREDENTIAL_CHARS = 8_192
_SAFE = ("GET", "HEAD", "OPTIONS")


class Authenticator:
    """Finds the principal of a request. keys None: no authentication; everyone is the local admin."""

    def __init__(
        self, keys: KeyRing | None, sessions: Sessions | None, entra: Entra | None, tenant_id: str
    ) -> None:
        self._keys, self._sessions, self._entra = keys, sessions, entra
        self._local = Principal("local", "local", "admin", tenant_id or ZERO_TENANT)

    async def principal_of(self, request: Request) -> Principal:
        """The principal. Raises Refusal (401, or 503 when signing keys cannot be fetched)."""
        if self._keys is None:
            _from_this_machine(request)
            return self._local
        given = credential_of(request)
        if given:
            return await self.principal_of_credential(given)
        cookie = request.cookies.get(COOKIE, "")
        if cookie and self._sessions is not None:
            same_site(request)
            principal = await self._sessions.principal_of(cookie)
            if principal is not None:
                return principal
        raise _nobody()

    async def principal_of_credential(self, given: str) -> Principal:
        """The principal of a key or token. Raises Refusal."""
        if self._keys is None:
            return self._local
        found = None
        if given.startswith(PREFIX):
            found = await self._keys.principal_of(given)
        elif self._entra is not None:
            found = await self._entra.principal_of(given)
        if found is None:
            raise _nobody()
        return found


def credential_of(request: Request) -> str:
    """The key or token that a request carries; empty when it carries none, or two."""
    header = request.headers.get("authorization", "")
    if header and "x-api-key" in request.headers:
        return ""
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.casefold() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode("ascii").partition(":")[2]
        except (binascii.Error, ValueError):
            value = ""
    elif kind.casefold() != "bearer":
        value = request.headers.get("x-api-key", "").strip()
    return value if len(value) <= MOST_CREDENTIAL_CHARS and value.isascii() else ""


def _nobody() -> Refusal:
    return Refusal(
        401, "unauthenticated", "who asks is not known",
        expected="an API key or a token of Entra ID in the header Authorization",
        remedy="Make a key with: dlpagent keys create.",
        headers={"WWW-Authenticate": 'Bearer realm="dlpagent"'},
    )  # fmt: skip


def _from_this_machine(request: Request) -> None:
    """Without authentication a web page must not be able to ask: neither by another name for this
    machine (DNS rebinding) nor from another site. Raises Refusal."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if host and not is_loopback(host):
        raise Refusal(
            403, "forbidden", "without authentication only this machine is answered",
            where="Host", expected="localhost or a loopback address",
        )  # fmt: skip
    same_site(request)


def same_site(request: Request) -> None:
    """Raises Refusal for what another site made a browser send."""
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    same = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if site not in {"same-origin", "none"} or not same:
        raise Refusal(403, "forbidden", "another site asked for this", where="Origin")
