"""What the state costs: commits, bulk findings, and the evidence of a very large asset.

usage: python benchmarks/state.py [PLACE]     (a folder for SQLite, or a postgresql:// URL)
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from dlpagent.findings import FINDING_SCHEMA, PackRef
from dlpagent.item_tallies import ItemTallies
from dlpagent.records import Asset, Checkpoint, PartRows
from dlpagent.state import BatchCommit, State, open_state
from dlpagent.tallies import items_of_batch

HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def findings(many: int, chance: np.random.Generator, per_record: int = 5) -> pa.RecordBatch:
    """Findings with random keys, five to a record."""
    keys = HEX[chance.integers(0, 16, (many, 32))].tobytes().decode()
    starts = np.arange(many)
    columns = {
        "record_id": pa.array((starts // per_record).astype(str).tolist()),
        "part": pa.array(["content"] * many),
        "start": pa.array(starts),
        "end": pa.array(starts + 16),
        "sit_id": pa.array([f"50842eb7-edc8-4019-85dd-{n % 40:012}" for n in range(many)]),
        "confidence": pa.array(chance.choice([65, 75, 85], many).astype(np.uint8)),
        "pattern": pa.array(np.zeros(many, dtype=np.int16)),
        "masked": pa.array(["****-****-****-1111"] * many),
        "key": pa.array([keys[at : at + 32] for at in range(0, 32 * many, 32)]),
        "locator_row": pa.array(starts // per_record),
    }
    arrays = [
        columns.get(field.name, pa.nulls(many)).cast(field.type)
        if field.name in columns
        else pa.nulls(many, field.type)
        for field in FINDING_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=FINDING_SCHEMA)


def commit_all(state: State, name: str, batch: pa.RecordBatch, times: int) -> tuple[str, float]:
    """Commit the same batch so many times; returns the run and the seconds taken."""
    asset = Asset(f"file:///{name}", "dataset", "files")
    run_id = state.begin_run(job=name, command="bench", pack=PackRef("p", "1", "h"))
    lease = state.claim(run_id, asset)
    before = None
    began = time.perf_counter()
    for number in range(times):
        after = Checkpoint({"offset": number})
        state.commit_batch(run_id, lease, BatchCommit(before, after, findings=batch))
        before = after
    return run_id, time.perf_counter() - began


def memory_mb() -> float:
    """The most memory this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(place: str) -> None:
    chance = np.random.default_rng(1)
    url = place if "://" in place else str(Path(place) / "state.db")
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(spare) if "://" in place else None
        with open_state(url, findings_dir=folder) as state:
            measure_state(state, chance)
    measure_tallies(chance)


def measure_state(state: State, chance: np.random.Generator) -> None:
    for many in (0, 100, 1000):
        times = 300 if many < 1000 else 40
        _, seconds = commit_all(state, f"rows-{many}", findings(many, chance), times)
        print(f"commits with {many:>5} findings   {times / seconds:>9.0f} /s"
              f"   {many * times / seconds:>9.0f} findings/s")  # fmt: skip
    run_id, seconds = commit_all(state, "bulk", findings(5_000, chance), 200)
    print(f"1,000,000 findings, segments  {seconds:>9.1f} s   {1e6 / seconds:>9.0f} findings/s")
    began = time.perf_counter()
    read = sum(batch.rows.num_rows for batch in state.findings(run_id))
    print(f"reading {read:,} findings   {time.perf_counter() - began:>9.2f} s")
    began = time.perf_counter()
    state.item_tallies(run_id, "file:///bulk")
    print(f"item_tallies over them        {time.perf_counter() - began:>9.2f} s"
          f"   memory {memory_mb():.0f} MB")  # fmt: skip


def measure_tallies(chance: np.random.Generator) -> None:
    batch = findings(2_000, chance, per_record=2)
    parts = PartRows("file:///x")
    for number in range(1_000):
        parts.add(record_id=str(number), part="content", seq=0, text="", role="user")
    records = parts.take()
    began = time.perf_counter()
    for _ in range(20):
        list(items_of_batch(Asset("file:///x", "dataset", "files"), records, batch))
    print(f"items of a batch with 1,000 records, 2,000 findings"
          f"   {(time.perf_counter() - began) / 20 * 1000:.1f} ms")  # fmt: skip

    taken = 0.0
    with ItemTallies() as tallies:
        for _ in range(100):
            batch = findings(100_000, chance)
            began = time.perf_counter()
            tallies.add(batch)
            taken += time.perf_counter() - began
        began = time.perf_counter()
        counts, _ = tallies.result()
        taken += time.perf_counter() - began
    unique = sum(tally.unique() for tally in counts)
    print(f"tallies of 10,000,000 findings, {unique:,} distinct"
          f"   {taken:.1f} s   memory {memory_mb():.0f} MB in all")  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as here:
            main(here)
