"""Violations in the words of Graph: valid for every event, and every field where the mapping puts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpagent import __version__
from dlpagent.connectors.sinks import _graph_bodies
from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._graph_bodies import (
    Writer,
    activity_entry,
    content_activity,
    content_to_process,
    told,
)
from dlpagent.connectors.testing.microsoft.graph import entries_fault
from dlpagent.connectors.testing.microsoft.slices import faults_of_type
from dlpagent.violations import Event, LabelRef

GOLDEN = Path(__file__).parent / "golden"
USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
ACTOR = "7d0b4c1e-2f6e-4c52-9f2c-0a1b2c3d4e5f"
APP = "0f6c1d6a-93a1-4d0f-8a4c-60b3f5a0c702"
STABLE = Writer(USER, APP)
BETA = Writer(USER, APP, "beta")


@pytest.fixture(autouse=True)
def one_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graph_bodies.platform, "system", lambda: "Linux")


def sent(value: dict[str, Any]) -> Any:
    """As it goes over the wire."""
    return json.loads(encode(value))


@pytest.mark.parametrize("writer", [STABLE, BETA], ids=["v1.0", "beta"])
def test_every_activity_is_valid_and_holds_no_content(any_event: Event, writer: Writer) -> None:
    body = sent(content_activity(any_event, writer))
    assert faults_of_type(writer.api, "contentActivity", body) == []
    assert entries_fault(body["contentMetadata"], wants_content=False) == ""


@pytest.mark.parametrize("writer", [STABLE, BETA], ids=["v1.0", "beta"])
def test_every_content_is_valid(any_event: Event, writer: Writer) -> None:
    body = sent(content_to_process(any_event, writer))
    assert faults_of_type(writer.api, "processContentRequest", body) == []
    assert entries_fault(body, wants_content=True) == ""


@pytest.mark.parametrize(
    "kind", ["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("purview", lambda event: content_activity(event, STABLE)),
        ("purview-beta", lambda event: content_activity(event, BETA)),
        ("purview-content", lambda event: content_to_process(event, STABLE)),
    ],
)
def test_a_body_of_each_kind_stays_as_it_is(
    make_event: Callable[..., Event], kind: str, name: str, make: Callable[[Event], Any]
) -> None:
    golden = json.loads((GOLDEN / f"{name}-{kind}.json").read_text("utf-8"))
    body = sent(make(make_event(kind)))
    metadata = body.get("contentMetadata", body)
    assert metadata["integratedAppMetadata"].pop("version") == __version__
    assert body == golden


def entry(event: Event, writer: Writer = STABLE) -> dict[str, Any]:
    return activity_entry(event, writer)


CHAT = {"asset_kind": "chat_log", "app": "ChatGPT", "model": "m-1", "conversation_id": "c-1"}
LABEL = LabelRef("11111111-0000-4000-8000-000000000001", "General", 1)


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({}, "contentEntries.0.identifier", "EVENT"),
        ({}, "contentEntries.0.name", "chat.jsonl#r7"),
        ({"record_id": ""}, "contentEntries.0.name", "chat.jsonl"),
        ({}, "contentEntries.0.createdDateTime", "2026-03-01T12:00:00Z"),
        ({}, "contentEntries.0.modifiedDateTime", "2026-03-01T12:00:00Z"),
        (
            {"item_created_at": "2026-01-01T02:00:00+02:00"},
            "contentEntries.0.createdDateTime",
            "2026-01-01T00:00:00Z",
        ),
        ({}, "contentEntries.0.correlationId", "VIOLATION"),
        (CHAT, "contentEntries.0.correlationId", "c-1"),
        ({}, "contentEntries.0.sequenceNumber", 1772366400000),
        ({}, "contentEntries.0.contentCategory", "ai"),
        ({"incomplete": True}, "contentEntries.0.isTruncated", True),
        ({}, "contentEntries.0.@odata.type", "#microsoft.graph.processFileMetadata"),
        (CHAT, "contentEntries.0.@odata.type", "#microsoft.graph.processConversationMetadata"),
        ({"actor_id": ACTOR}, "contentEntries.0.ownerId", ACTOR),
        ({}, "contentEntries.0.customProperties.dlpagentRule", "No card numbers"),
        ({}, "contentEntries.0.customProperties.dlpagentPolicy", "Training data"),
        ({}, "contentEntries.0.customProperties.dlpagentSeverity", "high"),
        ({}, "contentEntries.0.customProperties.dlpagentMode", "enforce"),
        ({}, "contentEntries.0.customProperties.dlpagentKind", "new"),
        (
            {},
            "contentEntries.0.customProperties.dlpagentSits",
            "50842eb7-edc8-4019-85dd-5a5c1f2bb085 3 at 85",
        ),
        ({"existing_label": LABEL}, "contentEntries.0.customProperties.dlpagentLabel", LABEL.id),
        (
            CHAT | {"existing_label": LABEL},
            "contentEntries.0.accessedResources_v2.0.labelId",
            LABEL.id,
        ),
        ({}, "activityMetadata.activity", "uploadFile"),
        (CHAT, "activityMetadata.activity", "uploadText"),
        (CHAT, "protectedAppMetadata.name", "ChatGPT"),
        (CHAT, "protectedAppMetadata.version", "m-1"),
        ({}, "protectedAppMetadata.name", "jsonl"),
        ({}, "protectedAppMetadata.applicationLocation.value", APP),
        ({}, "integratedAppMetadata.name", "dlpagent"),
    ],
)
def test_each_field_of_the_mapping_is_where_the_documentation_says(
    make_event: Callable[..., Event], changed: dict[str, Any], field: str, value: Any
) -> None:
    event = make_event(**changed)
    found: Any = content_activity(event, STABLE)["contentMetadata"]
    names = field.replace("@odata.type", "@odata_type").split(".")
    for name in names:
        found = found[int(name)] if name.isdigit() else found[name.replace("_type", ".type")]
    names = {"EVENT": event.id, "VIOLATION": event.violation.id}
    assert found == names.get(value, value)


@pytest.mark.parametrize(
    ("actor", "user"),
    [(ACTOR, ACTOR), ("ann@example.org", USER), (None, USER), (f"{{{ACTOR.upper()}}}", ACTOR)],
)
def test_an_activity_is_written_for_the_actor_if_entra_knows_it_by_that_id(
    make_event: Callable[..., Event], actor: str | None, user: str
) -> None:
    assert content_activity(make_event(actor_id=actor), STABLE)["userId"] == user


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"mode": "enforce"}, {"enforcementResultStatus": "success"}),
        ({"mode": "audit"}, {"enforcementResultStatus": None}),
        ({}, {"recordType": "ComplianceDLPEnforcement"}),
        ({"incomplete": True, "actions": ("block",)}, {"errorAction": "block"}),
        ({"incomplete": True, "actions": ("block",), "mode": "audit"}, {"errorAction": "audit"}),
        ({"incomplete": True}, {"errorAction": "audit", "recordType": None}),
    ],
)
def test_beta_says_what_was_enforced_and_what_could_not_be_checked(
    make_event: Callable[..., Event], changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = entry(make_event(**changed), BETA)
    assert {name: found.get(name) for name in expected} == expected


def test_content_is_the_violation_in_words_with_masked_shapes(
    make_event: Callable[..., Event],
) -> None:
    event = make_event()
    text = content_to_process(event, STABLE)["contentEntries"][0]["content"]["data"]
    assert text == told(event)
    assert "No card numbers (high, new)" in text
    assert "****-****-****-1111" in text


def test_a_name_is_cut_and_never_empty(make_event: Callable[..., Event]) -> None:
    assert len(entry(make_event(record_id="x" * 999))["name"]) == 250
    assert entry(make_event(asset_uri="", record_id=""))["name"] == "item"
