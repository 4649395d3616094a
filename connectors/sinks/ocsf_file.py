"""Violations as OCSF events of class 2006, Data Security Finding, one JSON line each.

Source: ocsf-schema 1.6.0; every attribute used exists unchanged in 1.7.0. docs/events.md has the
mapping. finding_info.uid is the violation (the same through create, update and close),
metadata.uid the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dlpagent import __version__
from dlpagent.connectors.sinks._append import DEFAULT_WINDOW, AppendFile, encode
from dlpagent.connectors.sinks._event import (
    DEFAULT_PLACES,
    as_guid,
    extension,
    is_address,
    is_closed,
    milliseconds,
    top_confidence,
    total_count,
)
from dlpagent.connectors.sinks._ocsf_resources import places_of
from dlpagent.findings import Level, level_of
from dlpagent.ports import Receipt
from dlpagent.records import AssetKind
from dlpagent.violations import Event, EventKind, Place, Severity, SitCount, Violation

SCHEMA_VERSION: Final = "1.6.0"
CLASS_UID: Final = 2006

_ACTIVITIES: Final[Mapping[EventKind, tuple[int, str]]] = {
    "new": (1, "Create"),
    "changed": (2, "Update"),
    "resolved": (3, "Close"),
    "reopened": (2, "Update"),
    "overridden": (2, "Update"),
    "false_positive": (3, "Close"),
}
# "Suppressed: reviewed, determined to be benign or a false positive". Others stand: 1 New.
_STATUSES: Final[Mapping[EventKind, tuple[int, str]]] = {
    "resolved": (4, "Resolved"),
    "overridden": (3, "Suppressed"),
    "false_positive": (3, "Suppressed"),
}
_STANDS: Final = (1, "New")
_SEVERITIES: Final[Mapping[Severity, tuple[int, str]]] = {
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
}
_CONFIDENCES: Final[Mapping[Level, tuple[int, str]]] = {
    "low": (1, "Low"),
    "medium": (2, "Medium"),
    "high": (3, "High"),
}
# A stream is read on its way; everything else lies still.
_LIFECYCLES: Final[Mapping[AssetKind, tuple[int, str]]] = {"stream": (2, "Data in-Transit")}
_AT_REST: Final = (1, "Data at-Rest")
_DETECTORS: Final[Mapping[AssetKind, tuple[int, str]]] = {"stream": (10, "Application-Level DLP")}
_DISCOVERY: Final = (4, "Data Discovery & Classification")

# data_classification.category_id; "other" is what OCSF says of a mixture.
CATEGORIES: Final[Mapping[str, tuple[int, str]]] = {
    "unknown": (0, "Unknown"),
    "personal": (1, "Personal"),
    "governmental": (2, "Governmental"),
    "financial": (3, "Financial"),
    "business": (4, "Business"),
    "military": (5, "Military and Law Enforcement"),
    "security": (6, "Security"),
    "other": (99, "Other"),
}


class OcsfFile:
    """Appends events to a JSON-lines file of OCSF findings; see AppendFile for safety.

    categories: SIT id → name in CATEGORIES, for data_security.category; others are "unknown".
    max_places: places of masked evidence in the extension. window: ids known for repeats.
    """

    name = "ocsf"

    def __init__(
        self,
        target: str | Path,
        *,
        categories: Mapping[str, str] | None = None,
        max_places: int = DEFAULT_PLACES,
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self._file = AppendFile(target, prefix=b'{"metadata":{"uid":"', window=window)
        self._categories = dict(categories or {})
        self._max_places = max_places

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Append events in order; an event id the file holds already is not written again."""
        return self._file.append([(event.id, encode(self.record(event))) for event in events])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def record(self, event: Event) -> dict[str, Any]:
        """An event as an OCSF finding. metadata.uid comes first: the file finds repeats by it."""
        violation = event.violation
        activity_id, activity = _ACTIVITIES[event.kind]
        severity_id, severity = _SEVERITIES[violation.severity]
        status_id, status = _STATUSES.get(event.kind, _STANDS)
        return {
            "metadata": _metadata(event),
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": CLASS_UID,
            "class_name": "Data Security Finding",
            "activity_id": activity_id,
            "activity_name": activity,
            "type_uid": CLASS_UID * 100 + activity_id,
            "type_name": f"Data Security Finding: {activity}",
            "time": milliseconds(event.at),
            "severity_id": severity_id,
            "severity": severity,
            "status_id": status_id,
            "status": status,
            **_comment(event),
            "is_alert": not is_closed(event) and violation.mode != "simulate",
            "message": violation.reason,
            **_confidence(violation),
            "finding_info": _finding_info(event),
            "data_security": self._data_security(violation),
            **places_of(violation),
            **_actor(violation),
            "unmapped": {"dlpagent": extension(event, self._max_places)},
        }

    def _data_security(self, violation: Violation) -> dict[str, Any]:
        category_id, category = self._category(violation)
        state_id, state = _LIFECYCLES.get(violation.asset_kind, _AT_REST)
        system_id, system = _DETECTORS.get(violation.asset_kind, _DISCOVERY)
        found: dict[str, Any] = {
            "category_id": category_id,
            "category": category,
            "data_lifecycle_state_id": state_id,
            "data_lifecycle_state": state,
            "detection_system_id": system_id,
            "detection_system": system,
            "policy": {
                "uid": as_guid("policy", violation.policy.id),
                "name": violation.policy.name,
                "version": violation.policy.version,
                "is_applied": violation.mode == "enforce",
            },
            "status_id": 2 if violation.incomplete else 1,
            "status": "Partial" if violation.incomplete else "Complete",
            "total": total_count(violation),
        }
        return found | _classified(violation) | _confidentiality(violation)

    def _category(self, violation: Violation) -> tuple[int, str]:
        names = {self._categories.get(sit.id, "unknown") for sit in violation.sits}
        if len(names) > 1:
            return CATEGORIES["other"]
        return CATEGORIES.get(names.pop() if names else "unknown", CATEGORIES["unknown"])


