"""What people do with a violation: override it, call it a false positive, take that back.

The rule that fired says who may override, for how long, and whether a justification is demanded;
its terms travel with the violation. Each deed is one transaction: what was said, the step in the
violation's life, its event, and an act in the audit log.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    insert,
    or_,
    select,
    true,
    type_coerce,
)

from dlpagent.errors import StateError
from dlpagent.state.audit import AuditKey, record_act
from dlpagent.state.database import Database
from dlpagent.state.life import JUDGED, PRODUCT, Step, end_exemptions, judged, pages, take
from dlpagent.state.tables import exemptions, violations
from dlpagent.state.types import moment, time_of
from dlpagent.suppressions import Suppressions
from dlpagent.violations import (
    Change,
    EventKind,
    OverrideTerms,
    ViolationStatus,
    violation_from_json,
)

Kind = Literal["overridden", "false_positive"]
Covers = Literal["evidence", "item"]

DEFAULT_DAYS = 90
"""How long an override lasts when neither the rule nor the person says."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """What somebody said of a violation. covers: the evidence as it was, or the item whatever it holds.

    expires_at, ended_at: UTC, ISO 8601 with Z; it holds while ended_at is None.
    """

    kind: str
    actor: str
    at: str
    justification: str
    covers: str
    expires_at: str | None
    ended_at: str | None


def override(
    db: Database,
    actor: str,
    violation_id: str,
    justification: str,
    *,
    until: str | None = None,
    covers: Covers = "evidence",
    audit_key: AuditKey | None = None,
) -> str:
    """Override a violation; returns when the override ends.

    until: UTC as the state writes it; the longest the rule allows, else 90 days, when None.
    Raises StateError when the rule does not allow it so.
    """
    with db.write() as connection:
        row = _standing(connection, violation_id)
        terms = violation_from_json(row.body).override
        longest = db.now() + timedelta(days=terms.days or 3650)
        usual = db.now() + timedelta(days=terms.days or DEFAULT_DAYS)
        ends = until or moment(usual)
        _allow(row, terms, actor, justification)
        if not db.moment() < ends <= moment(longest):
            raise _refused(
                row,
                f"an end between now and {moment(longest)[:10]}",
                ends,
                "Name an earlier end, or one that is not past, with --until or --days.",
            )
        said = Change(actor, justification, ends)
        _exempt(connection, db, row, "overridden", said, covers)
        told = {"until": ends, "justification": justification, "covers": covers}
        _record(connection, db, actor, "violation.override", row, told, audit_key)
    return ends


def call_false_positive(
    db: Database,
    actor: str,
    violation_id: str,
    reason: str,
    *,
    audit_key: AuditKey | None = None,
) -> None:
    """Call a violation a false positive: it stays so as long as its evidence is what it is now.

    Raises StateError when there is no such violation, it is resolved, or no reason is given.
    """
    with db.write() as connection:
        row = _standing(connection, violation_id)
        if not reason.strip():
            raise _no_words(row)
        _exempt(connection, db, row, "false_positive", Change(actor, reason), "evidence")
        _record(
            connection, db, actor, "violation.false_positive", row, {"reason": reason}, audit_key
        )


def reopen(
    db: Database, actor: str, violation_id: str, reason: str, *, audit_key: AuditKey | None = None
) -> None:
    """Take back an override or a false positive. Raises StateError when it is neither."""
    with db.write() as connection:
        row = _row_of(connection, violation_id)
        if row.status not in ("overridden", "false_positive"):
            raise StateError(
                "the violation cannot be reopened",
                where=violation_id,
                expected="one that is overridden or a false positive",
                found=row.status.replace("_", " "),
                remedy="A resolved one comes back by itself when a sweep finds it again.",
            )
        end_exemptions(connection, [violation_id], db.moment())
        change = Change(actor, reason or "taken back")
        step = Step(
            violation_id, row.status, "reopened", change, "reopened", row.body, row.event_id
        )
        take(connection, [step], db.moment())
        _record(connection, db, actor, "violation.reopen", row, {"reason": reason}, audit_key)


def judge(connection: Connection, keys: frozenset[str], suppressions: Suppressions, at: str) -> int:
    """Bring violations up to date with verdicts on these values (keys); returns how many changed.

    Open ones become false positives (or overridden, where values are accepted) when every place of
    theirs is suppressed; those that only a verdict had made so are reopened when none is any more.
    Call it in the transaction that stores verdicts. What a person said of a violation stays.
    """
    steps = []
    for row in _about(connection, keys):
        if row.status == "resolved" or _holding(connection, row.violation_id) is not None:
            continue
        after = judged(row.body, suppressions) if _is_told_whole(row.body) else None
        exempt = row.status in ("overridden", "false_positive")
        wanted: ViolationStatus = after or ("reopened" if exempt else row.status)
        if wanted == row.status:
            continue
        change = Change(PRODUCT, JUDGED if after else "no verdict suppresses its values any more")
        kind: EventKind = after or "reopened"
        ident = row.violation_id
        steps.append(Step(ident, row.status, wanted, change, kind, row.body, row.event_id))
    take(connection, steps, at)
    return len(steps)


def exemptions_of(db: Database, violation_id: str) -> list[Exemption]:
    """Everything that was said of a violation, oldest first."""
    query = select(exemptions).where(exemptions.c.violation_id == violation_id)
    with db.read() as connection:
        return [
            Exemption(
                row.kind,
                row.actor,
                row.at,
                row.justification,
                row.covers,
                row.expires_at,
                row.ended_at,
            )
            for row in connection.execute(query.order_by(exemptions.c.seq))
        ]


def parsed_end(text: str) -> str:
    """An end as people write it (a date or an ISO 8601 time; UTC without a zone) as the state does.

    Raises StateError.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise StateError(
            "this is not a time",
            where="--until",
            expected="a date such as 2027-01-31, or a time as ISO 8601 has it",
            found=text[:40],
            remedy="Or give --days.",
        ) from None
    return moment(time if time.tzinfo else time.replace(tzinfo=UTC))


