"""Every violation becomes a record that the published O365 DLP schema accepts, without values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlpagent.connectors.sinks.o365_file import O365File
from dlpagent.violations import Event

DATA = Path(__file__).parents[2] / "data" / "schemas"


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((DATA / name).read_text("utf-8"))
    checker = jsonschema.FormatChecker(formats=["uuid"])
    return jsonschema.Draft202012Validator(schema, format_checker=checker)


DLP_RECORD = validator("o365-audit-dlp-record.schema.json")
COMMON = validator("o365-audit-common.schema.json")


def delivered(path: Path, *events: Event, **settings: Any) -> list[dict[str, Any]]:
    sink = O365File(path, **settings)
    receipts = sink.deliver(events)
    sink.close()
    assert [(r.event_id, r.ok) for r in receipts] == [(e.id, True) for e in events]
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_event_is_a_valid_dlp_record(tmp_path: Path, any_event: Event) -> None:
    (record,) = delivered(tmp_path / "o365.jsonl", any_event)
    DLP_RECORD.validate(record)
    known = set(DLP_RECORD.schema["properties"]) | {"DlpAgent"}
    assert set(record) <= known
    # A sweep has no client address; nothing else of the common schema is missing.
    assert [error.message for error in COMMON.iter_errors(record)] == [
        "'ClientIP' is a required property"
    ]


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("new", "DlpRuleMatch"),
        ("changed", "DlpInfo"),
        ("resolved", "DlpRuleUndo"),
        ("reopened", "DlpRuleMatch"),
        ("overridden", "DlpInfo"),
        ("false_positive", "DlpRuleUndo"),
    ],
)
def test_the_operation_says_what_became_of_the_violation(
    tmp_path: Path, make_event: Callable[..., Event], kind: str, operation: str
) -> None:
    (record,) = delivered(tmp_path / "o365.jsonl", make_event(kind))
    golden = json.loads((Path(__file__).parent / "golden" / f"o365-{kind}.json").read_text("utf-8"))
    assert record == golden
    assert record["Operation"] == operation


def test_an_event_without_an_actor_is_of_the_service_principal(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    named, nobody, own = (
        delivered(tmp_path / f"{n}.jsonl", make_event(actor_id=actor), **settings)[0]
        for n, (actor, settings) in enumerate(
            [("ann@example.org", {}), (None, {}), (None, {"service_principal": "sweeper"})]
        )
    )
    assert (named["UserId"], named["UserType"]) == ("ann@example.org", 0)
    assert (nobody["UserId"], nobody["UserType"]) == ("dlpagent", 6)
    assert (own["UserId"], own["UserType"]) == ("sweeper", 6)


def test_ids_that_are_no_guids_become_the_same_guids_every_time(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    records = [
        delivered(tmp_path / f"{n}.jsonl", make_event(rule_id=rule))[0]
        for n, rule in enumerate(["cards", "cards", "names"])
    ]
    rules = [record["PolicyDetails"][0]["Rules"][0]["RuleId"] for record in records]
    assert rules[0] == rules[1] != rules[2]
    assert rules[0] == "4aca54ee-f034-544c-a71e-f99bb397ffd8"


def test_a_repeated_event_is_not_written_twice(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    path = tmp_path / "o365.jsonl"
    delivered(path, make_event("new"))
    assert len(delivered(path, make_event("new"), make_event("resolved"))) == 2


def test_counts_are_given_for_each_confidence(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    (record,) = delivered(tmp_path / "o365.jsonl", make_event())
    (sit,) = record["PolicyDetails"][0]["Rules"][0]["ConditionsMatched"]["SensitiveInformation"]
    assert (sit["Confidence"], sit["Count"], sit["UniqueCount"]) == (85, 3, 2)
    assert sit["SensitiveInformationDetailedClassificationAttributes"] == [
        {"Confidence": 85, "Count": 2, "IsMatch": True},
        {"Confidence": 65, "Count": 1, "IsMatch": True},
    ]


def test_no_value_is_ever_included(tmp_path: Path, any_event: Event) -> None:
    (record,) = delivered(tmp_path / "o365.jsonl", any_event)
    assert record["SensitiveInfoDetectionIsIncluded"] is False
    text = json.dumps(record)
    assert "SensitiveInformationDetections" not in text
    assert "DetectedValues" not in text
    assert "4111" not in text


def test_no_more_places_are_listed_than_asked_for(
    tmp_path: Path, make_event: Callable[..., Event], make_place: Callable[..., Any]
) -> None:
    many = make_event(places=tuple(make_place(start=n) for n in range(50)), places_total=900)
    (record,) = delivered(tmp_path / "o365.jsonl", many, max_places=3)
    assert [place["start"] for place in record["DlpAgent"]["places"]] == [0, 1, 2]
    assert record["DlpAgent"]["places_total"] == 900
