"""LiteLLM spend logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.litellm import LiteLlm

SAMPLE = Path(__file__).parents[2] / "data" / "gateways" / "litellm.jsonl"
CALL = {"request_id": "r", "call_type": "acompletion", "startTime": "2026-03-01T00:00:00Z"}


def rows_of(path: Path) -> list[dict[str, Any]]:
    source = LiteLlm(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    told = [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows if r["role"]]
    assert told == [
        ("r1", "messages[0].content", "user", "Routing 021000021 account 1234567890"),
        ("r1", "response.choices[0].message.content", "assistant", "ok"),
    ]
    first = rows[0]
    assert first["actor_id"] == "jane.placeholder@contoso.example"
    assert (first["model"], first["conversation_id"], first["app"]) == ("gpt-5", "s1", "LiteLLM")
    assert first["created_at"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert first["modified_at"] == datetime(2026, 3, 1, 0, 0, 2, tzinfo=UTC)
    (empty,) = [row for row in rows if row["status"] != "read"]
    assert (empty["record_id"], empty["status"], empty["actor_id"]) == ("r2", "no_content", "u-2")


@pytest.mark.parametrize(
    ("fields", "status", "expected"),
    [
        ({"messages": {}, "response": {}}, "no_content", []),
        ({"messages": "{}", "response": "{}"}, "no_content", []),
        ({"messages": None}, "no_content", []),
        ({}, "no_content", []),
        ({"messages": '[{"role": "user", "content": "hi"}]'}, "read", ["hi"]),
        ({"messages": {}, "proxy_server_request": {"messages": [{"role": "user",
          "content": "hi"}]}}, "read", ["hi"]),
        ({"response": '{"output": [{"role": "assistant", "content": "ho"}]}'}, "read", ["ho"]),
        ({"metadata": '{"user_api_key_alias": "payroll", "note": "hey"}'}, "no_content",
         ["payroll", "hey"]),
    ],
)  # fmt: skip
def test_empty_prompts_are_no_content_and_json_in_strings_is_unpacked(
    tmp_path: Path, fields: dict[str, Any], status: str, expected: list[str]
) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text(json.dumps({**CALL, **fields}) + "\n")
    assert LiteLlm.recognises(path)
    rows = rows_of(path)
    assert [row["text"] for row in rows if row["status"] == "read"] == expected
    assert ("no_content" in [row["status"] for row in rows]) is (status == "no_content")
