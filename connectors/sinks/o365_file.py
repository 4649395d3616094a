"""Violations as Office 365 audit records of the DLP schema, one JSON line each.

The shape is what Purview's own DLP writes to the audit log, so parsers, Sentinel queries and
dashboards made for it read ours. No public API accepts such records: the file is for a collector.
Source: Office 365 Management Activity API schema, "DLP schema"; docs/events.md has the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dlpagent.connectors.sinks._append import DEFAULT_WINDOW, AppendFile, encode
from dlpagent.connectors.sinks._event import DEFAULT_PLACES, as_guid, extension, object_id
from dlpagent.ports import Receipt
from dlpagent.violations import Event, EventKind, Mode, SitCount, Violation

# AuditLogRecordType ComplianceDLPApplications: DLP on applications, the nearest to AI apps.
RECORD_TYPE: Final = 263

# UserType numbers of the common schema.
REGULAR_USER: Final = 0
SERVICE_PRINCIPAL: Final = 6

# Who acted when nobody did: a sweep over data at rest has no user.
DEFAULT_PRINCIPAL: Final = "dlpagent"
DEFAULT_WORKLOAD: Final = "DlpAgent"

OPERATIONS: Final[Mapping[EventKind, str]] = {
    "new": "DlpRuleMatch",
    "changed": "DlpInfo",
    "resolved": "DlpRuleUndo",
    "reopened": "DlpRuleMatch",
    "overridden": "DlpInfo",
    "false_positive": "DlpRuleUndo",
}

# The modes of Purview's policies, as its records write them.
RULE_MODES: Final[Mapping[Mode, str]] = {
    "enforce": "Enable",
    "audit": "TestWithNotifications",
    "simulate": "TestWithoutNotifications",
}


class O365File:
    """Appends events to a JSON-lines file of O365 DLP audit records; see AppendFile for safety.

    service_principal: UserId of events without an actor. workload: the Workload of every record.
    max_places: places of masked evidence in the extension. window: ids known for repeats.
    """

    name = "o365"

    def __init__(
        self,
        target: str | Path,
        *,
        service_principal: str = DEFAULT_PRINCIPAL,
        workload: str = DEFAULT_WORKLOAD,
        max_places: int = DEFAULT_PLACES,
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self._file = AppendFile(target, prefix=b'{"Id":"', window=window)
        self._service_principal = service_principal
        self._workload = workload
        self._max_places = max_places

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Append events in order; an event id the file holds already is not written again."""
        return self._file.append([(event.id, encode(self.record(event))) for event in events])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def record(self, event: Event) -> dict[str, Any]:
        """An event as an O365 DLP audit record. Id comes first: the file finds repeats by it."""
        violation = event.violation
        actor = violation.actor_id
        return {
            "Id": as_guid("event", event.id),
            "RecordType": RECORD_TYPE,
            "CreationTime": event.at,
            "Operation": OPERATIONS[event.kind],
            "OrganizationId": as_guid("tenant", event.tenant_id),
            "UserType": REGULAR_USER if actor else SERVICE_PRINCIPAL,
            "UserKey": "DlpAgent",
            "Workload": self._workload,
            "ObjectId": object_id(violation),
            "UserId": actor or self._service_principal,
            "PolicyDetails": [_policy_details(violation)],
            **_exception(event),
            "SensitiveInfoDetectionIsIncluded": False,
            "DlpAgent": extension(event, self._max_places),
        }


def _exception(event: Event) -> dict[str, Any]:
    """ExceptionInfo of a violation that a person overrode or called a false positive."""
    change, violation = event.change, event.violation
    if event.kind not in ("overridden", "false_positive") or change is None:
        return {}
    info = {
        "Reason": f"by {change.by}" + (f" until {change.until}" if change.until else ""),
        "FalsePositive": event.kind == "false_positive",
        "Justification": change.reason,
        "Rules": [as_guid("rule", violation.policy.id, violation.rule_id)],
    }
    return {"ExceptionInfo": info}


def _policy_details(violation: Violation) -> dict[str, Any]:
    return {
        "PolicyId": as_guid("policy", violation.policy.id),
        "PolicyName": violation.policy.name,
        "Rules": [
            {
                "RuleId": as_guid("rule", violation.policy.id, violation.rule_id),
                "RuleName": violation.rule_name,
                "Actions": list(violation.actions),
                "Severity": violation.severity.capitalize(),
                "RuleMode": RULE_MODES[violation.mode],
                "ConditionsMatched": {
                    "SensitiveInformation": [_sensitive(sit) for sit in violation.sits],
                    "OtherConditions": _other_conditions(violation),
                },
            }
        ],
    }


def _sensitive(sit: SitCount) -> dict[str, Any]:
    """One SIT of the record. IsMatch is true throughout: the rule that named this SIT fired."""
    return {
        "Confidence": sit.confidence,
        "Count": sit.count,
        "UniqueCount": sit.unique,
        "SensitiveType": as_guid("sit", sit.id),
        "SensitiveInformationTypeName": sit.name,
        "SensitiveInformationDetailedClassificationAttributes": [
            {"Confidence": confidence, "Count": hits, "IsMatch": True}
            for confidence, hits, _ in sit.by_confidence
        ],
    }


def _other_conditions(violation: Violation) -> list[dict[str, str]]:
    ceiling = violation.ceiling.name if violation.ceiling else None
    existing = violation.existing_label.name if violation.existing_label else None
    named = {
        "Location": violation.location,
        "AssetKind": violation.asset_kind,
        "Connector": violation.connector,
        "App": violation.app,
        "Model": violation.model,
        "ConversationId": violation.conversation_id,
        "SensitivityLabels": existing,
        "LabelCeiling": ceiling,
    }
    return [{"Name": name, "Value": value} for name, value in named.items() if value]
