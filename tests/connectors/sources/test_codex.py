"""Codex transcripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.codex import Codex
from dlpagent.records import Checkpoint

SAMPLE = Path(__file__).parents[2] / "data" / "transcripts" / "codex.jsonl"
Row = dict[str, Any]


def rows_of(path: Path, after: Checkpoint | None = None, **settings: Any) -> list[Row]:
    source = Codex(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


def line(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": "2026-02-01T10:00:00Z", "type": kind, "payload": payload}


def said(role: str, text: str) -> dict[str, Any]:
    kind = "input_text" if role == "user" else "output_text"
    return line("response_item", type="message", role=role, content=[{"type": kind, "text": text}])


def event(kind: str, text: str) -> dict[str, Any]:
    return line("event_msg", type=kind, message=text)


def texts(path: Path, lines: list[Any]) -> list[tuple[str | None, str | None]]:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return [(row["role"], row["text"]) for row in rows_of(path)]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    told = [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows]
    assert [one for one in told if one[0] in ("sess-1#2", "sess-1#3", "sess-1#4", "sess-1#5")] == [
        ("sess-1#2", "payload.content[0].text", "user", "why does key AKIAIOSFODNN7EXAMPLE fail?"),
        ("sess-1#3", "payload.name", "assistant", "shell"),
        ("sess-1#3", "payload.arguments", "assistant", '{"command":["cat",".env"]}'),
        ("sess-1#4", "payload.output", "tool", "DB_PASSWORD=not-a-real-password"),
        ("sess-1#5", "payload.content[0].text", "assistant", "It is an example key."),
    ]
    assert told[-3:] == [
        ("7#damage", "#record", None, None),
        ("7#damage", "#tail", None, '"respo'),
        ("7#damage", "#end", None, None),
    ]


def test_session_model_and_account_hold_for_the_lines_behind_also_after_resuming() -> None:
    source = Codex(str(SAMPLE), batch_rows=1)
    (asset,) = source.discover()
    checkpoints = [checkpoint for _, checkpoint in source.read(asset)]
    (row,) = [row for row in rows_of(SAMPLE, checkpoints[3], batch_rows=1) if row["role"] == "tool"]
    assert (row["conversation_id"], row["model"], row["actor_id"]) == ("sess-1", "gpt-5.5", "u")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([said("user", "a"), event("user_message", "a")], [("user", "a")]),
        ([event("agent_message", "a"), said("assistant", "a")], [("assistant", "a")]),
        (
            [said("user", "a"), event("user_message", "a"),
             said("user", "a"), event("user_message", "a")],
            [("user", "a"), ("user", "a")],
        ),
        ([said("user", "a"), event("user_message", "b")], [("user", "a"), ("user", "b")]),
        ([event("user_message", "a")], [("user", "a")]),
        ([event("user_message", "a"), event("user_message", "a")], [("user", "a")] * 2),
        ([said("user", "a"), *[said("user", str(n)) for n in range(300)],
          event("user_message", "a")][-301:],
         [*[("user", str(n)) for n in range(300)], ("user", "a")]),
    ],
)  # fmt: skip
def test_what_events_repeat_is_read_once(
    tmp_path: Path, lines: list[Any], expected: list[tuple[str, str]]
) -> None:
    assert texts(tmp_path / "r.jsonl", lines) == expected


def test_reasoning_and_unknown_items_are_read(tmp_path: Path) -> None:
    lines = [
        line("response_item", type="reasoning", summary=[{"type": "summary_text", "text": "r"}]),
        line("response_item", type="from_the_future", deep={"text": "x"}),
        line("compacted", message="so far"),
    ]
    assert {text for _, text in texts(tmp_path / "r.jsonl", lines)} >= {"r", "x", "so far"}
