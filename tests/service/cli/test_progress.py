"""Progress: JSON lines for programs, one live line for people, nothing when quiet."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pytest

from dlpagent.findings import FINDING_SCHEMA
from dlpagent.records import Asset, Checkpoint
from dlpagent.service.cli.progress import Progress
from dlpagent.state import AssetProgress, Committed, Counters

ASSET = Asset("file:///a", "dataset", "files", size_bytes=100)
EMPTY = pa.RecordBatch.from_pylist([], schema=FINDING_SCHEMA)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(stream: io.StringIO, **more: object) -> Progress:
    progress = Progress(stream=stream, **more)  # type: ignore[arg-type]
    progress._told -= 1_000
    progress.asset_begins(ASSET, AssetProgress("r", "a", ASSET.uri, "running", bytes_read=10))
    progress.batch_done(
        ASSET, EMPTY, Checkpoint({}, bytes_read=60), Committed(), Counters(records=3, chars=40)
    )
    return progress


def test_a_program_reads_json_lines() -> None:
    stream = io.StringIO()
    watched(stream, total_bytes=100)
    (line,) = stream.getvalue().splitlines()
    figures = json.loads(line)["progress"]
    assert (figures["bytes"], figures["records"], figures["findings"]) == (50, 3, 0)
    assert figures["eta_s"] is not None


def test_a_person_sees_one_line_that_is_cleared() -> None:
    stream = Terminal()
    watched(stream).close()
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\r\x1b[K")
    assert "3 records" in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_quiet(stream: io.StringIO) -> None:
    watched(stream, quiet=True).close()
    assert stream.getvalue() == ""


def test_it_is_told_now_and_then_only() -> None:
    stream = io.StringIO()
    progress = watched(stream)
    for _ in range(100):
        progress.batch_done(ASSET, EMPTY, Checkpoint({}), Committed(), Counters(records=1))
    assert len(stream.getvalue().splitlines()) == 1
    assert progress.figures()["records"] == 103


def test_ends_and_skips_are_counted() -> None:
    progress = Progress(stream=io.StringIO())
    progress.asset_skipped(ASSET)
    progress.asset_ends(
        ASSET, AssetProgress("r", "a", ASSET.uri, "done", counters=Counters(problems=2))
    )
    figures = progress.figures()
    assert (figures["assets"], figures["bytes"], figures["errors"], figures["eta_s"]) == (
        2,
        100,
        2,
        None,
    )
