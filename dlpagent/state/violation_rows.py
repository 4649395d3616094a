"""Violations as sweeps find them, their events and the outbox rows that carry events to sinks.

An event id says everything that matters about a violation (item, rule, evidence, versions), so:
unknown violation → event "new"; known with the same event id → only seen again; known with another
event id → event "changed". An event that already exists is never made or sent again. A resolved
violation that is found again is "reopened"; one that a person overrode or called a false positive
stays so, as long as that holds and covers what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from dlpagent.state import life
from dlpagent.state.life import SWEEP, Step
from dlpagent.state.model import BatchCommit, Committed
from dlpagent.state.sql import chunks, insert_new, insert_or_update
from dlpagent.state.tables import events, exemptions, outbox, violations
from dlpagent.state.types import moment
from dlpagent.violations import Change, Violation, ViolationStatus

_FIRST = frozenset({"first_seen", "first_run", "asset_id"})
_EXEMPT = ("overridden", "false_positive")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the state says of a violation before a sighting."""

    event_id: str
    status: ViolationStatus
    last_run: str


def store_violations(
    connection: Connection, run_id: str, asset_id: str, batch: BatchCommit, now: datetime
) -> Committed:
    """Bring violations, history, events and outbox up to date with a batch."""
    if not batch.violations:
        return Committed()
    at = moment(now)
    known = _known(connection, [violation.id for violation in batch.violations])
    exempt = [ident for ident, each in known.items() if each.status in _EXEMPT]
    said = _exemptions(connection, exempt)
    bodies = _bodies(connection, sorted(_differing(batch.violations, known)))
    newest: dict[str, tuple[Violation, ViolationStatus]] = {}
    seen_again: dict[str, ViolationStatus] = {}
    steps: list[tuple[Step, Violation]] = []
    for violation in batch.violations:
        before = known.get(violation.id)
        step = _sighted(violation, before, said.get(violation.id), bodies.get(violation.id), run_id)
        if before is None or before.event_id != violation.event_id:
            newest[violation.id] = (violation, step.after)
        elif violation.id in newest:
            newest[violation.id] = (newest[violation.id][0], step.after)
        else:
            seen_again[violation.id] = step.after
        if step.before != step.after or step.kind:
            steps.append((step, violation))
        if before is not None and before.status in _EXEMPT and step.after not in _EXEMPT:
            life.end_exemptions(connection, [violation.id], at)
        known[violation.id] = _Known(violation.event_id, step.after, run_id)
    back = _come_back(connection, steps, batch, at, run_id)
    _see_again(connection, seen_again, at, run_id)
    rows = [_row(each, status, asset_id, at, run_id) for each, status in newest.values()]
    insert_or_update(connection, violations, rows, keep=_FIRST)
    rest = [each for each in steps if each[0].kind != "reopened"]
    life.note(connection, (step for step, _ in rest), at, run_id)
    kinds = [step.kind for step, _ in _store_events(connection, rest, batch, at)]
    repeated = len(batch.violations) - len(kinds) - back
    return Committed(kinds.count("new"), kinds.count("changed"), repeated, back)


def _differing(found: Sequence[Violation], known: Mapping[str, _Known]) -> set[str]:
    """Those of which something else is true than when they were last seen."""
    return {
        each.id for each in found if each.id in known and known[each.id].event_id != each.event_id
    }


def _sighted(
    violation: Violation,
    known: _Known | None,
    exemption: Row[Any] | None,
    before: Mapping[str, Any] | None,
    run_id: str,
) -> Step:
    """The step that finding a violation is; before: its body until now, where it differs."""
    ident, event_id = violation.id, violation.event_id
    if known is None:
        return Step(ident, "", "new", Change(SWEEP, violation.reason), "new", None, event_id)
    status = known.status
    if status == "resolved":
        change = Change(SWEEP, "found again")
        return Step(ident, status, "reopened", change, "reopened", None, event_id)
    if status in _EXEMPT:
        lapsed = _lapsed(violation, exemption)
        if lapsed is None:
            return Step(ident, status, status, Change(SWEEP, ""), None, None, event_id)
        change = Change(SWEEP, lapsed)
        return Step(ident, status, "reopened", change, "reopened", None, event_id)
    if known.event_id != event_id:
        change = Change(SWEEP, _what_changed(before, violation))
        return Step(ident, status, "changed", change, "changed", None, event_id)
    again: ViolationStatus = status if known.last_run == run_id else "repeated"
    return Step(ident, status, again, Change(SWEEP, "found again"), None, None, event_id)


