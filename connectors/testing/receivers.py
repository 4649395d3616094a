"""Receivers of webhooks and of syslog over TLS, for tests: they keep what they took and fail on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dlpagent.connectors.testing.microsoft.certificates import make_certificates
from dlpagent.connectors.testing.microsoft.faults import Fault, FaultScript
from dlpagent.connectors.testing.microsoft.https import Loopback
from dlpagent.connectors.testing.microsoft.received import Received
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, refusal

# How old a signed webhook may be, as Standard Webhooks advises.
TOLERANCE_S = 300


class WebhookReceiver(Loopback):
    """Takes signed POSTs of events; secret: the bytes shared with the sender. Ids are event ids."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        super().__init__(folder, self._take)
        self._secret = secret
        self.received = Received()
        self.refused: frozenset[str] = frozenset()  # ids of events it will not have

    def clear(self) -> None:
        """Forget everything."""
        self.faults.clear()
        self.received.clear()
        self.refused, self.skew_s = frozenset(), 0.0

    def _take(self, request: Request, fault: Fault) -> Answer:  # noqa: ARG002 - as Loopback calls it
        if not self._is_genuine(request):
            return refusal(401, "BadSignature", "the signature is not valid")
        body = json.loads(request.body)
        ids = [event["id"] for event in body["events"]]
        if self.refused & set(ids):
            return refusal(422, "Refused", "an event is not wanted")
        for ident, event in zip(ids, body["events"], strict=True):
            self.received.add(ident, event)
        return Answer(202)

    def _is_genuine(self, request: Request) -> bool:
        ident = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(self.now() - int(stamp)) > TOLERANCE_S:
            return False
        signed = f"{ident}.{stamp}.".encode() + request.body
        wanted = base64.b64encode(hmac.digest(self._secret, signed, hashlib.sha256)).decode()
        given = request.headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)


class SyslogReceiver:
    """Takes framed messages over TLS (RFC 5425); ids are what `externalId=` says.

    Faults: cut_before ends a connection by a reset without reading; cut_body after half of what
    came; cut_after after all of it; hang does not end it; empty ends it in order before reading.
    """

    def __init__(self, folder: Path) -> None:
        certificates = make_certificates(folder)
        self.ca_file, self._context = certificates.ca_file, certificates.server
        self.faults = FaultScript()
        self.received = Received()
        self._stopping = threading.Event()
        self._server = _Tcp(("127.0.0.1", 0), self._serve)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where it stands: tls://localhost:port."""
        return f"tls://localhost:{self._server.server_address[1]}"

    def fail(self, *faults: Fault) -> None:
        """Let these faults happen to the next connections."""
        self.faults.add(*faults)

    def clear(self) -> None:
        """Forget everything."""
        self.faults.clear()
        self.received.clear()

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

    def _serve(self, plain: socket.socket) -> None:
        fault = self.faults.next_for("any")
        plain.settimeout(30)
        try:
            with self._context.wrap_socket(plain, server_side=True) as secured:
                self._talk(secured, fault)
        except OSError:  # the sender went away
            return

    def _talk(self, secured: ssl.SSLSocket, fault: Fault) -> None:
        if fault.kind in ("cut_before", "status"):
            return _reset(secured)
        if fault.kind == "empty":  # an end in order, before anything was read
            return None
        data = _read_all(secured)
        if fault.kind == "cut_body":
            data = data[: len(data) // 2]
        for message in frames(data):
            found = re.search(rb"externalId=(\S+)", message)
            self.received.add(found[1].decode() if found else None, message)
        if fault.kind in ("cut_body", "cut_after", "malformed"):
            return _reset(secured)
        if fault.kind == "hang":
            self._stopping.wait(5)
        return None


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], serve: Any) -> None:
        super().__init__(address, socketserver.BaseRequestHandler)
        self._serve = serve

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        self._serve(request)

    def shutdown_request(self, request: Any) -> None:
        request.close()


def _read_all(secured: ssl.SSLSocket) -> bytes:
    parts = []
    try:
        while part := secured.recv(65_536):
            parts.append(part)
    except ssl.SSLEOFError:
        pass
    return b"".join(parts)


def _reset(secured: ssl.SSLSocket) -> None:
    secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    secured.close()


def frames(data: bytes) -> list[bytes]:
    """The whole messages of a stream framed by octet counting."""
    found = []
    while head := re.match(rb"([1-9]\d*) ", data):
        start, length = head.end(), int(head[1])
        if len(data) < start + length:
            break
        found.append(data[start : start + length])
        data = data[start + length :]
    return found
