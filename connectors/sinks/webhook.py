"""Violations to an address of one's own, signed so that the receiver knows who sent them and when.

The headers and the signature are those of the Standard Webhooks specification 1.0: the receiver can
check them with its libraries. What is signed is "<webhook-id>.<webhook-timestamp>.<body>", with
HMAC-SHA256 under a shared secret; a receiver refuses timestamps that are more than minutes old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._azure import secret_of
from dlpagent.connectors.sinks._batches import Piece, batches_of, deliver_batches
from dlpagent.connectors.sinks._event import DEFAULT_PLACES, extension
from dlpagent.connectors.sinks._http import DEFAULT_TIMEOUT_S, Client, Reply
from dlpagent.errors import ConfigurationError
from dlpagent.ports import Receipt
from dlpagent.violations import Event, stable_id

TYPE: Final = "dlpagent.violations"
_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24  # bytes of a secret, as the specification has it
_MAX_BYTES: Final = 1_000_000


class Webhook:
    """POSTs events as JSON. target: an https address.

    secret_env: the environment variable with the shared secret, "whsec_" and base64 of at least 24
    bytes. batch: events in one POST. ca_file: authorities to trust. max_places: places of masked
    evidence in an event. clock: the time that is signed, seconds since 1970.
    """

    name = "webhook"

    def __init__(
        self,
        target: str,
        *,
        secret_env: str,
        batch: int = 100,
        ca_file: str | None = None,
        max_places: int = DEFAULT_PLACES,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = key_of(secret_of(secret_env), secret_env)
        self._client = Client(target, ca_file=ca_file, timeout_s=timeout_s)
        self._batch, self._max_places, self._clock = batch, max_places, clock

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """POST events in order; any 2xx takes all of a POST, a 4xx is divided to find the cause."""
        pieces = [Piece(event.id, encode(self.body(event))) for event in events]
        batches = batches_of(pieces, max_count=self._batch, max_bytes=_MAX_BYTES)
        return deliver_batches(batches, self._post)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def body(self, event: Event) -> dict[str, object]:
        """One event of a POST: id, kind and time, then the extension of docs/events.md."""
        return {
            "id": event.id,
            "kind": event.kind,
            "at": event.at,
            "tenant": event.tenant_id,
            "violation": extension(event, self._max_places),
        }

    def _post(self, batch: Sequence[Piece]) -> Reply:
        body = b'{"type":"%s","events":[' % TYPE.encode()
        body += b",".join(piece.data for piece in batch) + b"]}"
        # The same events give the same id, so a receiver sees that a POST is a repeat.
        ident = f"msg_{stable_id('webhook', *(piece.event_id for piece in batch))}"
        stamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": ident,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._secret, ident, stamp, body),
        }
        return self._client.post("", body, headers)


def signature(secret: bytes, ident: str, stamp: str, body: bytes) -> str:
    """The webhook-signature header: version and base64 of the HMAC."""
    signed = f"{ident}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def key_of(text: str, variable: str) -> bytes:
    """The bytes of a secret. Raises ConfigurationError, without the secret."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(_PREFIX) or len(key) < _SHORTEST:
        raise ConfigurationError(
            "the secret of a webhook is not one",
            where=f"the environment variable {variable}",
            expected=f"{_PREFIX} and base64 of at least {_SHORTEST} bytes",
            found="something else",
            remedy="Make one: echo whsec_$(openssl rand -base64 32)",
        )
    return key
