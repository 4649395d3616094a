"""Worker processes that read and assess while the sweep commits in order.

A worker holds its own copy of the assessor. It takes portions of assets that can be cut, and reads
them itself; of other sources it takes batches that this process has read. One that dies costs the
retry of what it had. A portion that kills two workers is read here, batch by batch; a batch that
kills two workers is reported as unchecked.
"""

from __future__ import annotations

import logging
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeAlias, TypeVar, cast

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.errors import DlpAgentError, RuleError
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.jobs import Engine, Job, Step, Steps, Stretch, work_of
from dlpagent.portions import Ended, Portion, Portioned, read_to_end
from dlpagent.records import RECORD_SCHEMA, Asset, Checkpoint

ATTEMPTS = 2
READ_AHEAD = 2
"""Batches or portions given out and not yet committed, for each worker."""
PORTION_BYTES = 16 << 20
"""What a worker reads in one go: enough to be quick, little enough to be spread evenly."""
EXIT_PATIENCE_S = 5.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
# Of a portion: the checkpoints and what lies before each, then how it ended; None: no worker
# survived it.
Packed: TypeAlias = tuple[bytes, Any, Any, Any, Any]
Outcome: TypeAlias = "list[tuple[Checkpoint, Assessed] | Ended] | None"


def in_workers(count: int, portion_bytes: int = PORTION_BYTES) -> Engine:
    """An engine of `count` processes; this one is ahead by a few batches or portions for each."""

    def engine(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
        pool = WorkerPool(assessor, count)
        work = (piece for job in jobs for piece in work_of(job, portion_bytes))
        try:
            yield from _in_order(pool, _ahead(pool, work, count * READ_AHEAD))
        finally:
            pool.close()

    return engine


_Given: TypeAlias = "tuple[Step, Future[Assessed] | None] | tuple[Stretch, Future[Outcome]]"


def _ahead(pool: WorkerPool, work: Iterator[Step | Stretch], window: int) -> Iterator[_Given]:
    """Pieces of work in order, given out before it is their turn."""
    waiting: deque[_Given] = deque()
    failure: BaseException | None = None
    more = True
    while more or waiting:
        while more and len(waiting) < window:
            try:
                piece = next(work)
            except StopIteration:
                more = False
            except Exception as error:  # noqa: BLE001 - raised below, in its turn
                more, failure = False, error
            else:
                waiting.append(_given(pool, piece))
        if waiting:
            yield waiting.popleft()
    if failure is not None:
        raise failure


def _given(pool: WorkerPool, piece: Step | Stretch) -> _Given:
    if isinstance(piece, Stretch):
        return piece, pool.read(piece)
    batch = piece.batch
    return piece, None if batch is None else pool.submit(piece.job.asset, batch)


def _in_order(pool: WorkerPool, given: Iterator[_Given]) -> Steps:
    """The steps of it: those of portions are joined, each to the checkpoint before it."""
    before: Checkpoint | None = None
    at: Job | None = None  # the job whose portions are being joined
    failed = False
    for piece, future in given:
        if isinstance(piece, Step):
            if piece.job is at and failed:
                continue
            if piece.job is at:  # its portions could not be told to their end
                piece = replace(piece, before=before)  # noqa: PLW2901
            yield piece, None if future is None else cast("Assessed", future.result())
            continue
        if piece.job is not at:
            at, before, failed = piece.job, piece.job.lease.progress.checkpoint, False
        if failed:
            continue
        outcome = cast("Future[Outcome]", future).result()
        ended: Iterator[tuple[Checkpoint, Assessed] | Ended]
        ended = _here(pool, piece) if outcome is None else iter(outcome)
        for one in ended:
            if isinstance(one, Ended):
                failed = one.error is not None
                if failed or piece.is_last:
                    yield Step(piece.job, before, error=one.error), None
            else:
                after, assessed = one
                yield Step(piece.job, before, after), assessed
                before = after


def _here(pool: WorkerPool, stretch: Stretch) -> Iterator[tuple[Checkpoint, Assessed] | Ended]:
    """A portion read in this process, to tell which of its batches no worker survives."""
    asset = stretch.job.asset
    for one in read_to_end(cast("Portioned", stretch.job.source), asset, stretch.portion):
        if isinstance(one, Ended):
            yield one
        else:
            yield one[1], pool.submit(asset, one[0]).result()


class WorkerPool:
    """Processes with a copy of an assessor each, and a thread for each that talks to it.

    The first begins alone. What it must compile it leaves in the cache; the others begin when it has
    answered, and not at all when nothing is left to do.
    """

    def __init__(self, assessor: Assessor, count: int) -> None:
        self._assessor = assessor
        self._packed = pickle.dumps(assessor)
        self._count = count
        self._open = 0
        self._closed = False
        self._lock = Lock()
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._add_worker()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="dlpagent-worker")

    def _add_worker(self) -> None:
        self._workers.append(_Worker(self._packed))
        self._idle.put(self._workers[-1])

    def _one_done(self) -> None:
        """Begin as many workers as there are batches left for them."""
        with self._lock:
            self._open -= 1
            while not self._closed and len(self._workers) < min(self._count, 1 + self._open):
                self._add_worker()

    def submit(self, asset: Asset, batch: pa.RecordBatch) -> Future[Assessed]:
        """Have a batch assessed by the next worker that is free."""
        with self._lock:
            self._open += 1
        return self._threads.submit(self._assess, asset, batch)

    def read(self, stretch: Stretch) -> Future[Outcome]:
        """Have a portion read and assessed by the next worker that is free."""
        with self._lock:
            self._open += 1
        source, asset = cast("Portioned", stretch.job.source), stretch.job.asset
        return self._threads.submit(
            self._with_a_worker, lambda worker: worker.read(source, asset, stretch.portion)
        )

    def _assess(self, asset: Asset, batch: pa.RecordBatch) -> Assessed:
        assessed = self._with_a_worker(lambda worker: worker.assess(asset, batch))
        if assessed is not None:
            return assessed
        reason = f"{ATTEMPTS} worker processes ended while they were at this batch"
        return self._assessor.unassessed(asset, batch, reason)

    def _with_a_worker(self, do: Callable[[_Worker], _T]) -> _T | None:
        """What a worker gives; None when as many as may be tried have ended at it."""
        worker = self._idle.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    return do(worker)
                except (EOFError, OSError):
                    _log.warning("a worker process ended (%s); another is started", worker.ended())
                    worker.start()
        finally:
            self._idle.put(worker)
            self._one_done()
        return None

    def close(self) -> None:
        """End the processes; what they are at is dropped."""
        with self._lock:
            self._closed = True
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """A process and the pipe to it. Only one thread talks to it at a time."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._closed = False
        self.start()

    def start(self) -> None:
        """Begin a process, in place of one that has ended. Raises RuntimeError after close()."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        context = get_context("spawn")  # fork would copy locks that other threads hold
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._is_ready = False
        with suppress(OSError):  # it ended at once: the first batch will tell
            self._pipe.send_bytes(self._packed)

    def assess(self, asset: Asset, batch: pa.RecordBatch) -> Assessed:
        """Raises EOFError or OSError when the process ends, and what assess() raised there."""
        return unpacked(self._answer((None, asset, batch.serialize().to_pybytes())))

    def read(self, source: Portioned, asset: Asset, portion: Portion) -> Outcome:
        """Raises as assess() does."""
        steps = self._answer((source, asset, portion))
        return [one if isinstance(one, Ended) else (one[0], unpacked(one[1])) for one in steps]

    def _answer(self, asked: Any) -> Any:
        self._wait_until_ready()
        self._pipe.send(asked)
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _wait_until_ready(self) -> None:
        """A worker that cannot even load its copy is no crash of a batch: trying again is no help."""
        if self._is_ready:
            return
        try:
            self._is_ready = self._pipe.recv()
        except (EOFError, OSError):
            raise RuleError(
                "a worker process could not start",
                found=self.ended(),
                remedy="Run with --workers 1, or see the messages above.",
            ) from None

    def ended(self) -> str:
        """How the process ended, for a message."""
        self._process.join(EXIT_PATIENCE_S)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def close(self) -> None:
        self._closed = True
        self._process.terminate()
        self._process.join(EXIT_PATIENCE_S)
        if self._process.exitcode is None:
            self._process.kill()
        self._pipe.close()


