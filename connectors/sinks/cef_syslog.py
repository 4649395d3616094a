"""Violations as CEF messages to a syslog receiver over TLS, for instance the Azure Monitor agent.

Syslog acknowledges nothing. A receipt is given when the receiver has ended the connection in order
after us, which it does when it has read all we sent: the most this protocol can say. A receiver
sees a repeat by externalId, the event id.
Sources: RFC 5424 (message), RFC 5425 (TLS, octet counting), ArcSight Common Event Format 25.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from dlpagent import __version__
from dlpagent.connectors.sinks._event import (
    asset_name,
    milliseconds,
    object_id,
    top_confidence,
    total_count,
)
from dlpagent.connectors.sinks._http import trust
from dlpagent.errors import ConfigurationError, SinkError
from dlpagent.ports import Receipt
from dlpagent.records import without_surrogates
from dlpagent.violations import Event, Severity

DEFAULT_PORT: Final = 6514

# Facility 13 (log audit), severity by ours: informational, warning, error, as RFC 5424 numbers them.
_FACILITY: Final = 13
_SYSLOG: Final[dict[Severity, int]] = {"low": 6, "medium": 4, "high": 3}
_CEF: Final[dict[Severity, int]] = {"low": 3, "medium": 6, "high": 9}

# Receivers must take 2048 bytes and should take 8192 (RFC 5425, section 4.3.1).
_MAX_BYTES: Final = 8_192
_MAX_VALUE: Final = 1_000
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\u2028\u2029]")


class CefSyslog:
    """Sends events to tls://host[:6514]. hostname: the HOSTNAME of messages, default this machine's.

    ca_file: authorities to trust. certificate_file: PEM with its key, for receivers that want one.
    """

    name = "cef"

    def __init__(
        self,
        target: str,
        *,
        hostname: str | None = None,
        ca_file: str | None = None,
        certificate_file: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._host, self._port = _place_of(target)
        self._hostname = re.sub(r"[^!-~]", "-", hostname or socket.gethostname())[:255] or "-"
        self._ca_file, self._certificate_file = ca_file, certificate_file
        self._timeout_s = timeout_s

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Send events on one connection. Raises SinkError when it was not ended in order."""
        data = b"".join(framed(self.message(event)) for event in events)
        try:
            self._send(data)
        except OSError as error:
            reason = "in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise SinkError(
                f"the syslog receiver did not take the events ({reason})",
                where=f"{self._host}:{self._port}",
                expected="a TLS connection that the receiver ends after us",
                remedy="Check that it listens with TLS and a certificate for this name; "
                "the events stay in the outbox.",
            ) from None
        done = f"read to the end by {self._host}:{self._port}"
        return [Receipt(event.id, ok=True, detail=done) for event in events]

    def close(self) -> None:
        """Nothing is kept open."""

    def message(self, event: Event) -> bytes:
        """An event as an RFC 5424 message with CEF in it, at most 8192 bytes."""
        priority = _FACILITY * 8 + _SYSLOG[event.violation.severity]
        at = datetime.fromisoformat(event.at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        head = f"<{priority}>1 {at} {self._hostname} dlpagent - {event.kind} - "
        whole = (head + cef(event)).encode()
        if len(whole) <= _MAX_BYTES:
            return whole
        # Reasons and names can be long; what names the event is short and comes first.
        return whole[:_MAX_BYTES].rsplit(b" ", 1)[0].decode("utf-8", "ignore").encode()

    def _send(self, data: bytes) -> None:
        context = trust(self._ca_file)
        if self._certificate_file:
            context.load_cert_chain(self._certificate_file)
        address = (self._host, self._port)
        with (
            socket.create_connection(address, timeout=self._timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=self._host) as secured,
        ):
            secured.sendall(data)
            _end_in_order(secured)


def _end_in_order(secured: ssl.SSLSocket) -> None:
    """Say that we are done and wait until the receiver ends, too. Raises OSError when it breaks off.

    Some receivers close without TLS's own goodbye; an end in order of TCP is taken as well, a reset
    is not. One that ended before it had read everything resets what still arrives.
    """
    try:
        secured.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        pass
    except ssl.SSLSyscallError as error:
        if error.errno not in (0, None):
            raise
    _wait_until_taken(secured)


def _wait_until_taken(secured: socket.socket) -> None:
    """Wait until the receiver's machine has confirmed every byte, where the system can tell."""
    if sys.platform == "linux":
        deadline = time.monotonic() + (secured.gettimeout() or 0)
        while _unconfirmed_bytes(secured) and time.monotonic() < deadline:
            time.sleep(0.002)
        if _unconfirmed_bytes(secured):
            raise TimeoutError
    code = secured.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _unconfirmed_bytes(secured: socket.socket) -> int:
    """Bytes sent that the other side has not confirmed (SIOCOUTQ, as tcp(7) has it)."""
    import fcntl  # noqa: PLC0415 - not on Windows
    import termios  # noqa: PLC0415

    answer = fcntl.ioctl(secured.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


def framed(message: bytes) -> bytes:
    """A message with its length in front, as RFC 5425 frames it."""
    return b"%d %s" % (len(message), message)


def cef(event: Event) -> str:
    """An event as CEF. docs/events.md has the fields."""
    violation = event.violation
    named = [_header(part) for part in (violation.rule_id, violation.rule_name)]
    head = "|".join(["CEF:0", "dlpagent", "dlpagent", __version__, *named])
    fields = " ".join(f"{name}={_value(value)}" for name, value in _fields(event) if value != "")
    return f"{head}|{_CEF[violation.severity]}|{fields}"


def _fields(event: Event) -> list[tuple[str, str]]:
    violation = event.violation
    label = violation.existing_label.name if violation.existing_label else ""
    wanted = violation.recommended_label.name if violation.recommended_label else ""
    sits = "; ".join(f"{sit.name} {sit.count}" for sit in violation.sits)
    return [
        ("externalId", event.id),
        ("rt", str(milliseconds(event.at))),
        ("cat", "Data Loss Prevention"),
        ("outcome", event.kind),
        ("act", ",".join(violation.actions)),
        ("cn1Label", "Confidence"),
        ("cn1", str(top_confidence(violation))),
        ("cn2Label", "Findings"),
        ("cn2", str(total_count(violation))),
        ("cs1Label", "Policy"),
        ("cs1", violation.policy.name),
        ("cs2Label", "Violation"),
        ("cs2", violation.id),
        *_pair("cs3", "SensitiveInformationTypes", sits),
        *_pair("cs4", "SensitivityLabel", label),
        *_pair("cs5", "RecommendedLabel", wanted),
        *_pair("cs6", "ConversationId", violation.conversation_id or ""),
        ("suid", violation.actor_id or ""),
        ("sourceServiceName", violation.app or ""),
        ("fname", asset_name(violation.asset_uri)),
        ("fileType", violation.asset_kind),
        ("filePath", object_id(violation)),
        ("deviceExternalId", event.tenant_id),
        ("reason", _reason(event)),
        ("msg", violation.reason),
    ]


def _reason(event: Event) -> str:
    violation, change = event.violation, event.change
    mode = f"{violation.mode}{' incomplete' if violation.incomplete else ''}"
    if change is None:
        return mode
    until = f" until {change.until}" if change.until else ""
    return f"{mode}; {event.kind} by {change.by}{until}: {change.reason}"


def _pair(name: str, label: str, value: str) -> list[tuple[str, str]]:
    return [(f"{name}Label", label), (name, value)] if value else []


def _header(text: str) -> str:
    plain = _plain(text).replace("\r", " ").replace("\n", " ")
    return plain.replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    plain = _plain(text).replace("\\", "\\\\").replace("=", "\\=")
    return plain.replace("\r", "\\r").replace("\n", "\\n")


def _plain(text: str) -> str:
    """What a message can hold: no lone surrogates, no control characters but line ends."""
    return _CONTROL.sub("\ufffd", without_surrogates(text))[:_MAX_VALUE]


def _place_of(target: str) -> tuple[str, int]:
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    if parts.scheme != "tls" or not host:
        raise ConfigurationError(
            "the target of a syslog sink is not a TLS address",
            expected="tls://host or tls://host:port",
            found=f"{parts.scheme or 'no scheme'}://{host}",
        )
    return host, port
