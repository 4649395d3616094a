"""Logged requests and responses of AI interfaces."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.api_log import ApiLog, is_entry

DATA = Path(__file__).parents[2] / "data" / "api-log"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = ApiLog(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def logged(path: Path, value: Any) -> list[Row]:
    path.write_text(json.dumps(value))
    assert ApiLog.recognises(path)
    return rows_of(path)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("cc_function_calling_request.json",
         [("0", "messages[0].content", "user", "What's the weather in San Francisco?")]),
        ("cc_function_calling_response.json",
         [("chatcmpl-DEF456", "choices[0].message.tool_calls[0].function.arguments", "assistant",
           '{"location":"San Francisco, CA","unit":"fahrenheit"}')]),
        ("chat_request_pii.json",
         [("0", "messages[1].content", "user",
           "Draft a follow-up email to alex.rivera@example.invalid, mention the declined card "
           "4242424242424242, and ask them to call (212) 555-0142 to confirm.")]),
        ("messages.jsonl",
         [("msg_1", "request.system", "system", "Be brief."),
          ("msg_1", "request.messages[0].content[0].text", "user", "IBAN GB82WEST12345698765432"),
          ("msg_1", "request.messages[0].content[1].source.data", "user", None),
          ("msg_1", "response.content[0].thinking", "assistant", "A bank account."),
          ("msg_1", "response.content[1].input.iban", "assistant", "GB82WEST12345698765432"),
          ("msg_2", "request.messages[0].content[0].content", "tool", "Owner: Jane Placeholder"),
          ("msg_2", "response.content[0].text", "assistant", "It is Jane's."),
          ("resp_1", "response.body.instructions", "system", "You are a clerk."),
          ("resp_1", "response.body.output[0].summary[0].text", "assistant", "Thinking."),
          ("resp_1", "response.body.output[1].content[0].text", "assistant", "SSN 219-09-9999")]),
    ],
)  # fmt: skip
def test_the_samples_give_what_was_read_by_hand(
    file: str, expected: list[tuple[str, str, str, str | None]]
) -> None:
    assert ApiLog.recognises(DATA / file)
    told = [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows_of(DATA / file)]
    assert [one for one in told if one in expected] == expected


def test_an_entry_has_its_columns() -> None:
    rows = {row["record_id"]: row for row in rows_of(DATA / "messages.jsonl")}
    first, batch = rows["msg_1"], rows["resp_1"]
    assert (first["actor_id"], first["model"]) == ("u-7", "claude-x")
    assert first["created_at"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert (batch["actor_id"], batch["model"], batch["parent_id"]) == ("u-8", "gpt-5", "resp_0")
    assert batch["created_at"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_bodies_that_were_logged_as_strings_of_json_are_unpacked(tmp_path: Path) -> None:
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
    answer = {"id": "a", "object": "chat.completion", "choices": [{"message": {
        "role": "assistant", "content": "ho"}, "text": "extra"}]}  # fmt: skip
    rows = logged(
        tmp_path / "a.json", {"request": json.dumps(body), "response": json.dumps(answer)}
    )
    assert [(row["part"], row["role"], row["text"]) for row in rows] == [
        ("request.messages[0].content", "user", "hi"),
        ("response.choices[0].message.content", "assistant", "ho"),
        ("response.choices[0].text", "assistant", "extra"),
    ]


def test_input_as_text_and_output_of_tools_have_their_roles(tmp_path: Path) -> None:
    items = ["plain", {"role": "user", "content": "q"},
             {"type": "function_call_output", "call_id": "c", "output": "found"}]  # fmt: skip
    rows = logged(tmp_path / "a.json", {"model": "m", "instructions": "be", "input": items})
    assert [(row["part"], row["role"], row["text"]) for row in rows] == [
        ("instructions", "system", "be"),
        ("input[0]", "user", "plain"),
        ("input[1].content", "user", "q"),
        ("input[2].call_id", "tool", "c"),
        ("input[2].output", "tool", "found"),
    ]


def test_an_entry_without_content_is_no_content(tmp_path: Path) -> None:
    entry = {"id": "x", "object": "chat.completion", "model": "m", "choices": []}
    rows = logged(tmp_path / "a.json", entry)
    assert [(row["record_id"], row["status"]) for row in rows] == [("x", "no_content")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, False),
        ({"prompt": "x", "completion": "y"}, False),
        ({"instruction": "x", "input": "y", "output": "z"}, False),
        ({"model": "m", "input": "x", "output": "y"}, False),
        ({"model": "m", "messages": []}, True),
        ({"body": {"model": "m", "messages": []}}, True),
        ({"object": "chat.completion", "choices": 5}, False),
        ({"object": ["x"]}, False),
    ],
)
def test_training_data_is_not_taken_for_a_log(value: dict[str, Any], expected: bool) -> None:
    assert is_entry(value) is expected
