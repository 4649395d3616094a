"""Engines on someone else's cluster: Ray Data and Spark read and assess, this process commits.

A task reads one asset from its checkpoint, or a portion of one that is large and can be cut. It gives
rows of (job, portion, number, payload); the rows of a job are put in order here, and a row that a
retried task gives again is dropped. Findings, checkpoints and events are kept as in every sweep, so
that a run cut off goes on, with any engine.

The pack, the policy and the evidence key are handed to the workers once each; files must be reachable
from the workers under the same path or URI.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import pyarrow as pa

from dlpagent.assess import Assessor
from dlpagent.errors import ConfigurationError, SourceError, missing_extra
from dlpagent.jobs import Engine, Job, Step, Steps, can_be_cut, steps_of, stretches_of
from dlpagent.pool import packed as packed_assessed
from dlpagent.pool import unpacked as unpacked_assessed
from dlpagent.portions import Ended, Portion, Portioned, read_to_end
from dlpagent.records import Checkpoint

ENGINES = ("local", "ray", "spark")

ROWS = pa.schema([
    ("job", pa.int64()), ("portion", pa.int64()), ("number", pa.int64()), ("payload", pa.binary()),
])  # fmt: skip
TASKS = pa.schema([("job", pa.int64()), ("portion", pa.int64()), ("packed", pa.binary())])

TASKS_A_CORE = 4
"""Tasks of one Spark action, for each core: what a wave holds at the driver stays bounded."""
PORTION_BYTES = 64 << 20
"""What one task reads of a large asset: much beside what it costs to start one."""

# (number of the job, number of the portion, both of them; None: the whole job)
Task: TypeAlias = tuple[int, int, Job, Portion | None]

_assessors: dict[bytes, Assessor] = {}


def engine_named(name: str, workers: int) -> Engine:
    """The engine of `--engine ray` or `--engine spark`. workers: parallel tasks; 1: the cluster's.

    Raises ConfigurationError when the package is missing.
    """
    return in_ray(workers) if name == "ray" else in_spark(workers)


# --- in a task ----------------------------------------------------------------------------------


def rows_of(assessor: Assessor, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of TASKS → batches of ROWS, one row a step; what a task does, wherever it runs."""
    for batch in batches:
        for place, number, packed in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            job, portion = pickle.loads(packed)  # noqa: S301 - our own driver's
            for at, payload in enumerate(_payloads(assessor, job, portion)):
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array([place]),
                        pa.array([number]),
                        pa.array([at]),
                        pa.array([pickle.dumps(payload)], pa.binary()),
                    ],
                    schema=ROWS,
                )


def _payloads(
    assessor: Assessor, job: Job, portion: Portion | None
) -> Iterator[tuple[Checkpoint | None, str | None, Any]]:
    """(after, error, what lies before it) of each step; the last has neither of the outer two."""
    if portion is None:
        for step in steps_of(job):
            yield step.after, step.error, _assessed(assessor, job, step.batch)
        return
    for one in read_to_end(cast("Portioned", job.source), job.asset, portion):
        if isinstance(one, Ended):
            yield None, one.error, None
        else:
            yield one[1], None, _assessed(assessor, job, one[0])


def _assessed(assessor: Assessor, job: Job, batch: pa.RecordBatch | None) -> Any:
    return None if batch is None else packed_assessed(assessor.assess(job.asset, batch))


def assessor_of(packed: bytes) -> Assessor:
    """The assessor in this worker process: made of its bytes once, then kept."""
    if packed not in _assessors:
        _assessors.clear()
        _assessors[packed] = pickle.loads(packed)  # noqa: S301 - our own driver's
    return _assessors[packed]


class RayTask:
    """What a Ray worker keeps between jobs."""

    def __init__(self, packed: bytes) -> None:
        self.assessor = assessor_of(packed)

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        for batch in rows_of(self.assessor, table.to_batches()):
            yield pa.Table.from_batches([batch])


# --- at the driver ------------------------------------------------------------------------------


@dataclass(slots=True)
class Listed:
    """The jobs given to a cluster so far, by number. portions: of how many, once that is known."""

    jobs: dict[int, Job] = field(default_factory=dict)
    portions: dict[int, int] = field(default_factory=dict)

    def tasks(self, jobs: Iterable[Job], portion_bytes: int) -> Iterator[Task]:
        """Jobs are taken up as they are reached; portion None is the whole of one."""
        for place, job in enumerate(jobs):
            self.jobs[place] = job
            many = 0
            if can_be_cut(job):
                with suppress(SourceError):  # a task will tell, or that it is missing will
                    for stretch in stretches_of(job, portion_bytes):
                        if stretch.is_last:
                            self.portions[place] = many + 1
                        yield place, many, job, stretch.portion
                        many += 1
            if not many:
                self.portions[place] = 1
                yield place, 0, job, None


