"""Microsoft 365 Copilot interactions saved from Graph."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.m365_copilot import M365Copilot

DATA = Path(__file__).parents[2] / "data" / "m365-copilot"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = M365Copilot(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def saved(path: Path, value: Any) -> list[Row]:
    path.write_text(json.dumps(value))
    assert M365Copilot.recognises(path)
    return rows_of(path)


def interaction(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number), "requestId": "r", "sessionId": "s", "interactionType": kind,
        "createdDateTime": "2026-01-02T03:04:05.6789012Z",
        "body": {"contentType": "text", "content": f"text {number}"}, **more,
    }  # fmt: skip


def test_an_answer_of_the_sample_is_unpacked_from_its_card_and_read_once() -> None:
    rows = rows_of(DATA / "page-2.json")
    answers = [row for row in rows if "no important emails" in (row["text"] or "")]
    (answer,) = answers
    assert (answer["record_id"], answer["part"]) == (
        "1732148357313", "attachments[0].content.body[0].text",
    )  # fmt: skip
    assert "OnCall%20DRI%20Handbook" in answer["text"]
    assert len(rows) == 17
    assert not any(row["part"] == "body.content" and row["role"] == "assistant" for row in rows)


def test_the_answer_has_the_user_of_its_prompt_and_the_prompt_as_its_parent() -> None:
    rows = {row["record_id"]: row for row in rows_of(DATA / "page-2.json")}
    prompt, answer = rows["1732148356886"], rows["1732148357313"]
    assert prompt["actor_id"] == answer["actor_id"] == "4db02e4b-d144-400e-b194-53253a34c5be"
    assert (prompt["role"], answer["role"]) == ("user", "assistant")
    assert (prompt["parent_id"], answer["parent_id"]) == (None, "1732148356886")
    assert prompt["conversation_id"] == answer["conversation_id"]
    assert prompt["text"] == "What should be on my radar from emails last week?"
    assert prompt["created_at"] == datetime(2024, 11, 21, 0, 19, 16, 886000, tzinfo=UTC)
    assert answer["attachments"][0]["mime"] == "application/vnd.microsoft.card.adaptive"
    assert prompt["app"] == "Microsoft 365 Copilot"


def test_a_plain_answer_is_read_from_its_body_with_contexts_and_links() -> None:
    told = {(row["part"], row["role"]): row["text"] for row in rows_of(DATA / "page-1.json")}
    assert told["body.content", "assistant"].startswith("I use the transcript")
    assert told["contexts[0].displayName", "assistant"] == "Teams Meeting Copilot"
    assert ("attachments[0].contentUrl", "assistant") in told


@pytest.mark.parametrize("shape", ["page", "array", "one", "lines"])
def test_pages_arrays_single_interactions_and_lines_are_read(tmp_path: Path, shape: str) -> None:
    pair = [interaction(1, "userPrompt"), interaction(2, "aiResponse")]
    path = tmp_path / "a.json"
    values = {
        "page": {"@odata.context": "$metadata#copilot/users('u-1')/x", "value": pair},
        "array": pair, "one": pair[0], "lines": pair,
    }  # fmt: skip
    if shape == "lines":
        path.write_text("\n".join(json.dumps(one) for one in pair))
        rows = rows_of(path)
    else:
        rows = saved(path, values[shape])
    texts = [row["text"] for row in rows]
    assert texts == (["text 1"] if shape == "one" else ["text 1", "text 2"])
    assert rows[0]["actor_id"] == ("u-1" if shape == "page" else None)


def test_a_notification_with_content_is_read_and_others_say_what_they_lack(tmp_path: Path) -> None:
    kind = {"@odata.type": "#Microsoft.Graph.aiInteraction", "id": "n"}
    notice = {
        "subscriptionId": "x", "changeType": "created",
        "resource": "copilot/users('u-1')/interactionHistory/interactions('n')",
    }  # fmt: skip
    rows = saved(
        tmp_path / "a.json",
        {
            "value": [
                {**notice, "resourceData": {**kind, **interaction(7, "userPrompt")}},
                {**notice, "resourceData": {**kind, "id": "8"}},
                {**notice, "resourceData": {**kind, "id": "9"}, "encryptedContent": {"data": "A"}},
            ],
            "validationTokens": ["token"],
        },
    )
    assert [(r["record_id"], r["part"], r["status"], r["actor_id"]) for r in rows] == [
        ("0#page", "validationTokens[0]", "read", None),
        ("7", "body.content", "read", "u-1"),
        ("8", "body", "no_content", "u-1"),
        ("9", "encryptedContent", "protected", "u-1"),
    ]


def test_an_interaction_without_text_is_no_content(tmp_path: Path) -> None:
    rows = saved(tmp_path / "a.json", [interaction(1, "userPrompt", body=None)])
    assert [(row["part"], row["status"]) for row in rows] == [("body.content", "no_content")]


def test_a_card_that_is_not_json_is_read_as_text(tmp_path: Path) -> None:
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": '{"body": [se'}
    rows = saved(tmp_path / "a.json", [interaction(1, "aiResponse", attachments=[card, "odd"])])
    assert [(row["part"], row["text"]) for row in rows] == [
        ("body.content", "text 1"),
        ("attachments[0].content", '{"body": [se'),
        ("attachments[1]", "odd"),
    ]