def _row_of(connection: Connection, violation_id: str) -> Row[Any]:
    query = select(violations).where(violations.c.violation_id == violation_id)
    row = connection.execute(query.with_for_update()).first()
    if row is None:
        raise StateError(
            "there is no such violation",
            where=violation_id,
            expected="the id of a violation in this state",
            remedy="List them: dlpagent violations list --state STATE",
        )
    return row


def _standing(connection: Connection, violation_id: str) -> Row[Any]:
    row = _row_of(connection, violation_id)
    if row.status == "resolved":
        raise StateError(
            "the violation is resolved",
            where=violation_id,
            expected="one that stands",
            found="that it was not found any more",
            remedy="Nothing is to be done; it comes back by itself when a sweep finds it again.",
        )
    return row


def _allow(row: Row[Any], terms: OverrideTerms, actor: str, justification: str) -> None:
    """Raise StateError unless the rule lets this person override it with these words."""
    if not terms.allowed:
        raise _refused(row, "a rule that can be overridden", "override: none", _ASK)
    if terms.by and not any(_matches(glob, actor) for glob in terms.by):
        raise _refused(row, f"one of {', '.join(terms.by)}", actor, _ASK)
    if terms.justification and not justification.strip():
        raise _no_words(row)


_ASKED_ONE_BY_ONE = 20
_ASK = "Ask whoever keeps the policy, or clean the item."


def _matches(glob: str, actor: str) -> bool:
    return re.match(fnmatch.translate(glob.casefold()), actor.casefold()) is not None


def _refused(row: Row[Any], expected: str, found: str, remedy: str) -> StateError:
    rule = row.body["rule_name"]
    return StateError(
        f"the rule {rule!r} does not allow this override",
        where=row.violation_id,
        expected=expected,
        found=found,
        remedy=remedy,
    )


def _no_words(row: Row[Any]) -> StateError:
    return StateError(
        "a justification is demanded",
        where=row.violation_id,
        expected="a reason in words",
        found="none",
        remedy="Say why with --reason.",
    )


def _exempt(
    connection: Connection, db: Database, row: Row[Any], kind: Kind, said: Change, covers: Covers
) -> None:
    at = db.moment()
    end_exemptions(connection, [row.violation_id], at)
    connection.execute(
        insert(exemptions).values(
            violation_id=row.violation_id,
            kind=kind,
            actor=said.by,
            at=at,
            justification=said.reason,
            covers=covers,
            evidence=row.body["evidence"],
            expires_at=said.until,
        )
    )
    step = Step(row.violation_id, row.status, kind, said, kind, row.body, row.event_id)
    take(connection, [step], at)


def _record(
    connection: Connection,
    db: Database,
    actor: str,
    act: str,
    row: Row[Any],
    details: Mapping[str, Any],
    key: AuditKey | None,
) -> None:
    told = {"before": row.status, "rule": row.body["rule_name"], **details}
    record_act(connection, actor, act, row.violation_id, told, key=key, clock=db.clock)


def _holding(connection: Connection, violation_id: str) -> Row[Any] | None:
    query = select(exemptions).where(
        exemptions.c.violation_id == violation_id, exemptions.c.ended_at.is_(None)
    )
    return connection.execute(query).first()


def _about(connection: Connection, keys: frozenset[str]) -> list[Row[Any]]:
    """The violations with a place of one of these values. Keys are hexadecimal: no wildcards."""
    which: ColumnElement[bool] = true()
    if len(keys) <= _ASKED_ONE_BY_ONE:
        body = type_coerce(violations.c.body, Text)
        which = or_(*(body.like(f'%"key":"{key}"%') for key in sorted(keys)))
    return [
        row
        for page in pages(connection, which)
        for row in page
        if not keys.isdisjoint(place["key"] for place in row.body["places"])
    ]


def _is_told_whole(body: Mapping[str, Any]) -> bool:
    """Whether its places are all there are: at most 100 are kept."""
    found: int = sum(sit["count"] for sit in body["sits"])
    return len(body["places"]) >= found


def days_from(db: Database, days: int) -> str:
    """The moment so many days from now."""
    return moment(time_of(db.moment()) + timedelta(days=days))
