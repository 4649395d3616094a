"""Asking a service on the network, page after page: one pinned host, a token, and patience.

No redirect is followed and no other host is asked, wherever a next page is said to be: the token
would go there too.
"""

from __future__ import annotations

import json
import math
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx

from dlpagent import __version__
from dlpagent.connectors.sources._http_store import RefusedError, asked_wait, is_local
from dlpagent.errors import ConfigurationError, SourceError

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRIES = 6
_FIRST_WAIT_S = 0.5
# Who is asked to stay away for longer stops, and goes on from the checkpoint when run again.
_LONGEST_WAIT_S = 600.0
_LARGEST_ANSWER = 256 << 20
_CODE = re.compile(r"[0-9A-Za-z._-]{1,64}")
_wait = time.sleep  # tests that need no patience replace it


class Token(Protocol):
    """Gives the value of the Authorization header."""

    def header(self) -> str:
        """The header for a request now. Raises SourceError when there is no token to be had."""

    def renew(self) -> None:
        """Forget what was given: the service does not take it."""

    def close(self) -> None:
        """Let go of connections."""


class Reply(NamedTuple):
    """The JSON of an answer and its headers, names in lower case."""

    value: Any
    headers: Mapping[str, str]


class _Passing(Exception):  # noqa: N818 - a signal within this module
    def __init__(self, found: str, wait: float | None = None) -> None:
        super().__init__(found)
        self.found, self.wait = found, wait


class LiveApi:
    """A service. base_url: https, or http on this machine. remedies: status → what to do about it.

    Close it: it keeps connections. Raises ConfigurationError for any other address.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Token | None = None,
        ca_file: str | None = None,
        timeout_s: float = 60.0,
        remedies: Mapping[int, str] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._origin = _origin(base_url)
        self._token, self._remedies = token, remedies or {}
        self._client = httpx.Client(
            headers={"User-Agent": f"dlpagent/{__version__}", **(headers or {})},
            verify=_trust(ca_file) if self.base_url.startswith("https:") else False,
            timeout=timeout_s,
            follow_redirects=False,
        )

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        """The JSON behind a path below base_url, or behind a whole address on the same host.

        Raises RefusedError (status says which) for what will stay, SourceError for what did not pass.
        """
        return self._ask("GET", path, query)

    def post(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        """The same for a POST without a body."""
        return self._ask("POST", path, query)

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()
        if self._token is not None:
            self._token.close()

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None) -> Reply:
        url = path if "://" in path else self.base_url + path
        where = url.split("?", maxsplit=1)[0]
        if not self._is_here(url):
            raise SourceError(
                "names a next page on another host",
                where=self.base_url,
                expected=f"pages of {'//'.join(self._origin)}",
                found="another host, scheme or port",
                remedy="Nothing was sent there. Check what stands between this machine and the service.",
            )
        found, is_renewed = "", False
        for attempt in range(_TRIES):
            wait: float | None = None
            try:
                status, headers, body = self._sent(method, url, query)
                if status == 401 and self._token is not None and not is_renewed:
                    is_renewed = True
                    self._token.renew()
                    continue
                return self._understood(where, status, headers, body)
            except _Passing as passing:
                found, wait = passing.found, passing.wait
            except httpx.HTTPError as error:  # its text may hold what was sent
                found = type(error).__name__
            if attempt + 1 < _TRIES:
                _wait(_FIRST_WAIT_S * 2**attempt if wait is None else wait)
        raise _gave_up(where, found)

    def _is_here(self, url: str) -> bool:
        try:
            return _origin(url) == self._origin
        except ConfigurationError:  # what a page says is no setting of ours
            return False

    def _sent(
        self, method: str, url: str, query: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {} if self._token is None else {"Authorization": self._token.header()}
        # httpx would drop the query of the address for an empty mapping.
        with self._client.stream(method, url, params=query or None, headers=headers) as answer:
            parts, size = [], 0
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise _Passing(f"an answer of more than {_LARGEST_ANSWER} bytes")
            return answer.status_code, dict(answer.headers), b"".join(parts)

    def _understood(
        self, where: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        value = _json(body)
        if 200 <= status < 300:
            if value is None and status != 204 and body:
                raise _Passing(f"{len(body)} bytes that are no JSON")
            return Reply(value, headers)
        code = _code(value)
        if status in _PASSING:
            wait = asked_wait(headers.get("retry-after"), math.nan, math.inf)
            if wait > _LONGEST_WAIT_S:
                raise _gave_up(where, f"status {status}, to be asked again in {wait:.0f} seconds")
            raise _Passing(f"status {status} {code}".rstrip(), None if math.isnan(wait) else wait)
        error = RefusedError(
            "the service refuses",
            where=where,
            expected="an answer with status 200",
            found=f"status {status} {code}".rstrip(),
            remedy=self._remedies.get(
                status, "Check the address and the rights of the application."
            ),
        )
        error.status, error.code = status, code
        raise error


def each_page(
    api: LiveApi, path: str, query: Mapping[str, Any], link_of: Callable[[Reply], str | None]
) -> Iterator[Any]:
    """The values of the pages that begin at a path, until link_of says there is no next one.

    Raises SourceError for a page that names itself as the next.
    """
    reply, asked = api.get(path, query), path
    while True:
        yield reply.value
        link = link_of(reply)
        if not link:
            return
        if link == asked:
            raise SourceError(
                "a page names itself as the next page",
                where=api.base_url + path,
                expected="another address",
                found="the same",
                remedy="Run again with --resume.",
            )
        asked, reply = link, api.get(link)


def _gave_up(where: str, found: str) -> SourceError:
    return SourceError(
        "the service does not answer",
        where=where,
        expected=f"an answer within {_TRIES} tries",
        found=found,
        remedy="Run again with --resume later: what was read is kept.",
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _code(value: Any) -> str:
    """The code of an error; its message is left out, it may repeat what was asked."""
    error = value.get("error") if isinstance(value, dict) else None
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _origin(url: str) -> tuple[str, str]:
    """Scheme and host with port. Raises ConfigurationError for what no secret may be sent to."""
    try:
        parts = urlsplit(url)
        host, is_plain = parts.hostname or "", not (parts.username or parts.password)
    except ValueError:
        parts, host, is_plain = urlsplit(""), "", False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_local(host))
    if not (host and is_plain and is_safe):
        raise ConfigurationError(
            "is no address of a service",
            where=f"{parts.scheme}://{host}",
            expected="https://host[:port][/path], without user or password",
            found=f"{parts.scheme or 'no scheme'}://{host}",
        )
    return parts.scheme, parts.netloc.lower()


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigurationError(
            "the file of certificate authorities cannot be read",
            where=str(ca_file),
            expected="certificates in PEM form",
            found=error.strerror or type(error).__name__,
            remedy="Name another in the setting ca_file.",
        ) from None
