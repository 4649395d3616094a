"""The conformance kit over the sources that read files: the same records in each form."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import qdrant_edge as engine

from dlpagent.connectors.sources.arrow_file import ArrowFile
from dlpagent.connectors.sources.csv_file import CsvFile
from dlpagent.connectors.sources.json_array import JsonArray
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.connectors.sources.qdrant_edge import QdrantEdge
from dlpagent.connectors.sources.tar_shards import TarShards
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
)

COUNT = 160
RECORDS = {f"key {number:04d}": f"text {number} né" for number in range(COUNT)}
ROWS = [{"id": one, "text": text} for one, text in RECORDS.items()]


def jsonl(path: Path) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return path


def json_array(path: Path) -> Path:
    path.write_text(json.dumps(ROWS))
    return path


def csv_file(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text"])
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def parquet(path: Path) -> Path:
    pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=70)
    return path


def arrow(path: Path) -> Path:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=70)
    return path


def tar(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for row in ROWS:
            raw = row["text"].encode()
            member = tarfile.TarInfo(f"{row['id']}.txt")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def edge(path: Path) -> Path:
    path.mkdir()
    vectors = engine.EdgeVectorParams(size=2, distance=engine.Distance.Dot)
    shard = engine.EdgeShard.create(str(path), engine.EdgeConfig(vectors=vectors))
    points = [engine.Point(n, [0.1, 0.2], row) for n, row in enumerate(ROWS)]
    shard.update(engine.UpdateOperation.upsert_points(points))
    shard.close()
    return path


WHOLE = {one: [one, text] for one, text in RECORDS.items()}
BY_PLACE = {str(n): [row["id"], row["text"]] for n, row in enumerate(ROWS)}
TEXTS = {one: [text] for one, text in RECORDS.items()}
FORMS: list[tuple[str, Callable[[Path], Path], Any, Any]] = [
    ("a.jsonl", jsonl, JsonLines, WHOLE),
    ("a.json", json_array, JsonArray, WHOLE),
    ("a.csv", csv_file, CsvFile, WHOLE),
    ("a.parquet", parquet, ParquetFile, WHOLE),
    ("a.arrow", arrow, ArrowFile, WHOLE),
    ("a.tar", tar, TarShards, TEXTS),
    ("edge", edge, QdrantEdge, BY_PLACE),
]


@pytest.mark.parametrize(("name", "write", "made", "expected"), FORMS, ids=lambda one: str(one)[:9])
def test_sources_of_files_conform(
    tmp_path: Path, name: str, write: Callable[[Path], Path], made: Any, expected: Any
) -> None:
    path = str(write(tmp_path / name))
    check_reads_exactly(lambda: made(path), expected)
    check_discovers_the_same_again(lambda: made(path))
    check_resumes_everywhere(lambda: made(path, batch_rows=50))
    check_closes_what_it_opens(lambda: made(path, batch_rows=50), times=3)