def _lapsed(violation: Violation, exemption: Row[Any] | None) -> str | None:
    """Why an exemption does not cover what was found; None when it does."""
    if exemption is None:
        return "found again: no verdict suppresses its values any more"
    if exemption.covers == "item" or exemption.evidence == violation.evidence:
        return None
    return f"its evidence is not what {exemption.actor} judged"


def _what_changed(before: Mapping[str, Any] | None, now: Violation) -> str:
    if before is None:
        return "changed within one batch"
    parts = []
    if before["evidence"] != now.evidence:
        parts.append("its evidence")
    if before["policy"]["version"] != now.policy.version:
        parts.append("the version of the policy")
    if before["pack"]["hash"] != now.pack.hash:
        parts.append("the pack")
    return f"changed: {', '.join(parts) or 'what it says'}"


def _known(connection: Connection, ids: list[str]) -> dict[str, _Known]:
    known: dict[str, _Known] = {}
    columns = [violations.c[name] for name in ("violation_id", "event_id", "status", "last_run")]
    for piece in chunks(ids):
        query = select(*columns).where(violations.c.violation_id.in_(piece))
        known.update((row[0], _Known(*row[1:])) for row in connection.execute(query))
    return known


def _bodies(connection: Connection, ids: list[str]) -> dict[str, Mapping[str, Any]]:
    bodies: dict[str, Mapping[str, Any]] = {}
    for piece in chunks(ids):
        query = select(violations.c.violation_id, violations.c.body)
        found = connection.execute(query.where(violations.c.violation_id.in_(piece)))
        bodies.update((row[0], row[1]) for row in found)
    return bodies


def _exemptions(connection: Connection, ids: list[str]) -> dict[str, Row[Any]]:
    """What people said of violations and still holds, the newest of each."""
    found: dict[str, Row[Any]] = {}
    for piece in chunks(ids):
        holding = exemptions.c.violation_id.in_(piece), exemptions.c.ended_at.is_(None)
        query = select(exemptions).where(*holding).order_by(exemptions.c.seq)
        found.update((row.violation_id, row) for row in connection.execute(query))
    return found


def _see_again(
    connection: Connection, seen: Mapping[str, ViolationStatus], at: str, run_id: str
) -> None:
    by_status: dict[ViolationStatus, list[str]] = {}
    for ident, status in seen.items():
        by_status.setdefault(status, []).append(ident)
    for status, ids in by_status.items():
        for piece in chunks(sorted(ids)):
            connection.execute(
                update(violations)
                .where(violations.c.violation_id.in_(piece))
                .values(last_seen=at, last_run=run_id, status=status)
            )


def _row(
    violation: Violation, status: ViolationStatus, asset_id: str, at: str, run_id: str
) -> dict[str, Any]:
    return {
        "violation_id": violation.id,
        "asset_id": asset_id,
        "record_id": violation.record_id,
        "status": status,
        "severity": violation.severity,
        "mode": violation.mode,
        "rule_id": violation.rule_id,
        "policy_id": violation.policy.id,
        "event_id": violation.event_id,
        "first_seen": at,
        "last_seen": at,
        "first_run": run_id,
        "last_run": run_id,
        "body": violation.to_json(),
    }


def _come_back(
    connection: Connection,
    steps: Sequence[tuple[Step, Violation]],
    batch: BatchCommit,
    at: str,
    run_id: str,
) -> int:
    """Take the steps back to life; returns how many."""
    back = [
        replace(step, body=violation.to_json())
        for step, violation in steps
        if step.kind == "reopened"
    ]
    life.take(connection, back, at, run_id=run_id, sinks=batch.sinks, tenant_id=batch.tenant_id)
    return len(back)


def _store_events(
    connection: Connection, steps: Sequence[tuple[Step, Violation]], batch: BatchCommit, at: str
) -> Sequence[tuple[Step, Violation]]:
    """Events for what is new of items; returns those that did not exist before."""
    telling = {step.event_id: (step, violation) for step, violation in steps if step.kind}
    existing: set[str] = set()
    for piece in chunks(list(telling)):
        query = select(events.c.event_id).where(events.c.event_id.in_(piece))
        existing.update(connection.scalars(query))
    unheard = [each for ident, each in telling.items() if ident not in existing]
    rows = [
        {
            "event_id": step.event_id,
            "violation_id": step.violation_id,
            "kind": step.kind,
            "at": at,
            "tenant_id": batch.tenant_id,
            "body": violation.to_json(),
        }
        for step, violation in unheard
    ]
    insert_new(connection, events, rows)
    waiting = [
        life.outbox_row(step.event_id, step.violation_id, sink, at)
        for step, _ in unheard
        for sink in batch.sinks
    ]
    insert_new(connection, outbox, waiting)
    return unheard
