"""Violations in the words of Graph's data security API. docs/events.md has the mapping.

Source: the v1.0 and beta descriptions of dataSecurityAndGovernance. No body holds a value: what is
sent as content is the reason of the violation with masked shapes.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from dlpagent import __version__
from dlpagent.connectors.sinks._event import asset_name, milliseconds
from dlpagent.errors import ConfigurationError
from dlpagent.records import AssetKind
from dlpagent.violations import Event, Violation

Api = Literal["v1.0", "beta"]

_GRAPH: Final = "#microsoft.graph."
_CONVERSATIONS: Final[frozenset[AssetKind]] = frozenset({"chat_log", "stream"})
_MAX_NAME: Final = 250
_MAX_MASKED: Final = 10


@dataclass(frozen=True, slots=True)
class Writer:
    """On whose behalf activities are written.

    user_id: the Entra object id of the user a sweep acts as; every write needs one, and data at
    rest has none. app_id: the Entra application id of the AI application that is protected.
    """

    user_id: str
    app_id: str | None = None
    api: Api = "v1.0"

    def user_of(self, violation: Violation) -> str:
        """The actor when the source gave an object id, else the user of the sweep."""
        try:
            return str(UUID(violation.actor_id or ""))
        except ValueError:
            return self.user_id


def checked_writer(user_id: str, app_id: str | None, api: str) -> Writer:
    """Raises ConfigurationError for ids that are no GUIDs and versions there are not."""
    for name, value in (("user_id", user_id), ("app_id", app_id)):
        try:
            UUID(str(value or "00000000-0000-0000-0000-000000000000"))
        except ValueError:
            raise ConfigurationError(
                f"the setting {name} is not an id of Entra",
                expected="a GUID",
                found=f"{len(str(value))} characters",
            ) from None
    if api not in ("v1.0", "beta"):
        raise ConfigurationError(
            "there is no such version of Graph",
            where="the setting api",
            expected="v1.0 or beta",
            found=api[:20],
        )
    return Writer(user_id, app_id, "beta" if api == "beta" else "v1.0")


def content_activity(event: Event, writer: Writer) -> dict[str, Any]:
    """The body of a contentActivity: that something happened, without content."""
    entry = activity_entry(event, writer)
    return {
        "userId": writer.user_of(event.violation),
        "contentMetadata": _request(event, writer, entry),
    }


def content_to_process(event: Event, writer: Writer) -> dict[str, Any]:
    """The contentToProcess of processContent: an entry with the violation told in words."""
    text = {"@odata.type": f"{_GRAPH}textContent", "data": told(event)}
    return _request(event, writer, {**entry_of(event, writer), "content": text})


def activity_name(violation: Violation) -> str:
    """uploadText for conversations, uploadFile for everything that lies as files or records."""
    return "uploadText" if violation.asset_kind in _CONVERSATIONS else "uploadFile"


def _request(event: Event, writer: Writer, entry: Mapping[str, Any]) -> dict[str, Any]:
    violation = event.violation
    protected: dict[str, Any] = {
        "@odata.type": f"{_GRAPH}protectedApplicationMetadata",
        "name": violation.app or violation.connector,
        "version": violation.model or "1",
    }
    if writer.app_id:
        protected["applicationLocation"] = location_of(writer.app_id)
    return {
        "contentEntries": [dict(entry)],
        "activityMetadata": {"activity": activity_name(violation)},
        "deviceMetadata": {
            "operatingSystemSpecifications": {"operatingSystemPlatform": platform.system()}
        },
        "integratedAppMetadata": {"name": "dlpagent", "version": __version__},
        "protectedAppMetadata": protected,
    }


def location_of(app_id: str) -> dict[str, str]:
    """An application as a place policies name."""
    return {"@odata.type": f"{_GRAPH}policyLocationApplication", "value": app_id}


def activity_entry(event: Event, writer: Writer) -> dict[str, Any]:
    """The entry of a contentActivity; beta has types of its own for what DLP did."""
    if writer.api == "v1.0":
        return entry_of(event, writer)
    violation = event.violation
    base = _base(event)
    if violation.incomplete:
        blocks = violation.mode == "enforce" and "block" in violation.actions
        return {
            "@odata.type": f"{_GRAPH}evaluationIncompleteActivityMetadata",
            **base,
            "errorAction": "block" if blocks else "audit",
            "inspectionIncompleteReason": {
                "errorCategory": "systemLimit",
                "errorType": "other",
                "errorMessage": "a part of the item could not be checked",
            },
        }
    entry = {
        "@odata.type": f"{_GRAPH}contentActivityMetadata",
        **base,
        "recordType": "ComplianceDLPEnforcement",
    }
    if event.kind == "overridden":
        return {**entry, "enforcementResultStatus": "userOverride"}
    return entry | ({"enforcementResultStatus": "success"} if violation.mode == "enforce" else {})


def entry_of(event: Event, writer: Writer) -> dict[str, Any]:
    """The item as an entry: a message of a conversation, else a file."""
    violation = event.violation
    if violation.asset_kind in _CONVERSATIONS:
        kind = {"@odata.type": f"{_GRAPH}processConversationMetadata"}
        return {**kind, **_base(event), **_accessed(violation)}
    return {
        "@odata.type": f"{_GRAPH}processFileMetadata",
        **_base(event),
        "ownerId": writer.user_of(violation),
        "customProperties": _properties(event),
    }


def _base(event: Event) -> dict[str, Any]:
    violation = event.violation
    record = f"#{violation.record_id}" if violation.record_id else ""
    return {
        "identifier": event.id,
        "name": (asset_name(violation.asset_uri) + record)[-_MAX_NAME:] or "item",
        "correlationId": violation.conversation_id or violation.id,
        "sequenceNumber": milliseconds(event.at),
        "isTruncated": violation.incomplete,
        "contentCategory": "ai",
        "createdDateTime": _moment(violation.item_created_at or event.at, event.at),
        "modifiedDateTime": _moment(event.at, event.at),
    }


def _accessed(violation: Violation) -> dict[str, Any]:
    """The conversation as a resource, with the label it carries."""
    if violation.existing_label is None:
        return {}
    resource = {
        "identifier": violation.asset_uri,
        "name": asset_name(violation.asset_uri),
        "url": violation.asset_uri,
        "labelId": violation.existing_label.id,
        "accessType": "read",
        "status": "success",
        "isCrossPromptInjectionDetected": False,
    }
    return {"accessedResources_v2": [resource]}


def _properties(event: Event) -> dict[str, str]:
    """What no field of the API holds, in the open dictionary of a file."""
    violation = event.violation
    label = violation.existing_label
    named = {
        "dlpagentKind": event.kind,
        "dlpagentViolation": violation.id,
        "dlpagentAsset": violation.asset_uri,
        "dlpagentPolicy": violation.policy.name,
        "dlpagentRule": violation.rule_name,
        "dlpagentSeverity": violation.severity,
        "dlpagentMode": violation.mode,
        "dlpagentReason": violation.reason,
        "dlpagentChange": f"by {event.change.by}: {event.change.reason}" if event.change else "",
        "dlpagentSits": "; ".join(
            f"{sit.id} {sit.count} at {sit.confidence}" for sit in violation.sits
        ),
        "dlpagentLabel": label.id if label else "",
    }
    kept = {name: value for name, value in named.items() if value}
    return {"@odata.type": f"{_GRAPH}customMetadataDictionary", **kept}


def told(event: Event) -> str:
    """The violation in words: rule, reason, masked shapes. Never the text of the item."""
    violation = event.violation
    masked = sorted({place.masked for place in violation.places})[:_MAX_MASKED]
    lines = [
        f"dlpagent: {violation.policy.name}: {violation.rule_name} ({violation.severity}, {event.kind})",
        violation.reason,
        *masked,
    ]
    return "\n".join(lines)


def _moment(at: str, otherwise: str) -> str:
    """A time as Graph writes it: UTC with Z; a time without zone is UTC."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        found = datetime.fromisoformat(otherwise)
    zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
