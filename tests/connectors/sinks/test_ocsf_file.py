"""Every violation becomes an event of OCSF class 2006 with genuine attribute names and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlpagent.connectors.sinks.ocsf_file import OcsfFile
from dlpagent.violations import Event

DATA = Path(__file__).parents[2] / "data"
SCHEMA = jsonschema.Draft202012Validator(
    json.loads(
        (DATA / "schemas" / "ocsf-1.6.0-data-security-finding.schema.json").read_text("utf-8")
    )
)

CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"


def delivered(path: Path, *events: Event, **settings: Any) -> list[dict[str, Any]]:
    sink = OcsfFile(path, **settings)
    receipts = sink.deliver(events)
    sink.close()
    assert [(r.event_id, r.ok) for r in receipts] == [(e.id, True) for e in events]
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_event_is_a_valid_data_security_finding(tmp_path: Path, any_event: Event) -> None:
    (finding,) = delivered(tmp_path / "ocsf.jsonl", any_event)
    SCHEMA.validate(finding)


@pytest.mark.parametrize(
    "broken",
    [
        {"severity_id": 7},
        {"class_uid": 2004},
        {"violation": {}},
        {"finding_info": {"title": "no uid"}},
        {"actor": {}},
    ],
)
def test_the_schema_refuses_what_is_not_ocsf(
    tmp_path: Path, make_event: Callable[..., Event], broken: dict[str, Any]
) -> None:
    (finding,) = delivered(tmp_path / "ocsf.jsonl", make_event())
    assert not SCHEMA.is_valid(finding | broken)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("new", (1, 1, True)),
        ("changed", (2, 1, True)),
        ("resolved", (3, 4, False)),
        ("reopened", (2, 1, True)),
        ("overridden", (2, 3, False)),
        ("false_positive", (3, 3, False)),
    ],
)
def test_the_activity_says_what_became_of_the_violation(
    tmp_path: Path, make_event: Callable[..., Event], kind: str, expected: tuple[int, int, bool]
) -> None:
    (finding,) = delivered(tmp_path / "ocsf.jsonl", make_event(kind))
    golden = json.loads((Path(__file__).parent / "golden" / f"ocsf-{kind}.json").read_text("utf-8"))
    golden["metadata"]["product"]["version"] = finding["metadata"]["product"]["version"]
    assert finding == golden
    assert finding["type_uid"] == 200600 + finding["activity_id"]
    assert (finding["activity_id"], finding["status_id"], finding["is_alert"]) == expected


def test_a_finding_keeps_its_uid_while_its_events_differ(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    kinds = ("new", "changed", "resolved", "reopened", "overridden", "false_positive")
    findings = delivered(tmp_path / "ocsf.jsonl", *(make_event(kind) for kind in kinds))
    assert len({finding["finding_info"]["uid"] for finding in findings}) == 1
    assert len({finding["metadata"]["uid"] for finding in findings}) == 6


@pytest.mark.parametrize(
    ("changed", "path", "expected"),
    [
        ({"severity": "low"}, "severity_id", 2),
        ({"severity": "high"}, "severity_id", 4),
        ({}, "confidence_score", 85),
        ({}, "confidence_id", 3),
        ({"sits": ()}, "confidence_id", None),
        ({"asset_kind": "stream"}, "data_security.data_lifecycle_state_id", 2),
        ({"asset_kind": "stream"}, "data_security.detection_system_id", 10),
        ({"asset_kind": "chat_log"}, "data_security.data_lifecycle_state_id", 1),
        ({"asset_kind": "chat_log"}, "data_security.detection_system_id", 4),
        ({"incomplete": True}, "data_security.status_id", 2),
        ({}, "data_security.total", 3),
        ({}, "data_security.pattern_match", None),
        ({}, "data_security.classifier_details.uid", CARD),
        ({}, "data_security.category_id", 3),
        ({}, "finding_info.analytic.name", "No card numbers"),
        ({"mode": "simulate"}, "is_alert", False),
        ({"actor_id": "ann@example.org"}, "actor.user.email_addr", "ann@example.org"),
        ({"actor_id": "S-1-5-21"}, "actor.user.email_addr", None),
        ({"actor_id": "S-1-5-21"}, "actor.user.uid", "S-1-5-21"),
        ({"app": "ChatGPT"}, "actor.app_name", "ChatGPT"),
        ({"asset_uri": "file:///a%20b/c.txt"}, "file.path", "/a b/c.txt"),
        ({"asset_uri": "file:///a%20b/c.txt"}, "file.name", "c.txt"),
        ({"asset_uri": "s3://bucket/x/y.csv"}, "databucket.name", "bucket"),
        ({"asset_uri": "s3://bucket/x/y.csv"}, "databucket.file.path", "/x/y.csv"),
        ({"asset_uri": "postgresql://h/db#notes"}, "database.type_id", 1),
        ({"asset_uri": "postgresql://h/db#notes"}, "table.name", "notes"),
    ],
)
def test_each_fact_stands_where_ocsf_expects_it(
    tmp_path: Path,
    make_event: Callable[..., Event],
    changed: dict[str, Any],
    path: str,
    expected: object,
) -> None:
    categories = {CARD: "financial"}
    found: Any = delivered(tmp_path / "o.jsonl", make_event(**changed), categories=categories)[0]
    for step in path.split("."):
        found = found.get(step, {} if step != path.rpartition(".")[2] else None)
    assert found == expected


def test_a_repeated_event_is_not_written_twice(
    tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    path = tmp_path / "ocsf.jsonl"
    delivered(path, make_event("new"))
    assert len(delivered(path, make_event("new"), make_event("resolved"))) == 2


def test_occurrences_name_rows_and_paths_and_never_values(tmp_path: Path, any_event: Event) -> None:
    (finding,) = delivered(tmp_path / "ocsf.jsonl", any_event)
    text = json.dumps(finding)
    assert '"value"' not in text
    assert "pattern_match" not in text
    assert "4111" not in text
