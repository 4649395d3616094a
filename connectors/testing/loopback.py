"""A small HTTP server on the loopback: for services that cannot be installed, and for bad networks.

A service is one function from a request to an answer. Faults happen to requests at random but
repeatably: statuses with Retry-After, connections that end before the answer or within it.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host", "keep-alive"})


@dataclass(frozen=True, slots=True)
class Request:
    """path: decoded, without the query; target: as sent. headers: names in lower case."""

    method: str
    path: str
    target: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; {} when there is none."""
        return json.loads(self.body) if self.body else {}

    def first(self, name: str, otherwise: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [otherwise])[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """value is sent as JSON; bytes are sent as they are."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Service = Callable[[Request], Answer]


@dataclass(slots=True)
class Faults:
    """How often requests fail, and how. Set rate to 0 to let all succeed.

    statuses: 0 stands for a connection that ends without an answer, -1 for one that ends within it.
    retry_after: sent with 429 and 503. happened: how often each did.
    """

    rate: float = 0.0
    statuses: tuple[int, ...] = (429, 500, 503, 0, -1)
    retry_after: str | None = "0"
    seed: int = 1
    happened: dict[int, int] = field(default_factory=dict)
    _chance: random.Random = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def next(self) -> int | None:
        """The status to fail the next request with, None to let it be."""
        with self._lock:
            if self._chance.random() >= self.rate:
                return None
            status = self._chance.choice(self.statuses)
            self.happened[status] = self.happened.get(status, 0) + 1
            return status


@dataclass(frozen=True, slots=True)
class Loopback:
    """A running server. url: http://127.0.0.1:port; seen: every request it got."""

    url: str
    port: int
    faults: Faults
    seen: list[Request]


@contextmanager
def serving(service: Service, faults: Faults | None = None) -> Iterator[Loopback]:
    """Serve until the block ends."""
    loopback_faults, seen = faults or Faults(), list[Request]()

    class Handler(_Handler):
        pass

    Handler.service, Handler.faults, Handler.seen = staticmethod(service), loopback_faults, seen
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="loopback")
    thread.start()
    try:
        port = server.server_address[1]
        yield Loopback(f"http://127.0.0.1:{port}", port, loopback_faults, seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def forwarding(url: str) -> Service:
    """A service that hands every request on to a real server: to put faults in between."""
    host, port = urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80

    def service(request: Request) -> Answer:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            headers = {name: text for name, text in request.headers.items() if name not in _HOP}
            headers["accept-encoding"] = "identity"
            connection.request(request.method, request.target, request.body, headers)
            found = connection.getresponse()
            body = found.read()
            kept = {name: text for name, text in found.getheaders() if name.lower() not in _HOP}
            return Answer(body, found.status, kept)
        finally:
            connection.close()

    return service


class _Handler(BaseHTTPRequestHandler):
    """One connection. Its class is made anew for each server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    service: Service
    faults: Faults
    seen: list[Request]

    def _answer(self) -> None:
        request = self._request()
        self.seen.append(request)
        status = self.faults.next()
        if status is None:
            self._send(self.service(request))
        elif status == 0:
            self._end()
        elif status == -1:
            self._send(self.service(request), cut=True)
        else:
            waits = status in (429, 503) and self.faults.retry_after is not None
            headers = {"Retry-After": str(self.faults.retry_after)} if waits else {}
            self._send(Answer({"error": "told to fail"}, status, headers))

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names of the base class

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            self.command,
            unquote(parts.path),
            self.path,
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): text for name, text in self.headers.items()},
            self.rfile.read(length) if length else b"",
        )

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        value = answer.value
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(answer.status)
        named = {"Content-Type": "application/json", **answer.headers}
        for name, text in named.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self._end()
        else:
            self.wfile.write(body)
        self.wfile.flush()

    def _end(self) -> None:
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def log_message(self, *_: Any) -> None:
        """Nothing: tests read `seen`."""
