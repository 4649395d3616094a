"""Violations as people see them: listed, shown with their life, found by the beginning of an id."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dlpagent.errors import ConfigurationError
from dlpagent.state import State
from dlpagent.state.exempting import exemptions_of
from dlpagent.state.life import history_of
from dlpagent.state.model import StoredViolation
from dlpagent.violations import OPEN_STATUSES, ViolationStatus

STATUSES: tuple[ViolationStatus, ...] = (
    *OPEN_STATUSES,
    "resolved",
    "overridden",
    "false_positive",
)
_RANK = {"high": 0, "medium": 1, "low": 2}
_LEAST_OF_AN_ID = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """Which violations are wanted. status: open, any or one of STATUSES; asset, rule: globs."""

    status: str = "open"
    severity: str = "any"
    asset: str = "*"
    rule: str = "*"

    def fits_asset(self, uri: str) -> bool:
        """Whether an asset is meant."""
        return _matches(self.asset, uri)


def listed(state: State, asked: Asked) -> list[StoredViolation]:
    """The violations asked for, the most severe first, then the newest."""
    state.end_expired()
    wanted = (
        OPEN_STATUSES
        if asked.status == "open"
        else ()
        if asked.status == "any"
        else (asked.status,)
    )
    found = [each for each in state.violations(statuses=wanted) if _fits(each, asked)]  # type: ignore[arg-type]  # the command checks the word
    found.sort(key=lambda each: each.first_seen, reverse=True)
    return sorted(found, key=lambda each: _RANK[each.violation.severity])


def _fits(stored: StoredViolation, asked: Asked) -> bool:
    violation = stored.violation
    return (
        asked.severity in ("any", violation.severity)
        and _matches(asked.asset, violation.asset_uri)
        and _matches(asked.rule, violation.rule_name)
    )


def _matches(glob: str, text: str) -> bool:
    return glob == "*" or re.match(fnmatch.translate(glob), text, re.IGNORECASE) is not None


def found_by_id(state: State, beginning: str) -> str:
    """The violation whose id begins so. Raises ConfigurationError when there is none, or several."""
    wanted = beginning.strip().casefold()
    ids = [
        each.violation.id
        for each in state.violations()
        if len(wanted) >= _LEAST_OF_AN_ID and each.violation.id.startswith(wanted)
    ]
    if len(ids) != 1:
        raise ConfigurationError(
            "this names no violation" if not ids else "this names several violations",
            where=state.place,
            expected=f"an id, or at least {_LEAST_OF_AN_ID} characters that only one begins with",
            found=beginning[:40] if not ids else f"{len(ids)} that begin with {beginning[:40]}",
            remedy="List them: dlpagent violations list --state STATE --status any",
        )
    return ids[0]


def shown(state: State, violation_id: str) -> dict[str, Any]:
    """A violation with its history and what people said of it, as JSON."""
    state.end_expired()
    (stored,) = (each for each in state.violations() if each.violation.id == violation_id)
    return {
        **summary(stored),
        "violation": stored.violation.to_json(),
        "history": [asdict(each) for each in history_of(state.database, violation_id)],
        "exemptions": [asdict(each) for each in exemptions_of(state.database, violation_id)],
    }


def summary(stored: StoredViolation) -> dict[str, Any]:
    """One line of a list, as JSON."""
    violation = stored.violation
    return {
        "v": 1,
        "id": violation.id,
        "status": stored.status,
        "severity": violation.severity,
        "mode": violation.mode,
        "policy": violation.policy.name,
        "rule": violation.rule_name,
        "asset": violation.asset_uri,
        "record": violation.record_id or None,
        "reason": violation.reason,
        "first_seen": stored.first_seen,
        "last_seen": stored.last_seen,
    }


def shown_lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people. Masks and names only."""
    violation = found["violation"]
    record = f", record {found['record']}" if found["record"] else ""
    yield f"{found['id']}  {in_words(found['status'])}  {found['severity']} ({found['mode']})"
    yield f"  {found['policy']}: {found['rule']}"
    yield f"  {found['asset']}{record}"
    yield f"  {found['reason']}"
    for sit in violation["sits"]:
        yield (
            f"  {sit['name']}: {sit['count']} ({sit['unique']} unique), "
            f"confidence {sit['confidence']}"
        )
    for place in violation["places"][:5]:
        at = f"{place['part']}[{place['start']}:{place['end']}]"
        yield f"    {place['masked']} in {place['record_id']} {at}, key {place['key'][:8]}"
    yield "  history"
    for step in found["history"]:
        before = f"{in_words(step['before'])} → " if step["before"] else ""
        change = f"{before}{in_words(step['after'])}"
        yield f"    {step['at'][:19]}Z  {change}  by {step['actor']}: {step['reason']}"
    for said in found["exemptions"]:
        end = said["ended_at"] or said["expires_at"]
        until = f" {'ended' if said['ended_at'] else 'until'} {end[:19]}Z" if end else ""
        yield (
            f"  {in_words(said['kind'])} by {said['actor']} (covers the {said['covers']}){until}: "
            f"{said['justification']}"
        )


def in_words(status: str) -> str:
    """A status as people write it."""
    return status.replace("_", " ")
