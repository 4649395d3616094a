"""Transcripts that grow are followed: what was added is read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources._log_reader import following
from dlpagent.connectors.sources.claude_code import ClaudeCode
from dlpagent.connectors.sources.codex import Codex
from dlpagent.records import Checkpoint

DATA = Path(__file__).parents[2] / "data" / "transcripts"
LOGS = [(ClaudeCode, "claude-code.jsonl"), (Codex, "codex.jsonl")]


def read(made: Any, path: Path, after: Checkpoint | None) -> tuple[list[Any], Checkpoint]:
    source = made(str(path))
    (asset,) = source.discover()
    batches = list(source.read(asset, after))
    last = batches[-1][1]
    rows = [row for batch, _ in batches for row in batch.to_pylist()]
    return rows, Checkpoint(json.loads(json.dumps(dict(last.cursor))), last.done)


def told(rows: list[Any]) -> set[tuple[Any, ...]]:
    keys = ("record_id", "part", "text", "role", "actor_id", "conversation_id")
    return {tuple(row[key] for key in keys) for row in rows if row["status"] == "read"}


@pytest.mark.parametrize(("made", "file"), LOGS, ids=["claude-code", "codex"])
def test_wherever_a_writer_was_cut_off_the_log_is_read_whole_by_following_it(
    tmp_path: Path, made: Any, file: str
) -> None:
    raw = (DATA / file).read_bytes()
    whole = raw[: raw.rindex(b"\n") + 1]
    path = tmp_path / file
    path.write_bytes(whole)
    expected, _ = read(made, path, None)
    for cut in range(40, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:cut])
        first, last = read(made, path, None)
        path.write_bytes(whole)
        second, _ = read(made, path, following(last))
        torn = [row for row in first if row["locator"]["row"] == last.cursor["row"]]
        kept = [row for row in first if row not in torn]
        assert told(kept) | told(second) == told(expected)
        assert not {row["record_id"] for row in kept} & {row["record_id"] for row in second}


@pytest.mark.parametrize(("made", "file"), LOGS, ids=["claude-code", "codex"])
def test_following_a_log_that_did_not_grow_gives_nothing(
    tmp_path: Path, made: Any, file: str
) -> None:
    raw = (DATA / file).read_bytes()
    path = tmp_path / file
    path.write_bytes(raw[: raw.rindex(b"\n") + 1])
    _, last = read(made, path, None)
    again, _ = read(made, path, following(last))
    assert again == []
