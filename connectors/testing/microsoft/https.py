"""An https server for tests: it listens on 127.0.0.1, answers by threads, and fails on demand."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from dlpagent.connectors.testing.microsoft.certificates import make_certificates
from dlpagent.connectors.testing.microsoft.faults import Fault, FaultScript
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, refusal

Take = Callable[[Request, Fault], Answer]


class Loopback:
    """A server while it is a context. folder: where its certificates lie; take: what it does.

    service_of: which service a request is for, as faults name them. skew_s: how far its clock is
    ahead of this machine's.
    """

    def __init__(
        self, folder: Path, take: Take, service_of: Callable[[Request], str] = lambda _: "any"
    ) -> None:
        certificates = make_certificates(folder)
        self.ca_file = certificates.ca_file
        self.take, self.service_of = take, service_of
        self.faults = FaultScript()
        self.skew_s = 0.0
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), certificates.server, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where it stands: https://localhost:port."""
        return f"https://localhost:{self._server.server_port}"

    def now(self) -> float:
        """Its clock, seconds since 1970."""
        return time.time() + self.skew_s

    def fail(self, *faults: Fault) -> None:
        """Let these faults happen to the next requests."""
        self.faults.add(*faults)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for_end(self, seconds: float) -> None:
        """Keep a hanging request waiting, no longer than the server runs."""
        self._stopping.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, owner: Loopback) -> None:
        super().__init__(address, _Handler)
        self.context, self.owner = context, owner

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the connection: a slow client must not stop the others."""
        request.settimeout(30)
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                _Handler(secured, client_address, self)
        except OSError:  # the client went away, as clients do
            return

    def shutdown_request(self, request: Any) -> None:
        request.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head and a body in two packets would cost a delayed acknowledgement
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is printed: request lines hold user ids."""

    def do_POST(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        owner = self.server.owner
        request = self._read()
        fault = owner.faults.next_for(owner.service_of(request))
        if fault.kind == "hang":
            owner.wait_for_end(5)
        if fault.kind in ("hang", "cut_before"):
            return self._cut()
        if fault.kind == "status":
            again = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            refused = refusal(fault.status, "OnDemand", "the fault that was asked for")
            return self._send(Answer(refused.status, refused.body, {**refused.headers, **again}))
        answer = owner.take(request, fault)
        if fault.kind == "cut_after":
            return self._cut()
        if fault.kind == "malformed":
            status = 200 if answer.status == 204 else answer.status
            answer = Answer(status, b'{"value": [<', answer.headers)
        if fault.kind == "empty" and answer.status < 300:
            answer = Answer(fault.status)
        return self._send(answer, half=fault.kind == "cut_body")

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query={name: held[0] for name, held in parse_qs(parts.query).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )

    def _send(self, answer: Answer, *, half: bool = False) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", formatdate(self.server.owner.now(), usegmt=True))
        self.send_header("request-id", str(uuid.uuid4()))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body) + (1 if half else 0)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        if half:
            self.wfile.flush()
            self._cut()

    def _cut(self) -> None:
        """End the connection without a word."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
        except OSError:
            return
