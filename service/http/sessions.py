"""Sessions of the console: a sealed cookie that names an API key and says until when.

The cookie holds neither key nor role. The key is looked up at every request, so revoking it ends
its sessions.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from starlette.responses import Response

from dlpagent.service.http.access import Principal
from dlpagent.service.http.api_keys import KeyRing, id_of

COOKIE = "dlpagent_session"
SECONDS = 8 * 3600


class Sessions:
    """Makes cookies and knows them again."""

    def __init__(
        self, secret: bytes, keys: KeyRing, clock: Callable[[], float] = time.time
    ) -> None:
        self._secret, self._keys, self._clock = secret, keys, clock

    def begin(self, response: Response, key: str, *, is_secure: bool) -> None:
        """Give a browser a session under an API key that was just accepted."""
        ident = id_of(key)
        until = int(self._clock()) + SECONDS
        said = f"{ident}.{until}"
        response.set_cookie(
            COOKIE, f"{said}.{self._seal(said)}", max_age=SECONDS, path="/", secure=is_secure,
            httponly=True, samesite="strict",
        )  # fmt: skip

    def end(self, response: Response) -> None:
        """Take the session back."""
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    async def principal_of(self, cookie: str) -> Principal | None:
        """Whose session it is; None when it is over, or not ours."""
        said, _, seal = cookie.rpartition(".")
        if not cookie.isascii() or not hmac.compare_digest(seal, self._seal(said)):
            return None
        ident, _, until = said.partition(".")
        if not until.isdigit() or int(until) <= self._clock():
            return None
        return await self._keys.principal_of_id(ident)

    def _seal(self, said: str) -> str:
        return hmac.new(self._secret, f"dlpagent session {said}".encode(), "sha256").hexdigest()
