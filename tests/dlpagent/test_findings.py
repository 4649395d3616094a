"""Findings: levels, the join with their rows, and the documented line."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from dlpagent.findings import (
    FINDING_SCHEMA,
    MATCH_SCHEMA,
    PackRef,
    finding_lines,
    findings_of,
    level_of,
)
from dlpagent.records import PartRows


@pytest.mark.parametrize(
    ("confidence", "level"),
    [(1, "low"), (65, "low"), (66, "medium"), (75, "medium"), (76, "high"), (100, "high")],
)
def test_levels_begin_where_purview_begins_them(confidence: int, level: str) -> None:
    assert level_of(confidence) == level


def matches(*rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {"row": row, "start": 1, "end": 5, "sit_id": "s", "confidence": 85, "pattern": 0,
             "masked": "****", "key": "k"}
            for row in rows
        ],
        schema=MATCH_SCHEMA,
    )  # fmt: skip


def batch() -> pa.RecordBatch:
    rows = PartRows("file:///a")
    for number in range(3):
        rows.add(record_id=f"r{number}", part="p", seq=0, text="text",
                 locator={"file": "f", "row": number} if number else None)  # fmt: skip
    return rows.take()


def test_matches_are_joined_with_the_places_of_their_rows() -> None:
    found = findings_of(batch(), matches(0, 2, 2))
    assert found.schema.equals(FINDING_SCHEMA, check_metadata=True)
    rows = found.to_pylist()
    assert [row["record_id"] for row in rows] == ["r0", "r2", "r2"]
    assert [row["locator_row"] for row in rows] == [None, 2, 2]
    assert findings_of(batch(), matches()).num_rows == 0


def test_a_line_has_the_documented_keys_and_no_value() -> None:
    lines = list(
        finding_lines(
            findings_of(batch(), matches(0, 2)),
            asset_uri="file:///a",
            pack=PackRef("p", "1", "h"),
            names={"s": "Name"},
        )
    )
    assert lines[1] == {
        "v": 1, "asset": "file:///a", "record": "r2", "part": "p", "start": 1, "end": 5,
        "sit": {"id": "s", "name": "Name"}, "confidence": 85, "level": "high", "masked": "****",
        "key": "k", "pack": {"id": "p", "version": "1"}, "locator": {"file": "f", "row": 2},
    }  # fmt: skip
    assert lines[0]["locator"] == {}


def test_the_module_stands_on_its_own() -> None:
    """It must bring what it uses; another module may not have been imported before."""
    program = """
from dlpagent.findings import MATCH_SCHEMA, findings_of
from dlpagent.records import RECORD_SCHEMA
import pyarrow as pa
batches = (pa.RecordBatch.from_pylist([], schema=s) for s in (RECORD_SCHEMA, MATCH_SCHEMA))
print(findings_of(*batches).num_rows)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")
