"""The outbox as rows: what is due for a sink, what became of it, and who may drain the sink."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Update,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from dlpagent.state.audit import record_act
from dlpagent.state.database import Database
from dlpagent.state.leases import has_ended
from dlpagent.state.model import OutboxRow, Outcome
from dlpagent.state.owner import this_process
from dlpagent.state.sql import insert_new
from dlpagent.state.tables import events, outbox, sinks
from dlpagent.state.types import moment, time_of
from dlpagent.violations import Change, Event, violation_from_json

_MAX_DETAIL = 500
_FREE = {"token": None, "host": None, "pid": None, "process": None, "expires_at": None}


def open_drain(db: Database, sink: str, now: datetime) -> str | None:
    """Take the right to drain a sink; None when a live process has it."""
    owner, token = this_process(), secrets.token_hex(16)
    with db.write() as connection:
        insert_new(connection, sinks, [{"sink": sink}])
        held = connection.execute(select(sinks).where(sinks.c.sink == sink).with_for_update()).one()
        if held.token is not None and not has_ended(held, now):
            return None
        connection.execute(
            update(sinks)
            .where(sinks.c.sink == sink)
            .values(
                token=token,
                host=owner.host,
                pid=owner.pid,
                process=owner.process,
                acquired_at=moment(now),
                expires_at=moment(now + timedelta(seconds=db.lease_seconds)),
            )
        )
    return token


def renew_drain(db: Database, sink: str, token: str, now: datetime) -> bool:
    """Prolong the right to drain; False when another process has taken it over."""
    with db.write() as connection:
        changed = connection.execute(
            update(sinks)
            .where(sinks.c.sink == sink, sinks.c.token == token)
            .values(expires_at=moment(now + timedelta(seconds=db.lease_seconds)))
        )
        return bool(changed.rowcount == 1)


def forget_waits(db: Database, sink: str, now: datetime) -> None:
    """Make every pending event of a sink due now."""
    pending = outbox.c.sink == sink, outbox.c.status == "pending"
    with db.write() as connection:
        connection.execute(update(outbox).where(*pending).values(next_attempt_at=moment(now)))
        connection.execute(update(sinks).where(sinks.c.sink == sink).values(retry_at=None))


def close_drain(db: Database, sink: str, token: str) -> None:
    """Give the right back; harmless when it was taken over."""
    with db.write() as connection:
        connection.execute(
            update(sinks).where(sinks.c.sink == sink, sinks.c.token == token).values(_FREE)
        )


def put_off(db: Database, number: int, now: datetime) -> None:
    """Note that an event was tried just now in vain, at no cost of its tries."""
    waiting = outbox.c.seq == number, outbox.c.status == "pending"
    with db.write() as connection:
        connection.execute(
            update(outbox)
            .where(*waiting, outbox.c.next_attempt_at < moment(now))
            .values(next_attempt_at=moment(now))
        )


def due_rows(
    db: Database, sink: str, now: datetime, limit: int, *, longest_waiting: bool = False
) -> list[OutboxRow]:
    """The oldest pending events that may be tried now, in order; at most one per violation.

    longest_waiting: those first that have been due for longest, not those made first.

    An event waits while an earlier one of its violation is pending, so a sink never hears
    "changed" before "new". None is due while the sink as a whole is left alone.
    """
    query = (
        select(outbox.c.seq, outbox.c.attempts, events)
        .join(events, events.c.event_id == outbox.c.event_id)
        .where(
            *_first_in_line(sink),
            outbox.c.next_attempt_at <= moment(now),
        )
        .order_by(*([outbox.c.next_attempt_at] if longest_waiting else []), outbox.c.seq)
        .limit(limit)
    )
    with db.read() as connection:
        retry_at = connection.scalar(select(sinks.c.retry_at).where(sinks.c.sink == sink))
        if retry_at is not None and retry_at > moment(now):
            return []
        return [_outbox_row(row) for row in connection.execute(query)]


def _first_in_line(sink: str) -> list[ColumnElement[bool]]:
    """Pending events of a sink that wait for no earlier event of their violation."""
    earlier = outbox.alias()
    waits = exists().where(
        earlier.c.violation_id == outbox.c.violation_id,
        earlier.c.sink == outbox.c.sink,
        earlier.c.status == "pending",
        earlier.c.seq < outbox.c.seq,
    )
    return [outbox.c.sink == sink, outbox.c.status == "pending", ~waits]


def _outbox_row(row: Row[Any]) -> OutboxRow:
    event = Event(
        id=row.event_id,
        kind=row.kind,
        at=row.at,
        tenant_id=row.tenant_id,
        violation=violation_from_json(row.body),
        change=Change(**row.change) if row.change else None,
    )
    return OutboxRow(row.seq, row.attempts, event)


def next_due(db: Database, sink: str) -> datetime | None:
    """When the next try for a sink may be made; None when nothing is pending."""
    query = select(func.min(outbox.c.next_attempt_at)).where(*_first_in_line(sink))
    with db.read() as connection:
        first = connection.scalar(query)
        retry_at = connection.scalar(select(sinks.c.retry_at).where(sinks.c.sink == sink))
    return None if first is None else time_of(max(first, retry_at or first))


def settle(
    db: Database,
    sink: str,
    token: str,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    answered: bool = True,
) -> None:
    """Store what became of tries, and that the sink is there, if it answered any of them.

    What was sent is stored even if the right to drain was lost meanwhile: it is true all the same.
    """
    with db.write() as connection:
        for status in ("sent", "pending", "dead"):
            rows = [_settled(outcome, now) for outcome in outcomes if outcome.status == status]
            if rows:
                connection.execute(_settling(status, now), rows)
        if answered:
            connection.execute(
                update(sinks)
                .where(sinks.c.sink == sink, sinks.c.token == token)
                .values(failures=0, retry_at=None, last_error=None)
            )


def _settled(outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "at_seq": outcome.number,
        "detail": outcome.detail[:_MAX_DETAIL],
        "again": moment(outcome.next_attempt_at or now),
    }


def _settling(status: str, now: datetime) -> Update:
    """One statement for every outcome of a status: a batch is settled in one go."""
    values: dict[str, Any] = {"status": status, "attempts": outbox.c.attempts + 1}
    if status == "sent":
        values |= {"sent_at": moment(now), "receipt": bindparam("detail"), "last_error": None}
    else:
        values |= {"last_error": bindparam("detail"), "next_attempt_at": bindparam("again")}
    return (
        update(outbox)
        .where(outbox.c.seq == bindparam("at_seq"), outbox.c.status != "sent")
        .values(values)
    )


def failures_of(db: Database, sink: str) -> int:
    """How often in a row the sink could not be reached at all."""
    with db.read() as connection:
        return connection.scalar(select(sinks.c.failures).where(sinks.c.sink == sink)) or 0


def leave_alone(db: Database, sink: str, token: str, error: str, until: datetime) -> None:
    """Note that the sink could not be reached; its events keep their tries and wait."""
    with db.write() as connection:
        connection.execute(
            update(sinks)
            .where(sinks.c.sink == sink, sinks.c.token == token)
            .values(
                failures=sinks.c.failures + 1,
                retry_at=moment(until),
                last_error=error[:_MAX_DETAIL],
                expires_at=moment(until + timedelta(seconds=db.lease_seconds)),
            )
        )


def pending_of(db: Database, sinks_asked: Sequence[str]) -> int:
    """How many events wait for these sinks."""
    query = select(func.count()).where(outbox.c.sink.in_(sinks_asked), outbox.c.status == "pending")
    with db.read() as connection:
        return connection.scalar(query) or 0


def requeue_dead(db: Database, sink: str | None = None, actor: str | None = None) -> int:
    """Make dead letters pending again, with all their tries; of one sink if given.

    actor: who asked for it (dlpagent.state.audit); when there were any it is an act in the log.
    """
    statement = (
        update(outbox)
        .where(outbox.c.status == "dead")
        .values(status="pending", attempts=0, next_attempt_at=db.moment())
    )
    if sink is not None:
        statement = statement.where(outbox.c.sink == sink)
    with db.write() as connection:
        many = connection.execute(statement).rowcount
        if many and actor is not None:
            told = {"dead_letters": many}
            record_act(connection, actor, "push.dead_letters", sink or "*", told, clock=db.clock)
        return many


def enqueue_since(db: Database, sink: str, since: datetime, actor: str | None = None) -> int:
    """Give a sink the stored events from a time (UTC) on that it never had; returns how many.

    actor: who asked for it; when there were any it is an act in the audit log.

    Left out are events of violations of which the sink has a later one: an event tells the whole
    state of its violation, and an older one behind a newer one would be out of order.
    """
    had, later = outbox.alias(), events.alias()
    known = exists().where(had.c.event_id == events.c.event_id, had.c.sink == sink)
    overtaken = exists().where(
        had.c.sink == sink,
        had.c.violation_id == events.c.violation_id,
        later.c.event_id == had.c.event_id,
        later.c.at >= events.c.at,
    )
    now = db.moment()
    chosen = (
        select(
            events.c.event_id,
            literal(sink),
            events.c.violation_id,
            literal("pending"),
            literal(now),
            events.c.at,
        )
        .where(events.c.at >= moment(since), ~known, ~overtaken)
        .order_by(events.c.at, case({"new": 0, "changed": 1}, value=events.c.kind, else_=2))
    )
    columns = ("event_id", "sink", "violation_id", "status", "next_attempt_at", "created_at")
    with db.write() as connection:
        # Without the option, PostgreSQL's driver does not count the rows of an insert.
        counting = insert(outbox).inline().execution_options(preserve_rowcount=True)
        many = connection.execute(counting.from_select(columns, chosen)).rowcount
        if many and actor is not None:
            told = {"events": many, "since": moment(since)}
            record_act(connection, actor, "push.since", sink, told, clock=db.clock)
        return many
