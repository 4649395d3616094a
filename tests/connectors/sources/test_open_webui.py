"""Open WebUI exports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.open_webui import OpenWebUi

SAMPLE = Path(__file__).parents[2] / "data" / "open-webui" / "chats-export.json"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = OpenWebUi(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def chat(path: Path, **inner: Any) -> list[Row]:
    path.write_text(json.dumps([{"id": "c", "user_id": "u", "title": "t", "chat": inner}]))
    assert OpenWebUi.recognises(path)
    return rows_of(path)


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    assert [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows] == [
        ("ow-1#title", "title", None, "Chat"),
        ("ow-1#title", "chat.models[0]", None, "llama3.1:latest"),
        ("ow-1#a", "content", "user", "My passport is X1234567"),
        ("ow-1#a", "files[0].type", "user", "file"),
        ("ow-1#a", "files[0].name", "user", "cv.pdf"),
        ("ow-1#a", "files[0].id", "user", "f1"),
        ("ow-1#a", "files[0]", "user", None),
        ("ow-1#b", "content", "assistant",
         '<details type="reasoning" done="true"><summary>Thought</summary>hidden</details>Noted.'),
    ]  # fmt: skip
    last = rows[-1]
    assert (last["actor_id"], last["model"], last["app"]) == ("u1", "llama3.1:latest", "Open WebUI")
    assert (last["conversation_id"], last["parent_id"]) == ("ow-1", "ow-1#a")
    assert last["created_at"] == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert rows[2]["attachments"][0]["name"] == "cv.pdf"
    assert rows[-2]["status"] == "opaque"


def test_all_branches_are_read_and_told_apart(tmp_path: Path) -> None:
    tree = {
        "a": {"id": "a", "parentId": None, "role": "user", "content": "one"},
        "b": {"id": "b", "parentId": "a", "role": "assistant", "content": "old"},
        "c": {"id": "c", "parentId": "a", "role": "assistant", "content": "new"},
    }
    rows = chat(tmp_path / "a.json", history={"currentId": "c", "messages": tree})
    told = [(row["text"], json.loads(row["metadata"])["on_active_branch"]) for row in rows[1:]]
    assert told == [("one", True), ("old", False), ("new", True)]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"id": "a", "role": "user", "content": "one"}], ["one"]),
        ([{"id": "a", "role": "user", "content": "one", "note": "more"}], ["one", "more"]),
        ([{"id": "a", "role": "user", "content": "other"}], ["one", "other"]),
        ([{"id": "z", "role": "user", "content": "alone"}], ["one", "alone"]),
        (["odd"], ["one", "odd"]),
    ],
)
def test_the_list_of_messages_is_read_where_the_tree_does_not_say_it(
    tmp_path: Path, listed: list[Any], expected: list[str]
) -> None:
    tree = {"a": {"id": "a", "role": "user", "content": "one"}}
    rows = chat(tmp_path / "a.json", history={"messages": tree}, messages=listed)
    assert [row["text"] for row in rows[1:]] == expected


def test_files_with_their_text_are_read(tmp_path: Path) -> None:
    file = {"type": "file", "name": "a.txt", "file": {"data": {"content": "secret of the file"}}}
    tree = {"a": {"id": "a", "role": "user", "content": "one", "files": [file]}}
    rows = chat(tmp_path / "a.json", history={"messages": tree})
    assert ("files[0].file.data.content", "secret of the file") in [
        (row["part"], row["text"]) for row in rows
    ]
    assert {row["status"] for row in rows} == {"read"}


def test_a_chat_without_messages_is_unread(tmp_path: Path) -> None:
    rows = chat(tmp_path / "a.json", history={"messages": []}, system="be brief")
    assert [(row["part"], row["status"]) for row in rows] == [
        ("title", "read"), ("chat.system", "read"), ("chat.history.messages", "unread"),
    ]  # fmt: skip