def _work(pipe: Connection) -> None:
    """A worker's life: the assessor, then batches until the pipe is closed.

    The terminal sends Ctrl-C to every process; only the parent answers it. When the parent dies,
    however it dies, the pipe ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        assessor: Assessor = pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own parent's
        pipe.send(True)
        while True:
            pipe.send(_outcome(assessor, *pipe.recv()))


def _outcome(assessor: Assessor, source: Portioned | None, asset: Asset, what: Any) -> Any:
    try:
        if source is not None:
            return list(_portion(assessor, source, asset, what))
        batch = pa.ipc.read_record_batch(pa.py_buffer(what), RECORD_SCHEMA)
        return packed(assessor.assess(asset, batch))
    except DlpAgentError as error:
        return error
    except MemoryError:
        raise SystemExit(1) from None  # a fresh process may have room


def _portion(
    assessor: Assessor, source: Portioned, asset: Asset, portion: Portion
) -> Iterator[tuple[Checkpoint, Any] | Ended]:
    for one in read_to_end(source, asset, portion):
        if isinstance(one, Ended):
            yield one
        else:
            batch, after = one
            yield after, packed(assessor.assess(asset, batch))


def packed(assessed: Assessed) -> Packed:
    """As it crosses a process border."""
    findings = assessed.findings.serialize().to_pybytes()
    facts = assessed.facts
    return findings, assessed.problems, assessed.violations, assessed.counters, facts


def unpacked(answer: Packed) -> Assessed:
    """What packed() was given."""
    findings, problems, violations, counters, facts = answer
    batch = pa.ipc.read_record_batch(pa.py_buffer(findings), FINDING_SCHEMA)
    return Assessed(batch, problems, violations, counters, facts)
