"""Verdicts in the state: set, withdrawn and read. Every change is an act in the audit log.

The table holds what stands now; who decided what before is told by the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace

from sqlalchemy import Connection, Row, delete, select

from dlpagent.state.audit import AuditKey, record_act
from dlpagent.state.database import Database
from dlpagent.state.exempting import judge
from dlpagent.state.sql import chunks, insert_or_update
from dlpagent.state.tables import verdicts
from dlpagent.suppressions import Suppressions, Verdict
from dlpagent.violations import stable_id

_COLUMNS = tuple(item.name for item in fields(Verdict))


def verdict_id(verdict: Verdict) -> str:
    """Names a verdict: the same value, SIT and scope have one, which can change."""
    return stable_id("verdict", verdict.key, verdict.sit_id, verdict.scope)


def set_verdicts(
    db: Database,
    actor: str,
    given: Sequence[Verdict],
    *,
    act: str = "verdict.set",
    origin: str = "",
    audit_key: AuditKey | None = None,
) -> list[Verdict]:
    """Store verdicts, replacing those on the same value, SIT and scope, all or none.

    actor: who decided (dlpagent.state.audit). origin: what they all came from (a file and its
    digest, a new key); then they are one act, named `act`, instead of one each. Returns them as
    stored. Raises StateError.
    """
    with db.write() as connection:
        known = {verdict_id(item): item for item in _stored(connection)}
        now = db.moment()
        stored = [_dated(item, known.get(verdict_id(item)), actor, now) for item in given]
        rows = [_row(item) for item in stored]
        for piece in chunks(rows):
            insert_or_update(connection, verdicts, piece)
        _judge(connection, stored, now)
        if origin:
            record_act(connection, actor, act, origin, {"verdicts": len(stored)},
                       key=audit_key, clock=db.clock)  # fmt: skip
            return stored
        for item in stored:
            before = known.get(verdict_id(item))
            record_act(connection, actor, act, verdict_id(item), _told(item, before),
                       key=audit_key, clock=db.clock)  # fmt: skip
    return stored


def _dated(verdict: Verdict, before: Verdict | None, actor: str, now: str) -> Verdict:
    created = before.created_at if before else now
    return replace(verdict, actor=actor, created_at=created, updated_at=now)


def _row(verdict: Verdict) -> dict[str, object]:
    row = {name: getattr(verdict, name) for name in _COLUMNS}
    return {"verdict_id": verdict_id(verdict), **row}


def _told(verdict: Verdict, before: Verdict | None) -> dict[str, object]:
    """What the audit log says of a verdict."""
    return {
        "ruling": verdict.ruling, "before": before.ruling if before else None,
        "sit": verdict.sit_id, "key": verdict.key, "scope": verdict.scope,
        "reason": verdict.reason, "owner": verdict.owner, "expires_at": verdict.expires_at,
    }  # fmt: skip


def withdraw_verdicts(
    db: Database,
    actor: str,
    given: Sequence[Verdict],
    *,
    reason: str = "",
    audit_key: AuditKey | None = None,
) -> int:
    """Take verdicts back, as if they had never been made; returns how many there were."""
    gone = 0
    with db.write() as connection:
        known = {verdict_id(item): item for item in _stored(connection)}
        for ident in {verdict_id(item) for item in given} & known.keys():
            connection.execute(delete(verdicts).where(verdicts.c.verdict_id == ident))
            was = known[ident]
            record_act(
                connection, actor, "verdict.withdraw", ident,
                {"before": was.ruling, "sit": was.sit_id, "key": was.key, "scope": was.scope,
                 "reason": reason},
                key=audit_key, clock=db.clock,
            )  # fmt: skip
            gone += 1
        _judge(connection, given, db.moment())
    return gone


def _judge(connection: Connection, given: Sequence[Verdict], now: str) -> None:
    """Violations that rest on these values are told what stands now."""
    judge(connection, frozenset(item.key for item in given), suppressions_in(connection, now), now)


def stored_verdicts(db: Database) -> list[Verdict]:
    """All verdicts, expired ones too, the oldest first."""
    with db.read() as connection:
        return list(_stored(connection))


def suppressions_of(db: Database, more: Iterable[Verdict] = ()) -> Suppressions:
    """What the stored verdicts, and more of them, suppress now."""
    return Suppressions.of([*stored_verdicts(db), *more], db.moment())


def suppressions_in(connection: Connection, now: str) -> Suppressions:
    """What the stored verdicts suppress at a moment, inside a transaction."""
    return Suppressions.of(_stored(connection), now)


def _stored(connection: Connection) -> Iterator[Verdict]:
    order = (verdicts.c.created_at, verdicts.c.verdict_id)
    for row in connection.execute(select(verdicts).order_by(*order)):
        yield _verdict(row)


def _verdict(row: Row[tuple[object, ...]]) -> Verdict:
    return Verdict(**{name: getattr(row, name) for name in _COLUMNS})
