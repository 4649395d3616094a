"""What every source of interaction logs must do, and the reader they share."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources._log_reader import LogFile, generic_record
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint

DATA = Path(__file__).parents[2] / "data"
LOGS = [
    ("claude_export:ClaudeExport", "claude/export.zip"),
    ("claude_code:ClaudeCode", "transcripts/claude-code.jsonl"),
    ("codex:Codex", "transcripts/codex.jsonl"),
    ("m365_copilot:M365Copilot", "m365-copilot/page-1.json"),
    ("m365_copilot:M365Copilot", "m365-copilot/page-2.json"),
    ("api_log:ApiLog", "api-log/messages.jsonl"),
    ("api_log:ApiLog", "api-log/cc_function_calling_response.json"),
    ("otlp:OtlpTraces", "otlp/genai_traces_three_dialects.json"),
    ("otlp:OtlpTraces", "otlp/events.json"),
    ("slack_export:SlackExport", "slack/export.zip"),
    ("open_webui:OpenWebUi", "open-webui/chats-export.json"),
    ("litellm:LiteLlm", "gateways/litellm.jsonl"),
    ("langfuse:Langfuse", "gateways/langfuse.jsonl"),
    ("gemini_takeout:GeminiTakeout", "gemini/MyActivity.json"),
    ("purview_audit:PurviewAudit", "audit/record-2.json"),
    ("teams:Teams", "teams/chat-messages.json"),
    ("teams:Teams", "teams/channel-messages.jsonl"),
    ("teams:Teams", "teams/messages.json"),
    ("librechat:LibreChat", "librechat/export.json"),
    ("librechat:LibreChat", "librechat/recursive.json"),
    ("librechat:LibreChat", "librechat/messages.jsonl"),
    ("langsmith:LangSmith", "langsmith/runs.jsonl"),
    ("chatgpt_compliance:ChatGptCompliance", "compliance/chatgpt-conversations.jsonl"),
    ("chatgpt_compliance:ChatGptCompliance", "compliance/chatgpt-log.jsonl"),
    ("claude_compliance:ClaudeCompliance", "compliance/claude-activities.json"),
    ("claude_compliance:ClaudeCompliance", "compliance/claude-messages.json"),
]
Row = dict[str, Any]
QUIET = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
ODD: list[Any] = [None, [], {}, 5, 1e300, "text", ["x", {"y": "z"}], True, {"a": {"b": 1}}, -1]


def source_of(name: str, path: Path, **settings: Any) -> Any:
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(f"dlpagent.connectors.sources.{module}"), kind)
    return found(str(path), **settings)


def rows_of(source: Any, after: Checkpoint | None = None) -> list[Row]:
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(row["record_id"], row["part"], row["text"], row["role"]) for row in rows]


def written(folder: Path, file: str, change: Callable[[bytes], bytes]) -> Path:
    """The sample, or each JSON member of it, with changed bytes."""
    path = folder / Path(file).name
    if not file.endswith(".zip"):
        path.write_bytes(change((DATA / file).read_bytes()))
        return path
    with zipfile.ZipFile(DATA / file) as given, zipfile.ZipFile(path, "w") as out:
        for info in given.infolist():
            if not info.is_dir():
                out.writestr(info.filename, change(given.read(info)))
    return path


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_each_source_recognises_its_sample_and_no_other(name: str, file: str) -> None:
    takers = {one for one, _ in LOGS if source_of(one, DATA / file).recognises(DATA / file)}
    assert takers == {name}
    for other in (DATA / "none.json", DATA, DATA / "chatgpt" / "single.zip", DATA / "README.md"):
        assert not source_of(name, DATA).recognises(other)


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_a_log_is_an_asset_whose_records_are_judged_one_by_one(name: str, file: str) -> None:
    source = source_of(name, DATA / file)
    (asset,) = source.discover()
    assert (asset.kind, asset.item, asset.connector) == ("chat_log", "record", source.name)
    assert asset.app
    assert asset.uri == (DATA / file).resolve().as_uri()
    rows = rows_of(source)
    assert all(row["app"] and row["locator"]["file"].startswith("/") for row in rows)


@pytest.mark.parametrize("batch_rows", [1, 4])
@pytest.mark.parametrize(("name", "file"), LOGS)
def test_reading_again_from_any_checkpoint_gives_exactly_the_rest(
    name: str, file: str, batch_rows: int
) -> None:
    source = source_of(name, DATA / file, batch_rows=batch_rows)
    (asset,) = source.discover()
    whole, seen, checkpoints = rows_of(source), 0, []
    for batch, checkpoint in source.read(asset):
        seen += batch.num_rows
        restored = Checkpoint(json.loads(json.dumps(dict(checkpoint.cursor))), checkpoint.done)
        assert rows_of(source, restored) == whole[seen:]
        checkpoints.append(checkpoint)
    assert [one.done for one in checkpoints] == [False] * (len(checkpoints) - 1) + [True]
    assert checkpoints[-1].bytes_read


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_rows_of_a_record_are_neighbours_numbered_from_zero(name: str, file: str) -> None:
    rows = rows_of(source_of(name, DATA / file))
    seen: set[str] = set()
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before["record_id"] == row["record_id"]:
            assert row["seq"] == before["seq"] + 1
        else:
            assert row["seq"] == 0
            assert row["record_id"] not in seen
            seen.add(row["record_id"])


@pytest.mark.parametrize("twentieths", range(1, 20))
@pytest.mark.parametrize(("name", "file"), LOGS)
def test_what_stands_before_a_cut_is_read_and_the_cut_is_told(
    tmp_path: Path, name: str, file: str, twentieths: int
) -> None:
    def cut(raw: bytes) -> bytes:
        return raw[: len(raw) * twentieths // 20]

    rows = rows_of(source_of(name, written(tmp_path, file, cut)))
    whole = {row["text"] for row in rows_of(source_of(name, DATA / file)) if row["text"]}
    read = [row["text"] for row in rows if row["status"] == "read" and row["part"] != "#tail"]
    assert sum(text in whole for text in read) >= len(read) - 4 * len(
        {r["locator"]["file"] for r in rows}
    )
    if cut(b"x" * 20) and not file.endswith((".jsonl", ".csv")):
        assert any(row["status"] == "unread" for row in rows)
    if twentieths >= 14:
        assert len(read) >= len(whole) // 8


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_flipped_bytes_never_raise_and_lose_nothing_unreported(
    tmp_path: Path, name: str, file: str
) -> None:
    @QUIET
    @given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6))
    def check(flips: list[tuple[int, int]]) -> None:
        def flip(raw: bytes) -> bytes:
            changed = bytearray(raw)
            for place, byte in flips:
                changed[place % len(raw)] = byte
            return bytes(changed)

        rows_of(source_of(name, written(tmp_path, file, flip), batch_rows=3))

    check()


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_missing_and_retyped_fields_never_raise(tmp_path: Path, name: str, file: str) -> None:
    @QUIET
    @given(st.integers(0, 1 << 20), st.sampled_from(ODD), st.booleans())
    def check(place: int, odd: Any, is_gone: bool) -> None:
        def change(raw: bytes) -> bytes:
            return changed_json(raw, place, odd, is_gone)

        rows_of(source_of(name, written(tmp_path, file, change), batch_rows=3))

    check()


@pytest.mark.parametrize(("name", "file"), LOGS)
def test_an_unknown_field_is_scanned_wherever_it_is_put(
    tmp_path: Path, name: str, file: str
) -> None:
    for place in range(25):

        def change(raw: bytes, place: int = place) -> bytes:
            return changed_json(raw, place, None, False, added=True)

        rows = rows_of(source_of(name, written(tmp_path, file, change)))
        assert any("4111 1111 1111 1111" in (row["text"] or "") for row in rows), place


def changed_json(raw: bytes, place: int, odd: Any, is_gone: bool, added: bool = False) -> bytes:
    """JSON, or lines of JSON, with one node of it (counted depth first) changed."""
    try:
        value, is_lines = json.loads(raw), False
    except ValueError:
        value, is_lines = [_line(line) for line in raw.splitlines()], True
    nodes: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            nodes.append((node, key))
            if isinstance(node[key], (dict, list)):
                visit(node[key])

    visit(value)
    if added:
        objects = [node for node, _ in nodes if isinstance(node, dict)]
        if objects:
            objects[place % len(objects)]["added_by_someone"] = "card 4111 1111 1111 1111"
    elif nodes:
        parent, key = nodes[place % len(nodes)]
        if is_gone and isinstance(parent, dict):
            del parent[key]
        else:
            parent[key] = odd
    if is_lines:
        return b"".join(json.dumps(line).encode() + b"\n" for line in value)
    return json.dumps(value).encode()


def _line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return {}


def read_generic(path: Path, **settings: Any) -> list[Row]:
    log = LogFile(path, "test", "Test", **settings)
    asset = log.asset()
    batches = log.read(asset, None, lambda value, identity: [generic_record(value, identity)])
    return [row for batch, _ in batches for row in batch.to_pylist()]


def test_a_damaged_value_is_read_up_to_the_damage_and_its_rest_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(
        b'[{"id": "r1", "text": "one", "deep": [{"a": "two"}, {b": "three"}]}, {"t": 4}]'
    )
    rows = read_generic(path)
    assert [(row["record_id"], row["part"], row["text"], row["status"]) for row in rows] == [
        ("r1", "id", "r1", "read"),
        ("r1", "text", "one", "read"),
        ("r1", "deep[0].a", "two", "read"),
        ("0#damage", "#record", None, "unread"),
        ("0#damage", "#tail", 'b": "three"}]}, {"t": 4}]', "read"),
        ("0#damage", "#end", None, "unread"),
    ]
    assert "three" not in rows[3]["problem"]
    assert rows[3]["locator"]["offset"] == 1


def test_bytes_that_are_not_utf8_are_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "caf\xe9"}, {"text": "x"}]')
    rows = read_generic(path)
    assert [(row["part"], row["text"]) for row in rows] == [
        ("text", "caf\ufffd"), ("#encoding", None), ("text", "x"),
    ]  # fmt: skip


def test_a_record_above_the_limit_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "' + b"x" * 500 + b'"}, {"text": "y"}]')
    rows = read_generic(path, max_record_bytes=100)
    assert [(row["part"], row["text"]) for row in rows] == [("#record", None), ("text", "y")]


def test_an_empty_log_gives_one_empty_batch_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"")
    log = LogFile(path, "test", "Test")
    ((batch, checkpoint),) = log.read(log.asset(), None, lambda *_: [])
    assert (batch.num_rows, checkpoint.done) == (0, True)
    with pytest.raises(SourceError):
        LogFile(tmp_path / "none.json", "test", "Test").asset()
