"""JSON arrays and objects as a source."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.json_array import JsonArray
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint

SHAREGPT = [
    {
        "id": f"identity_{number}",
        "conversations": [
            {"from": "human", "value": f"Who are you, {number}?"},
            {"from": "gpt", "value": 'A "model" [of {sorts}], \\ really'},
        ],
    }
    for number in range(40)
]


def rows_of(path: Path, after: Checkpoint | None = None, **settings: Any) -> list[dict[str, Any]]:
    source = JsonArray(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_each_element_is_a_record(tmp_path: Path, indent: int | None, suffix: str) -> None:
    path = tmp_path / f"a.json{suffix}"
    raw = json.dumps(SHAREGPT, indent=indent).encode()
    path.write_bytes(gzip.compress(raw) if suffix else raw)
    rows = rows_of(path)
    assert len(rows) == 120
    assert [(row["record_id"], row["role"], row["text"]) for row in rows[:3]] == [
        ("identity_0", None, "identity_0"),
        ("identity_0", "user", "Who are you, 0?"),
        ("identity_0", "assistant", 'A "model" [of {sorts}], \\ really'),
    ]
    for row in rows:
        element, _ = json.JSONDecoder().raw_decode(raw[row["locator"]["offset"] :].decode())
        assert element["id"] == row["record_id"]
        assert SHAREGPT[row["locator"]["row"]]["id"] == row["record_id"]


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (b'{"question": "q", "list": ["a", "b"]}', ["q", "a", "b"]),
        (b'{"text": "one"}\n{"text": "two"}', ["one", "two"]),
        (b'["one", "two"]', ["one", "two"]),
        (b'[["one"], [{"a": "two"}]]', ["one", "two"]),
        (b'"one"', ["one"]),
        (b'\xef\xbb\xbf[{"text": "one"}]', ["one"]),
    ],
)
def test_objects_and_plain_values_are_records_too(
    tmp_path: Path, raw: bytes, texts: list[str]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    assert [row["text"] for row in rows_of(path)] == texts


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("batch_rows", [1, 10])
def test_reading_again_from_any_checkpoint_gives_exactly_the_rest(
    tmp_path: Path, suffix: str, batch_rows: int
) -> None:
    path = tmp_path / f"a.json{suffix}"
    raw = json.dumps([*SHAREGPT, None, "text"], indent=1).encode() + b'\n{"text": "more"} [1, "x"'
    path.write_bytes(gzip.compress(raw) if suffix else raw)
    whole = rows_of(path, batch_rows=batch_rows)
    source = JsonArray(str(path), batch_rows=batch_rows)
    (asset,) = source.discover()
    seen = 0
    for batch, checkpoint in source.read(asset):
        seen += batch.num_rows
        assert rows_of(path, checkpoint, batch_rows=batch_rows) == whole[seen:]
    assert checkpoint.done
    assert seen == len(whole)


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (b'{"text": secret}', "#record"),
        (b'{"text": "\xff"}', "#encoding"),
        (b'{"text": "' + b"x" * 5000 + b'"}', "#record"),
    ],
)
def test_a_bad_element_does_not_spoil_the_next(tmp_path: Path, bad: bytes, part: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "one"}, ' + bad + b', {"text": "two", "score": NaN}]')
    rows = rows_of(path, max_record_bytes=1_000)
    assert [row["text"] for row in rows if row["record_id"] != "1"] == ["one", "two"]
    assert [(row["part"], row["record_id"]) for row in rows if row["status"] == "unread"] == [
        (part, "1")
    ]


def test_a_file_cut_anywhere_gives_what_is_whole_and_tells_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    raw = json.dumps(SHAREGPT).encode()
    path.write_bytes(raw)
    whole = rows_of(path)
    for twentieth in range(1, 20):
        path.write_bytes(raw[: len(raw) * twentieth // 20])
        rows = rows_of(path)
        torn = {row["record_id"] for row in rows if row["status"] == "unread"}
        read = [row for row in rows if row["record_id"] not in torn]
        assert read == whole[: len(read)]
        assert {row["part"] for row in rows if row["status"] == "unread"} <= {"#record", "#stream"}
        assert len(rows) > len(read)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(b'[]{}",\\:1 \xff\x00a')), max_size=40).map(bytes))
def test_only_source_errors_leave_it(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    rows_of(path, batch_rows=2)


def test_of_one_object_cut_off_what_stands_before_the_cut_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    chat = {"id": "c", "messages": [{"text": f"message {n}"} for n in range(9)], "end": "x"}
    raw = json.dumps(chat).encode()
    path.write_bytes(raw[: raw.index(b"sage 6")])
    rows = rows_of(path)
    read = [row["text"] for row in rows if row["part"].endswith(".text")]
    assert read == [f"message {n}" for n in range(6)]
    assert [(row["part"], row["text"]) for row in rows[-2:]] == [
        ("#tail", '"mes'),
        ("#record", None),
    ]
    assert len({row["record_id"] for row in rows}) == 1


def test_utf16_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes("[]".encode("utf-16"))
    with pytest.raises(SourceError, match="UTF-16"):
        rows_of(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.json", True), ("A.JSON.GZ", True), ("a.json.zst", True), ("a.jsonl", False)],
)
def test_it_recognises_json_by_name(name: str, expected: bool) -> None:
    assert JsonArray.recognises(Path(name)) is expected
