"""Data files and exports cut off, with bytes flipped, with fields missing or of another type.

What can be read is read, the rest is told with its place, and nothing but SourceError comes out.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.errors import SourceError
from dlpagent.service.wiring import Unreachable, open_sources
from tests.connectors.sources.test_file_conformance import (
    ROWS,
    arrow,
    csv_file,
    json_array,
    jsonl,
    parquet,
    tar,
)

DATA = Path(__file__).parents[2] / "data"
QUIET = settings(
    max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
FORMS: list[tuple[str, Callable[[Path], Path]]] = [
    ("a.jsonl", jsonl),
    ("a.jsonl.gz", jsonl),
    ("a.jsonl.zst", jsonl),
    ("a.json", json_array),
    ("a.csv", csv_file),
    ("a.tsv", csv_file),
    ("a.parquet", parquet),
    ("a.arrow", arrow),
    ("a.tar", tar),
    ("a.tar.gz", tar),
]
EXPORTS = ["chatgpt/single.zip", "chatgpt/sharded.zip", "claude/export.zip", "slack/export.zip"]
SAMPLES = sorted((DATA / "documents").glob("sample.*"))


def written(folder: Path, name: str, make: Callable[[Path], Path]) -> bytes:
    raw = make(folder / f"plain.{name.split('.')[1]}").read_bytes()
    if name.endswith(".gz"):
        return gzip.compress(raw, mtime=0)
    return zstandard.compress(raw) if name.endswith(".zst") else raw


def read(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """Rows, and whether a SourceError ended the reading."""
    rows: list[dict[str, Any]] = []
    try:
        for source in open_sources([str(path)]):
            assert not isinstance(source, Unreachable)
            for asset in source.discover():
                for batch, _ in source.read(asset):
                    rows += batch.to_pylist()
    except SourceError as error:
        place = error.where
    else:
        return rows, False
    assert str(path) in place
    return rows, True


def texts(rows: list[dict[str, Any]]) -> set[str]:
    return {row["text"] for row in rows if row["status"] == "read"}


def is_told(rows: list[dict[str, Any]]) -> bool:
    lost = [row for row in rows if row["status"] != "read"]
    assert all(row["problem"] and row["locator"]["file"] for row in lost)
    return bool(lost)


@pytest.mark.parametrize(("name", "make"), FORMS, ids=[name for name, _ in FORMS])
def test_without_its_last_third_the_rest_is_read_and_the_cut_is_told(
    tmp_path: Path, name: str, make: Callable[[Path], Path]
) -> None:
    raw = written(tmp_path, name, make)
    path = tmp_path / name
    path.write_bytes(raw[: len(raw) * 2 // 3])
    rows, is_over = read(path)
    assert is_over or is_told(rows) or name.endswith((".csv", ".tsv"))
    if name.endswith(".parquet"):  # its directory stands at the end: nothing is left without it
        assert is_over
        return
    known = {row["text"] for row in ROWS}
    if not name.endswith(".zst"):  # one frame of so little: its blocks come whole or not at all
        assert len(texts(rows) & known) > len(ROWS) // (8 if name.endswith(".arrow") else 2)


@pytest.mark.parametrize("name", EXPORTS)
def test_of_an_export_without_its_last_third_messages_are_read(tmp_path: Path, name: str) -> None:
    raw = (DATA / name).read_bytes()
    path = tmp_path / "export.zip"
    path.write_bytes(raw[: len(raw) * 2 // 3])
    rows, _ = read(path)
    assert is_told(rows)
    assert len(texts(rows) & texts(read(DATA / name)[0])) >= 3


@pytest.mark.parametrize(("name", "make"), FORMS, ids=[name for name, _ in FORMS])
def test_flipped_bytes_raise_nothing_else(
    tmp_path: Path, name: str, make: Callable[[Path], Path]
) -> None:
    raw = written(tmp_path, name, make)

    @QUIET
    @given(
        st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), min_size=1, max_size=5)
    )
    def check(flips: list[tuple[int, int]]) -> None:
        changed = bytearray(raw)
        for place, mask in flips:
            changed[place % len(raw)] ^= mask
        (tmp_path / name).write_bytes(bytes(changed))
        rows, _ = read(tmp_path / name)
        is_told(rows)

    check()


@pytest.mark.parametrize("sample", [*EXPORTS, *SAMPLES], ids=lambda one: Path(one).name)
def test_flipped_bytes_of_exports_and_documents_raise_nothing_else(
    tmp_path: Path, sample: str | Path
) -> None:
    raw = (DATA / sample).read_bytes()
    path = tmp_path / Path(sample).name

    @QUIET
    @given(
        st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), min_size=1, max_size=5)
    )
    def check(flips: list[tuple[int, int]]) -> None:
        changed = bytearray(raw)
        for place, mask in flips:
            changed[place % len(raw)] ^= mask
        path.write_bytes(bytes(changed))
        is_told(read(path)[0])

    check()


@pytest.mark.parametrize("odd", [None, 5, 1e300, True, [], {}, ["x", {"y": "z"}], {"a": {"b": 1}}])
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_field_missing_or_of_another_type_costs_no_other_record(
    tmp_path: Path, form: str, odd: Any
) -> None:
    records: list[Any] = [dict(row) for row in ROWS[:30]]
    records[3]["text"] = odd
    del records[7]["text"]
    records[11]["id"] = odd
    records[15] = odd
    lines = [json.dumps(record) for record in records]
    path = tmp_path / f"a.{form}"
    path.write_text("\n".join(lines) if form == "jsonl" else f"[{','.join(lines)}]")
    rows, is_over = read(path)
    assert not is_over
    expected = {row["text"] for n, row in enumerate(ROWS[:30]) if n not in (3, 7, 15)}
    assert expected <= texts(rows)
