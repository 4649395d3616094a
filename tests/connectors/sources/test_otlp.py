"""OpenTelemetry exports of AI calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources._otlp_parts import plain_value
from dlpagent.connectors.sources.otlp import OtlpTraces

DATA = Path(__file__).parents[2] / "data" / "otlp"
TRACE = "5b8efff798038103d269b633813fc60c"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = OtlpTraces(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def traced(path: Path, attributes: dict[str, Any], **span: Any) -> list[Row]:
    pairs = [{"key": key, "value": value} for key, value in attributes.items()]
    one = {"traceId": "t", "spanId": "s", "attributes": pairs, **span}
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}))
    return [row for row in rows_of(path) if row["record_id"] == "t:s"]


def test_three_dialects_give_what_was_read_by_hand() -> None:
    rows = rows_of(DATA / "genai_traces_three_dialects.json")
    told = [(r["record_id"][-3:], r["part"], r["role"], r["text"]) for r in rows if r["role"]]
    assert told == [
        ("171", "gen_ai.system_instructions[0].content", "system", "You are a payroll bot."),
        ("171", "gen_ai.input.messages[0].parts[0].content", "user", "SSN 219-09-9999 pay slip"),
        ("171", "gen_ai.output.messages[0].parts[0].content", "assistant", "Here"),
        ("172", "events[0].content", "user", "legacy event 4111111111111111"),
        ("172", "events[1].message.content", "assistant", "legacy answer"),
        ("173", "llm.input_messages.0.message.content", "user",
         "openinference style prompt, DOB 1980-01-01"),
        ("173", "llm.output_messages.0.message.content", "assistant", "ok"),
    ]  # fmt: skip


def test_a_span_has_its_columns() -> None:
    rows = {r["record_id"]: r for r in rows_of(DATA / "genai_traces_three_dialects.json")}
    first, third = rows[f"{TRACE}:eee19b7ec3c1b171"], rows[f"{TRACE}:eee19b7ec3c1b173"]
    assert (first["actor_id"], first["model"], first["app"]) == ("u-1", "gpt-5", "payroll-bot")
    assert first["conversation_id"] == "conv-1"
    assert first["created_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert first["modified_at"] == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (third["actor_id"], third["conversation_id"]) == ("u-2", "s-9")


def test_log_records_and_other_spans_are_read_by_their_attributes() -> None:
    told = {row["part"]: row["text"] for row in rows_of(DATA / "events.json")}
    assert told['["event.attribute"]'] == "some event attribute"
    assert told["body.referrer"] == "https://wwww.google.com"
    (span, name) = rows_of(DATA / "trace.json")[-2:]
    assert (span["part"], span["text"]) == ('["my.span.attr"]', "some value")
    assert name["text"] == "I'm a server span"
    assert span["parent_id"] == "5B8EFFF798038103D269B633813FC60C:EEE19B7EC3C1B173"
    texts = [row["text"] for row in rows_of(DATA / "logs.json")]
    assert {"Example log record", "many", "values"} <= set(texts)


def test_an_event_as_a_log_record_has_its_role(tmp_path: Path) -> None:
    record = {
        "eventName": "gen_ai.user.message", "traceId": "t", "spanId": "s",
        "body": {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "hi"}}]}},
    }  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}))
    assert OtlpTraces.recognises(path)
    (row,) = rows_of(path)
    assert (row["part"], row["role"], row["text"]) == ("body.content", "user", "hi")
    assert row["parent_id"] == "t:s"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.request.model": {"stringValue": "m"}}, True),
        ({"llm.model_name": {"stringValue": "m"}}, True),
        ({"gen_ai.input.messages": {"stringValue": ""}, "gen_ai.system": {}}, True),
        ({"gen_ai.input.messages": {"stringValue": "[]x"}}, False),
        ({"llm.input_messages.0.message.content": {"stringValue": "x"}}, False),
        ({"http.method": {"stringValue": "GET"}}, False),
    ],
)
def test_a_call_traced_without_content_is_reported(
    tmp_path: Path, attributes: dict[str, Any], expected: bool
) -> None:
    rows = traced(tmp_path / "a.json", attributes)
    assert ("no_content" in [row["status"] for row in rows]) is expected


def test_results_of_tools_and_structured_messages_are_read(tmp_path: Path) -> None:
    parts = {"role": "tool", "parts": [{"type": "tool_call_response", "response": "secret"}],
             "added": "later"}  # fmt: skip
    rows = traced(
        tmp_path / "a.json", {"gen_ai.input.messages": {"stringValue": json.dumps([parts])}}
    )
    assert [(row["part"], row["role"], row["text"]) for row in rows if row["role"]][-2:] == [
        ("gen_ai.input.messages[0].parts[0].response", "tool", "secret"),
        ("gen_ai.input.messages[0].added", "tool", "later"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"intValue": "10"}, "10"),
        ({"arrayValue": {"values": [{"stringValue": "x"}, {"boolValue": True}]}}, ["x", True]),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "x"}}]}}, {"k": "x"}),
        ({"kvlistValue": {"values": ["odd"]}}, {"attributes[0]": "odd"}),
        ({"arrayValue": "odd"}, {"arrayValue": "odd"}),
        ("odd", "odd"),
        (None, None),
    ],
)
def test_any_values_become_plain_values(value: Any, expected: Any) -> None:
    assert plain_value(value) == expected
