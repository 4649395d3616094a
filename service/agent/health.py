"""Health over HTTP: /healthz (the loop turns), /readyz (it has begun and nothing is wrong)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dlpagent.errors import ConfigurationError

# A loop that has not turned for so long counts as stuck, unless it says that it is at work.
STUCK_AFTER_S = 120.0


@dataclass(slots=True)
class Health:
    """What the loop tells. facts: counts and times, no content, no paths."""

    ready: bool = False
    working: bool = False
    turned: float = field(default_factory=time.monotonic)
    facts: dict[str, Any] = field(default_factory=dict)

    def turn(self, **facts: Any) -> None:
        """The loop has come round."""
        self.turned = time.monotonic()
        self.facts.update(facts)

    @property
    def alive(self) -> bool:
        return self.working or time.monotonic() - self.turned < STUCK_AFTER_S


@contextmanager
def serving_health(health: Health, address: str | None) -> Iterator[int]:
    """Serve it at HOST:PORT (port 0: any) while the context lasts; gives the port, 0 for none."""
    if address is None:
        yield 0
        return
    host, port = parse_address(address)
    try:
        server = ThreadingHTTPServer((host, port), _handler(health))
    except OSError as error:
        raise ConfigurationError(
            f"the health address cannot be had ({error.strerror})", where=f"--health {address}",
            expected="a free port of this machine", remedy="Name another, or leave --health out.",
        ) from None  # fmt: skip
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def parse_address(address: str) -> tuple[str, int]:
    """HOST:PORT, [v6]:PORT or PORT (of 127.0.0.1). Raises ConfigurationError."""
    host, colon, port = address.rpartition(":")
    if not port.isdigit() or int(port) > 65535 or (colon and not host):
        raise ConfigurationError(
            "this is not an address", where="--health", expected="HOST:PORT or PORT",
            found=address[:60],
        )  # fmt: skip
    return host.strip("[]") or "127.0.0.1", int(port)


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        server_version, sys_version = "dlpagent", ""

        def do_GET(self) -> None:
            good = {"/healthz": health.alive, "/readyz": health.alive and health.ready}
            if self.path not in good:
                self._answer(404, {"status": "there is /healthz and /readyz"})
                return
            ok = good[self.path]
            self._answer(200 if ok else 503, {"status": "ok" if ok else "no", **health.facts})

        def _answer(self, code: int, body: dict[str, Any]) -> None:
            data = json.dumps(body, default=str).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Health checks are not logged."""

    return Handler
