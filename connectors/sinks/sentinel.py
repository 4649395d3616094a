"""Violations into Microsoft Sentinel, by Azure Monitor's Logs Ingestion API.

deploy/sentinel has the table, the data collection rule, a parser in the shape of ASIM, rules,
hunting queries and a workbook. The service acknowledges a call as a whole (204), and rows are never
taken back: a repeat is recognised by EventId, which the parser does.
Source: Logs Ingestion API, api-version 2023-01-01.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._azure import CLOUDS, AzureToken, Login, cloud_of
from dlpagent.connectors.sinks._batches import Piece, batches_of, deliver_batches
from dlpagent.connectors.sinks._event import DEFAULT_PLACES
from dlpagent.connectors.sinks._http import DEFAULT_TIMEOUT_S, Client, Reply, pinned_host
from dlpagent.connectors.sinks._sentinel_row import STREAM, row_of
from dlpagent.ports import Receipt
from dlpagent.violations import Event

API_VERSION: Final = "2023-01-01"

# A call holds 1 MB, counted before compression; the rest is room for the brackets.
MAX_CALL_BYTES: Final = 1_000_000
MAX_ROWS: Final = 10_000


class Sentinel:
    """Uploads events as rows. target: the data collection endpoint, or the rule's own.

    rule_id: the immutable id of the data collection rule (dcr-…). stream: its stream. max_places:
    places of masked evidence in a row. The rest: see Login; allowed_hosts: endpoints beside Azure's.
    """

    name = "sentinel"

    def __init__(
        self,
        target: str,
        *,
        rule_id: str,
        stream: str = STREAM,
        max_places: int = DEFAULT_PLACES,
        auth: str = "managed-identity",
        tenant_id: str | None = None,
        client_id: str | None = None,
        certificate_file: str | None = None,
        secret_env: str | None = None,
        authority: str | None = None,
        ca_file: str | None = None,
        allowed_hosts: Sequence[str] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        host = pinned_host(target, None)
        own = frozenset(name.lower() for name in allowed_hosts)
        if not any(host.endswith(cloud.monitor_suffix) for cloud in CLOUDS):
            pinned_host(target, own | {f"*{cloud.monitor_suffix}" for cloud in CLOUDS})
        login = Login(
            auth, tenant_id, client_id, certificate_file, secret_env, authority, ca_file, timeout_s
        )
        cloud = cloud_of(host)
        self._token = AzureToken(login, cloud, cloud.monitor_audience)
        self._client = Client(
            target,
            allowed_hosts=frozenset({host}),
            ca_file=ca_file,
            timeout_s=timeout_s,
            token=self._token,
        )
        rule, named = quote(rule_id, safe=""), quote(stream, safe="")
        self._path = f"/dataCollectionRules/{rule}/streams/{named}?api-version={API_VERSION}"
        self._max_places = max_places

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Upload events in calls of at most 1 MB; a row the service refuses is found and refused."""
        pieces = [Piece(event.id, encode(row_of(event, self._max_places))) for event in events]
        return deliver_batches(
            batches_of(pieces, max_count=MAX_ROWS, max_bytes=MAX_CALL_BYTES), self._upload
        )

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()
        self._token.close()

    def _upload(self, batch: Sequence[Piece]) -> Reply:
        body = b"[" + b",".join(piece.data for piece in batch) + b"]"
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return self._client.post(self._path, gzip.compress(body, 6, mtime=0), headers)
