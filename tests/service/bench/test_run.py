"""The benchmark as a command: what it tells and writes. No figure is asserted, only that there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.findings import MATCH_SCHEMA
from dlpagent.service.bench.corpora import Text
from dlpagent.service.bench.measure import batches_of, size_of
from dlpagent.service.bench.run import head, planted_found, write_files
from dlpagent.service.bench.view import result_text
from dlpagent.service.cli import run


def test_texts_are_cut_into_batches_where_a_source_would() -> None:
    texts = ["a" * 10] * 4_500
    assert [batch.num_rows for batch in batches_of(texts)] == [2_000, 2_000, 500]
    assert [batch.num_rows for batch in batches_of(["x" * 3_000_000] * 3)] == [2, 1]
    assert size_of(["é", "a"]) == 3


def test_a_sample_is_at_least_one_text_and_about_the_size() -> None:
    assert head(["abc", "def", "ghi"], 4) == ["abc", "def"]
    assert head(["abc"], 0) == ["abc"]


def test_planted_texts_count_as_found_under_their_own_sit_only() -> None:
    made = [Text("abc", (("s", 0, 3),)), Text("abc def", (("s", 0, 3), ("t", 4, 7)))]
    (batch,) = batches_of([item.text for item in made])
    rows = [
        {"row": row, "start": start, "end": end, "sit_id": sit, "confidence": 85, "pattern": 0,
         "masked": "*", "key": "k"}
        for row, start, end, sit in [(0, 0, 3, "s"), (1, 2, 3, "s"), (1, 0, 3, "t")]
    ]  # fmt: skip
    found = pa.RecordBatch.from_pylist(rows, schema=MATCH_SCHEMA)
    assert planted_found(made, [batch], [found]) == 2


def test_files_hold_the_texts(tmp_path: Path) -> None:
    paths = write_files(tmp_path, [Text("1,2,3,4,5,6,7,8,9,10")])
    assert [path.suffix for path in paths] == [".jsonl", ".parquet", ".csv"]
    assert json.loads(paths[0].read_text())["text"] == "1,2,3,4,5,6,7,8,9,10"
    assert paths[2].read_text().count("\n") == 2


def test_the_command_measures_writes_json_and_compares_with_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    code = run(["bench", "--mb", "0.05", "--corpora", "prose-500-1", "--rivals", "none", "-q",
                "--parts", "engine", "-o", str(out)])  # fmt: skip
    assert code == 0
    found = json.loads(out.read_text())
    (row,) = found["engine"]
    assert row["corpus"] == "prose-500-1"
    assert row["planted_found"] == row["planted"] > 0
    assert row["same_as_reference"]
    assert "prose, 500 B, 1 planted" in capsys.readouterr().out
    assert result_text(found).count("|") > 10


def test_unknown_rivals_and_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--rivals", "grep"]) == 2
    assert run(["bench", "--parts", "lunch"]) == 2
    assert "re2-set" in capsys.readouterr().err