def merged(listed: Listed, tables: Iterable[pa.Table]) -> Steps:
    """Rows in any order between jobs, and any row more than once, as the steps of jobs in order."""
    early: dict[tuple[int, int, int], bytes] = {}
    reached: dict[int, _Reached] = {}
    for table in tables:
        for row in table.to_pylist():
            place = row["job"]
            if place not in reached:
                reached[place] = _Reached(listed.jobs[place].lease.progress.checkpoint)
            at = reached[place]
            if not at.ended and (row["portion"], row["number"]) >= (at.portion, at.number):
                early[place, row["portion"], row["number"]] = row["payload"]
            while not at.ended and (place, at.portion, at.number) in early:
                payload = early.pop((place, at.portion, at.number))
                yield from at.steps(listed.jobs[place], listed.portions.get(place), payload)
    for place, job in listed.jobs.items():
        at = reached.get(place) or _Reached(job.lease.progress.checkpoint)
        if not at.ended:
            lost = "the cluster gave no answer for this asset; run again to go on"
            yield Step(job, at.before, error=lost), None


@dataclass(slots=True)
class _Reached:
    """How far the steps of a job have been given: before the checkpoint, the row that comes next."""

    before: Checkpoint | None
    portion: int = 0
    number: int = 0
    ended: bool = False

    def steps(self, job: Job, portions: int | None, payload: bytes) -> Steps:
        """The step of the next row; none where one portion ends and another follows."""
        after, error, assessed = pickle.loads(payload)  # noqa: S301 - our own
        self.number += 1
        if after is not None:
            step, self.before = Step(job, self.before, after), after
            yield step, unpacked_assessed(assessed)
        elif error is not None or self.portion + 1 == portions:
            self.ended = True
            yield Step(job, self.before, error=error), None
        else:
            self.portion, self.number = self.portion + 1, 0


def table_of(tasks: Iterable[Task]) -> pa.Table:
    """Tasks as a table of TASKS."""
    rows = [(place, number, pickle.dumps((job, portion))) for place, number, job, portion in tasks]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(dict(zip(TASKS.names, columns, strict=True)), schema=TASKS)


def in_ray(workers: int, portion_bytes: int | None = None) -> Engine:
    """Ray Data: the cluster of RAY_ADDRESS, else one of this machine."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise missing_extra("ray", "ray", "--engine ray") from None

    def engine(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        many = workers if workers > 1 else max(1, int(ray.cluster_resources().get("CPU", 1)))
        ray.data.DataContext.get_current().enable_progress_bars = False
        listed = Listed()
        tasks = [table_of([task]) for task in listed.tasks(jobs, portion_bytes or PORTION_BYTES)]
        if not tasks:
            return
        data = ray.data.from_arrow(tasks).map_batches(
            RayTask,
            fn_constructor_args=(pickle.dumps(assessor),),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(many, len(tasks))),
        )
        yield from merged(listed, data.iter_batches(batch_size=None, batch_format="pyarrow"))

    return engine


def in_spark(workers: int, portion_bytes: int | None = None) -> Engine:
    """Spark's mapInArrow: the session of spark-submit or spark-defaults, else one of this machine."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise missing_extra("pyspark", "spark", "--engine spark") from None

    def engine(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.appName("dlpagent")
        if workers > 1 and "MASTER" not in os.environ:
            builder = builder.master(f"local[{workers}]")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        spark = builder.getOrCreate()
        try:
            packed = spark.sparkContext.broadcast(pickle.dumps(assessor))
            wave = spark.sparkContext.defaultParallelism * TASKS_A_CORE
            task = _spark_task(packed)
            listed = Listed()
            tasks = listed.tasks(jobs, portion_bytes or PORTION_BYTES)

            def waves() -> Iterator[pa.Table]:
                while some := list(itertools.islice(tasks, wave)):
                    rows = [
                        (place, number, bytearray(pickle.dumps((job, portion))))
                        for place, number, job, portion in some
                    ]
                    frame = spark.createDataFrame(rows, "job long, portion long, packed binary")
                    yield (
                        frame.repartition(len(rows), "job", "portion")
                        .mapInArrow(task, "job long, portion long, number long, payload binary")
                        .toArrow()
                    )

            yield from merged(listed, waves())
        finally:
            spark.stop()

    return engine


def _spark_task(
    broadcast: Any,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from rows_of(assessor_of(broadcast.value), batches)

    return task


def check_engine(name: str) -> str:
    """A name of ENGINES. Raises ConfigurationError."""
    if name not in ENGINES:
        raise ConfigurationError(
            "this is not an engine",
            where="--engine",
            expected="one of " + ", ".join(ENGINES),
            found=name,
        )
    return name
