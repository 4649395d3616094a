"""Arrow files, streams and saved dataset folders as sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.arrow_file import ArrowFile
from dlpagent.errors import SourceError
from dlpagent.records import Checkpoint

TABLE = pa.table(
    {
        "id": [f"c{row}" for row in range(600)],
        "text": [None if row % 7 == 0 else f"né {row}" for row in range(600)],
        "vector": [[0.1, 0.2]] * 600,
    }
)


def write(path: Path, table: pa.Table = TABLE, *, stream: bool = False, **options: Any) -> Path:
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(path), table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=100)
    return path


def batches_of(
    path: Path, after: Checkpoint | None = None, **given_settings: Any
) -> list[tuple[pa.RecordBatch, Checkpoint]]:
    source = ArrowFile(str(path), **given_settings)
    (asset,) = source.discover()
    return list(source.read(asset, after))


def rows_of(path: Path, after: Checkpoint | None = None, **given_settings: Any) -> list[Any]:
    found = batches_of(path, after, **given_settings)
    return [row for batch, _ in found for row in batch.to_pylist()]


def refusal_of(path: Path) -> SourceError | None:
    """The error reading ends with, if any."""
    try:
        batches_of(path)
    except SourceError as error:
        return error
    return None


EXPECTED = [
    (row["id"], part, row[part], number)
    for number, row in enumerate(TABLE.to_pylist())
    for part in ("id", "text")
    if row[part]
]


def short(rows: list[Any]) -> list[tuple[str, str, str | None, int | None]]:
    return [(r["record_id"], r["part"], r["text"], r["locator"]["row"]) for r in rows]


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_row_is_read_from_files_and_streams(
    tmp_path: Path, compression: str | None, stream: bool
) -> None:
    path = write(tmp_path / "a.arrow", stream=stream, compression=compression)
    assert short(rows_of(path)) == EXPECTED


@pytest.mark.parametrize("stream", [False, True])
def test_reading_goes_on_from_every_checkpoint(tmp_path: Path, stream: bool) -> None:
    path = write(tmp_path / "a.arrow", stream=stream)
    found = batches_of(path, batch_rows=64)
    assert len(found) > 10
    assert [checkpoint.done for _, checkpoint in found] == [False] * (len(found) - 1) + [True]
    whole = [row for batch, _ in found for row in batch.to_pylist()]
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        again = Checkpoint(json.loads(json.dumps(checkpoint.cursor)), checkpoint.done)
        assert rows_of(path, again, batch_rows=64) == whole[given:]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("share", range(20))
def test_a_file_cut_off_anywhere_is_read_up_to_there_and_says_so(
    tmp_path: Path, stream: bool, share: int
) -> None:
    path = write(tmp_path / "a.arrow", stream=stream)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * share // 20])
    refusal = refusal_of(path)
    if refusal is not None:
        assert share < 5
        assert (refusal.where, bool(refusal.expected), bool(refusal.remedy)) == (
            str(path),
            True,
            True,
        )
        return
    found = batches_of(path)
    rows = [row for batch, _ in found for row in batch.to_pylist()]
    assert rows[-1]["status"] == "unread"
    assert rows[-1]["problem"]
    read = short([row for row in rows if row["status"] == "read"])
    assert read == EXPECTED[: len(read)]
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        assert rows_of(path, checkpoint) == rows[given:]


def test_a_damaged_batch_of_an_indexed_file_does_not_hide_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", compression="zstd")
    raw = bytearray(path.read_bytes())
    middle = raw.find(b"\x28\xb5\x2f\xfd", len(raw) // 2)
    raw[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(raw)
    rows = rows_of(path)
    (wrong,) = [row for row in rows if row["status"] == "unread"]
    assert (wrong["part"], wrong["text"]) == ("#batch", None)
    read = {row["record_id"] for row in rows if row["status"] == "read"}
    assert len(read) == 500
    assert "c599" in read


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 100_000), junk=st.binary(min_size=1, max_size=40), stream=st.booleans())
def test_damaged_bytes_raise_nothing_but_source_errors(
    tmp_path: Path, place: int, junk: bytes, stream: bool
) -> None:
    path = write(tmp_path / "a.arrow", stream=stream)
    raw = bytearray(path.read_bytes())
    place %= len(raw)
    raw[place : place + len(junk)] = junk
    path.write_bytes(raw)
    refusal = refusal_of(path)
    assert refusal is None or refusal.where == str(path)


def test_a_saved_dataset_folder_has_one_asset_for_each_shard(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "state.json").write_text("{}")
        for shard in range(2):
            write(tmp_path / split / f"data-{shard:05}-of-00002.arrow", stream=True)
    write(tmp_path / "train" / "cache-1234.arrow", stream=True)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert ArrowFile.recognises(tmp_path)
    assert ArrowFile.recognises(tmp_path / "train")
    source = ArrowFile(str(tmp_path))
    assets = list(source.discover())
    assert [asset.uri.split("/")[-2:] for asset in assets] == [
        [split, f"data-{shard:05}-of-00002.arrow"]
        for split in ("test", "train")
        for shard in (0, 1)
    ]
    for asset in assets:
        rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]
        assert short(rows) == EXPECTED


def test_columns_without_text_are_reported_once(tmp_path: Path) -> None:
    table = pa.table({"text": ["x"] * 300, "raw": [b"\xff\0"] * 300, "note": [b"hi"] * 300})
    rows = rows_of(write(tmp_path / "a.arrow", table))
    assert [(row["part"], row["status"]) for row in rows[:1]] == [("raw", "opaque")]
    assert {row["part"] for row in rows[1:]} == {"text", "note"}
    assert len(rows) == 601


def test_a_file_without_text_gives_one_empty_batch(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"x": [1.5, 2.5]}))
    ((batch, checkpoint),) = batches_of(path)
    assert (batch.num_rows, checkpoint.done) == (0, True)


@pytest.mark.parametrize("raw", [b"", b"not arrow at all", b"ARROW1\0\0", b"\xff" * 64])
def test_what_is_no_arrow_is_a_source_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(raw)
    with pytest.raises(SourceError) as caught:
        batches_of(path)
    assert caught.value.expected
    assert caught.value.found
    assert caught.value.remedy


def test_an_empty_folder_is_a_source_error_and_not_recognised(tmp_path: Path) -> None:
    assert not ArrowFile.recognises(tmp_path)
    with pytest.raises(SourceError, match="no Arrow shards"):
        next(ArrowFile(str(tmp_path)).discover())
