"""Violations, their events and the outbox rows that carry events to sinks.

An event id says everything that matters about a violation (item, rule, evidence, versions), so:
unknown violation → event "new"; known with the same event id → only seen again; known with another
event id → event "changed". An event that already exists is never made or sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from dlpagent.state.model import BatchCommit, Committed
from dlpagent.state.sql import chunks, insert_new, insert_or_update
from dlpagent.state.tables import events, outbox, violations
from dlpagent.state.types import moment
from dlpagent.violations import Violation

_FIRST = frozenset({"first_seen", "first_run", "asset_id"})


def store_violations(
    connection: Connection, run_id: str, asset_id: str, batch: BatchCommit, now: datetime
) -> Committed:
    """Bring violations, events and outbox up to date with a batch."""
    if not batch.violations:
        return Committed()
    at = moment(now)
    known = _known_events(connection, [violation.id for violation in batch.violations])
    fresh: dict[str, tuple[str, Violation]] = {}
    repeated: set[str] = set()
    for violation in batch.violations:
        before = known.get(violation.id)
        if before == violation.event_id:
            repeated.add(violation.id)
            continue
        fresh[violation.event_id] = ("changed" if before else "new", violation)
        known[violation.id] = violation.event_id
    _see_again(connection, repeated, at, run_id)
    newest = {violation.id: violation for _, violation in fresh.values()}
    rows = [_violation_row(violation, asset_id, at, run_id) for violation in newest.values()]
    insert_or_update(connection, violations, rows, keep=_FIRST)
    unheard = _without_existing(connection, fresh)
    _store_events(connection, unheard.values(), batch, at)
    kinds = [kind for kind, _ in unheard.values()]
    return Committed(kinds.count("new"), kinds.count("changed"), len(batch.violations) - len(kinds))


def _known_events(connection: Connection, ids: list[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for piece in chunks(ids):
        query = select(violations.c.violation_id, violations.c.event_id).where(
            violations.c.violation_id.in_(piece)
        )
        known.update((row[0], row[1]) for row in connection.execute(query))
    return known


def _without_existing(
    connection: Connection, fresh: dict[str, tuple[str, Violation]]
) -> dict[str, tuple[str, Violation]]:
    existing: set[str] = set()
    for piece in chunks(list(fresh)):
        existing.update(
            connection.scalars(select(events.c.event_id).where(events.c.event_id.in_(piece)))
        )
    return {event_id: value for event_id, value in fresh.items() if event_id not in existing}


def _see_again(connection: Connection, ids: set[str], at: str, run_id: str) -> None:
    for piece in chunks(sorted(ids)):
        connection.execute(
            update(violations)
            .where(violations.c.violation_id.in_(piece))
            .values(last_seen=at, last_run=run_id, status="open")
        )


def _violation_row(violation: Violation, asset_id: str, at: str, run_id: str) -> dict[str, Any]:
    return {
        "violation_id": violation.id,
        "asset_id": asset_id,
        "record_id": violation.record_id,
        "status": "open",
        "severity": violation.severity,
        "mode": violation.mode,
        "rule_id": violation.rule_id,
        "event_id": violation.event_id,
        "first_seen": at,
        "last_seen": at,
        "first_run": run_id,
        "last_run": run_id,
        "body": violation.to_json(),
    }


def _store_events(
    connection: Connection, unheard: Iterable[tuple[str, Violation]], batch: BatchCommit, at: str
) -> None:
    event_rows, outbox_rows = [], []
    for kind, violation in unheard:
        event_rows.append(
            {
                "event_id": violation.event_id,
                "violation_id": violation.id,
                "kind": kind,
                "at": at,
                "tenant_id": batch.tenant_id,
                "body": violation.to_json(),
            }
        )
        outbox_rows += [
            {
                "event_id": violation.event_id,
                "sink": sink,
                "violation_id": violation.id,
                "status": "pending",
                "attempts": 0,
                "next_attempt_at": at,
                "created_at": at,
            }
            for sink in batch.sinks
        ]
    insert_new(connection, events, event_rows)
    insert_new(connection, outbox, outbox_rows)
