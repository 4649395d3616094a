"""Engines on someone else's cluster: Ray Data and Spark read and assess, this process commits.

A task reads one asset from its checkpoint and gives rows of (job, number, payload); the rows of a
job are put in order here, and a row that a retried task gives again is dropped. Findings, checkpoints
and events are kept as in every sweep, so that a run cut off goes on, with any engine.

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
from typing import Any

import pyarrow as pa

from dlpagent.assess import Assessor
from dlpagent.errors import ConfigurationError, missing_extra
from dlpagent.jobs import Engine, Job, Step, Steps, steps_of
from dlpagent.pool import packed as packed_assessed
from dlpagent.pool import unpacked as unpacked_assessed

ENGINES = ("local", "ray", "spark")

ROWS = pa.schema([("job", pa.int64()), ("number", pa.int64()), ("payload", pa.binary())])
JOBS = pa.schema([("job", pa.int64()), ("packed", pa.binary())])

JOBS_A_CORE = 4
"""Jobs of one Spark action, for each core: what a wave holds at the driver stays bounded."""

_assessors: dict[bytes, Assessor] = {}


def engine_named(name: str, workers: int) -> Engine:
    """The engine of `--engine ray` or `--engine spark`. workers: parallel tasks; 1: the cluster's.

    Raises ConfigurationError when the package is missing.
    """
    return in_ray(workers) if name == "ray" else in_spark(workers)


# --- in a task ----------------------------------------------------------------------------------


def rows_of(assessor: Assessor, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of JOBS → batches of ROWS, one row a step; what a task does, wherever it runs."""
    for batch in batches:
        for place, packed in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            job: Job = pickle.loads(packed)  # noqa: S301 - our own driver's
            for number, step in enumerate(steps_of(job)):
                payload = pickle.dumps(_payload(assessor, step))
                yield pa.RecordBatch.from_arrays(
                    [pa.array([place]), pa.array([number]), pa.array([payload], pa.binary())],
                    schema=ROWS,
                )


def _payload(assessor: Assessor, step: Step) -> tuple[Any, ...]:
    batch = step.batch
    assessed = None if batch is None else packed_assessed(assessor.assess(step.job.asset, batch))
    return step.before, step.after, step.error, assessed


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


def merged(jobs: dict[int, Job], tables: Iterable[pa.Table]) -> Steps:
    """Rows in any order between jobs, and any row more than once, as the steps of jobs in order."""
    wanted = dict.fromkeys(jobs, 0)
    early: dict[tuple[int, int], bytes] = {}
    for table in tables:
        for row in table.to_pylist():
            place, number = row["job"], row["number"]
            if place in wanted and number >= wanted[place]:
                early[place, number] = row["payload"]
            while place in wanted and (place, wanted[place]) in early:
                payload = early.pop((place, wanted[place]))
                wanted[place] += 1
                before, after, error, assessed = pickle.loads(payload)  # noqa: S301 - our own
                step = Step(jobs[place], before, after, error=error)
                yield step, unpacked_assessed(assessed) if assessed else None
                if after is None:
                    del wanted[place]
    for place in wanted:
        checkpoint = jobs[place].lease.progress.checkpoint
        lost = "the cluster gave no answer for this asset; run again to go on"
        yield Step(jobs[place], checkpoint, error=lost), None


def _packed_jobs(jobs: dict[int, Job]) -> pa.Table:
    return pa.table(
        {"job": list(jobs), "packed": [pickle.dumps(job) for job in jobs.values()]}, schema=JOBS
    )


def in_ray(workers: int) -> Engine:
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
        listed = dict(enumerate(jobs))
        if not listed:
            return
        data = ray.data.from_arrow(
            [_packed_jobs({place: job}) for place, job in listed.items()]
        ).map_batches(
            RayTask,
            fn_constructor_args=(pickle.dumps(assessor),),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(many, len(listed))),
        )
        yield from merged(listed, data.iter_batches(batch_size=None, batch_format="pyarrow"))

    return engine


def in_spark(workers: int) -> Engine:
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
            wave = spark.sparkContext.defaultParallelism * JOBS_A_CORE
            task = _spark_task(packed)
            numbered = enumerate(jobs)
            while listed := dict(itertools.islice(numbered, wave)):
                rows = [(place, bytearray(pickle.dumps(job))) for place, job in listed.items()]
                frame = spark.createDataFrame(rows, "job long, packed binary")
                done = frame.repartition(len(rows), "job").mapInArrow(
                    task, "job long, number long, payload binary"
                )
                yield from merged(listed, [done.toArrow()])
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
