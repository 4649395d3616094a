"""Writing to Graph: one request each, or twenty in a $batch; shared by the sinks of Purview."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._azure import GRAPH_HOSTS, AzureToken, Login, cloud_of
from dlpagent.connectors.sinks._batches import (
    Piece,
    batches_of,
    deliver_batches,
    is_away,
    untried,
)
from dlpagent.connectors.sinks._graph_bodies import Api, Writer, checked_writer, content_activity
from dlpagent.connectors.sinks._http import DEFAULT_TIMEOUT_S, Client, Reply, pinned_host
from dlpagent.errors import ConfigurationError
from dlpagent.ports import Receipt
from dlpagent.violations import Event

# Of JSON batching, and of one request, as documented; the rest is room for the envelope.
MAX_BATCH: Final = 20
MAX_BYTES: Final = 3_500_000

JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}


class Graph:
    """A pinned Graph with its token. Raises ConfigurationError for a host that is not one."""

    def __init__(self, target: str, login: Login, *, allowed_hosts: Sequence[str]) -> None:
        allowed = GRAPH_HOSTS | {host.lower() for host in allowed_hosts}
        cloud = cloud_of(pinned_host(target, allowed))
        if cloud.name == "china":
            raise ConfigurationError(
                "Graph's data security API is not offered in this cloud",
                where=target,
                expected="the public cloud or one of the US government",
                found=cloud.name,
                remedy="Send the events to the sink sentinel instead.",
            )
        # The audience is the cloud's own also when a proxy stands before it.
        self.token = AzureToken(login, cloud, f"https://{cloud.graph_host}")
        self.client = Client(
            target,
            allowed_hosts=allowed,
            ca_file=login.ca_file,
            timeout_s=login.timeout_s,
            token=self.token,
        )

    def post(self, path: str, body: bytes, **headers: str) -> Reply:
        """POST JSON; header names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, body, {**JSON, **named})

    def close(self) -> None:
        """Let go of connections and tokens."""
        self.client.close()
        self.token.close()


def graph_and_writer(
    target: str,
    *,
    user_id: str,
    app_id: str | None = None,
    api: Api = "v1.0",
    auth: str = "managed-identity",
    tenant_id: str | None = None,
    client_id: str | None = None,
    certificate_file: str | None = None,
    secret_env: str | None = None,
    authority: str | None = None,
    ca_file: str | None = None,
    allowed_hosts: Sequence[str] = (),
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> tuple[Graph, Writer]:
    """The settings of both sinks that write to Graph, made of use.

    user_id: the Entra object id of the user for whom is written what has no user of its own. app_id:
    the Entra application id of the protected AI application. api: v1.0 or beta. The rest: see Login.
    Raises ConfigurationError for ids, hosts and versions that are none.
    """
    writer = checked_writer(user_id, app_id, api)
    login = Login(
        auth, tenant_id, client_id, certificate_file, secret_env, authority, ca_file, timeout_s
    )
    return Graph(target, login, allowed_hosts=allowed_hosts), writer


def write_activities(graph: Graph, writer: Writer, events: Sequence[Event]) -> list[Receipt]:
    """Write events as contentActivities; one receipt per event, in order."""
    paths = {event.id: _path(writer, event) for event in events}
    pieces = [Piece(event.id, encode(content_activity(event, writer))) for event in events]
    receipts: list[Receipt] = []
    for batch in batches_of(pieces, max_count=MAX_BATCH, max_bytes=MAX_BYTES, overhead=250):
        if is_away(receipts):
            receipts += untried(batch, receipts)
        else:
            receipts += _write(graph, writer, batch, paths)
    return receipts


def of_user(receipt: Receipt, *, is_own: bool) -> Receipt:
    """A receipt; that Graph does not know a user is the event's fault, not Graph's.

    is_own: the user is the one that stands for the sweep, without whom nothing can be written.
    """
    if is_own or receipt.ok or not receipt.detail.startswith("404 "):
        return receipt
    return Receipt(receipt.event_id, ok=False, detail=f"{receipt.detail} (the user)", retry=False)


def _path(writer: Writer, event: Event) -> str:
    user = writer.user_of(event.violation)
    return f"/users/{user}/dataSecurityAndGovernance/activities/contentActivities"


def _write(
    graph: Graph, writer: Writer, batch: Sequence[Piece], paths: Mapping[str, str]
) -> list[Receipt]:
    def one(pieces: Sequence[Piece]) -> Reply:
        return graph.post(f"/{writer.api}{paths[pieces[0].event_id]}", pieces[0].data)

    def judged(receipts: Sequence[Receipt]) -> list[Receipt]:
        own = f"/users/{writer.user_id}/"
        return [of_user(r, is_own=paths[r.event_id].startswith(own)) for r in receipts]

    if len(batch) == 1:
        return judged(deliver_batches([batch], one))
    reply = graph.post(f"/{writer.api}/$batch", _batch_body(batch, paths))
    if reply.is_about_content:  # the envelope was refused: each letter goes by itself
        return judged(deliver_batches([[piece] for piece in batch], one))
    if not reply.is_ok:
        return [reply.receipt(piece.event_id, alone=False) for piece in batch]
    answers = _answers(reply)
    if any(answer.status == 401 for answer in answers.values()):
        graph.token.renew()
    silent = Reply(0, problem=f"{reply.proof} without an answer for this event")
    return judged(
        [
            answers.get(str(index), silent).receipt(piece.event_id, alone=True)
            for index, piece in enumerate(batch)
        ]
    )


def _batch_body(batch: Sequence[Piece], paths: Mapping[str, str]) -> bytes:
    """The envelope, written around bodies that are JSON already."""
    parts = [
        b'{"id":"%d","method":"POST","url":%s,"headers":{"Content-Type":"application/json"},"body":%s}'
        % (index, json.dumps(paths[piece.event_id]).encode(), piece.data)
        for index, piece in enumerate(batch)
    ]
    return b'{"requests":[' + b",".join(parts) + b"]}"


def _answers(reply: Reply) -> dict[str, Reply]:
    """The answers of a $batch by the id of their request; they come in any order."""
    found = reply.json()
    steps = found.get("responses") if isinstance(found, dict) else None
    answers: dict[str, Reply] = {}
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict) and isinstance(step.get("status"), int):
            answers[str(step.get("id"))] = _answer(step, reply)
    return answers


def _answer(step: Mapping[str, Any], reply: Reply) -> Reply:
    given = step.get("headers")
    headers = {str(name).lower(): str(value) for name, value in given.items()} if (
        isinstance(given, dict)
    ) else {}  # fmt: skip
    ident = {
        "request-id": reply.headers.get("request-id", ""),
        "date": reply.headers.get("date", ""),
    }
    body = json.dumps(step.get("body")).encode()
    return Reply(step["status"], {**ident, **headers}, body)
