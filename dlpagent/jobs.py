"""Jobs, steps and engines: how a sweep's assets are read and assessed, apart from how that is kept.

An engine may read ahead and work elsewhere; it gives the steps of each asset in the order of its
checkpoints, and the sweep commits them one by one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.errors import SourceError
from dlpagent.ports import Source
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import Lease


@dataclass(frozen=True, slots=True)
class Job:
    """An asset that this sweep holds, and the source that reads it."""

    source: Source
    asset: Asset
    lease: Lease


@dataclass(frozen=True, slots=True)
class Step:
    """Something read of a job's asset: what lies between two checkpoints, or its end (no after).

    batch: None at the end, and where it was read in another process. error: why nothing more could
    be read.
    """

    job: Job
    before: Checkpoint | None
    after: Checkpoint | None = None
    batch: pa.RecordBatch | None = None
    error: str | None = None


Steps: TypeAlias = Generator[tuple[Step, Assessed | None], None, None]


class Engine(Protocol):
    """Reads and assesses jobs. Of each asset: its steps in order, the end last, without Assessed.

    What `jobs` raises is raised when the steps of all jobs before it have been given.
    """

    def __call__(self, assessor: Assessor, jobs: Iterator[Job]) -> Steps: ...


def in_this_process(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
    """One after the other: the next batch is read when the one before has been committed."""
    for job in jobs:
        for step in steps_of(job):
            batch = step.batch
            yield step, None if batch is None else assessor.assess(job.asset, batch)


def steps_of(job: Job) -> Iterator[Step]:
    """Read a job's asset from the checkpoint that its lease tells, to its end."""
    checkpoint, error = job.lease.progress.checkpoint, None
    if job.lease.progress.status == "running" and not (checkpoint and checkpoint.done):
        try:
            for batch, after in job.source.read(job.asset, checkpoint):
                yield Step(job, checkpoint, after, batch)
                checkpoint = after
        except SourceError as problem:
            error = str(problem)
    yield Step(job, checkpoint, error=error)
