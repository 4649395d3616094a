"""Langfuse exports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.langfuse import Langfuse

SAMPLE = Path(__file__).parents[2] / "data" / "gateways" / "langfuse.jsonl"


def rows_of(path: Path) -> list[dict[str, Any]]:
    source = Langfuse(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    assert [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows] == [
        ("o1", "input[0].content", "user", "card 4111 1111 1111 1111"),
        ("o1", "output.content", "assistant", "ok"),
        ("o1", "name", None, "chat"),
        ("o1", "user_id", None, "u-1"),
    ]
    first = rows[0]
    assert (first["actor_id"], first["model"], first["app"]) == ("u-1", "gpt-5", "Langfuse")
    assert first["conversation_id"] == "s-1"
    assert first["created_at"] == datetime(2026, 3, 1, 0, 0, 0, 123000, tzinfo=UTC)


def test_pages_of_the_interface_are_read(tmp_path: Path) -> None:
    one = {"id": "o", "traceId": "t", "type": "SPAN", "parentObservationId": "p",
           "startTime": "2026-01-01T00:00:00Z", "input": {"args": ["secret"]}}  # fmt: skip
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"data": [one], "meta": {"cursor": "next"}}))
    assert Langfuse.recognises(path)
    (row, page) = rows_of(path)
    assert (row["record_id"], row["part"], row["text"]) == ("o", "input.args[0]", "secret")
    assert (row["parent_id"], row["conversation_id"], row["role"]) == ("p", "t", "user")
    assert (page["record_id"], page["text"]) == ("0#page", "next")


@pytest.mark.parametrize(("kind", "expected"), [("GENERATION", True), ("SPAN", False)])
def test_a_generation_without_content_is_reported(
    tmp_path: Path, kind: str, expected: bool
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "o", "trace_id": "t", "type": kind, "input": ""}) + "\n")
    assert ("no_content" in [row["status"] for row in rows_of(path)]) is expected
