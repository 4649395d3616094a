"""Questions asked of the state: violations, problems, how far sinks are behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, func, or_, select

from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.model import DeadLetter, OutboxLag, StoredProblem, StoredViolation
from dlpagent.state.tables import (
    assets,
    events,
    outbox,
    problems,
    run_assets,
    sinks,
    violation_history,
    violations,
)
from dlpagent.state.types import moment
from dlpagent.violations import OPEN_STATUSES, violation_from_json

_PAGE = 2_000


def violations_by_severity(db: Database, run_id: str | None = None) -> dict[str, int]:
    """Severity → open violations; of those the run saw when one is given."""
    query = (
        select(violations.c.severity, func.count())
        .where(violations.c.status.in_(OPEN_STATUSES))
        .group_by(violations.c.severity)
    )
    if run_id is not None:
        query = query.where(violations.c.last_run == run_id)
    with db.read() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {severity: found.get(severity, 0) for severity in ("high", "medium", "low")}


def violations_by_status(db: Database, run_id: str) -> dict[str, int]:
    """Status → violations a run saw or changed: those it found, and those it took a step for.

    What a run resolved it has not seen; its history says which.
    """
    stepped = select(violation_history.c.violation_id).where(violation_history.c.run_id == run_id)
    mine = or_(violations.c.last_run == run_id, violations.c.violation_id.in_(stepped))
    query = select(violations.c.status, func.count()).where(mine).group_by(violations.c.status)
    with db.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def stored_violations(
    db: Database,
    run_id: str | None = None,
    asset_uri: str | None = None,
    statuses: Sequence[str] = (),
    after: str = "",
) -> Iterator[StoredViolation]:
    """Violations in the order of their ids; of a run (its last sighting), an asset, some statuses.

    after: only those behind this id.
    """
    query = select(violations).order_by(violations.c.violation_id).limit(_PAGE)
    if run_id is not None:
        query = query.where(violations.c.last_run == run_id)
    if asset_uri is not None:
        query = query.where(violations.c.asset_id == asset_id_of(asset_uri))
    if statuses:
        query = query.where(violations.c.status.in_(statuses))
    while True:
        with db.read() as connection:
            rows = connection.execute(query.where(violations.c.violation_id > after)).all()
        for row in rows:
            yield StoredViolation(
                violation=violation_from_json(row.body),
                status=row.status,
                first_seen=row.first_seen,
                last_seen=row.last_seen,
                first_run=row.first_run,
                last_run=row.last_run,
            )
        if len(rows) < _PAGE:
            return
        after = rows[-1].violation_id


def stored_problems(
    db: Database,
    run_id: str,
    asset_uri: str | None = None,
    *,
    statuses: Sequence[str] = (),
    limit: int = 10_000,
) -> list[StoredProblem]:
    """The first problems of a run, in reading order; of one asset or some statuses, if given.

    At most 10,000 are kept per asset; the counters of the asset have the exact number.
    """
    query = _problems().where(run_assets.c.run_id == run_id).order_by(problems.c.seq).limit(limit)
    if asset_uri is not None:
        query = query.where(run_assets.c.asset_id == asset_id_of(asset_uri))
    if statuses:
        query = query.where(problems.c.status.in_(statuses))
    with db.read() as connection:
        return [StoredProblem(*row) for row in connection.execute(query)]


def _problems() -> Select[Any]:
    columns = [problems.c[name] for name in StoredProblem.__slots__ if name != "asset_uri"]
    return (
        select(assets.c.uri, *columns)
        .join(run_assets, run_assets.c.seq == problems.c.run_asset)
        .join(assets, assets.c.asset_id == run_assets.c.asset_id)
    )


def outbox_lag(db: Database) -> list[OutboxLag]:
    """Every sink that has or had events, by name."""
    query = select(
        outbox.c.sink, outbox.c.status, func.count(), func.min(outbox.c.created_at)
    ).group_by(outbox.c.sink, outbox.c.status)
    with db.read() as connection:
        rows = connection.execute(query).all()
        health = {row.sink: row for row in connection.execute(_sink_health())}
    counts: dict[str, dict[str, int]] = {}
    oldest: dict[str, str] = {}
    for sink, status, many, created_at in rows:
        counts.setdefault(sink, {})[status] = many
        if status == "pending":
            oldest[sink] = created_at
    return [
        OutboxLag(
            sink=sink,
            pending=each.get("pending", 0),
            sent=each.get("sent", 0),
            dead=each.get("dead", 0),
            oldest=oldest.get(sink),
            **_circuit(health.get(sink), moment(db.now())),
        )
        for sink, each in sorted(counts.items())
    ]


def _sink_health() -> Select[Any]:
    return select(sinks.c.sink, sinks.c.last_error, sinks.c.failures, sinks.c.retry_at)


def _circuit(row: Row[Any] | None, now: str) -> dict[str, Any]:
    if row is None or not row.failures:
        return {"last_error": row.last_error if row else None}
    waits = row.retry_at is not None and row.retry_at > now
    return {
        "last_error": row.last_error,
        "circuit": "open" if waits else "half-open",
        "failures": row.failures,
        "retry_at": row.retry_at,
    }


def dead_letters(db: Database, sink: str | None = None, limit: int = 1_000) -> list[DeadLetter]:
    """Events that sinks will not take, oldest first."""
    query = (
        select(
            outbox.c.event_id,
            outbox.c.sink,
            events.c.kind,
            outbox.c.violation_id,
            outbox.c.attempts,
            outbox.c.last_error,
            outbox.c.created_at,
        )
        .join(events, events.c.event_id == outbox.c.event_id)
        .where(outbox.c.status == "dead")
        .order_by(outbox.c.seq)
        .limit(limit)
    )
    if sink is not None:
        query = query.where(outbox.c.sink == sink)
    with db.read() as connection:
        return [DeadLetter(*row) for row in connection.execute(query)]
