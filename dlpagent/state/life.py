"""The life of a violation: every step it takes is one row of history and one event.

new → repeated → changed → resolved → reopened, and overridden or false_positive while a person (or a
verdict on its values) says so. docs/violations.md has the table. Sightings are in
dlpagent.state.violation_rows, what people do in dlpagent.state.exempting; here are the steps
themselves and those that time and whole readings make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)

from dlpagent.state.database import Database
from dlpagent.state.sql import chunks, insert_new
from dlpagent.state.tables import (
    assets,
    events,
    exemptions,
    outbox,
    problems,
    run_assets,
    runs,
    violation_history,
    violations,
)
from dlpagent.suppressions import Suppressions
from dlpagent.violations import ZERO_TENANT, Change, EventKind, ViolationStatus, stable_id

SWEEP = "sweep"
PRODUCT = "dlpagent"
_PAGE = 500

# Kinds of assets that still hold what they held. Feeds (chat logs of an interface, streams) tell what
# happened: that a window of time slides on, or another stream is read, makes nothing clean.
_LASTING = ("document", "dataset", "vector_collection")
_FILES = ("file", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "memory")

GONE_OR_CLEAN = "a whole reading did not find it any more: the record is gone or clean"
ASSET_GONE = "a whole run did not meet the asset any more"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one violation. body: the violation as JSON; event_id: what is true of the item.

    kind: the event it makes, or None. change: who and why; its reason is also that of the history.
    """

    violation_id: str
    before: ViolationStatus | str
    after: ViolationStatus
    change: Change
    kind: EventKind | None = None
    body: Mapping[str, Any] | None = None
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """One row of history. before is "" for the first; actor: a person, `sweep` or `dlpagent`."""

    at: str
    actor: str
    before: str
    after: str
    reason: str
    run_id: str | None


def take(
    connection: Connection,
    steps: Sequence[Step],
    at: str,
    *,
    run_id: str | None = None,
    sinks: Sequence[str] | None = None,
    tenant_id: str | None = None,
) -> None:
    """Write steps down: new status, history, and an event where a step has a kind.

    sinks: who gets the events; when not given, those that have heard of the violation before.
    tenant_id: when not given, that of its latest event.
    """
    for piece in chunks(steps, _PAGE):
        past = _how_many_steps(connection, [step.violation_id for step in piece])
        by_status: dict[str, list[str]] = {}
        for step in piece:
            by_status.setdefault(step.after, []).append(step.violation_id)
        for status, ids in by_status.items():
            chosen = violations.c.violation_id.in_(ids)
            connection.execute(update(violations).where(chosen).values(status=status))
        telling = [step for step in piece if step.kind is not None]
        _announce(connection, telling, past, at, sinks=sinks, tenant_id=tenant_id)
        note(connection, piece, at, run_id)


def note(connection: Connection, steps: Iterable[Step], at: str, run_id: str | None) -> None:
    """Add steps to the history, and nothing else."""
    rows = [
        {
            "violation_id": step.violation_id,
            "at": at,
            "actor": step.change.by,
            "before": step.before,
            "after": step.after,
            "reason": step.change.reason,
            "run_id": run_id,
        }
        for step in steps
    ]
    if rows:
        connection.execute(violation_history.insert(), rows)


def life_event_id(violation_id: str, kind: str, event_id: str, steps_before: int) -> str:
    """The id of an event that a step makes which says nothing new of the item.

    steps_before tells apart two times that the same happened to the same item.
    """
    return stable_id("life", violation_id, kind, event_id, str(steps_before))


