"""Gemini activity of a Google Takeout."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.gemini_takeout import GeminiTakeout

SAMPLE = Path(__file__).parents[2] / "data" / "gemini" / "MyActivity.json"


def rows_of(path: Path) -> list[dict[str, Any]]:
    source = GeminiTakeout(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    assert [(r["record_id"], r["part"], r["role"], r["text"], r["status"]) for r in rows] == [
        ("0", "title", "user", "Prompted Write a letter to Jane Placeholder, 1 Example Street",
         "read"),
        ("0", "attachedFiles[0]", "user", "letter.pdf", "read"),
        ("0", "safeHtmlItem[0].html", "assistant", "<p>Dear Jane,</p>", "read"),
        ("0", "attachedFiles#file", "user", None, "opaque"),
    ]  # fmt: skip
    assert rows[0]["created_at"] == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert rows[0]["attachments"][0]["name"] == "letter.pdf"
    assert rows[0]["app"] == "Gemini"


def test_names_that_are_not_the_products_own_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    activity = {"header": "Other", "title": "x", "time": "t", "products": ["Gemini Apps", "y"]}
    path.write_text(json.dumps([activity]))
    assert GeminiTakeout.recognises(path)
    texts = [row["text"] for row in rows_of(path)]
    assert {"Other", "x", "y"} <= set(texts)


@pytest.mark.parametrize("header", ["Search", "YouTube", None, ["Gemini Apps"]])
def test_other_activity_is_not_taken_for_gemini(tmp_path: Path, header: Any) -> None:
    path = tmp_path / "MyActivity.json"
    path.write_text(json.dumps([{"header": header, "title": "x", "time": "t"}]))
    assert not GeminiTakeout.recognises(path)
