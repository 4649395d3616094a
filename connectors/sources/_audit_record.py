"""Records of Microsoft's unified audit log: who used which AI, what it read, which labels that bore.

Source of the shapes: the common schema and the CopilotInteraction schema of the Office 365
Management Activity API. There is no prompt and no answer in them, only their ids: `ThreadId` is the
`sessionId` of Graph's interactions and `Messages[].Id` their `id`, so that both can be joined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dlpagent.connectors.sources._ai_interaction import APP
from dlpagent.connectors.sources._log_fields import (
    dict_at,
    first_text,
    first_time,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    text_at,
    without,
)
from dlpagent.connectors.sources._log_reader import LogRecord
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

# Operations by which AI is used; record types 261, 284 and 328 of the documentation.
AI_OPERATIONS = ("CopilotInteraction", "AIAppInteraction", "ConnectedAIAppInteraction")
EVENT = "CopilotEventData"
_KEYS = frozenset({
    "Id", "CreationTime", "Operation", "OrganizationId", "RecordType", "UserKey", "UserType",
    "Version", "Workload", "UserId", "ResultStatus", "Scope", "CopilotLogVersion", "ClientRegion",
})  # fmt: skip
_INNER = frozenset({
    "ThreadId", "MessageIds", "Messages", "SensitivityLabelId", "listItemUniqueId", "Type",
    "Action", "AppHost", "ModelName", "ModelProviderName", "ModelVersion",
})  # fmt: skip
_MAX_LABELS = 100


def is_ai(value: object) -> bool:
    """True for the use of an AI."""
    return text_at(value, "Operation") in AI_OPERATIONS or EVENT in dict_at(value)


def audit_record(value: Mapping[str, Any], identity: str) -> LogRecord:
    """The record of one audit record, named by its Id; labels are those of what was accessed."""
    event = json_or_text(value.get(EVENT))
    operation = text_at(value, "Operation")
    accessed = list_at(event, "AccessedResources")
    messages = [one for one in list_at(event, "Messages") if text_at(one, "Id")]
    columns = {
        "record_id": text_at(value, "Id") or identity,
        "app": _app(value, event, operation),
        "model": _model(event),
        "actor_id": first_text(value, "UserId", "UserKey"),
        "conversation_id": text_at(event, "ThreadId"),
        "created_at": first_time(value, "CreationTime"),
        "labels": _labels(event),
        "attachments": [_attachment(one) for one in accessed] or None,
        "metadata": _metadata(operation, event, messages),
    }
    return LogRecord(columns, list(_parts(value, event)))


def _parts(value: Mapping[str, Any], event: Any) -> Iterator[ShapePart]:
    rest = rest_of(value, _KEYS)
    rest.pop(EVENT, None)
    if isinstance(event, Mapping):
        if is_ai(value):
            reason = "the audit log names messages and does not hold their text"
            yield no_content(f"{EVENT}.Messages", reason)
        rest[EVENT] = without(event, _is_inner_id)
    elif event is not None:
        rest[EVENT] = event
    yield from parts_of(rest)


def _is_inner_id(key: str, value: Any) -> bool:
    """Ids and constants of the event; a list of messages holds nothing else."""
    if key == "Messages":
        return isinstance(value, list) and all(_is_message_id(one) for one in value)
    if key == "MessageIds":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return key in _INNER and isinstance(value, str | int) and len(str(value)) <= 200


def _is_message_id(one: Any) -> bool:
    known = {"Id", "isPrompt", "Size", "JailbreakDetected", "XPIADetected"}
    return isinstance(one, Mapping) and one.keys() <= known and not rest_of(one, known)


def _app(value: Mapping[str, Any], event: Any, operation: str | None) -> str:
    if operation == "CopilotInteraction" or (operation is None and isinstance(event, Mapping)):
        return APP
    named = first_text(value, "AppIdentity.DisplayName", "AppIdentity", "AppName")
    return named or text_at(event, "AppHost") or text_at(value, "Workload") or "Microsoft 365"


def _model(event: Any) -> str | None:
    named = [text_at(one, "ModelName") for one in list_at(event, "ModelTransparencyDetails")]
    return next((name for name in named if name), None)


def _labels(event: Any) -> list[str] | None:
    """The labels touched: of the resources that were accessed, and of the contexts."""
    found: dict[str, None] = {}
    for one in (*list_at(event, "AccessedResources"), *list_at(event, "Contexts")):
        label = text_at(one, "SensitivityLabelId")
        if label:
            found.setdefault(label.lower())
    return list(found)[:_MAX_LABELS] or None


def _attachment(one: Any) -> dict[str, Any]:
    ref = first_text(one, "SiteUrl", "Id")
    return {"name": text_at(one, "Name"), "mime": None, "size": None, "ref": ref}


def _metadata(operation: str | None, event: Any, messages: list[Any]) -> str | None:
    """What a join needs and no text is: the operation, where it happened, the ids of messages."""
    told: dict[str, Any] = {"operation": operation, "app_host": text_at(event, "AppHost")}
    prompts = [text_at(one, "Id") for one in messages if one.get("isPrompt") is True]
    answers = [text_at(one, "Id") for one in messages if one.get("isPrompt") is False]
    told |= {"prompts": prompts, "answers": answers}
    kept = {name: one for name, one in told.items() if one}
    return json.dumps(kept) if kept else None
