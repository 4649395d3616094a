"""Claude exports."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.claude_export import ClaudeExport

SAMPLE = Path(__file__).parents[2] / "data" / "claude" / "export.zip"
Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    source = ClaudeExport(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def chats(path: Path, *chats: Any) -> list[Row]:
    path.write_text(json.dumps(list(chats)))
    return rows_of(path)


def test_the_sample_gives_what_was_read_by_hand() -> None:
    rows = rows_of(SAMPLE)
    told = [(r["record_id"], r["part"], r["role"], r["text"]) for r in rows]
    assert [one for one in told if one[0].startswith("cl-1")] == [
        ("cl-1#title", "name", None, "Contract"),
        ("cl-1#m1", "content[0].text", "user",
         "Summarise the attached contract with IBAN GB82WEST12345698765432"),
        ("cl-1#m1", "attachments[0].file_name", "user", "contract.txt"),
        ("cl-1#m1", "attachments[0].file_size", "user", "64"),
        ("cl-1#m1", "attachments[0].file_type", "user", "text/plain"),
        ("cl-1#m1", "attachments[0].extracted_content", "user",
         "CONFIDENTIAL: Supplier bank GB82WEST12345698765432"),
        ("cl-1#m1", "files[0].file_name", "user", "scan.png"),
        ("cl-1#m1", "files[0]", "user", None),
        ("cl-1#m2", "content[0].thinking", "assistant", "read it"),
        ("cl-1#m2", "content[1].text", "assistant", "Done."),
        ("cl-1#m2", "content[2].name", "assistant", "artifacts"),
        ("cl-1#m2", "content[2].input.content", "assistant", "draft body"),
        ("cl-1#m2", "content[3].name", "tool", "artifacts"),
        ("cl-1#m2", "content[3].content[0].text", "tool", "OK"),
    ]  # fmt: skip
    assert ("projects/p-1.json#p-1", "docs[0].content", None, "Vendor A; tax id 12-3456789") in told
    assert ("projects/p-1.json#p-1", "prompt_template", None, "Never show IBANs.") in told
    assert ("users.json#acc-1", "full_name", None, "Jane Placeholder") in told


def test_a_message_has_its_columns() -> None:
    (row,) = [row for row in rows_of(SAMPLE) if row["part"] == "content[0].text"]
    assert row["actor_id"] == "jane.placeholder@contoso.example"
    assert (row["app"], row["conversation_id"], row["model"]) == ("Claude", "cl-1", None)
    assert row["created_at"] == datetime(2026, 1, 5, 9, 0, 1, tzinfo=UTC)
    assert [one["name"] for one in row["attachments"]] == ["contract.txt", "scan.png"]
    assert row["locator"]["file"].endswith("export.zip!conversations.json")


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("onetwo", False),
        ("one\n\ntwo", False),
        ("one\n```\nThis block is not supported on your current device yet.\n```\ntwo", False),
        ("one two, and a secret", True),
        ("", False),
    ],
)
def test_text_is_read_when_the_blocks_do_not_say_it(
    tmp_path: Path, text: str, is_read: bool
) -> None:
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    message = {"uuid": "m", "sender": "human", "text": text, "content": blocks}
    rows = chats(tmp_path / "a.json", {"uuid": "c", "chat_messages": [message]})
    assert ("text" in [row["part"] for row in rows]) is is_read


def test_chats_of_the_compliance_interface_are_read_too(tmp_path: Path) -> None:
    message = {
        "id": "m1", "role": "assistant", "created_at": "2026-01-01T00:00:00Z",
        "content": [{"type": "text", "text": "hello"}],
        "files": [{"id": "f1", "filename": "a.pdf", "mime_type": "application/pdf"}],
    }  # fmt: skip
    user = {"id": "u1", "email_address": "jane@contoso.example"}
    chat = {"id": "c1", "model": "claude-x", "user": user, "chat_messages": [message]}
    path = tmp_path / "chats.json"
    path.write_text(json.dumps({"data": [chat], "has_more": False}))
    assert ClaudeExport.recognises(path)
    (row,) = [row for row in rows_of(path) if row["text"] == "hello"]
    assert (row["record_id"], row["role"], row["model"]) == ("c1#m1", "assistant", "claude-x")
    assert row["actor_id"] == "jane@contoso.example"
    assert row["attachments"][0]["mime"] == "application/pdf"


def test_a_parent_is_named_and_a_conversation_without_messages_is_unread(tmp_path: Path) -> None:
    message = {"uuid": "m2", "sender": "human", "text": "x", "parent_message_uuid": "m1"}
    rows = chats(
        tmp_path / "a.json", {"uuid": "c", "chat_messages": [message]}, {"uuid": "d", "name": "n"}
    )
    assert [(r["record_id"], r["part"], r["parent_id"], r["status"]) for r in rows] == [
        ("c#m2", "text", "c#m1", "read"),
        ("d#title", "name", None, "read"),
        ("d#title", "chat_messages", None, "unread"),
    ]


def test_the_folder_tells_what_the_zip_tells(tmp_path: Path) -> None:
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path / "folder")
    assert ClaudeExport.recognises(tmp_path / "folder")
    zipped, unpacked = (
        {(row["record_id"], row["part"], row["text"]) for row in rows_of(path)}
        for path in (SAMPLE, tmp_path / "folder")
    )
    assert zipped == unpacked


def test_of_a_cut_zip_the_messages_that_are_there_are_read_and_the_cut_is_told(
    tmp_path: Path,
) -> None:
    raw = SAMPLE.read_bytes()
    (tmp_path / "cut.zip").write_bytes(raw[: len(raw) * 2 // 3])
    rows = rows_of(tmp_path / "cut.zip")
    whole = {(row["record_id"], row["text"]) for row in rows_of(SAMPLE)}
    read = {(row["record_id"], row["text"]) for row in rows if row["status"] == "read"}
    assert len(read & whole) >= 3
    assert ("#directory", "unread") in {(row["record_id"], row["status"]) for row in rows}