def _metadata(event: Event) -> dict[str, Any]:
    return {
        "uid": as_guid("event", event.id),
        "version": SCHEMA_VERSION,
        "tenant_uid": as_guid("tenant", event.tenant_id),
        "product": {"name": "dlpagent", "vendor_name": "dlpagent", "version": __version__},
        "log_name": "violations",
    }


def _confidence(violation: Violation) -> dict[str, Any]:
    score = top_confidence(violation)
    if not score:
        return {}
    confidence_id, confidence = _CONFIDENCES[level_of(score)]
    return {"confidence_score": score, "confidence_id": confidence_id, "confidence": confidence}


def _comment(event: Event) -> dict[str, str]:
    change = event.change
    if change is None:
        return {}
    until = f" until {change.until}" if change.until else ""
    return {"comment": f"{event.kind} by {change.by}{until}: {change.reason}"}


def _finding_info(event: Event) -> dict[str, Any]:
    violation = event.violation
    at = milliseconds(event.at)
    info: dict[str, Any] = {
        "uid": violation.id,
        "title": f"{violation.policy.name}: {violation.rule_name}",
        "desc": violation.reason,
        "types": ["Data Loss Prevention"],
        "data_sources": [violation.connector],
        "analytic": {
            "uid": as_guid("rule", violation.policy.id, violation.rule_id),
            "name": violation.rule_name,
            "type_id": 1,
            "type": "Rule",
            "version": violation.policy.version,
        },
        "created_time" if event.kind == "new" else "modified_time": at,
    }
    if violation.conversation_id:
        info["related_events"] = [{"uid": violation.conversation_id, "type": "Conversation"}]
    return info


def _classified(violation: Violation) -> dict[str, Any]:
    """The surest SIT as the classifier, and every SIT with its count and places; never values."""
    if not violation.sits:
        return {}
    best = max(violation.sits, key=lambda sit: sit.confidence)
    return {
        "classifier_details": {
            "type": "Sensitive information type",
            "uid": as_guid("sit", best.id),
            "name": best.name,
        },
        "discovery_details": [_discovered(sit, violation.places) for sit in violation.sits],
    }


def _discovered(sit: SitCount, places: Sequence[Place]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": sit.name, "count": sit.count}
    occurrences = [_occurrence(place) for place in places if place.sit_id == sit.id]
    return found | ({"occurrences": occurrences} if occurrences else {})


def _occurrence(place: Place) -> dict[str, Any]:
    """Tables (row groups) have columns and rows; everything else has parts named by JSON path."""
    row = place.locator.get("row")
    if place.locator.get("row_group") is not None:
        at: dict[str, Any] = {"column_name": place.part, "row_number": row}
    else:
        at = {"json_path": place.part, "record_index_in_array": row}
    return {name: value for name, value in at.items() if value is not None}


def _confidentiality(violation: Violation) -> dict[str, Any]:
    """The label the item should carry: labels are the tenant's own, so "Other" with its name."""
    label = violation.recommended_label or violation.existing_label
    return {"confidentiality_id": 99, "confidentiality": label.name} if label else {}


def _actor(violation: Violation) -> dict[str, Any]:
    actor: dict[str, Any] = {}
    if violation.actor_id:
        actor["user"] = {"uid": violation.actor_id}
        if is_address(violation.actor_id):
            actor["user"]["email_addr"] = violation.actor_id
    if violation.app:
        actor["app_name"] = violation.app
    return {"actor": actor} if actor else {}
