"""The loopback Microsoft itself: one https server for Entra, Graph and Logs Ingestion.

    with Microsoft(folder, streams=…) as microsoft:
        … microsoft.url, microsoft.ca_file, microsoft.graph.activities.ids(), microsoft.fail(Fault(…))

It listens on 127.0.0.1 only. Requests are answered by threads; what is taken is kept, bounded.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dlpagent.connectors.testing.microsoft.certificates import make_certificates
from dlpagent.connectors.testing.microsoft.entra import Entra
from dlpagent.connectors.testing.microsoft.faults import Fault, FaultScript
from dlpagent.connectors.testing.microsoft.graph import Graph
from dlpagent.connectors.testing.microsoft.ingestion import Ingestion
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, refusal

MONITOR_AUDIENCE = "https://monitor.azure.com"
GRAPH_AUDIENCE = "https://graph.microsoft.com"


class Microsoft:
    """Running while it is a context. folder: where its certificates lie.

    streams: stream → column → type of the data collection rule; id_column: which column names an
    event. skew_s: how far the clock of the service is ahead of this machine's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        streams: Mapping[str, Mapping[str, str]] | None = None,
        id_column: str = "EventId",
        page_size: int = 100,
    ) -> None:
        certificates = make_certificates(folder)
        self.ca_file = certificates.ca_file
        self.skew_s = 0.0
        self.faults = FaultScript()
        self.entra = Entra(lambda: self.url, self.now)
        self.graph = Graph(lambda: self.url, page_size=page_size)
        self.ingestion = Ingestion(streams or {}, id_column)
        self.requests = 0
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
        """The clock of the service, seconds since 1970."""
        return time.time() + self.skew_s

    def fail(self, *faults: Fault) -> None:
        """Let these faults happen to the next requests."""
        self.faults.add(*faults)

    def __enter__(self) -> Microsoft:
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

    def take(self, request: Request, fault: Fault) -> Answer:
        """Act on a request and answer it; a token is asked of all but Entra."""
        self.requests += 1
        if fault.kind == "expire_tokens":
            self.entra.expire_all()
        found = self.entra.answer(request)
        if found is not None:
            return found
        audience = MONITOR_AUDIENCE if service_of(request) == "ingestion" else GRAPH_AUDIENCE
        if not self.entra.is_valid(request, audience):
            challenge = 'Bearer error="invalid_token"'
            return refusal(401, "InvalidAuthenticationToken", "the token is not valid",
                           WWW_Authenticate=challenge)  # fmt: skip
        if service_of(request) == "ingestion":
            answer = self.ingestion.answer(request)
        else:
            answer = self.graph.answer(request, fault)
        return answer or refusal(404, "NotFound", "there is nothing here")

    def wait_for_end(self, seconds: float) -> None:
        """Keep a hanging request waiting, no longer than the server runs."""
        self._stopping.wait(seconds)


def service_of(request: Request) -> str:
    """Which of the three services a request is for."""
    path = request.path.lower()
    if "/oauth2/" in path or "/.well-known/" in path or path.startswith("/msi/"):
        return "token"
    return "ingestion" if path.startswith("/datacollectionrules/") else "graph"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, owner: Microsoft) -> None:
        super().__init__(address, _Handler)
        self.context, self.owner = context, owner

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the connection: a slow client must not stop the others."""
        request.settimeout(30)
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                self.RequestHandlerClass(secured, client_address, self)
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
        fault = owner.faults.next_for(service_of(request))
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
            answer = Answer(200, b'{"value": [<', answer.headers)
        if fault.kind == "empty":
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
