"""LangSmith exports of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from dlpagent.connectors.sources.langsmith import LangSmith
from dlpagent.connectors.testing import check_resumes_everywhere

SAMPLE = Path(__file__).parents[2] / "data" / "langsmith" / "runs.jsonl"


def rows_of(path: Path, **settings: Any) -> list[dict[str, Any]]:
    source = LangSmith(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def parquet(path: Path, times: int = 1) -> Path:
    """As the bulk export writes it: inputs, outputs and extra are texts of JSON."""
    runs = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    for run in runs:
        for key in ("inputs", "outputs", "extra"):
            run[key] = None if run[key] is None else json.dumps(run[key])
    many = [{**run, "id": f"{run['id']}-{n}"} for n in range(times) for run in runs]
    pa.parquet.write_table(pa.Table.from_pylist(many), path, row_group_size=7)
    return path


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("part", "text", "role", "model", "actor_id", "conversation_id", "status")
    return [tuple(row[key] for key in keys) for row in rows]


def test_the_bulk_export_says_what_the_interface_says(tmp_path: Path) -> None:
    path = parquet(tmp_path / "runs.parquet")
    assert LangSmith.recognises(path)
    assert shown(rows_of(path)) == shown(rows_of(SAMPLE))


def test_the_bulk_export_resumes_behind_any_run(tmp_path: Path) -> None:
    path = parquet(tmp_path / "runs.parquet", times=5)
    check_resumes_everywhere(lambda: LangSmith(str(path), batch_rows=15))


@pytest.mark.parametrize("twentieths", [2, 10, 14, 19])
def test_a_cut_bulk_export_is_told(tmp_path: Path, twentieths: int) -> None:
    path = parquet(tmp_path / "runs.parquet", times=5)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * twentieths // 20])
    rows = rows_of(path)
    assert [(row["part"], row["status"]) for row in rows] == [("#file", "unread")]


def test_a_damaged_row_group_is_told_behind_those_that_could_be_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "runs.parquet", times=5)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3 : len(raw) // 3 + 400] = b"\xff" * 400
    path.write_bytes(bytes(raw))
    rows = rows_of(path)
    assert rows[-1]["status"] == "unread"


def test_a_page_of_the_interface_and_child_runs_are_read(tmp_path: Path) -> None:
    child = {"id": "c", "run_type": "tool", "trace_id": "t", "inputs": {}, "outputs": {"x": "deep"}}
    run = {"id": "p", "run_type": "chain", "trace_id": "t", "inputs": {"q": "a"}, "outputs": None,
           "child_runs": [child]}  # fmt: skip
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"runs": [run], "cursors": {"next": "n1"}}))
    assert LangSmith.recognises(path)
    assert [(row["record_id"], row["text"], row["role"]) for row in rows_of(path)] == [
        ("p", "a", "user"), ("c", "deep", "tool"), ("0#page", "n1", None),
    ]  # fmt: skip


def test_a_model_run_whose_content_was_hidden_is_no_content() -> None:
    (row,) = [row for row in rows_of(SAMPLE) if row["status"] == "no_content"]
    assert row["record_id"] == "r5"
