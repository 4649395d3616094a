"""ChatGPT exports as a source."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.chatgpt import ChatGptExport
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint

DATA = Path(__file__).parents[2] / "data" / "chatgpt"
Row = dict[str, Any]


def rows_of(path: Path, after: Checkpoint | None = None, **settings: Any) -> list[Row]:
    source = ChatGptExport(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


def message(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"id": "m", "author": {"role": role}, "content": content, "metadata": {}, **more}


def conversation(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    mapping = {
        f"n{number}": {"id": f"n{number}", "message": one, "parent": f"n{number - 1}"}
        for number, one in enumerate(messages)
    }
    return {"id": "c", "title": None, "mapping": mapping, "current_node": "n0", **more}


def export(path: Path, conversations: Any, files: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("conversations.json", json.dumps(conversations))
        for name, raw in (files or {}).items():
            writer.writestr(name, raw)
    return path


def parts(rows: list[Row]) -> list[tuple[str, str | None]]:
    return [(row["part"], row["text"]) for row in rows]


@pytest.mark.parametrize(
    ("name", "records", "read", "unread", "opaque"),
    [
        ("conversations.json", 5, 6, 0, 0),
        ("single.zip", 10, 17, 0, 2),
        ("sharded.zip", 13, 22, 1, 2),
    ],
)
def test_the_samples_hold_what_was_counted_by_hand(
    name: str, records: int, read: int, unread: int, opaque: int
) -> None:
    rows = rows_of(DATA / name)
    statuses = [row["status"] for row in rows]
    assert len({row["record_id"] for row in rows}) == records
    assert [statuses.count(one) for one in ("read", "unread", "opaque")] == [read, unread, opaque]


def test_all_branches_are_read_and_told_apart() -> None:
    rows = rows_of(DATA / "conversations.json")
    active = {
        row["record_id"]: json.loads(row["metadata"])["on_active_branch"]
        for row in rows
        if row["metadata"]
    }
    assert active == {
        "c-0001#ctx": True,
        "c-0001#u1": True,
        "c-0001#a1": False,
        "c-0001#a1b": True,
    }


def test_a_message_has_its_columns() -> None:
    (row,) = [row for row in rows_of(DATA / "sharded.zip") if row["record_id"] == "c-0001#a1"]
    assert row["text"] == "First draft (abandoned branch, still in the export)."
    assert (row["role"], row["model"], row["app"]) == ("assistant", "gpt-5", "ChatGPT")
    assert row["actor_id"] == "jane.placeholder@contoso.example"
    assert (row["conversation_id"], row["parent_id"]) == ("c-0001", "c-0001#u1")
    assert row["created_at"] == datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert row["context"] is None
    assert row["locator"]["file"].endswith("sharded.zip!conversations-000.json")


def test_hidden_instructions_titles_and_attachments_are_read() -> None:
    rows = rows_of(DATA / "sharded.zip")
    found = {(row["record_id"], row["part"]): row for row in rows}
    hidden = found["c-0001#ctx", "content.user_profile"]
    assert hidden["text"] == "I work in payroll at Contoso."
    assert json.loads(hidden["metadata"])["is_hidden"] is True
    assert found["c-0001#title", "title"]["text"] == "Refund draft"
    table = found["c-0002#m2", "attachments/salaries.csv"]
    assert (table["text"], table["mime"]) == ("name,salary\nJane Placeholder,91000\n", "text/csv")
    assert json.loads(table["metadata"])["on_active_branch"] is True
    badge = found["c-0002#m2", "attachments/badge.png"]
    assert (badge["status"], badge["problem"]) == ("opaque", "expected text, found a PNG image")
    voice = found["c-0004#v1", "attachments/file_a"]
    assert voice["problem"] == "expected the file file_a in the export, found none"
    assert found["c-0004#v1", "content.parts[0].text"]["text"] == "call me on 425 555 0100"
    assert found["user.json#user-synthetic", "email"]["text"] == "jane.placeholder@contoso.example"


def test_a_conversation_without_mapping_is_unread_and_the_next_is_read() -> None:
    rows = rows_of(DATA / "sharded.zip")
    (bad,) = [row for row in rows if row["status"] == "unread"]
    assert (bad["record_id"], bad["part"]) == ("c-0003#title", "mapping")
    assert rows.index(bad) < max(
        number for number, row in enumerate(rows) if row["conversation_id"] == "c-0002"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"content_type": "text", "parts": ["a", "", "b"]}, [("parts[0]", "a"), ("parts[2]", "b")]),
        (
            {"content_type": "code", "language": "python", "text": "x"},
            [("language", "python"), ("text", "x")],
        ),
        ({"content_type": "execution_output", "text": "x"}, [("text", "x")]),
        (
            {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "c"}]},
            [("thoughts[0].summary", "s"), ("thoughts[0].content", "c")],
        ),
        ({"content_type": "reasoning_recap", "content": "r"}, [("content", "r")]),
        (
            {"content_type": "tether_quote", "url": "u", "domain": "d", "text": "t", "title": "h"},
            [("url", "u"), ("domain", "d"), ("text", "t"), ("title", "h")],
        ),
        (
            {"content_type": "tether_browsing_display", "result": "r", "summary": "s"},
            [("result", "r"), ("summary", "s")],
        ),
        (
            {"content_type": "user_editable_context", "user_profile": "p", "user_x": "i"},
            [("user_profile", "p"), ("user_x", "i")],
        ),
        (
            {"content_type": "from_the_future", "deep": {"list": [{"customer_ssn": 219099999}]}},
            [("content_type", "from_the_future"), ("deep.list[0].customer_ssn", "219099999")],
        ),
        (
            {
                "content_type": "multimodal_text",
                "parts": [{"content_type": "audio_transcription", "text": "t"}, "q"],
            },
            [("parts[0].text", "t"), ("parts[1]", "q")],
        ),
    ],
)  # fmt: skip
def test_every_content_type_gives_its_text(
    tmp_path: Path, content: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    path = export(tmp_path / "a.zip", [conversation(message(content))])
    assert parts(rows_of(path)) == [(f"content.{part}", text) for part, text in expected]


def test_metadata_of_messages_and_conversations_is_scanned_but_not_their_ids(
    tmp_path: Path,
) -> None:
    metadata = {
        "request_id": "r",
        "user_context_message_data": {"about_user_message": "I am Jane"},
        "aggregate_result": {"code": "print(1)"},
    }
    one = message(None, metadata=metadata, author={"role": "tool", "name": "browser"})
    path = export(tmp_path / "a.zip", [conversation(one, safe_urls=["https://x.example"])])
    assert parts(rows_of(path)) == [
        ("safe_urls[0]", "https://x.example"),
        ("author.name", "browser"),
        ("metadata.user_context_message_data.about_user_message", "I am Jane"),
        ("metadata.aggregate_result.code", "print(1)"),
    ]


@pytest.mark.parametrize(
    ("name", "raw", "status", "text"),
    [
        ("file-AbC1-notes.txt", b"hi", "read", "hi"),
        ("sub/file-AbC1-notes.txt", b"hi", "read", "hi"),
        ("notes.txt", b"hi", "read", "hi"),
        ("file-AbC1-notes.txt", b"caf\xe9", "read", "café"),
        ("file-AbC1-notes.txt", b"a\0b", "opaque", None),
        ("file-AbC1-notes.txt", b"x" * 101, "unread", None),
        ("file-AbC2-notes.txt", b"hi", "opaque", None),
    ],
)
def test_a_file_that_a_message_names_is_its_part(
    tmp_path: Path, name: str, raw: bytes, status: str, text: str | None
) -> None:
    attachment = {"id": "file-AbC1", "name": "notes.txt", "mime_type": "text/plain", "size": 2}
    one = message({"content_type": "text", "parts": []}, metadata={"attachments": [attachment]})
    path = export(tmp_path / "a.zip", [conversation(one)], {name: raw})
    rows = rows_of(path, max_file_bytes=100)
    (row,) = [row for row in rows if row["part"].startswith("attachments/")]
    assert (row["part"], row["status"], row["text"]) == ("attachments/notes.txt", status, text)
    assert row["attachments"] == [
        {"name": "notes.txt", "mime": "text/plain", "size": 2, "ref": "file-AbC1"}
    ]
    assert len([row for row in rows if row["text"] == text]) == 1 or text is None


def test_files_that_no_message_names_are_records_of_their_own(tmp_path: Path) -> None:
    files = {
        "file-AbC9-orphan.txt": b"orphan",
        "message_feedback.json": b'[{"id": "f1", "content": "bad answer"}, 5.5]',
        "chat.html": b"<html>the same once more</html>",
        "file-AbC8-data.json": b'{"a": 1}',
        "image.png": b"\x89PNG",
    }
    rows = rows_of(export(tmp_path / "a.zip", [], files))
    assert [(row["record_id"], row["part"], row["text"]) for row in rows] == [
        ("message_feedback.json#f1", "id", "f1"),
        ("message_feedback.json#f1", "content", "bad answer"),
        ("file-AbC9-orphan.txt", "text", "orphan"),
        ("file-AbC8-data.json", "text", '{"a": 1}'),
        ("image.png", "text", None),
    ]


def test_zip_folder_and_bare_file_tell_the_same(tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / "sharded.zip") as archive:
        archive.extractall(tmp_path / "folder")
    told = [
        [(row["record_id"], row["part"], row["text"], row["status"]) for row in rows_of(path)]
        for path in (DATA / "sharded.zip", tmp_path / "folder")
    ]
    assert told[0] == told[1]
    shard = rows_of(tmp_path / "folder" / "conversations-000.json")
    assert [row["record_id"] for row in shard] == [row[0] for row in told[0][: len(shard)]]
    assert shard[0]["actor_id"] is None


@pytest.mark.parametrize("batch_rows", [1, 3, 2000])
def test_reading_again_from_any_checkpoint_gives_exactly_the_rest(
    tmp_path: Path, batch_rows: int
) -> None:
    with zipfile.ZipFile(DATA / "sharded.zip") as archive:
        files = {
            info.filename: archive.read(info)
            for info in archive.infolist()
            if not info.filename.startswith("conversations")
        }
        chats = json.loads(archive.read("conversations-001.json"))
    files["file_000000009-orphan.txt"] = b"orphan"
    path = export(tmp_path / "a.zip", chats, files)
    source = ChatGptExport(str(path), batch_rows=batch_rows)
    (asset,) = source.discover()
    whole = rows_of(path, batch_rows=batch_rows)
    seen = 0
    checkpoints = []
    for batch, checkpoint in source.read(asset):
        seen += batch.num_rows
        assert rows_of(path, checkpoint, batch_rows=batch_rows) == whole[seen:]
        json.dumps(dict(checkpoint.cursor))
        checkpoints.append(checkpoint)
    assert [one.done for one in checkpoints] == [False] * (len(checkpoints) - 1) + [True]
    assert checkpoints[-1].bytes_read == asset.size_bytes


def test_all_rows_of_a_record_lie_in_one_batch() -> None:
    source = ChatGptExport(str(DATA / "sharded.zip"), batch_rows=1)
    (asset,) = source.discover()
    batches = [batch.to_pylist() for batch, _ in source.read(asset)]
    identities = [{row["record_id"] for row in rows} for rows in batches]
    assert sum(map(len, identities)) == len(set().union(*identities))
    for rows in batches:
        for identity in {row["record_id"] for row in rows}:
            seqs = [row["seq"] for row in rows if row["record_id"] == identity]
            assert seqs == list(range(len(seqs)))


def test_an_empty_export_gives_one_empty_batch(tmp_path: Path) -> None:
    path = export(tmp_path / "a.zip", [], {"chat.html": b""})
    source = ChatGptExport(str(path))
    (asset,) = source.discover()
    ((batch, checkpoint),) = source.read(asset)
    assert (batch.num_rows, checkpoint.done) == (0, True)


def test_what_is_damaged_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    raw = json.dumps([conversation(message("one"), id="a"), conversation(message("two"), id="b")])
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("conversations-000.json", raw[:-30])
        writer.writestr("conversations-001.json", raw.replace('"one"', "one"))
        writer.writestr("conversations-002.json", raw)
    path.write_bytes(path.read_bytes().replace(b'"two"', b'"TWO"'))
    rows = rows_of(path)
    read = [row["text"] for row in rows if row["status"] == "read"]
    tails = [row["text"] for row in rows if row["part"] == "#tail"]
    assert [text for text in read if text not in tails] == ["one", "TWO", "TWO", "one", "TWO"]
    assert any(tail.startswith("one, ") for tail in tails)
    assert {row["part"] for row in rows if row["status"] == "unread"} == {"#record", "#stream"}


def test_an_encrypted_member_is_protected(tmp_path: Path) -> None:
    path = export(tmp_path / "a.zip", [conversation(message("one"))], {"notes.txt": b"n"})
    raw = bytearray(path.read_bytes())
    for header, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.rindex(header) + flag] |= 1
    path.write_bytes(bytes(raw))
    rows = rows_of(path)
    assert [(row["record_id"], row["status"]) for row in rows] == [
        ("c#n0", "read"),
        ("notes.txt", "protected"),
    ]


def test_of_a_cut_zip_the_messages_that_are_there_are_read(tmp_path: Path) -> None:
    raw = (DATA / "single.zip").read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(raw[: len(raw) * 2 // 3])
    assert ChatGptExport.recognises(path)
    rows, whole = rows_of(path), rows_of(DATA / "single.zip")
    read = {(row["record_id"], row["text"]) for row in rows if row["status"] == "read"}
    assert len(read & {(row["record_id"], row["text"]) for row in whole}) >= 3
    assert ("#directory", "unread") in {(row["record_id"], row["status"]) for row in rows}


def test_a_zip_without_conversations_and_a_zip_of_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("other.txt", "x")
    with pytest.raises(SourceError, match="holds no conversations"):
        rows_of(path)
    path.write_bytes((DATA / "single.zip").read_bytes()[:20])
    with pytest.raises(SourceError, match="not a whole zip"):
        rows_of(path)
    with pytest.raises(SourceError):
        rows_of(tmp_path / "none.zip")


def test_it_recognises_exports_and_not_those_of_others(tmp_path: Path) -> None:
    claude = export(
        tmp_path / "claude.zip", [{"uuid": "u", "chat_messages": []}], {"users.json": b""}
    )
    (tmp_path / "records.json").write_text('[{"text": "x"}]')
    with zipfile.ZipFile(DATA / "single.zip") as archive:
        archive.extractall(tmp_path / "folder")
    assert ChatGptExport.recognises(DATA / "single.zip")
    assert ChatGptExport.recognises(DATA / "sharded.zip")
    assert ChatGptExport.recognises(DATA / "conversations.json")
    assert ChatGptExport.recognises(tmp_path / "folder")
    assert ChatGptExport.recognises(export(tmp_path / "empty.zip", [], {"chat.html": b""}))
    for other in (claude, tmp_path / "records.json", tmp_path, tmp_path / "none.zip"):
        assert not ChatGptExport.recognises(other)


def change_one(value: Any, place: int, new: Any) -> Any:
    """The value with its place-th node, counted depth first, replaced."""
    nodes: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            nodes.append((node, key))
            if isinstance(node[key], (dict, list)):
                visit(node[key])

    changed = copy.deepcopy(value)
    visit(changed)
    parent, key = nodes[place % len(nodes)]
    parent[key] = new
    return changed


SAMPLE = json.loads((DATA / "conversations.json").read_bytes())
ODD: list[Callable[[], Any]] = [
    lambda: None, list, dict, lambda: 5, lambda: 1e300, lambda: "text", lambda: ["x", {"y": "z"}],
    lambda: {"content_type": 5, "parts": "x"}, lambda: True, lambda: {"asset_pointer": 5},
]  # fmt: skip


def test_a_message_without_content_type_or_current_node_is_read(tmp_path: Path) -> None:
    path = export(tmp_path / "a.zip", [conversation(message({"text": "x"}), current_node=None)])
    assert [(row["text"], row["metadata"]) for row in rows_of(path)] == [("x", None)]


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.integers(0, 10_000), st.sampled_from(ODD))
def test_odd_values_anywhere_never_raise(
    tmp_path: Path, place: int, make: Callable[[], Any]
) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps(change_one(SAMPLE, place, make())))
    rows_of(path, batch_rows=2)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.integers(0, 2_700), st.binary(min_size=1, max_size=4))
def test_only_source_errors_leave_a_damaged_zip(tmp_path: Path, place: int, junk: bytes) -> None:
    raw = bytearray((DATA / "sharded.zip").read_bytes())
    raw[place % len(raw) : place % len(raw) + len(junk)] = junk
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(raw))
    ChatGptExport.recognises(path)
    try:
        rows = rows_of(path)
    except SourceError:
        return
    assert rows
