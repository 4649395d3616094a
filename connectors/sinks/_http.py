"""Requests to one pinned service, and what its answers mean for events.

Nothing goes to a host that was not named: no redirect is followed, and a token is only added for
hosts in the list. Errors come back as replies with a short reason that holds no content.
"""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

import httpx

from dlpagent import __version__
from dlpagent.errors import ConfigurationError, SinkError
from dlpagent.ports import Receipt

DEFAULT_TIMEOUT_S: Final = 30.0

# The service is away, busy or will not have us at all: whatever the event, later may be better.
_AWAY: Final = frozenset({0, 401, 402, 403, 404, 408, 425, 429, 502, 503, 504})

# No service keeps a client away for longer; a larger number is a mistake or an attack.
_LONGEST_WAIT_S: Final = 86_400.0


# Answers are a verdict or an error for each event of a request; what is larger is none.
_LARGEST_ANSWER: Final = 8_000_000


class Token(Protocol):
    """Gives the value of the Authorization header. Raises SinkError when it cannot be had."""

    def header(self) -> str:
        """The header for a request now."""

    def renew(self) -> None:
        """Forget what was given: the service does not take it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. status 0: no whole answer came, problem says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_about_content(self) -> bool:
        """Whether what was sent is at fault, so that a part of it may be taken."""
        return 400 <= self.status < 500 and self.status not in _AWAY

    @property
    def proof(self) -> str:
        """The status, and the id the service gave the request."""
        ident = self.headers.get("request-id") or self.headers.get("x-ms-request-id") or ""
        return f"{self.status} {_word(ident)}".rstrip()

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def receipt(self, event_id: str, *, alone: bool) -> Receipt:
        """What the reply means for an event. alone: nothing else was in the request."""
        if self.is_ok:
            return Receipt(event_id, ok=True, detail=self.proof)
        detail = self.problem or f"{self.proof} {self.reason}".rstrip()
        if self.is_about_content:
            return Receipt(event_id, ok=False, detail=detail, retry=False)
        blame: Literal["either", "sink"] = (
            "either" if alone and self.status not in _AWAY else "sink"
        )
        wait = self.retry_after_s()
        return Receipt(event_id, ok=False, detail=detail, retry_after_s=wait, blame=blame)

    @property
    def reason(self) -> str:
        """The error code of the answer; its message is left out, it may repeat what was sent."""
        if 300 <= self.status < 400:
            return "redirected; not followed"
        found = self.json()
        error = found.get("error") if isinstance(found, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return _word(str(code or ""))

    def retry_after_s(self) -> float | None:
        """Seconds the service asks to wait, by its own clock where it names a date."""
        return seconds_to_wait(self.headers.get("retry-after"), self.headers.get("date"))


def _word(text: str) -> str:
    """A code or an id as it is; "" for a sentence, which could repeat what was sent."""
    return text if re.fullmatch(r"[0-9A-Za-z._-]{1,64}", text) else ""


def seconds_to_wait(retry_after: str | None, date: str | None = None) -> float | None:
    """Retry-After as seconds: a number, or a date compared with the answer's own date."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        then, now = _moment(retry_after), _moment(date) or datetime.now(UTC)
        if then is None:
            return None
        wait = (then - now).total_seconds()
    return None if math.isnan(wait) else min(max(0.0, wait), _LONGEST_WAIT_S)


def _moment(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


class Client:
    """One service over https. Opened at the first request; close() lets go of its connections."""

    def __init__(
        self,
        base_url: str,
        *,
        allowed_hosts: frozenset[str] | None = None,
        ca_file: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        token: Token | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.host = pinned_host(base_url, allowed_hosts)
        self._ca_file, self._timeout_s, self._token = ca_file, timeout_s, token
        self._client: httpx.Client | None = None

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """POST; a token that is refused is renewed once. What goes wrong is in the reply."""
        return self._renewing("POST", self.base_url + path, content, headers)

    def get(self, path: str, headers: Mapping[str, str]) -> Reply:
        """The same with GET. path: below the base, or the whole address of a next page, which must be
        on the same host and port: a token goes nowhere else."""
        url = path if "://" in path else self.base_url + path
        here, there = urlsplit(self.base_url), urlsplit(url)
        if (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower()):
            return Reply(0, problem=f"{self.host} names a next page on another host; not followed")
        return self._renewing("GET", url, b"", headers)

    def _renewing(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        reply = self._asked(method, url, content, headers)
        if reply.status == 401 and self._token is not None:
            self._token.renew()
            reply = self._asked(method, url, content, headers)
        return reply

    def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _asked(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        given = dict(headers)
        try:
            if self._token is not None:
                given["Authorization"] = self._token.header()
            return self._sent(method, url, content, given)
        except SinkError as error:
            return Reply(0, problem=error.what)
        except httpx.TimeoutException:
            return Reply(0, problem=f"{self.host} did not answer in time")
        except httpx.ConnectError:
            return Reply(0, problem=f"{self.host} cannot be reached")
        except httpx.HTTPError as error:  # only the type: its text may hold what was sent
            return Reply(0, problem=f"no whole answer from {self.host} ({type(error).__name__})")

    def _sent(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        with self._opened().stream(method, url, content=content, headers=headers) as answer:
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    return Reply(0, problem=f"the answer of {self.host} is too large")
        return Reply(answer.status_code, dict(answer.headers), body)

    def _opened(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                verify=trust(self._ca_file),
                timeout=self._timeout_s,
                follow_redirects=False,
                headers={"User-Agent": f"dlpagent/{__version__}"},
            )
        return self._client


def trust(ca_file: str | None) -> ssl.SSLContext:
    """The authorities trusted: the system's, or those of a file. Raises SinkError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SinkError(
            "the file of certificate authorities cannot be read",
            where=str(ca_file),
            expected="certificates in PEM form",
            found=error.strerror or type(error).__name__,
            remedy="Name another in the setting ca_file; the events stay in the outbox.",
        ) from None


def pinned_host(url: str, allowed_hosts: frozenset[str] | None) -> str:
    """The host of a target, in lower case. Raises ConfigurationError unless https and allowed."""
    try:
        parts = urlsplit(url)
        host, is_plain = (parts.hostname or "").lower(), not (parts.username or parts.password)
    except ValueError:
        host, is_plain, parts = "", True, urlsplit("")
    if parts.scheme != "https" or not host or not is_plain:
        raise ConfigurationError(
            "the target of a sink is not an https address",
            expected="https://host[:port][/path], without user or password",
            found=f"{parts.scheme or 'no scheme'}://{host}",
        )
    if allowed_hosts is not None and host not in allowed_hosts:
        raise ConfigurationError(
            "the target of a sink is not a host that may get a token",
            where=host,
            expected="one of " + ", ".join(sorted(allowed_hosts)),
            found=host,
            remedy="Name it in the setting allowed_hosts if it is yours.",
        )
    return host
