"""Claude Code transcripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources._log_fields import actor_of
from dlpagent.connectors.sources.claude_code import ClaudeCode

SAMPLE = Path(__file__).parents[2] / "data" / "transcripts" / "claude-code.jsonl"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = ClaudeCode(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    told = [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows_of(SAMPLE)]
    assert len(told) == 19
    for expected in [
        ("0", "summary", None, "Test session for JSONL parsing"),
        ("msg-001", "message.content", "user", "Create a hello world function"),
        ("msg-002", "message.content[0].text", "assistant", "I'll create that function for you."),
        ("msg-002", "message.content[1].input.content", "assistant",
         "def hello():\n    return 'Hello, World!'\n"),
        ("msg-003", "message.content[0].content", "tool", "File written successfully"),
        ("msg-005", "message.content[0].content", "tool",
         "[main abc1234] Add hello function\n 1 file changed"),
    ]:  # fmt: skip
        assert expected in told


def test_an_event_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    event = {
        "type": "assistant", "uuid": "e2", "parentUuid": "e1", "sessionId": "s",
        "timestamp": "2026-01-02T03:04:05.678Z", "cwd": "/home/jane/project",
        "message": {"role": "assistant", "model": "claude-x", "content": "hi"},
    }  # fmt: skip
    path.write_text(json.dumps(event) + "\n")
    assert ClaudeCode.recognises(path)
    row = rows_of(path)[0]
    assert (row["record_id"], row["parent_id"], row["conversation_id"]) == ("e2", "e1", "s")
    assert (row["actor_id"], row["model"], row["app"]) == ("jane", "claude-x", "Claude Code")
    assert row["created_at"] == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert row["context"] is None


def test_a_tool_result_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    block = {"type": "tool_result", "tool_use_id": "t", "content": "DB_PASSWORD=x"}
    event = {
        "type": "user", "uuid": "e", "sessionId": "s",
        "message": {"role": "user", "content": [block]},
        "toolUseResult": {"stdout": "DB_PASSWORD=x", "stderr": "only here"},
    }  # fmt: skip
    path.write_text(json.dumps(event) + "\n")
    texts = [row["text"] for row in rows_of(path)]
    assert texts.count("DB_PASSWORD=x") == 1
    assert "only here" in texts


def test_a_torn_last_line_is_told_with_its_place_and_read_as_text(tmp_path: Path) -> None:
    raw = SAMPLE.read_bytes()
    path = tmp_path / "s.jsonl"
    path.write_bytes(raw[:-40])
    rows = rows_of(path)
    damage = [row for row in rows if row["record_id"] == "7#damage"]
    assert [row["part"] for row in damage] == ["#record", "#tail", "#end"]
    assert damage[0]["locator"]["offset"] == raw.rindex(b'{"type":"assistant"')
    assert any(row["record_id"] == "msg-006" for row in rows)


@pytest.mark.parametrize(
    ("folder", "account"),
    [
        ("/home/jane/x", "jane"), ("/Users/jane", "jane"), ("C:\\Users\\jane\\x", "jane"),
        ("/project", None), ("", None), (None, None), (5, None),
    ],
)  # fmt: skip
def test_the_account_is_the_owner_of_the_home(folder: object, account: str | None) -> None:
    assert actor_of(folder) == account
