"""MDS data sets: every encoding, packed or not, whole, cut off, flipped, and with an index that lies."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from dlpagent.connectors import testing
from dlpagent.connectors.sources.mds import Mds
from dlpagent.errors import SourceError
from dlpagent.service.wiring import Unreachable, open_sources

Column = tuple[str, str, int | None]
COLUMNS: Sequence[Column] = (("id", "str", None), ("text", "str", None), ("sum", "int", 8))
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "zstd:7": zstandard.ZstdCompressor().compress, "gz": gzip.compress, "bz2": bz2.compress,
}  # fmt: skip
SUFFIX = {"zstd:7": ".zstd", "gz": ".gz", "bz2": ".bz2"}


def sample(values: Sequence[bytes], columns: Sequence[Column] = COLUMNS) -> bytes:
    sizes = b"".join(
        struct.pack("<I", len(value))
        for value, (_, _, fixed) in zip(values, columns, strict=True)
        if not fixed
    )
    return sizes + b"".join(values)


def shard(samples: Sequence[bytes], config: bytes = b'{"a config": 1}') -> bytes:
    """As the format's writer lays it out, its config between offsets and samples."""
    first = 4 + 4 * (len(samples) + 1) + len(config)
    offsets = np.cumsum([first, *map(len, samples)]).astype("<u4").tobytes()
    return struct.pack("<I", len(samples)) + offsets + config + b"".join(samples)


def entry(name: str, many: int, size: int, columns: Sequence[Column], how: str) -> dict[str, Any]:
    raw = {"basename": name, "bytes": size, "hashes": {}}
    return {
        "format": "mds", "version": 2, "samples": many, "compression": how or None, "hashes": [],
        "column_names": [column[0] for column in columns],
        "column_encodings": [column[1] for column in columns],
        "column_sizes": [column[2] for column in columns],
        "raw_data": raw, "size_limit": 1 << 26,
        "zip_data": {**raw, "basename": name + SUFFIX[how]} if how else None,
    }  # fmt: skip


def written(
    folder: Path,
    shards: Sequence[Sequence[bytes]],
    columns: Sequence[Column] = COLUMNS,
    how: str = "",
) -> Path:
    folder.mkdir(exist_ok=True)
    entries = []
    for number, samples in enumerate(shards):
        name, data = f"shard.{number:05}.mds", shard(samples)
        entries.append(entry(name, len(samples), len(data), columns, how))
        (folder / (name + SUFFIX.get(how, ""))).write_bytes(PACKED[how](data) if how else data)
    (folder / "index.json").write_text(json.dumps({"version": 2, "shards": entries}))
    return folder


def people(many: int, first: int = 0) -> list[bytes]:
    return [
        sample([f"r{n}".encode(), f"text {n} né".encode(), struct.pack("<q", 1_000_000 + n)])
        for n in range(first, first + many)
    ]


def rows(folder: Path, **settings: Any) -> list[dict[str, Any]]:
    source = Mds(str(folder), **settings)
    return [r for a in source.discover() for b, _ in source.read(a) for r in b.to_pylist()]


@pytest.mark.parametrize("how", ["", *PACKED])
def test_it_meets_the_conformance_kit(tmp_path: Path, how: str) -> None:
    folder = written(tmp_path / "set", [people(70), people(30, 70)], how=how)

    def opened() -> Mds:
        return Mds(str(folder), batch_rows=20)

    expected = {f"r{n}": [f"r{n}", f"text {n} né", str(1_000_000 + n)] for n in range(100)}
    testing.check_reads_exactly(opened, expected)
    testing.check_resumes_everywhere(opened)
    testing.check_discovers_the_same_again(opened)
    testing.check_closes_what_it_opens(opened)