def _how_many_steps(connection: Connection, ids: list[str]) -> dict[str, int]:
    query = (
        select(violation_history.c.violation_id, func.count())
        .where(violation_history.c.violation_id.in_(ids))
        .group_by(violation_history.c.violation_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _announce(
    connection: Connection,
    steps: Sequence[Step],
    past: Mapping[str, int],
    at: str,
    *,
    sinks: Sequence[str] | None,
    tenant_id: str | None,
) -> None:
    if not steps:
        return
    ids = [step.violation_id for step in steps]
    tenants = {} if tenant_id is not None else _tenants(connection, ids)
    heard = {} if sinks is not None else _heard(connection, ids)
    event_rows: list[dict[str, Any]] = []
    outbox_rows: list[dict[str, Any]] = []
    for step in steps:
        ident = step.violation_id
        event_id = life_event_id(ident, str(step.kind), step.event_id, past.get(ident, 0))
        tenant = tenant_id if tenant_id is not None else tenants.get(ident, ZERO_TENANT)
        event_rows.append(event_row(event_id, step, at, tenant))
        named = sinks if sinks is not None else heard.get(ident, ())
        outbox_rows += [outbox_row(event_id, ident, sink, at) for sink in named]
    insert_new(connection, events, event_rows)
    insert_new(connection, outbox, outbox_rows)


def event_row(event_id: str, step: Step, at: str, tenant_id: str) -> dict[str, Any]:
    """A row of events."""
    change = step.change
    return {
        "event_id": event_id,
        "violation_id": step.violation_id,
        "kind": step.kind,
        "at": at,
        "tenant_id": tenant_id,
        "body": step.body,
        "change": {"by": change.by, "reason": change.reason, "until": change.until},
    }


def outbox_row(event_id: str, violation_id: str, sink: str, at: str) -> dict[str, Any]:
    """A row of outbox: an event that waits for a sink."""
    return {
        "event_id": event_id,
        "sink": sink,
        "violation_id": violation_id,
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": at,
        "created_at": at,
    }


def _heard(connection: Connection, ids: list[str]) -> dict[str, list[str]]:
    """Violation → the sinks that were given an event of it."""
    query = select(outbox.c.violation_id, outbox.c.sink).where(outbox.c.violation_id.in_(ids))
    found: dict[str, list[str]] = {}
    for ident, sink in connection.execute(query.distinct().order_by(outbox.c.sink)):
        found.setdefault(ident, []).append(sink)
    return found


def _tenants(connection: Connection, ids: list[str]) -> dict[str, str]:
    query = select(events.c.violation_id, events.c.tenant_id).where(events.c.violation_id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query.order_by(events.c.at))}


# --- what whole readings and time do --------------------------------------------------------------


def resolve_unseen(
    connection: Connection,
    run_asset: Row[Any],
    at: str,
    *,
    suppressions: Suppressions,
    sinks: Sequence[str],
    tenant_id: str,
) -> int:
    """Resolve the violations of an asset that a whole reading of it did not find; returns how many.

    run_asset: the row of run_assets, read to its end. Only those of the run's own policy; none in
    records that could not be read although that was accepted (plan.accept). Where all the values
    a violation rests on are judged meanwhile, it is a false positive (or accepted), not resolved.
    """
    if run_asset.problems > 0 and _problems_kept(connection, run_asset.seq) < run_asset.problems:
        return 0  # which records were left out is not known of all
    mine = and_(
        violations.c.asset_id == run_asset.asset_id, violations.c.last_run != run_asset.run_id
    )
    return _resolve(
        connection,
        run_asset.run_id,
        mine,
        at,
        reason=GONE_OR_CLEAN,
        unread=_unread(connection, run_asset.seq),
        suppressions=suppressions,
        sinks=sinks,
        tenant_id=tenant_id,
    )


def resolve_gone(db: Database, run_id: str, sinks: Sequence[str], tenant_id: str) -> int:
    """Resolve the violations of assets that a complete run of the same job no longer met.

    Only assets that runs with the same settings met before and nobody has since. A run that met
    nothing at all (a folder that is not mounted) resolves nothing. Returns how many.
    """
    at = db.moment()
    with db.write() as connection:
        run = connection.execute(select(runs).where(runs.c.run_id == run_id)).one()
        met = select(run_assets.c.asset_id).where(run_assets.c.run_id == run_id)
        if connection.execute(met.limit(1)).first() is None:
            return 0
        before = (
            select(run_assets.c.asset_id)
            .join(runs, runs.c.run_id == run_assets.c.run_id)
            .where(runs.c.job == run.job, runs.c.config_hash == run.config_hash)
        )
        lost = exists().where(
            assets.c.asset_id == violations.c.asset_id, assets.c.last_seen < run.started_at
        )
        gone = and_(violations.c.asset_id.in_(before), violations.c.asset_id.not_in(met), lost)
        return _resolve(
            connection,
            run_id,
            gone,
            at,
            reason=ASSET_GONE,
            unread=frozenset(),
            suppressions=Suppressions(),
            sinks=sinks,
            tenant_id=tenant_id,
        )


def _resolve(
    connection: Connection,
    run_id: str,
    which: ColumnElement[bool],
    at: str,
    *,
    reason: str,
    unread: frozenset[str],
    suppressions: Suppressions,
    sinks: Sequence[str],
    tenant_id: str,
) -> int:
    run = connection.execute(select(runs).where(runs.c.run_id == run_id)).one()
    if run.policy_id is None:
        return 0
    chosen = and_(
        which,
        violations.c.policy_id == run.policy_id,
        violations.c.status != "resolved",
        violations.c.asset_id.in_(_lasting()),
    )
    resolved = 0
    for page in pages(connection, chosen):
        steps = []
        for row in page:
            if unread and not unread.isdisjoint(_records_of(row)):
                continue
            after: Judged | Literal["resolved"] = judged(row.body, suppressions) or "resolved"
            if after == row.status:
                continue
            why = _why(row.body, run, reason) if after == "resolved" else JUDGED
            change = Change(SWEEP, why)
            steps.append(
                Step(row.violation_id, row.status, after, change, after, row.body, row.event_id)
            )
        end_exemptions(connection, [step.violation_id for step in steps], at)
        take(connection, steps, at, run_id=run_id, sinks=sinks, tenant_id=tenant_id)
        resolved += sum(step.after == "resolved" for step in steps)
    return resolved


def _lasting() -> Select[Any]:
    """Assets of which it means something that a record is not there any more."""
    in_files = or_(*(assets.c.uri.like(f"{scheme}:%") for scheme in _FILES))
    logs = and_(assets.c.kind == "chat_log", in_files)
    return select(assets.c.asset_id).where(or_(assets.c.kind.in_(_LASTING), logs))


Judged = Literal["false_positive", "overridden"]
JUDGED = "all the values it rests on are judged"


def judged(body: Mapping[str, Any], suppressions: Suppressions) -> Judged | None:
    """What a violation is when verdicts suppress every place it names; None when they do not."""
    if not suppressions or not body["places"]:
        return None
    rulings = set()
    for place in body["places"]:
        verdict = suppressions.verdict_on(place["key"], place["sit_id"], body["asset_uri"])
        if verdict is None:
            return None
        rulings.add(verdict.ruling)
    return "false_positive" if rulings == {"false"} else "overridden"


def _why(body: Mapping[str, Any], run: Row[Any], reason: str) -> str:
    """The reason, and what else is not as it was when it was last found."""
    other = []
    if body["policy"]["version"] != run.policy_version:
        other.append(f"policy version {run.policy_version}, not {body['policy']['version']}")
    if body["pack"]["hash"] != run.pack_hash:
        other.append("another pack")
    return reason + (f" (under {' and '.join(other)})" if other else "")


def _records_of(row: Row[Any]) -> set[str]:
    return {row.record_id, *(place["record_id"] for place in row.body["places"])} - {""}


def _problems_kept(connection: Connection, run_asset: int) -> int:
    query = select(func.count()).where(problems.c.run_asset == run_asset)
    return connection.scalar(query) or 0


def _unread(connection: Connection, run_asset: int) -> frozenset[str]:
    query = select(problems.c.record_id).where(problems.c.run_asset == run_asset).distinct()
    return frozenset(connection.scalars(query))


def pages(connection: Connection, chosen: ColumnElement[bool]) -> Iterator[Sequence[Row[Any]]]:
    """The violations chosen, a page at a time; what is done with one may change what is chosen."""
    after = ""
    while True:
        query = (
            select(violations)
            .where(chosen, violations.c.violation_id > after)
            .order_by(violations.c.violation_id)
            .limit(_PAGE)
        )
        rows = connection.execute(query).all()
        if rows:
            yield rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].violation_id


