"""JSON Lines as a source."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint

RECORDS = [
    {"id": f"r{number}", "text": f"text {number} é", "meta": {"n": number}} for number in range(50)
]
PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def jsonl(records: list[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def rows_of(path: Path, after: Checkpoint | None = None, **settings: Any) -> list[dict[str, Any]]:
    source = JsonLines(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


def checkpoints_of(path: Path, **settings: Any) -> list[tuple[int, Checkpoint]]:
    source = JsonLines(str(path), **settings)
    (asset,) = source.discover()
    return [(batch.num_rows, checkpoint) for batch, checkpoint in source.read(asset)]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
def test_every_line_is_a_record_with_its_offset(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"corpus.jsonl{suffix}"
    raw = jsonl(RECORDS)
    path.write_bytes(pack(raw))
    rows = [row for row in rows_of(path) if row["part"] == "text"]
    assert [(row["record_id"], row["text"]) for row in rows] == [
        (record["id"], record["text"]) for record in RECORDS
    ]
    for row in rows:
        line = raw[row["locator"]["offset"] :].partition(b"\n")[0]
        assert json.loads(line)["id"] == row["record_id"]
        assert row["locator"]["file"] == str(path.resolve())
        assert (row["seq"], row["asset_uri"]) == (1, path.resolve().as_uri())


def test_the_asset_is_a_dataset_judged_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n")
    (asset,) = JsonLines(str(path)).discover()
    assert (asset.kind, asset.item, asset.connector, asset.size_bytes) == (
        "dataset",
        "asset",
        "jsonl",
        3,
    )


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("batch_rows", [1, 7, 2000])
def test_reading_again_from_any_checkpoint_gives_exactly_the_rest(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], batch_rows: int
) -> None:
    path = tmp_path / f"corpus.jsonl{suffix}"
    path.write_bytes(pack(jsonl([*RECORDS[:20], "text", {}, *RECORDS[20:]]) + b'{"torn": '))
    whole = rows_of(path, batch_rows=batch_rows)
    seen = 0
    checkpoints = checkpoints_of(path, batch_rows=batch_rows)
    for count, checkpoint in checkpoints:
        seen += count
        assert rows_of(path, checkpoint, batch_rows=batch_rows) == whole[seen:]
        json.dumps(dict(checkpoint.cursor))
    assert [checkpoint.done for _, checkpoint in checkpoints] == [False] * (
        len(checkpoints) - 1
    ) + [True]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"{}\n"])
def test_a_file_without_text_gives_one_empty_batch(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(raw)
    ((count, checkpoint),) = checkpoints_of(path)
    assert (count, checkpoint.done, checkpoint.bytes_read) == (0, True, len(raw))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (b'{"text": "secret', "#record"),
        (b"secret", "#record"),
        (b"\x00\x00\x00", "#record"),
        (b'{"text": "caf\xe9 secret"}', "#encoding"),
        (b'{"text": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "text" + "[0]" * 199),
        (b'{"text": "' + b"x" * 5000 + b'"}', "#record"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_the_next_is_read(
    tmp_path: Path, line: bytes, part: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n' + line + b'\n{"text": "two"}\n')
    rows = rows_of(path, max_line_bytes=30_000 if b"[[" in line else 4_000)
    assert [row["text"] for row in rows if row["record_id"] != "1"] == ["one", "two"]
    (bad,) = [row for row in rows if row["status"] != "read"]
    assert (bad["part"], bad["text"], bad["status"]) == (part, None, "unread")
    assert (bad["locator"]["offset"], bad["locator"]["row"]) == (16, 1)
    assert "expected" in bad["problem"]
    assert "secret" not in bad["problem"]


def test_text_with_bytes_that_are_not_utf8_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "card 4111 caf\xe9"}\n')
    assert [(row["text"], row["status"]) for row in rows_of(path)] == [
        ("card 4111 caf\ufffd", "read"),
        (None, "unread"),
    ]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
def test_a_file_cut_anywhere_gives_what_is_whole_and_tells_the_rest(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    packed = pack(jsonl(RECORDS))
    path.write_bytes(packed)
    whole = rows_of(path)
    for twentieth in range(1, 20):
        cut = packed[: len(packed) * twentieth // 20]
        path.write_bytes(cut)
        rows = rows_of(path)
        torn = {row["record_id"] for row in rows if row["status"] == "unread"}
        read = [row for row in rows if row["record_id"] not in torn]
        assert read == whole[: len(read)]
        ends_in_a_line = not suffix and not cut.endswith((b"\n", b"}"))
        assert any(row["status"] == "unread" for row in rows) == (bool(suffix) or ends_in_a_line)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_only_source_errors_leave_it(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(raw)
    is_utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    with pytest.raises(SourceError) if is_utf16 else nullcontext():
        rows_of(path, batch_rows=3)


def test_a_missing_file_names_place_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        list(JsonLines(str(tmp_path / "none.jsonl")).discover())
    assert "none.jsonl" in str(caught.value)
    assert "Expected" in str(caught.value)
    with pytest.raises(SourceError):
        list(JsonLines(str(tmp_path)).discover())


def test_utf16_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"text": "x"}\n'.encode("utf-16"))
    with pytest.raises(SourceError, match="UTF-16"):
        rows_of(path)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("a.jsonl", b"", True),
        ("a.NDJSON.gz", b"", True),
        ("a.jsonl.zst", b"", True),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', True),
        ("a.json.gz", gzip.compress(b'{"a": 1}\n{"a": 2}\n', mtime=0), True),
        ("a.json", b'{"a": 1}\n', False),
        ("a.json", b'[\n{"a": 1}\n]', False),
        ("a.json", b'{\n "a": {\n', False),
        ("a.txt", b'{"a": 1}\n{"a": 2}\n', False),
        ("a.json", b"\x1f\x8b\x08broken", False),
    ],
)
def test_it_recognises_json_lines(tmp_path: Path, name: str, raw: bytes, expected: bool) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    assert JsonLines.recognises(path) is expected
    assert not JsonLines.recognises(tmp_path / "none.json")


@pytest.mark.slow
def test_memory_stays_flat_on_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl.gz"
    line = json.dumps({"text": "x" * 2_000}).encode() + b"\n"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(2_000):
            file.write(line * 100)
    source = JsonLines(str(path))
    (asset,) = source.discover()
    tracemalloc.start()
    count = sum(batch.num_rows for batch, _ in source.read(asset))
    assert count == 200_000
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
