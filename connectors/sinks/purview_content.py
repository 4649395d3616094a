"""Violations put before the tenant's own policies: processContent and processContentAsync.

What is sent as content is the violation in words with masked shapes; the text of the item never
leaves. So a verdict is about who, where and what kind of activity, not about the text. Where the
tenant's protection scopes ask for no content, a content activity is written instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, Final

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._batches import (
    Piece,
    all_alike,
    batches_of,
    deliver_batches,
    is_away,
)
from dlpagent.connectors.sinks._graph import (
    MAX_BYTES,
    graph_and_writer,
    of_user,
    write_activities,
)
from dlpagent.connectors.sinks._graph_bodies import activity_name, content_to_process
from dlpagent.connectors.sinks._http import Reply
from dlpagent.connectors.sinks._protection_scopes import ScopeCache, Scopes
from dlpagent.ports import Receipt
from dlpagent.violations import Event

# Items of one processContentAsync, as Microsoft's own clients send them.
MAX_ASYNC: Final = 64


class PurviewContent:
    """Sends events as content to be processed; settings as those of the sink purview."""

    name = "purview-content"

    # What a sweep file may set is what this says (dlpagent.service.wiring reads it).
    __signature__ = signature(graph_and_writer)

    def __init__(self, target: str, **settings: Any) -> None:
        self._graph, self.writer = graph_and_writer(target, **settings)
        self.scopes = ScopeCache(self._graph, self.writer)

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Send each event as its user's protection scopes ask; once Graph is away, no more is sent."""
        offline: list[Event] = []
        plain: list[Event] = []
        receipts: dict[str, Receipt] = {}
        for event in events:
            if is_away(list(receipts.values())[-1:]):
                break
            scopes = self.scopes.of(self.writer.user_of(event.violation))
            if isinstance(scopes, Reply):
                receipts[event.id] = self._refused(scopes, event)
                continue
            mode = scopes.mode(activity_name(event.violation))
            if mode == "inline":
                receipts[event.id] = self._process(event, scopes)
            else:
                (offline if mode == "offline" else plain).append(event)
        for waiting, send in ((offline, self._process_later), (plain, self._write)):
            if waiting and not is_away(list(receipts.values())):
                receipts |= {receipt.event_id: receipt for receipt in send(waiting)}
        return [receipts.get(event.id) or _left_out(event, receipts) for event in events]

    def close(self) -> None:
        """Let go of connections."""
        self._graph.close()

    def _write(self, events: Sequence[Event]) -> list[Receipt]:
        return write_activities(self._graph, self.writer, events)

    def _process(self, event: Event, scopes: Scopes) -> Receipt:
        """Wait for the verdict on one event; the receipt names it."""
        user = self.writer.user_of(event.violation)
        body = encode({"contentToProcess": content_to_process(event, self.writer)})
        path = f"/{self.writer.api}/users/{user}/dataSecurityAndGovernance/processContent"
        given = {"Prefer": "evaluateInline"} | (
            {"If_None_Match": scopes.etag} if scopes.etag else {}
        )
        reply = self._graph.post(path, body, **given)
        if not reply.is_ok:
            return self._refused(reply, event)
        found = reply.json()
        verdict = found if isinstance(found, dict) else {}
        if verdict.get("protectionScopeState") == "modified":
            self.scopes.forget(user)
        return _verdict_receipt(event.id, reply.proof, verdict)

    def _refused(self, reply: Reply, event: Event) -> Receipt:
        """An event is not at fault that Graph is away, but it is when Graph does not know its user."""
        user = self.writer.user_of(event.violation)
        return of_user(reply.receipt(event.id, alone=True), is_own=user == self.writer.user_id)

    def _process_later(self, events: Sequence[Event]) -> list[Receipt]:
        pieces = [
            Piece(
                event.id,
                encode(
                    {
                        "requestId": event.id,
                        "userId": self.writer.user_of(event.violation),
                        "contentToProcess": content_to_process(event, self.writer),
                    }
                ),
            )
            for event in events
        ]
        batches = batches_of(pieces, max_count=MAX_ASYNC, max_bytes=MAX_BYTES)
        path = f"/{self.writer.api}/security/dataSecurityAndGovernance/processContentAsync"

        def send(batch: Sequence[Piece]) -> Reply:
            items = b",".join(piece.data for piece in batch)
            return self._graph.post(path, b'{"processContentRequests":[' + items + b"]}")

        return deliver_batches(batches, send, _async_receipts)


def _async_receipts(reply: Reply, batch: Sequence[Piece]) -> list[Receipt]:
    """Mostly 204 without a body; else each item may have a verdict of its own."""
    found = reply.json()
    rows = found.get("value") if isinstance(found, dict) else None
    verdicts = {
        row.get("requestId"): row.get("results")
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    }
    alike = all_alike(reply, batch)
    return [
        _verdict_receipt(receipt.event_id, reply.proof, verdict)
        if isinstance(verdict := verdicts.get(receipt.event_id), dict)
        else receipt
        for receipt in alike
    ]


def _verdict_receipt(event_id: str, proof: str, verdict: dict[str, Any]) -> Receipt:
    """A permanent processing error refuses the event; a transient one asks to try again."""
    errors = [error for error in verdict.get("processingErrors") or [] if isinstance(error, dict)]
    for error in errors:
        kind = error.get("errorType")
        code = "".join(c for c in str(error.get("code") or "") if c.isalnum())[:60]
        if kind in ("permanent", "transient"):
            detail = f"{proof} {kind} processing error {code}".rstrip()
            return Receipt(event_id, ok=False, detail=detail, retry=kind == "transient")
    actions = [action for action in verdict.get("policyActions") or [] if isinstance(action, dict)]
    blocks = any(
        action.get("action") == "blockAccess" or action.get("restrictionAction") == "block"
        for action in actions
    )
    said = "block" if blocks else "allow" if verdict else "not read"
    return Receipt(event_id, ok=True, detail=f"{proof} verdict {said}")


def _left_out(event: Event, receipts: dict[str, Receipt]) -> Receipt:
    """An event that was not sent because Graph is away, for the same reason as the last."""
    why = next(each for each in receipts.values() if is_away([each]))
    return Receipt(event.id, False, why.detail, True, why.retry_after_s, "sink")
