"""Asking a store over HTTP: patient with what passes by, clear about what does not."""

from __future__ import annotations

import email.utils
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dlpagent.errors import ConfigurationError, SourceError, missing_extra

# Answers that may be another one a moment later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRIES = 5
_FIRST_WAIT_S = 0.25
_MAX_WAIT_S = 60.0
_TIMEOUT_S = 60.0
_wait = time.sleep  # tests that need no patience replace it


class RefusedError(SourceError):
    """The store answered with a status that will stay. status: which; code: its own name for it."""

    status: int = 0
    code: str = ""


class HttpStore:
    """A connection to one store. Close it, or use store_at()."""

    def __init__(self, url: str, headers: Mapping[str, str], extra: str) -> None:
        try:
            import httpx  # noqa: PLC0415
        except ImportError:
            raise missing_extra("httpx", extra, f"reading {extra}") from None
        self._url = url.rstrip("/")
        self._failures = (httpx.TransportError, httpx.DecodingError)
        self._client = httpx.Client(
            base_url=self._url,
            headers=dict(headers),
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            # Reading the certificates takes longer than most requests; http has no use for them.
            verify=self._url.startswith("https:"),
        )

    def get(self, path: str, **query: Any) -> Any:
        """The JSON behind a path."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """The JSON answered to JSON."""
        given = {k: v for k, v in query.items() if v is not None}
        return self._ask("POST", path, json=body, params=given)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        """Raises RefusedError, or SourceError when the store cannot be reached or is not understood."""
        found = ""
        for attempt in range(_TRIES):
            wait = min(_FIRST_WAIT_S * 2**attempt, _MAX_WAIT_S)
            try:
                answer = self._client.request(method, path, **given)
            except self._failures as error:
                found = type(error).__name__
            else:
                if answer.status_code not in _PASSING:
                    return self._understood(path, answer)
                found = f"status {answer.status_code}"
                wait = asked_wait(answer.headers.get("Retry-After"), wait)
            if attempt + 1 < _TRIES:
                _wait(wait)
        raise SourceError(
            "the store does not answer",
            where=f"{self._url}{path}",
            expected=f"an answer within {_TRIES} tries",
            found=found,
            remedy="Check that it runs and can be reached, then run again with --resume.",
        )

    def _understood(self, path: str, answer: Any) -> Any:
        where = f"{self._url}{path}"
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                raise SourceError(
                    "the store's answer cannot be understood",
                    where=where,
                    expected="JSON",
                    found=f"{len(answer.content)} bytes that are not",
                    remedy="Check that the address is that of the store itself.",
                ) from None
        error = RefusedError(
            "the store refuses",
            where=where,
            expected="an answer with status 200",
            found=f"status {answer.status_code}",
            remedy=_REMEDIES.get(answer.status_code, "Check the address and the store's version."),
        )
        error.status = answer.status_code
        raise error


_REMEDIES = {
    401: "Give the key by the environment variable named in the connector's page.",
    403: "Give the key the right to read.",
    404: "Check the address; what was there may have been deleted meanwhile.",
}


@contextmanager
def store_at(url: str, headers: Mapping[str, str], extra: str) -> Iterator[HttpStore]:
    """A store, closed behind it. An answer of another shape than expected becomes SourceError."""
    store = HttpStore(url, headers, extra)
    try:
        yield store
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise SourceError(
            "the store's answer cannot be understood",
            where=url,
            expected="an answer as the documentation of the store describes it",
            found=f"another shape ({type(error).__name__})",
            remedy="Check the address, and the versions named in the connector's page.",
        ) from error
    finally:
        store.close()


def secret(*names: str) -> str | None:
    """The first of these environment variables that is set."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def base_url(host: str, port: int | None, *, is_tls: bool, where: str) -> str:
    """http(s)://host:port. Raises ConfigurationError without a host."""
    if not host:
        raise ConfigurationError(
            "names no server",
            where=where,
            expected="a host behind the two slashes",
            found="none",
            remedy="Give host and port, such as //localhost:6333.",
        )
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if is_tls else 'http'}://{name}" + ("" if port is None else f":{port}")


def is_local(host: str) -> bool:
    """True for this machine: the only place to which keys go without encryption by default."""
    return host in ("localhost", "127.0.0.1", "::1")


def asked_wait(header: str | None, otherwise: float, most: float = _MAX_WAIT_S) -> float:
    """Seconds until the server wants to be asked again: a number or a date, at most `most`."""
    if not header:
        return otherwise
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return otherwise
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), most)
