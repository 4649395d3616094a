"""Commits batches until it is killed, again and again; run by test_kill.py as a process of its own.

usage: committer.py URL FOLDER ROUNDS SEED

Each round forks a child that resumes the run, checks that what it finds is exactly what its
checkpoint says, and commits until the parent kills it with SIGKILL at a random instant.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import pyarrow as pa

from dlpagent.findings import FINDING_SCHEMA, PackRef
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, Counters, PartProblem, State, open_state
from dlpagent.violations import PolicyRef, Violation, stable_id

PER_BATCH = 7
SEGMENT_ROWS = 40
ASSET = Asset("file:///killed", "dataset", "files", change_key="k")
PACK, POLICY = PackRef("p", "1", "h"), PolicyRef("p", "P", "1")


def batch(number: int) -> BatchCommit:
    """Batch number n: findings 7n … 7n+6, one problem, one violation."""
    rows = [
        {
            "record_id": "r",
            "part": "p",
            "start": start,
            "end": start + 1,
            "sit_id": "s",
            "confidence": 85,
            "pattern": 0,
            "masked": "*",
            "key": f"{start:032x}",
        }
        for start in range(number * PER_BATCH, (number + 1) * PER_BATCH)
    ]
    return BatchCommit(
        before=Checkpoint({"n": number}) if number else None,
        after=Checkpoint({"n": number + 1}),
        findings=pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA),
        problems=(PartProblem("r", "p", "unread", "broken"),),
        violations=(violation(number),),
        counters=Counters(records=1),
        sinks=("file",),
    )


def violation(number: int) -> Violation:
    ident = stable_id("violation", str(number))
    return Violation(
        id=ident,
        event_id=stable_id("event", ident),
        asset_uri=ASSET.uri,
        asset_kind="dataset",
        connector="files",
        item_level="record",
        record_id=str(number),
        policy=POLICY,
        rule_id="r",
        rule_name="R",
        severity="high",
        mode="enforce",
        actions=(),
        reason="1",
        location="l",
        pack=PACK,
        sits=(),
        places=(),
        places_total=0,
        evidence="e",
    )


def check(state: State, run_id: str) -> int:
    """How many batches are stored; raises AssertionError unless all of each is there, once."""
    progress = state.asset_progress(run_id, ASSET)
    if progress is None or progress.checkpoint is None:
        return 0
    number = int(progress.checkpoint.cursor["n"])
    found = [n for each in state.findings(run_id) for n in each.rows.column("start").to_pylist()]
    assert found == list(range(number * PER_BATCH)), (number, len(found))
    counters = progress.counters
    counts = (counters.findings, counters.problems, counters.records, progress.commits)
    assert counts == (number * PER_BATCH, number, number, number), (number, counts)
    assert len(state.problems(run_id)) == number
    assert sum(1 for _ in state.violations()) == number
    pending = [lag.pending for lag in state.outbox_lag()]
    assert pending == [number], (number, pending)
    return number


def commit_for_ever(url: str, folder: Path, ready: int) -> None:
    with open_state(url, findings_dir=folder, segment_rows=SEGMENT_ROWS) as state:
        resumable = state.resumable_run("job")
        if resumable is not None:
            run_id = state.resume_run(resumable.id).id
        else:
            assert state.runs() == []
            run_id = state.begin_run(job="job", command="c", pack=PACK, policy=POLICY)
        lease = state.claim(run_id, ASSET)
        number = check(state, run_id)
        while True:
            os.write(ready, b"x")
            state.commit_batch(run_id, lease, batch(number))
            number += 1


def one_round(url: str, folder: Path, chance: random.Random) -> None:
    """Fork a child, let it begin a few commits, kill it somewhere inside one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            commit_for_ever(url, folder, writing)
        finally:
            traceback.print_exc()
            os._exit(3)
    os.close(writing)
    alive = all(os.read(reading, 1) for _ in range(chance.randint(1, 12)))
    if alive:
        time.sleep(chance.uniform(0, 0.006))
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        sys.exit(4)


def main() -> None:
    url, folder, rounds, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(seed)
    for _ in range(rounds):
        one_round(url, folder, chance)


if __name__ == "__main__":
    main()
