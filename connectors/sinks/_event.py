"""What all event formats share: ids as GUIDs, and our own extension object (docs/events.md)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dlpagent.findings import level_of
from dlpagent.violations import Change, Event, LabelRef, Place, SitCount, Violation, stable_id

EXTENSION_VERSION: Final = 1

# Places an event carries; all of them (up to 100) stay with the violation in the state.
DEFAULT_PLACES: Final = 10

_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")


@lru_cache(maxsize=4096)
def as_guid(kind: str, *parts: str) -> str:
    """The last part when it is a GUID (lower case, hyphenated), else a stable uuid5 of all parts.

    kind keeps the ids of policies, rules and SITs apart; a rule's parts are (policy id, rule id).
    """
    try:
        return str(uuid.UUID(parts[-1]))
    except ValueError:
        return stable_id(f"guid:{kind}", *parts)


def milliseconds(at: str) -> int:
    """An ISO 8601 time as milliseconds since 1970-01-01 UTC; a time without zone is UTC."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def is_address(actor: str) -> bool:
    """True when an actor id has the form of a mail address (a user principal name)."""
    return _ADDRESS.fullmatch(actor) is not None


def asset_name(uri: str) -> str:
    """The short name of an asset: its collection, table or file; the whole URI when it has none."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    name = parts.fragment or parts.path.rstrip("/").rpartition("/")[2] or parts.netloc
    return unquote(name) or uri


def object_id(violation: Violation) -> str:
    """The item as one string: the asset, and behind # the record when the item is one."""
    if not violation.record_id:
        return violation.asset_uri
    return f"{violation.asset_uri}#{violation.record_id}"


def total_count(violation: Violation) -> int:
    """Hits of all SITs a violation names."""
    return sum(sit.count for sit in violation.sits)


def top_confidence(violation: Violation) -> int:
    """The highest confidence in a violation; 0 when its rule names no SIT."""
    return max((sit.confidence for sit in violation.sits), default=0)


def extension(event: Event, max_places: int = DEFAULT_PLACES) -> dict[str, Any]:
    """The part of an event that no published schema has a field for. Absent values are left out.

    Places hold masked evidence only; max_places of them are given, places_total counts all.
    """
    violation = event.violation
    change = {"change": change_of(event.change)} if event.change else {}
    return {
        "v": EXTENSION_VERSION,
        "event_id": event.id,
        "event_kind": event.kind,
        "violation_id": violation.id,
        **change,
        "item": _present(
            asset=violation.asset_uri,
            asset_kind=violation.asset_kind,
            connector=violation.connector,
            level=violation.item_level,
            record=violation.record_id or None,
            created_at=violation.item_created_at,
        ),
        "policy": {
            "id": violation.policy.id,
            "name": violation.policy.name,
            "version": violation.policy.version,
        },
        "rule": {
            "id": violation.rule_id,
            "name": violation.rule_name,
            "severity": violation.severity,
            "mode": violation.mode,
            "location": violation.location,
            "actions": list(violation.actions),
        },
        "reason": violation.reason,
        "pack": {
            "id": violation.pack.id,
            "version": violation.pack.version,
            "hash": violation.pack.hash,
        },
        "labels": _present(
            recommended=_label(violation.recommended_label),
            existing=_label(violation.existing_label),
            ceiling=_label(violation.ceiling),
        ),
        "context": _present(
            actor=violation.actor_id,
            app=violation.app,
            model=violation.model,
            conversation=violation.conversation_id,
        ),
        "sits": [_sit(sit) for sit in violation.sits],
        "places_total": violation.places_total,
        "places": [_place(place) for place in violation.places[:max_places]],
        "evidence": violation.evidence,
        "incomplete": violation.incomplete,
    }


def change_of(change: Change) -> dict[str, str]:
    """Who changed the state of a violation and why; until when, if an end was set."""
    until = {"until": change.until} if change.until else {}
    return {"by": change.by, "reason": change.reason, **until}


def is_closed(event: Event) -> bool:
    """Whether nothing is to be done about the violation any more, or for now."""
    return event.kind in ("resolved", "overridden", "false_positive")


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _label(label: LabelRef | None) -> Mapping[str, Any] | None:
    if label is None:
        return None
    return {"id": label.id, "name": label.name, "priority": label.priority}


def _sit(sit: SitCount) -> dict[str, Any]:
    return {
        "id": sit.id,
        "name": sit.name,
        "confidence": sit.confidence,
        "level": level_of(sit.confidence),
        "count": sit.count,
        "unique": sit.unique,
        "by_confidence": [
            {"confidence": confidence, "count": hits, "unique": many}
            for confidence, hits, many in sit.by_confidence
        ],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "record": place.record_id,
        "part": place.part,
        "start": place.start,
        "end": place.end,
        "sit": place.sit_id,
        "confidence": place.confidence,
        "level": level_of(place.confidence),
        "masked": place.masked,
        "key": place.key,
        "locator": {name: value for name, value in place.locator.items() if value is not None},
    }
