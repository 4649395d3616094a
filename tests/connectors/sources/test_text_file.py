"""Text files as a source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.text_file import TextFile
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint


def rows_of(path: Path, after: Checkpoint | None = None, **settings: Any) -> list[dict[str, Any]]:
    source = TextFile(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset, after) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("raw", "text", "encoding"),
    [
        (b"one\r\ntwo\n", "one\r\ntwo\n", "utf-8"),
        (b"\xef\xbb\xbfgr\xc3\xb6\xc3\x9fe", "größe", "utf-8"),
        ("größe\n".encode("utf-16"), "größe\n", "utf-16-le"),
        (b"gr\xf6\xdfe", "größe", "cp1252"),
        (b"<p title='x'>&amp;</p>", "<p title='x'>&amp;</p>", "utf-8"),
    ],
)
def test_a_text_is_one_part_as_it_stands(
    tmp_path: Path, raw: bytes, text: str, encoding: str
) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(raw)
    (row,) = rows_of(path)
    assert (row["record_id"], row["part"], row["seq"], row["text"]) == ("0", "text", 0, text)
    assert json.loads(row["metadata"]) == {"encoding": encoding}
    assert (row["mime"], row["status"]) == ("text/html", "read")


def test_the_asset_is_a_document(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    (asset,) = TextFile(str(path)).discover()
    assert (asset.kind, asset.item, asset.connector) == ("document", "asset", "text")
    with pytest.raises(SourceError):
        list(TextFile(str(tmp_path / "none.txt")).discover())


@pytest.mark.parametrize("raw", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_gives_one_empty_batch(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    source = TextFile(str(path))
    (asset,) = source.discover()
    ((batch, checkpoint),) = source.read(asset)
    assert (batch.num_rows, checkpoint.done) == (0, True)


def test_a_binary_file_is_one_opaque_row(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 ...")
    (row,) = rows_of(path)
    assert (row["status"], row["text"]) == ("opaque", None)
    assert row["problem"] == "expected text, found a PDF document"
    assert not TextFile.recognises(path)


def test_bytes_that_do_not_fit_are_told_beside_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("日本語".encode() + b"\xff")
    assert [(row["part"], row["text"], row["status"]) for row in rows_of(path)] == [
        ("text", "日本語\ufffd", "read"),
        ("#encoding", None, "unread"),
    ]


LINES = [f"line {number} größe 😀" for number in range(200)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "utf-8-sig"])
def test_a_large_file_is_cut_at_line_ends_and_nothing_is_lost(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes("\n".join(LINES).encode(encoding))
    rows = rows_of(path, max_whole_bytes=2_000, piece_bytes=500)
    assert len(rows) > 5
    assert "".join(row["text"] for row in rows) == "\n".join(LINES)
    assert all(row["text"].endswith("\n") for row in rows[:-1])
    assert [row["record_id"] for row in rows] == [str(number) for number in range(len(rows))]
    raw = path.read_bytes()
    codec = json.loads(rows[0]["metadata"])["encoding"]
    for row in rows:
        assert raw[row["locator"]["offset"] :].startswith(row["text"].encode(codec))


def test_a_line_above_all_limits_is_cut_between_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes(("x" + "é😀" * 900).encode(encoding))
        rows = rows_of(path, max_whole_bytes=1_000, piece_bytes=300)
        assert "".join(row["text"] for row in rows) == "x" + "é😀" * 900
        assert len(rows) > 3


def test_reading_again_from_any_checkpoint_gives_exactly_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes("\n".join(LINES).encode(encoding))
        options = {"max_whole_bytes": 2_000, "piece_bytes": 500}
        whole = rows_of(path, None, **options)
        source = TextFile(str(path), **options)
        (asset,) = source.discover()
        seen = 0
        for batch, checkpoint in source.read(asset):
            seen += batch.num_rows
            assert rows_of(path, checkpoint, **options) == whole[seen:]
        assert checkpoint.done
        assert checkpoint.bytes_read == path.stat().st_size


def test_a_file_that_shrank_since_the_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("short")
    with pytest.raises(SourceError, match="shorter than before"):
        rows_of(path, Checkpoint({"offset": 100, "row": 1}))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_raise_or_are_lost_in_silence(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    rows = rows_of(path, max_whole_bytes=40, piece_bytes=10)
    assert rows or len(raw) <= 4
    TextFile.recognises(path)
