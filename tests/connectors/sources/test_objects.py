"""Objects of a store are read as files are: in ranges, of one version, with errors that say what to do."""

from __future__ import annotations

import gzip
import json
import pickle
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from dlpagent.connectors import testing
from dlpagent.connectors.sources import _object_store
from dlpagent.connectors.sources._objects import ObjectPath
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.ports import Source
from dlpagent.service.wiring import Unreachable, open_sources

from .objects_in_memory import TriedFileSystem, tried_store

ROWS = [{"id": f"r{n}", "text": f"text of row {n}, möglich"} for n in range(500)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> TriedFileSystem:
    monkeypatch.setattr(_object_store, "_WAITS_S", (0.0, 0.0))
    return tried_store()


def _jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")


def _gzip(path: Path) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))


def _arrow(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


def _tar(path: Path) -> None:
    inside = path.with_name("member.txt")
    inside.write_text("text of a member")
    with tarfile.open(path, "w") as archive:
        for number in range(5):
            archive.add(inside, f"{number:03}.txt")
    inside.unlink()


FORMS: dict[str, Callable[[Path], object]] = {
    "a.jsonl": _jsonl,
    "a.jsonl.gz": _gzip,
    "a.json": lambda path: path.write_text(json.dumps(ROWS)),
    "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=100),
    "a.arrow": _arrow,
    "a.csv": lambda path: path.write_text(
        "id,text\n" + "".join(f"r{n},row {n}\n" for n in range(9))
    ),
    "a.tar": _tar,
    "a.txt": lambda path: path.write_text("plain words\n" * 50),
}


def only(target: str, **settings: object) -> Source:
    (source,) = open_sources([target], **settings)
    assert not isinstance(source, Unreachable), source.error
    return source


def texts(source: Source) -> list[tuple[str, str, str]]:
    return [
        (row["record_id"], row["part"], row["text"])
        for asset in source.discover()
        for batch, _ in source.read(asset)
        for row in batch.to_pylist()
    ]


@pytest.mark.parametrize("name", FORMS)
def test_an_object_gives_what_the_file_gives(
    name: str, store: TriedFileSystem, tmp_path: Path
) -> None:
    path = tmp_path / name
    FORMS[name](path)
    store.pipe(f"/bucket/{name}", path.read_bytes())
    on_disk, in_store = only(str(path)), only(f"tried://bucket/{name}")
    assert type(on_disk) is type(in_store)
    assert texts(on_disk) == texts(in_store)
    assert texts(in_store)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow", "a.jsonl.gz"])
def test_reading_an_object_resumes_everywhere_and_closes_what_it_opens(
    name: str, store: TriedFileSystem, tmp_path: Path
) -> None:
    FORMS[name](tmp_path / name)
    store.pipe(f"/bucket/{name}", (tmp_path / name).read_bytes())

    def opened() -> Source:
        return only(f"tried://bucket/{name}", batch_rows=100)

    testing.check_resumes_everywhere(opened)
    testing.check_discovers_the_same_again(opened)
    testing.check_closes_what_it_opens(opened)


def test_of_parquet_only_the_footer_and_the_columns_of_text_are_fetched(
    store: TriedFileSystem, tmp_path: Path
) -> None:
    chance = random.Random(1)
    table = pa.table({
        "text": [f"row {n}" for n in range(20_000)],
        "vector": [chance.randbytes(1_000) for _ in range(20_000)],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10_000)
    data = (tmp_path / "a.parquet").read_bytes()
    store.pipe("/bucket/a.parquet", data)
    assert len(texts(only("tried://bucket/a.parquet"))) >= 20_000
    fetched = sum(stop - start for _, start, stop in store.fetched)
    assert fetched < len(data) / 4, f"fetched {fetched} of {len(data)} bytes"


def test_a_change_key_is_the_same_until_the_object_changes(store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.txt", b"one")
    (first,) = only("tried://bucket/a.txt").discover()
    (again,) = only("tried://bucket/a.txt").discover()
    store.pipe("/bucket/a.txt", b"two")
    (other,) = only("tried://bucket/a.txt").discover()
    assert first == again
    assert first.change_key is not None
    assert first.change_key != other.change_key


@pytest.mark.parametrize(
    ("info", "key"),
    [
        ({"size": 3, "ETag": '"ab"', "LastModified": "x"}, "3-ab"),
        ({"size": 3, "etag": "0x8D"}, "3-0x8D"),
        ({"size": 3, "etag": "e", "generation": "17"}, "3-17"),
        ({"size": 3, "ETag": "e", "VersionId": "v1"}, "3-v1"),
        ({"size": 3, "mtime": 17.5}, "3-17.5"),
        ({"size": 3}, None),
    ],
)
def test_the_surest_mark_of_a_version_is_the_key(info: dict[str, object], key: str | None) -> None:
    assert ObjectPath("s3://b/k", info).change_key() == key


def test_an_object_that_changes_while_it_is_read_is_told(store: TriedFileSystem) -> None:
    line = b'{"text": "words of one version"}\n'
    store.pipe("/bucket/a.jsonl", line * 1_000)
    source = only("tried://bucket/a.jsonl", batch_rows=100)
    (asset,) = source.discover()
    reading = source.read(asset)
    next(reading)
    store.pipe("/bucket/a.jsonl", line.replace(b"one", b"two") * 1_000)
    with pytest.raises(SourceError, match="was changed while it was being read"):
        list(reading)


def test_an_object_that_shrinks_while_it_is_read_is_told(store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.jsonl", b'{"text": "words"}\n' * 200_000)
    source = only("tried://bucket/a.jsonl")
    (asset,) = source.discover()
    reading = source.read(asset)
    next(reading)
    store.pipe("/bucket/a.jsonl", b"{}")
    with pytest.raises(SourceError, match="was changed while it was being read"):
        list(reading)


def test_a_failure_that_passes_is_tried_again(store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.txt", b"words")
    source = only("tried://bucket/a.txt")
    store.failing += [TimeoutError(), ConnectionResetError()]
    assert [row[2] for row in texts(source)] == ["words"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("secret-token"), "is not open to these credentials"),
        (FileNotFoundError("secret-token"), "is not there"),
        (TimeoutError("secret-token"), "cannot be read"),
    ],
)
def test_a_failure_that_stays_says_what_to_do_and_repeats_no_word_of_the_client(
    store: TriedFileSystem, error: Exception, message: str
) -> None:
    store.pipe("/bucket/a.txt", b"words")
    source = only("tried://bucket/a.txt")
    (asset,) = source.discover()
    store.failing += [error] * 5
    with pytest.raises(SourceError, match=message) as caught:
        list(source.read(asset))
    assert "secret-token" not in str(caught.value)
    assert "Expected" in str(caught.value)


def test_a_prefix_is_every_object_below_it_and_a_pattern_what_it_matches(
    store: TriedFileSystem,
) -> None:
    for name in ("a.txt", "x 1/b.txt", "x 1/y/c[1].txt"):
        store.pipe(f"/bucket/{name}", b"words")

    def found(target: str) -> list[str]:
        return [asset.uri for source in open_sources([target]) for asset in source.discover()]

    every = [f"tried://bucket/{name}" for name in ("a.txt", "x 1/b.txt", "x 1/y/c[1].txt")]
    assert found("tried://bucket") == every
    assert found("tried://bucket/x 1/") == every[1:]
    assert found("tried://bucket/*/b*") == every[1:2]
    assert found("tried://bucket/**/*.txt") == every
    assert found("tried://bucket/x 1/y/c[1].txt") == every[2:]


@pytest.mark.parametrize("target", ["tried://bucket/none", "tried://bucket/*.none", "tried://[x"])
def test_what_is_not_there_is_named(target: str, store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.txt", b"words")
    with pytest.raises(ConfigurationError, match="there is nothing to scan here"):
        list(open_sources([target]))


def test_a_saved_dataset_below_a_prefix_is_read_shard_by_shard(
    store: TriedFileSystem, tmp_path: Path
) -> None:
    _arrow(tmp_path / "data-00000-of-00001.arrow")
    shard = (tmp_path / "data-00000-of-00001.arrow").read_bytes()
    store.pipe("/bucket/set/train/data-00000-of-00001.arrow", shard)
    store.pipe("/bucket/set/train/state.json", b"{}")
    store.pipe("/bucket/set/dataset_dict.json", b"{}")
    source = only("tried://bucket/set")
    assert [asset.connector for asset in source.discover()] == ["arrow"]
    assert len(texts(source)) == 2 * len(ROWS)


def test_a_path_goes_to_another_process_with_what_was_listed(store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.txt", b"words")
    path = ObjectPath("tried://bucket/a.txt")
    key = path.change_key()
    store.pipe("/bucket/a.txt", b"other words")
    copy = pickle.loads(pickle.dumps(path))  # noqa: S301 - our own
    assert (copy, copy.change_key()) == (path, key)


def test_a_connector_that_reads_no_objects_says_so(store: TriedFileSystem) -> None:
    store.pipe("/bucket/a.txt", b"words")
    with pytest.raises(ConfigurationError, match="does not read objects"):
        list(open_sources(["tried://bucket/a.txt"], "chatgpt"))


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="needs a package that is not installed"):
        list(open_sources(["oss://bucket/a.txt"]))


@pytest.mark.parametrize("url", ["ftp://u:hush7@h/a.jsonl", "s3://key:hush7@bucket/*.jsonl"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(open_sources([url]))
    assert "hush7" not in caught.value.render()
    assert ObjectPath("abfs://box@account.dfs.core.windows.net/a.jsonl").name == "a.jsonl"
