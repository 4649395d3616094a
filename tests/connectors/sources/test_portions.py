"""A file read in portions gives what it gives in one go: rows, ids, places; from any checkpoint too."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources import _streams
from dlpagent.connectors.sources._csv_rows import CsvRows
from dlpagent.connectors.sources._line_portions import line_cuts, row_cuts
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources.csv_file import CsvFile
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.connectors.sources.text_file import TextFile
from dlpagent.connectors.testing.conformance import stored
from dlpagent.portions import Portioned
from dlpagent.records import Checkpoint

Rows = list[dict[str, Any]]


def rows_of(batches: Any) -> Rows:
    return [row for batch, _ in batches for row in batch.to_pylist()]


def check_portions(source: Any, size_bytes: int, at_least: int = 1) -> None:
    """Portions from the beginning and from some checkpoints; each goes on where the last one ended."""
    assert isinstance(source, Portioned)
    (asset,) = source.discover()
    batches = list(source.read(asset))
    whole = rows_of(batches)
    starts: list[tuple[Checkpoint | None, int]] = [(None, 0)]
    given = 0
    for batch, after in batches[:-1]:
        given += batch.num_rows
        starts.append((stored(after), given))
    chance = random.Random(len(whole))
    for after, before in [starts[0], *chance.sample(starts[1:], min(2, len(starts) - 1))]:
        portions = list(source.portions(asset, after, size_bytes))
        found: Rows = []
        last: Checkpoint | None = None
        for number, portion in enumerate(portions):
            for batch, last in source.read_portion(asset, portion):
                found += batch.to_pylist()
                assert not last.done or number + 1 == len(portions)
            if (
                last is not None and not last.done and number in (0, len(portions) - 2)
            ):  # anyone can go on from here, portion or not
                assert rows_of(source.read(asset, stored(last))) == whole[before + len(found) :]
        assert found == whole[before:]
        assert last is not None
        assert last.done
        assert portions[0].after == after
        assert portions[-1].until is None
        if after is None:
            assert len(portions) >= at_least


def test_json_lines(tmp_path: Path) -> None:
    chance = random.Random(3)
    lines = [
        chance.choice(
            [json.dumps({"text": "x" * chance.randrange(40)}), "", '{"torn', json.dumps({"id": n})]
        )
        for n in range(300)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for size in (1, 50, 700, 10**6):
        check_portions(JsonLines(str(tmp_path / "a.jsonl"), batch_rows=40), size)
    check_portions(JsonLines(str(tmp_path / "a.jsonl")), 500, at_least=8)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_text(tmp_path: Path, mark: str, encoding: str) -> None:
    text = mark + "".join(f"line {n} {'é' * (n % 90)}\n" for n in range(400)) + "z" * 900
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    source = TextFile(str(tmp_path / "a.txt"), max_whole_bytes=2_000, piece_bytes=300)
    many = 1 if encoding != "utf-8" and not mark else 10
    for size in (1, 800, 10**7):
        check_portions(source, size, at_least=many if size == 800 else 1)


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({
        "id": [f"r{n}" for n in range(1_000)],
        "text": [f"text {n}" for n in range(1_000)],
        "vector": [[0.5, 0.25]] * 1_000,
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    source = ParquetFile(str(tmp_path / "a.parquet"), batch_rows=90)
    for size in (1, 3_000, 10**6):
        check_portions(source, size, at_least=10 if size == 1 else 1)


@pytest.mark.parametrize("heading", [True, False])
def test_csv(tmp_path: Path, heading: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams, "BLOCK_BYTES", 500)
    chance = random.Random(5)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        if heading:
            writer.writerow(["name", "note", "sum"])
        for n in range(300):
            note = chance.choice(["plain", "two\nlines", 'a "quoted" word', "", "a, b"])
            writer.writerow([f"name {n}", note, str(n)])
            if n % 50 == 0:
                file.write("\r\n")
    source = CsvFile(str(tmp_path / "a.csv"), batch_rows=60)
    for size in (100, 2_000, 10**6):
        check_portions(source, size, at_least=4 if size == 2_000 else 1)


def test_csv_behind_a_stray_quote_is_one_portion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "BLOCK_BYTES", 500)
    even = "".join(f"name {n},note\n" for n in range(200))
    (tmp_path / "a.csv").write_text("name,note\n" + even + 'a 5" pipe,it is\n' + even)
    source = CsvFile(str(tmp_path / "a.csv"), batch_rows=60)
    check_portions(source, 600, at_least=3)
    (asset,) = source.discover()
    *_, last = source.portions(asset, None, 600)
    assert last.after is not None
    assert last.after.cursor["row"] <= 200


CELLS = st.text(st.sampled_from('ab,;"\n\r é'), max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=12), st.integers(1, 30),
    st.integers(1, 40), st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_csv_is_cut_only_where_a_row_begins(
    rows: list[list[str]], size: int, block: int, end: str
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    _check_cuts(text.getvalue().encode(), size, block)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60), st.integers(1, 20), st.integers(1, 30))
def test_whatever_a_csv_holds_it_is_cut_only_where_a_row_begins(
    text: str, size: int, block: int
) -> None:
    _check_cuts(text.encode(), size, block)


def _check_cuts(data: bytes, size: int, block: int) -> None:
    rows = list(CsvRows(ByteStream(io.BytesIO(data)), encoding="utf-8", delimiter=",").rows(0))
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    for offset, before in row_cuts(blocks, 0, 0, size, b","):
        assert all(row.start >= offset or row.end <= offset for row in rows)
        assert sum(row.end <= offset for row in rows) == before
        assert data[offset - 1 : offset] == b"\n"


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(1, 60))
def test_lines_are_cut_only_where_one_begins(data: bytes, size: int, block: int) -> None:
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    before = 0
    for offset, rows in line_cuts(blocks, 0, 0, size):
        assert data[offset - 1 : offset] == b"\n"
        assert data.count(b"\n", 0, offset) == rows
        assert offset - before >= size
        before = offset


def test_a_packed_file_is_one_portion(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n' * 5_000))
    source = JsonLines(str(tmp_path / "a.jsonl.gz"), batch_rows=1_000)
    (asset,) = source.discover()
    assert len(list(source.portions(asset, None, 1))) == 1
    check_portions(source, 1)
