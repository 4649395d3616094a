"""Jobs, steps and engines: how a sweep's assets are read and assessed, apart from how that is kept.

An engine may read ahead and work elsewhere; it gives the steps of each asset in the order of its
checkpoints, and the sweep commits them one by one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.errors import SourceError
from dlpagent.portions import Portion, Portioned
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """A portion of a job for a reader elsewhere. is_last: the asset ends with it."""

    job: Job
    portion: Portion
    is_last: bool


def in_this_process(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
    """One after the other: the next batch is read when the one before has been committed."""
    for job in jobs:
        for step in steps_of(job):
            batch = step.batch
            yield step, None if batch is None else assessor.assess(job.asset, batch)


def is_open(job: Job) -> bool:
    """True when something of it is left to be read."""
    progress = job.lease.progress
    return progress.status == "running" and not (progress.checkpoint and progress.checkpoint.done)


def can_be_cut(job: Job) -> bool:
    """True when stretches_of() can tell portions of what is left of it."""
    return is_open(job) and isinstance(job.source, Portioned)


def stretches_of(job: Job, size_bytes: int) -> Iterator[Stretch]:
    """The portions of a job that can be cut. Raises SourceError behind those it could still tell."""
    source = cast("Portioned", job.source)
    portions = source.portions(job.asset, job.lease.progress.checkpoint, size_bytes)
    held = next(portions)
    for portion in portions:
        yield Stretch(job, held, is_last=False)
        held = portion
    yield Stretch(job, held, is_last=True)


def work_of(job: Job, size_bytes: int) -> Iterator[Step | Stretch]:
    """A job for readers elsewhere: its portions, when its source can be cut, else its steps.

    Behind portions comes no step for the asset's end: whoever puts them in order gives it.
    """
    if not can_be_cut(job):
        yield from steps_of(job)
        return
    try:
        yield from stretches_of(job, size_bytes)
    except SourceError as problem:
        yield Step(job, job.lease.progress.checkpoint, error=str(problem))


def steps_of(job: Job) -> Iterator[Step]:
    """Read a job's asset from the checkpoint that its lease tells, to its end."""
    checkpoint, error = job.lease.progress.checkpoint, None
    if is_open(job):
        try:
            for batch, after in job.source.read(job.asset, checkpoint):
                yield Step(job, checkpoint, after, batch)
                checkpoint = after
        except SourceError as problem:
            error = str(problem)
    yield Step(job, checkpoint, error=error)
