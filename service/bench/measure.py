"""Measuring: CPU seconds of work, in one process or of a whole command. Figures compare within a run."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dlpagent.records import batch_of_columns

BATCH_CHARS = 4_000_000
BATCH_ROWS = 2_000
"""As sources make them (dlpagent.records.PartRows)."""


def batches_of(texts: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Texts as batches of records, cut where a source would cut them."""
    first = chars = 0
    for place, text in enumerate(texts):
        chars += len(text)
        if chars >= BATCH_CHARS or place - first + 1 >= BATCH_ROWS or place + 1 == len(texts):
            yield _batch(texts[first : place + 1], first)
            first, chars = place + 1, 0


def _batch(texts: Sequence[str], first: int) -> pa.RecordBatch:
    ids = pa.array([str(number) for number in range(first, first + len(texts))], pa.string())
    columns = {
        "record_id": ids,
        "part": pa.array(["text"] * len(texts), pa.string()),
        "text": pa.array(texts, pa.large_string()),
    }
    return batch_of_columns("bench:", len(texts), columns)


def size_of(texts: Sequence[str]) -> int:
    """Bytes in UTF-8."""
    return sum(len(text.encode()) for text in texts)


def cpu_seconds(work: Callable[[], float | None]) -> float:
    """CPU time of one run: the work's own figure, if it gives one."""
    start = time.process_time()
    told = work()
    return told if told is not None else time.process_time() - start


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command used. wall and cpu in seconds, peak_mb the largest of its processes."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def run(arguments: Sequence[str], environment: dict[str, str]) -> Usage:
    """Run `dlpagent` with arguments in a process of its own, output thrown away."""
    command = [sys.executable, "-c", "from dlpagent.service.cli import main; main()", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as process:  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return Usage(wall, cpu, used.ru_maxrss / scale, process.returncode)
