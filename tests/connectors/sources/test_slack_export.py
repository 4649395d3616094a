"""Slack exports."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.slack_export import SlackExport

SAMPLE = Path(__file__).parents[2] / "data" / "slack" / "export.zip"
USERS = [
    {"id": "U1", "profile": {"email": "jane@contoso.example"}},
    {"id": "U2", "is_bot": True, "profile": {}},
]
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = SlackExport(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def messages(path: Path, *found: Any, files: dict[str, bytes] | None = None) -> list[Row]:
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("users.json", json.dumps(USERS))
        writer.writestr("channels.json", json.dumps([{"id": "C1", "name": "pay"}]))
        writer.writestr("pay/2026-01-02.json", json.dumps(found))
        for name, raw in (files or {}).items():
            writer.writestr(name, raw)
    assert SlackExport.recognises(path)
    return [row for row in rows_of(path) if not row["record_id"].startswith(("users", "channels"))]


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    told = [(r["record_id"], r["text"], r["role"]) for r in rows if r["part"] == "text"]
    assert told == [
        ("C0535BV3C6P#1681413815.354069", "<@U0500003428> has joined the channel", "user"),
        ("C0535BV3C6P#1681413829.513479", "Example message", "user"),
        ("C05019B47SB#1681413317.397479", "Hello, world!", "user"),
        ("C05019B47SB#1681413834.502859", "Example in general", "user"),
        ("C050FR57M8S#1681413852.964959", "Example random message", "user"),
    ]
    assert [row["text"] for row in rows].count("Hello, world!") == 1
    (first,) = [row for row in rows if row["text"] == "Hello, world!"]
    assert first["created_at"] == datetime(2023, 4, 13, 19, 15, 17, 397479, tzinfo=UTC)
    assert (first["actor_id"], first["conversation_id"]) == ("U0500003428", "C05019B47SB")
    assert first["locator"]["file"].endswith("export.zip!general/2023-04-13.json")


def test_a_message_has_its_author_thread_and_files(tmp_path: Path) -> None:
    file = {"id": "F1", "name": "pay.csv", "mimetype": "text/csv", "size": 5, "url_private": "u"}
    one = {"ts": "1767225601.000100", "thread_ts": "1767225600.000000", "user": "U1",
           "text": "see", "files": [file]}  # fmt: skip
    rows = messages(tmp_path / "a.zip", one)
    assert (rows[0]["actor_id"], rows[0]["role"]) == ("jane@contoso.example", "user")
    assert rows[0]["parent_id"] == "C1#1767225600.000000"
    assert rows[0]["attachments"] == [
        {"name": "pay.csv", "mime": "text/csv", "size": 5, "ref": "u"}
    ]
    assert (rows[-1]["part"], rows[-1]["status"]) == ("files[0]", "opaque")


@pytest.mark.parametrize(
    ("more", "role"),
    [
        ({"user": "U1"}, "user"), ({"user": "U2"}, "assistant"), ({"bot_id": "B"}, "assistant"),
        ({"subtype": "bot_message"}, "assistant"), ({"user": ["odd"]}, "user"),
    ],
)  # fmt: skip
def test_bots_are_assistants(tmp_path: Path, more: dict[str, Any], role: str) -> None:
    row = messages(tmp_path / "a.zip", {"ts": "1.0", "text": "x", **more})[0]
    assert (row["part"], row["role"]) == ("text", role)


@pytest.mark.parametrize(
    ("text", "said", "is_read"),
    [
        ("hello", "hello", False),
        ("a &amp; b", "a & b", False),
        ("<https://x.example|label>", "label", False),
        ("hello", "secret", True),
        ("", "only in blocks", True),
    ],
)
def test_blocks_are_read_when_the_text_does_not_say_it(
    tmp_path: Path, text: str, said: str, is_read: bool
) -> None:
    leaf = {"type": "text", "text": said}
    blocks = [{"type": "rich_text", "block_id": "b", "elements": [{"elements": [leaf]}]}]
    rows = messages(tmp_path / "a.zip", {"ts": "1.0", "text": text, "blocks": blocks})
    assert ("blocks[0].elements[0].elements[0].text" in [row["part"] for row in rows]) is is_read


def test_other_members_are_records_and_the_folder_tells_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    rows = messages(
        path, {"ts": "1.0", "text": "x"}, files={"pay/notes.txt": b"n", "odd.json": b"[5.5]"}
    )
    assert [(row["record_id"], row["text"]) for row in rows] == [
        ("C1#1.0", "x"), ("pay/notes.txt", "n"),
    ]  # fmt: skip
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert SlackExport.recognises(tmp_path / "folder")
    folder = [(row["record_id"], row["part"], row["text"]) for row in rows_of(tmp_path / "folder")]
    assert folder == [(row["record_id"], row["part"], row["text"]) for row in rows_of(path)]