def test_a_folder_is_taken_as_one_data_set(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", [people(3)])
    (source,) = open_sources([str(tmp_path)])
    assert isinstance(source, Mds)
    assert len(list(source.discover())) == 1
    (folder / "index.json").write_text('{"shards": [{"format": "jsonl"}]}')
    assert not any(isinstance(one, Mds | Unreachable) for one in open_sources([str(folder)]))


@pytest.mark.parametrize(
    ("encoding", "size", "raw", "expected"),
    [
        ("str", None, "né".encode(), ("né", "read")),
        ("bytes", None, b"plain words", ("plain words", "read")),
        ("bytes", None, b"\x89PNG\r\n\x1a\n\0\0", (None, "opaque")),
        ("json", None, b'{"a": "words"}', ("words", "read")),
        ("str_int", None, b"4111111111111111", ("4111111111111111", "read")),
        ("str_decimal", None, b"411111.25", ("411111.25", "read")),
        ("int", 8, struct.pack("<q", -77777), ("-77777", "read")),
        ("uint16", 2, struct.pack("<H", 65535), ("65535", "read")),
        ("int64", 8, struct.pack("<q", 41111), ("41111", "read")),
        ("pkl", None, b"\x80\x04N.", (None, "opaque")),
        ("jpeg", None, b"\xff\xd8", (None, "opaque")),
        ("ndarray:float32:2", 8, b"\0" * 8, (None, "opaque")),
        ("brand-new", None, b"x", (None, "opaque")),
    ],
)
def test_every_encoding(
    tmp_path: Path, encoding: str, size: int | None, raw: bytes, expected: tuple[object, str]
) -> None:
    columns: Sequence[Column] = [("note", encoding, size)]
    folder = written(tmp_path / "set", [[sample([raw], columns)]], columns)
    (row,) = rows(folder)
    assert (row["text"], row["status"]) == expected


def test_a_float_holds_no_text(tmp_path: Path) -> None:
    columns: Sequence[Column] = [("score", "float64", 8), ("text", "str", None)]
    folder = written(
        tmp_path / "set", [[sample([struct.pack("<d", 0.5), b"words"], columns)]], columns
    )
    assert [row["text"] for row in rows(folder)] == ["words"]


@pytest.mark.parametrize("how", ["", *PACKED])
def test_of_a_shard_that_is_cut_off_the_whole_samples_are_read(tmp_path: Path, how: str) -> None:
    folder = written(tmp_path / "set", [people(60)], how=how)
    (path,) = folder.glob("shard*")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    try:
        found = rows(folder, batch_rows=10)
    except SourceError as error:
        assert how, "of a plain shard, much must be left"
        assert "no whole MDS shard" in str(error)  # noqa: PT017 - either is right
        return
    read = [row["text"] for row in found if row["part"] == "text" and row["status"] == "read"]
    assert read == [f"text {n} né" for n in range(len(read))]
    lost = [row for row in found if row["status"] == "unread"]
    assert [row["part"] for row in lost] == ["#shard"]
    assert how or len(read) >= 20


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_spoil_samples_and_nothing_else(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = written(tmp_path / "set", [people(40), people(5, 40)])
    path = folder / "shard.00000.mds"
    data = bytearray(path.read_bytes())
    for _ in range(3):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    found: list[dict[str, Any]] = []
    source = Mds(str(folder), batch_rows=10)
    for asset in source.discover():
        try:
            batches = list(source.read(asset))
        except SourceError:
            continue
        found += [row for batch, _ in batches for row in batch.to_pylist()]
    assert {f"text {n} né" for n in range(40, 45)} <= {row["text"] for row in found}


def test_a_shard_that_is_missing_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", [people(3), people(3, 3)])
    (folder / "shard.00000.mds").unlink()
    source = Mds(str(folder))
    lost, other = source.discover()
    with pytest.raises(SourceError):
        list(source.read(lost))
    assert sum(batch.num_rows for batch, _ in source.read(other)) == 9


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "C:\\x"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "set", [people(1)])
    index = json.loads((folder / "index.json").read_text())
    index["shards"][0]["raw_data"]["basename"] = name
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match="outside its folder"):
        list(Mds(str(folder)).discover())


@pytest.mark.parametrize(
    "index", ["", "[]", '{"shards": 1}', '{"shards": [{"format": "mds"}]}', '{"shards": [7]}']
)
def test_an_index_that_is_none_is_told(tmp_path: Path, index: str) -> None:
    folder = written(tmp_path / "set", [people(1)])
    (folder / "index.json").write_text(index)
    with pytest.raises(SourceError, match="no index of an MDS data set"):
        list(Mds(str(folder)).discover())


def test_retyped_columns_are_told_and_not_believed(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", [people(2)])
    index = json.loads((folder / "index.json").read_text())
    index["shards"][0]["column_sizes"] = [None, None, 4]
    (folder / "index.json").write_text(json.dumps(index))
    assert {row["status"] for row in rows(folder)} == {"unread"}
