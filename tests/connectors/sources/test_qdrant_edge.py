"""Qdrant Edge shards as sources, with the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import qdrant_edge as engine

from dlpagent.connectors.sources import _edge_shard
from dlpagent.connectors.sources.qdrant_edge import QdrantEdge
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Checkpoint

COUNT = 300
Payloads = dict[int | str, dict[str, Any]]


def some_payloads() -> Payloads:
    numbers: Payloads = {n: {"page_content": f"text {n} né"} for n in range(0, COUNT, 2)}
    names: Payloads = {str(uuid.UUID(int=n)): {"text": f"named {n}"} for n in range(5, 50)}
    return {**numbers, **names}


def update(path: Path, *operations: Any) -> None:
    shard = engine.EdgeShard.load(str(path))
    for operation in operations:
        shard.update(operation)
    shard.close()


def points(payloads: Payloads) -> Any:
    given = [engine.Point(one, [0.1, 0.2, 0.3, 0.4], payload) for one, payload in payloads.items()]
    return engine.UpdateOperation.upsert_points(given)


def make(path: Path, payloads: Payloads, **config: Any) -> Path:
    path.mkdir(parents=True)
    vectors = engine.EdgeVectorParams(size=4, distance=engine.Distance.Dot)
    shard = engine.EdgeShard.create(str(path), engine.EdgeConfig(vectors=vectors, **config))
    shard.update(points(payloads))
    if config:
        shard.optimize()
    shard.close()
    return path


def batches_of(
    target: str | Path, after: Checkpoint | None = None, **settings: Any
) -> list[tuple[pa.RecordBatch, Checkpoint]]:
    source = QdrantEdge(str(target), **settings)
    (asset,) = source.discover()
    return list(source.read(asset, after))


def rows_of(target: str | Path, after: Checkpoint | None = None, **settings: Any) -> list[Any]:
    found = batches_of(target, after, **settings)
    return [row for batch, _ in found for row in batch.to_pylist()]


def refusal_of(path: Path) -> SourceError | None:
    """The error reading ends with, if any."""
    try:
        batches_of(path)
    except SourceError as error:
        return error
    return None


def state_of(path: Path) -> dict[str, Any]:
    return {
        str(file): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in sorted(path.rglob("*"))
    }


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("stores") / "notes", some_payloads())


def test_every_point_is_a_record_under_its_id(shard: Path) -> None:
    found = [(row["record_id"], row["part"], row["text"]) for row in rows_of(shard)]
    assert found == [
        (str(one), f"payload.{key}", text)
        for one, payload in some_payloads().items()
        for key, text in payload.items()
    ]


def test_a_store_is_addressed_by_path_or_uri(shard: Path) -> None:
    assert rows_of(shard) == rows_of(f"qdrant-edge://{shard}")
    assert rows_of(shard) == rows_of(f"qdrant-edge://{shard}?open=in-place")
    (asset,) = QdrantEdge(str(shard)).discover()
    assert asset.uri == f"qdrant-edge://{shard}"
    assert (asset.kind, asset.item, asset.connector) == (
        "vector_collection",
        "record",
        "qdrant-edge",
    )


def test_reading_goes_on_from_every_checkpoint(shard: Path) -> None:
    found = batches_of(shard, batch_rows=20)
    whole = [row for batch, _ in found for row in batch.to_pylist()]
    assert len(found) > 8
    assert [checkpoint.done for _, checkpoint in found] == [False] * (len(found) - 1) + [True]
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        again = Checkpoint(json.loads(json.dumps(checkpoint.cursor)), checkpoint.done)
        assert rows_of(shard, again, batch_rows=20) == whole[given:]


def test_points_deleted_or_added_meanwhile_make_no_other_point_be_missed(tmp_path: Path) -> None:
    path = make(tmp_path / "s", some_payloads())
    found = batches_of(path, batch_rows=40)
    seen = {row["record_id"] for batch, _ in found[:2] for row in batch.to_pylist()}
    checkpoint = found[1][1]
    gone = [int(one) for one in sorted(seen, key=int)[:30]] + [checkpoint.cursor["next"]]
    update(path, engine.UpdateOperation.delete_points(gone), points({COUNT + 1: {"text": "new"}}))
    rest = {row["record_id"] for row in rows_of(path, checkpoint)}
    left = {str(one) for one in some_payloads()} - seen - {str(checkpoint.cursor["next"])}
    assert rest == left | {str(COUNT + 1)}


def test_reading_changes_nothing_and_leaves_nothing_behind(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = state_of(shard)
    source = QdrantEdge(str(shard))
    (asset,) = source.discover()
    reading = source.read(asset)
    next(reading)
    assert list(tmp_path.iterdir()) == []  # unlinked while it is still being read
    reading.close()
    assert len(rows_of(shard)) == len(some_payloads())
    assert state_of(shard) == before
    assert list(tmp_path.iterdir()) == []


def test_the_store_can_be_opened_by_its_application_while_it_is_read(shard: Path) -> None:
    source = QdrantEdge(str(shard))
    (asset,) = source.discover()
    reading = source.read(asset)
    next(reading)
    engine.EdgeShard.load(str(shard)).close()
    reading.close()


def test_a_store_open_in_another_process_is_a_source_error(tmp_path: Path) -> None:
    path = make(tmp_path / "s", {1: {"text": "x"}})
    hold = (
        "import sys, qdrant_edge\n"
        "shard = qdrant_edge.EdgeShard.load(sys.argv[1])\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SourceError) as caught:
            rows_of(path)
        other.communicate()
    assert "another process" in str(caught.value)
    assert caught.value.remedy
    assert len(rows_of(path)) == 1


def test_the_change_key_follows_the_points_and_not_the_reader(tmp_path: Path) -> None:
    path = make(tmp_path / "s", {1: {"text": "x"}})

    def key() -> str | None:
        (asset,) = QdrantEdge(str(path)).discover()
        return asset.change_key

    first = key()
    rows_of(path)
    rows_of(f"qdrant-edge://{path}?open=in-place")
    update(path)
    assert key() == first
    update(path, engine.UpdateOperation.set_payload([1], {"more": "y"}))
    assert key() != first


def test_changes_not_yet_flushed_are_read_from_the_log(tmp_path: Path) -> None:
    path = make(tmp_path / "s", {1: {"text": "old"}})
    crash = (
        "import os, sys, qdrant_edge as e\n"
        "shard = e.EdgeShard.load(sys.argv[1])\n"
        "shard.update(e.UpdateOperation.set_payload([1], {'text': 'new'}))\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", crash, str(path)], check=False)
    assert [row["text"] for row in rows_of(path)] == ["new"]


def test_indexed_named_and_sparse_vectors_do_not_hinder_reading(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.mkdir()
    config = engine.EdgeConfig(
        vectors={
            "a": engine.EdgeVectorParams(size=8, distance=engine.Distance.Cosine),
            "b": engine.EdgeVectorParams(size=4, distance=engine.Distance.Dot, on_disk=True),
        },
        sparse_vectors={"s": engine.EdgeSparseVectorParams()},
        optimizers=engine.EdgeOptimizersConfig(indexing_threshold=1),
    )
    store = engine.EdgeShard.create(str(path), config)
    sparse = engine.SparseVector(indices=[1, 5], values=[0.1, 0.2])
    for start in range(0, 4000, 1000):
        store.update(
            engine.UpdateOperation.upsert_points(
                [
                    engine.Point(
                        number, {"a": [0.1 * number] * 8, "b": [1.0] * 4, "s": sparse},
                        {"text": f"text {number}"},
                    )
                    for number in range(start, start + 1000)
                ]
            )
        )  # fmt: skip
    store.update(engine.UpdateOperation.delete_points([5, 6]))
    assert store.optimize()
    store.close()
    expected = [f"text {number}" for number in range(4000) if number not in (5, 6)]
    assert [row["text"] for row in rows_of(path)] == expected


def test_labels_in_the_metadata_are_kept(tmp_path: Path) -> None:
    guid = "2096f6a2-d2f7-48be-b329-b73aaa526e5d"
    payload = {"page_content": "x", "metadata": {f"MSIP_Label_{guid}_Enabled": "true"}}
    rows = rows_of(make(tmp_path / "s", {1: payload, 2: {"text": "y"}}))
    assert {row["record_id"]: row["labels"] for row in rows} == {"1": [guid], "2": None}


def test_a_folder_of_shards_is_one_asset_for_each(tmp_path: Path) -> None:
    for name in ("a", "b c"):
        make(tmp_path / name, {1: {"text": name}})
    assert QdrantEdge.recognises(tmp_path)
    source = QdrantEdge(f"qdrant-edge://{tmp_path}")
    texts = [
        batch.column("text").to_pylist()
        for asset in source.discover()
        for batch, _ in source.read(asset)
    ]
    assert texts == [["a"], ["b c"]]


def test_only_folders_of_nothing_but_shards_are_recognised(tmp_path: Path) -> None:
    shard = make(tmp_path / "s", {1: {"text": "x"}})
    assert QdrantEdge.recognises(shard)
    assert QdrantEdge.recognises(tmp_path)
    (tmp_path / "corpus.jsonl").write_text("{}")
    assert not QdrantEdge.recognises(tmp_path)
    assert not QdrantEdge.recognises(tmp_path / "corpus.jsonl")
    assert not QdrantEdge.recognises(tmp_path / "absent")


def test_opening_another_folder_writes_nothing_to_it(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(SourceError, match="no vector store"):
        batches_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    "damage", ["segment.json", "id_tracker", "config.json", "edge_config.json"]
)
def test_a_damaged_store_is_read_or_a_source_error(
    tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "s", {n: {"text": f"t{n}"} for n in range(50)})
    for file in path.rglob(f"*{damage}*"):
        file.write_bytes(b"\xff" * file.stat().st_size)
    refusal = refusal_of(path)
    assert refusal is None or (refusal.where == str(path) and refusal.remedy)
    capfd.readouterr()


def test_a_payload_the_engine_cannot_read_is_reported_with_its_id(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        """The engine's shard, failing as it does on one damaged payload."""

        def __init__(self, real: Any) -> None:
            self.real = real

        def scroll(self, request: Any) -> Any:
            records, following = self.real.scroll(request)
            if request.with_payload and any(record.id == 4 for record in records):
                raise RuntimeError
            return records, following

        def retrieve(self, ids: list[Any], **options: Any) -> Any:
            if 4 in ids:
                raise RuntimeError
            return self.real.retrieve(ids, **options)

        def close(self) -> None:
            self.real.close()

    load = _edge_shard._load
    monkeypatch.setattr(_edge_shard, "_load", lambda *given: Broken(load(*given)))
    rows = rows_of(shard)
    (wrong,) = [row for row in rows if row["status"] == "unread"]
    assert (wrong["record_id"], wrong["part"], wrong["text"]) == ("4", "payload", None)
    assert len(rows) == len(some_payloads())


def test_an_empty_store_gives_one_empty_batch(tmp_path: Path) -> None:
    ((batch, checkpoint),) = batches_of(make(tmp_path / "s", {}))
    assert (batch.num_rows, checkpoint.done) == (0, True)


@pytest.mark.parametrize(
    "target", ["qdrant-edge://host/dir", "qdrant-edge:///dir?open=maybe", "qdrant-edge:///dir?x=1"]
)
def test_addresses_that_mean_nothing_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        QdrantEdge(target)
    assert caught.value.remedy


def test_copies_take_no_room_for_vectors(tmp_path: Path) -> None:
    source, copy = tmp_path / "vectors" / "chunk_0.mmap", tmp_path / "copy"
    source.parent.mkdir()
    source.write_bytes(os.urandom(3_000_000))
    _edge_shard._copy_file(source, copy)
    assert copy.stat().st_size == 3_000_000
    assert copy.stat().st_blocks * 512 < 100_000
