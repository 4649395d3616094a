"""Violations become rows of Sentinel: valid, whole, within the limits of a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlpagent import __version__
from dlpagent.connectors.sinks import sentinel
from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._sentinel_row import COLUMNS, row_of
from dlpagent.connectors.sinks.sentinel import Sentinel
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID, row_faults
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.errors import ConfigurationError
from dlpagent.violations import Event, LabelRef

GOLDEN = Path(__file__).parent / "golden"
CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
LABEL = LabelRef("11111111-0000-4000-8000-000000000001", "General", 1)


@pytest.fixture
def opened(microsoft: Microsoft, login: dict[str, Any]) -> Any:
    made: list[Sentinel] = []

    def opener(**more: Any) -> Sentinel:
        made.append(Sentinel(microsoft.url, **{**login, "rule_id": RULE_ID, **more}))
        return made[-1]

    yield opener
    for sink in made:
        sink.close()


def test_every_event_is_a_valid_row(any_event: Event) -> None:
    assert list(row_faults(COLUMNS, json.loads(encode(row_of(any_event, 10))))) == []


@pytest.mark.parametrize(
    "kind", ["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
)
def test_a_row_of_each_kind_stays_as_it_is(make_event: Callable[..., Event], kind: str) -> None:
    row = json.loads(encode(row_of(make_event(kind), 10)))
    assert row.pop("ProductVersion") == __version__
    assert row == json.loads((GOLDEN / f"sentinel-{kind}.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("changed", "column", "value"),
    [
        ({}, "TimeGenerated", "2026-03-01T12:00:00Z"),
        ({}, "PolicyName", "Training data"),
        ({}, "RuleName", "No card numbers"),
        ({"severity": "medium"}, "Severity", "Medium"),
        ({"mode": "audit"}, "Mode", "audit"),
        ({}, "Actions", ["quarantine", "label"]),
        ({}, "AssetName", "chat.jsonl"),
        ({}, "ItemId", "file:///data/chat.jsonl#r7"),
        ({"actor_id": "ann@example.org"}, "ActorUpn", "ann@example.org"),
        ({"actor_id": "u-1"}, "ActorUpn", None),
        ({"actor_id": "u-1"}, "ActorId", "u-1"),
        ({"app": "ChatGPT"}, "App", "ChatGPT"),
        ({"conversation_id": "c-1"}, "ConversationId", "c-1"),
        ({"item_created_at": "2026-01-01T00:00:00"}, "ItemCreatedAt", "2026-01-01T00:00:00Z"),
        (
            {"item_created_at": "2026-01-01T00:00:00+02:00"},
            "ItemCreatedAt",
            "2026-01-01T00:00:00+02:00",
        ),
        ({}, "SitId", CARD),
        ({}, "Confidence", 85),
        ({}, "ConfidenceLevel", "high"),
        ({}, "FindingCount", 3),
        ({}, "UniqueCount", 2),
        ({"sits": (), "places": ()}, "SitId", None),
        ({"existing_label": LABEL}, "ExistingLabelId", LABEL.id),
        ({"recommended_label": LABEL}, "RecommendedLabel", "General"),
        ({"ceiling": LABEL}, "LabelCeiling", "General"),
        ({"incomplete": True}, "Incomplete", True),
    ],
)
def test_each_field_of_the_mapping_is_where_the_documentation_says(
    make_event: Callable[..., Event], changed: dict[str, Any], column: str, value: Any
) -> None:
    assert row_of(make_event(**changed), 10).get(column) == value


def test_every_event_is_taken_once_in_order(
    opened: Callable[..., Sentinel], microsoft: Microsoft, every_event: list[Event]
) -> None:
    receipts = opened().deliver(every_event)
    assert all(receipt.ok and receipt.detail.startswith("204 ") for receipt in receipts)
    assert microsoft.ingestion.received.ids() == [event.id for event in every_event]


def test_calls_keep_within_the_limit_of_the_service(
    opened: Callable[..., Sentinel], microsoft: Microsoft, make_event: Callable[..., Event]
) -> None:
    events = [replace(make_event(reason="x" * 7_000), id=f"e{index}") for index in range(300)]
    assert sum(len(encode(row_of(event, 10))) for event in events) > sentinel.MAX_CALL_BYTES
    assert all(receipt.ok for receipt in opened().deliver(events))
    assert microsoft.ingestion.received.total == 300


def test_a_long_text_is_cut_before_the_service_cuts_it(make_event: Callable[..., Event]) -> None:
    assert len(row_of(make_event(reason="x" * 70_000), 10)["Reason"]) == 8_000


def test_a_row_the_service_refuses_is_found_and_the_others_are_taken(
    opened: Callable[..., Sentinel], microsoft: Microsoft, every_event: list[Event]
) -> None:
    events = every_event[:9]
    events[4] = replace(events[4], at="yesterday")
    receipts = opened().deliver(events)
    assert [receipt.ok for receipt in receipts] == [index != 4 for index in range(9)]
    assert (receipts[4].retry, receipts[4].blame) == (False, "event")
    assert microsoft.ingestion.received.total == 8


@pytest.mark.parametrize(
    ("fault", "waits", "taken"),
    [
        (Fault("status", "ingestion", 429, "7"), 7.0, 0),
        (Fault("status", "ingestion", 500), None, 0),
        (Fault("cut_before", "ingestion"), None, 0),
        (Fault("cut_after", "ingestion"), None, 4),
    ],
)
def test_when_the_service_fails_no_event_is_blamed(
    opened: Callable[..., Sentinel],
    microsoft: Microsoft,
    every_event: list[Event],
    fault: Fault,
    waits: float | None,
    taken: int,
) -> None:
    sink = opened()
    sink.deliver(every_event[:1])
    microsoft.fail(fault)
    receipts = sink.deliver(every_event[:4])
    assert {(each.ok, each.blame, each.retry_after_s) for each in receipts} == {
        (False, "sink", waits)
    }
    assert microsoft.ingestion.received.total == 1 + taken


def test_a_rule_that_is_not_there_loses_nothing(
    opened: Callable[..., Sentinel], every_event: list[Event]
) -> None:
    receipts = opened(rule_id="dcr-other").deliver(every_event[:3])
    assert {(each.ok, each.blame, each.detail.split()[-1]) for each in receipts} == {
        (False, "sink", "NotFound")
    }


def test_a_host_that_is_not_azures_gets_no_token(login: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="may get a token"):
        Sentinel("https://evil.example", **{**login, "rule_id": RULE_ID})
    Sentinel("https://x.eastus-1.ingest.monitor.azure.com", **{**login, "rule_id": RULE_ID})
