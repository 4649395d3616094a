"""The server: uvicorn on one socket, with bounds on what a connection may cost before it is known."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dlpagent.errors import ConfigurationError
from dlpagent.service.http.app import make_app
from dlpagent.service.http.service import Service
from dlpagent.service.http.settings import ServeSettings

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
IDLE_SECONDS = 75
CONNECTIONS = 1_000
STOP_SECONDS = 10
SWITCH_SECONDS = 0.001


class BoundedProtocol(HttpToolsProtocol):
    """HTTP of which a head may be so large and take so long, and no more."""

    _head_bytes = 0
    _is_in_head = True
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + self._allowance(data):
                self.send_400_response("The head of the request is too large.")
                return
            if self._late is None:
                self._wait()
        super().data_received(data)

    def _allowance(self, data: bytes) -> int:
        """A body may come in the same piece as its head."""
        return len(data) if b"\r\n\r\n" in data else 0

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head_bytes = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head = True
        super().on_message_complete()

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def config_of(settings: ServeSettings, service: Service | None = None) -> uvicorn.Config:
    """How uvicorn is to serve. Raises DlpAgentError when settings are wrong."""
    config = uvicorn.Config(
        make_app(settings, service),
        http=BoundedProtocol,
        loop="auto",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=str(settings.tls_cert) if settings.tls_cert else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "the certificate or its key cannot be used",
            where="--tls-cert, --tls-key",
            expected="PEM files that belong together",
            found=type(error).__name__,
        ) from None
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def bound(settings: ServeSettings) -> socket.socket:
    """The socket to listen on. Raises ConfigurationError when it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigurationError(
            "the service cannot listen there",
            where=f"{settings.host}:{settings.port}",
            expected="a free port on an address of this machine",
            found=getattr(error, "strerror", None) or type(error).__name__,
            remedy="Name another with --port, or stop what listens there.",
        ) from None
    listening.listen(2048)
    return listening


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are under way are answered first."""
    config = config_of(settings)
    listening = bound(settings)
    host, port = listening.getsockname()[:2]
    scheme = "https" if settings.has_tls else "http"
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"dlpagent serves {scheme}://{shown}:{port}\n")
    if not settings.auth:
        sys.stderr.write("Without authentication: whoever uses this machine is an admin.\n")
    elif not settings.has_tls and not settings.is_loopback:
        sys.stderr.write("Without --tls-cert keys and texts cross the network as they are.\n")
    # The thread that classifies must not keep the event loop waiting.
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.Server(config).run(sockets=[listening])