def end_exemptions(connection: Connection, ids: Sequence[str], at: str) -> None:
    """What people said of these violations holds no longer."""
    for piece in chunks(ids):
        holding = exemptions.c.violation_id.in_(piece), exemptions.c.ended_at.is_(None)
        connection.execute(update(exemptions).where(*holding).values(ended_at=at))


def end_expired(db: Database) -> int:
    """Let violations come back alive whose override has ended; returns how many. Cheap when none."""
    at = db.moment()
    ended = exemptions.c.ended_at.is_(None), exemptions.c.expires_at <= at
    query = (
        select(violations, exemptions.c.actor, exemptions.c.kind)
        .join(exemptions, exemptions.c.violation_id == violations.c.violation_id)
        .where(*ended)
    )
    with db.read() as connection:
        if connection.execute(query.limit(1)).first() is None:
            return 0
    with db.write() as connection:
        rows = connection.execute(query.with_for_update()).all()
        steps = [
            Step(
                row.violation_id,
                row.status,
                "reopened",
                Change(PRODUCT, f"what {row.actor} said of it ({row.kind}) has expired"),
                "reopened",
                row.body,
                row.event_id,
            )
            for row in rows
            if row.status == row.kind
        ]
        end_exemptions(connection, [row.violation_id for row in rows], at)
        take(connection, steps, at)
    return len(steps)


def history_of(db: Database, violation_id: str) -> list[Past]:
    """Every step of a violation, oldest first."""
    query = (
        select(violation_history)
        .where(violation_history.c.violation_id == violation_id)
        .order_by(violation_history.c.seq)
    )
    with db.read() as connection:
        return [
            Past(row.at, row.actor, row.before, row.after, row.reason, row.run_id)
            for row in connection.execute(query)
        ]
