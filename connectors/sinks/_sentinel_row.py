"""A violation as a row of the table DlpAgentViolation_CL; deploy/sentinel has the table itself.

COLUMNS is the one home of the schema: the templates of deploy/sentinel are held equal by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dlpagent import __version__
from dlpagent.connectors.sinks._event import (
    asset_name,
    is_address,
    object_id,
    top_confidence,
    total_count,
)
from dlpagent.findings import level_of
from dlpagent.records import without_surrogates
from dlpagent.violations import Event, LabelRef, SitCount, Violation

TABLE: Final = "DlpAgentViolation_CL"
STREAM: Final = f"Custom-{TABLE}"
ID_COLUMN: Final = "EventId"

COLUMNS: Final[Mapping[str, str]] = {
    "TimeGenerated": "datetime",
    "DetectedAt": "datetime",
    "EventId": "string",
    "EventKind": "string",
    "ChangedBy": "string",
    "ChangeReason": "string",
    "OverrideUntil": "datetime",
    "ViolationId": "string",
    "EntraTenantId": "string",
    "PolicyId": "string",
    "PolicyName": "string",
    "PolicyVersion": "string",
    "RuleId": "string",
    "RuleName": "string",
    "Severity": "string",
    "Mode": "string",
    "Actions": "dynamic",
    "Location": "string",
    "Reason": "string",
    "AssetUri": "string",
    "AssetName": "string",
    "AssetKind": "string",
    "Connector": "string",
    "ItemLevel": "string",
    "ItemId": "string",
    "RecordId": "string",
    "ItemCreatedAt": "datetime",
    "ActorId": "string",
    "ActorUpn": "string",
    "App": "string",
    "Model": "string",
    "ConversationId": "string",
    "SitId": "string",
    "SitName": "string",
    "Confidence": "int",
    "ConfidenceLevel": "string",
    "FindingCount": "long",
    "UniqueCount": "long",
    "Sits": "dynamic",
    "Places": "dynamic",
    "PlacesTotal": "long",
    "RecommendedLabelId": "string",
    "RecommendedLabel": "string",
    "ExistingLabelId": "string",
    "ExistingLabel": "string",
    "LabelCeiling": "string",
    "Incomplete": "boolean",
    "Evidence": "string",
    "PackId": "string",
    "PackVersion": "string",
    "ProductVersion": "string",
}

# A field of a row holds at most 64 KB; the service would cut a longer one without a word.
_MAX_CHARS: Final = 8_000


def row_of(event: Event, max_places: int) -> dict[str, Any]:
    """The row of an event. Absent values are left out; places hold masked evidence only."""
    violation = event.violation
    row = {
        # The service moves a TimeGenerated of days ago to now; DetectedAt stays what it is.
        "TimeGenerated": event.at,
        "DetectedAt": event.at,
        "EventId": event.id,
        "EventKind": event.kind,
        "ChangedBy": event.change.by if event.change else None,
        "ChangeReason": event.change.reason if event.change else None,
        "OverrideUntil": event.change.until if event.change else None,
        "ViolationId": violation.id,
        "EntraTenantId": event.tenant_id,
        **_rule(violation),
        **_item(violation),
        **_found(violation, max_places),
        **_label("RecommendedLabel", violation.recommended_label),
        **_label("ExistingLabel", violation.existing_label),
        "LabelCeiling": violation.ceiling.name if violation.ceiling else None,
        "Incomplete": violation.incomplete,
        "Evidence": violation.evidence,
        "PackId": violation.pack.id,
        "PackVersion": violation.pack.version,
        "ProductVersion": __version__,
    }
    return {name: _fitting(value) for name, value in row.items() if value not in (None, "")}


def _rule(violation: Violation) -> dict[str, Any]:
    return {
        "PolicyId": violation.policy.id,
        "PolicyName": violation.policy.name,
        "PolicyVersion": violation.policy.version,
        "RuleId": violation.rule_id,
        "RuleName": violation.rule_name,
        "Severity": violation.severity.capitalize(),
        "Mode": violation.mode,
        "Actions": list(violation.actions),
        "Location": violation.location,
        "Reason": violation.reason,
    }


def _item(violation: Violation) -> dict[str, Any]:
    actor = violation.actor_id or ""
    created = violation.item_created_at
    zoned = created is None or created.endswith("Z") or created[-6:-5] in ("+", "-")
    return {
        "AssetUri": violation.asset_uri,
        "AssetName": asset_name(violation.asset_uri),
        "AssetKind": violation.asset_kind,
        "Connector": violation.connector,
        "ItemLevel": violation.item_level,
        "ItemId": object_id(violation),
        "RecordId": violation.record_id,
        "ItemCreatedAt": created if zoned else f"{created}Z",
        "ActorId": actor,
        "ActorUpn": actor if is_address(actor) else None,
        "App": violation.app,
        "Model": violation.model,
        "ConversationId": violation.conversation_id,
    }


def _found(violation: Violation, max_places: int) -> dict[str, Any]:
    """The surest SIT in columns of its own, every SIT and the first places as arrays."""
    confidence = top_confidence(violation)
    best = max(violation.sits, key=lambda sit: sit.confidence, default=None)
    return {
        "SitId": best.id if best else None,
        "SitName": best.name if best else None,
        "Confidence": confidence,
        "ConfidenceLevel": level_of(confidence) if best else None,
        "FindingCount": total_count(violation),
        "UniqueCount": sum(sit.unique for sit in violation.sits),
        "Sits": [_sit(sit) for sit in violation.sits],
        "Places": [
            {"Part": p.part[:200], "Start": p.start, "End": p.end, "SitId": p.sit_id,
             "Confidence": p.confidence, "Masked": p.masked[:200], "Key": p.key}
            for p in violation.places[:max_places]
        ],
        "PlacesTotal": violation.places_total,
    }  # fmt: skip


def _sit(sit: SitCount) -> dict[str, Any]:
    return {
        "Id": sit.id,
        "Name": sit.name,
        "Confidence": sit.confidence,
        "Count": sit.count,
        "Unique": sit.unique,
    }


def _label(name: str, label: LabelRef | None) -> dict[str, Any]:
    return {f"{name}Id": label.id, name: label.name} if label else {}


def _fitting(value: Any) -> Any:
    return without_surrogates(value)[:_MAX_CHARS] if isinstance(value, str) else value
