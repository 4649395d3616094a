"""Worker processes that assess batches while the sweep reads ahead and commits in order.

A worker holds its own copy of the assessor and takes one batch at a time over a pipe. One that dies
costs the retry of the batch it had; a batch that kills two workers is reported as unchecked.
"""

from __future__ import annotations

import logging
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock
from typing import Any

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.errors import DlpAgentError, RuleError
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.jobs import Engine, Job, Step, Steps, steps_of
from dlpagent.records import RECORD_SCHEMA, Asset

ATTEMPTS = 2
READ_AHEAD = 2
"""Batches read and not yet committed, for each worker."""
EXIT_PATIENCE_S = 5.0

_log = logging.getLogger(__name__)


def in_workers(count: int) -> Engine:
    """An engine of `count` processes; this one reads, ahead by a few batches for each of them."""

    def engine(assessor: Assessor, jobs: Iterator[Job]) -> Steps:
        pool = WorkerPool(assessor, count)
        steps = (step for job in jobs for step in steps_of(job))
        try:
            yield from _ahead(pool.submit, steps, count * READ_AHEAD)
        finally:
            pool.close()

    return engine


def _ahead(
    submit: Callable[[Asset, pa.RecordBatch], Future[Assessed]], steps: Iterator[Step], window: int
) -> Steps:
    waiting: deque[tuple[Step, Future[Assessed] | None]] = deque()
    failure: BaseException | None = None
    more = True
    while more or waiting:
        while more and len(waiting) < window:
            try:
                step = next(steps)
            except StopIteration:
                more = False
            except Exception as error:  # noqa: BLE001 - raised below, in its turn
                more, failure = False, error
            else:
                batch = step.batch
                waiting.append((step, None if batch is None else submit(step.job.asset, batch)))
        if waiting:
            step, future = waiting.popleft()
            yield step, None if future is None else future.result()
    if failure is not None:
        raise failure


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

    def _assess(self, asset: Asset, batch: pa.RecordBatch) -> Assessed:
        worker = self._idle.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    return worker.assess(asset, batch)
                except (EOFError, OSError):
                    _log.warning("a worker process ended (%s); another is started", worker.ended())
                    worker.start()
        finally:
            self._idle.put(worker)
            self._one_done()
        reason = f"{ATTEMPTS} worker processes ended while they were at this batch"
        return self._assessor.unassessed(asset, batch, reason)

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
        self._wait_until_ready()
        self._pipe.send((asset, batch.serialize().to_pybytes()))
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return unpacked(answer)

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
            asset, data = pipe.recv()
            batch = pa.ipc.read_record_batch(pa.py_buffer(data), RECORD_SCHEMA)
            pipe.send(_outcome(assessor, asset, batch))


def _outcome(assessor: Assessor, asset: Asset, batch: pa.RecordBatch) -> Any:
    try:
        return packed(assessor.assess(asset, batch))
    except DlpAgentError as error:
        return error
    except MemoryError:
        raise SystemExit(1) from None  # a fresh process may have room


def packed(assessed: Assessed) -> tuple[bytes, Any, Any, Any]:
    """As it crosses a process border."""
    findings = assessed.findings.serialize().to_pybytes()
    return findings, assessed.problems, assessed.violations, assessed.counters


def unpacked(answer: tuple[bytes, Any, Any, Any]) -> Assessed:
    """What packed() was given."""
    findings, problems, violations, counters = answer
    batch = pa.ipc.read_record_batch(pa.py_buffer(findings), FINDING_SCHEMA)
    return Assessed(batch, problems, violations, counters)
