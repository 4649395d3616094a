"""Texts of many requests classified together, off the event loop, in bounded numbers.

A batch of one text costs nearly as much as one of eight, so what waits while the workers are busy
goes into the next batch together: the more is asked, the cheaper each text is. Large texts have a
lane of their own, so that a file does not hold up prompts where there is more than one worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, PackRef
from dlpagent.pool import WorkerPool
from dlpagent.ports import Classifier
from dlpagent.records import Asset, batch_of_columns, without_surrogates
from dlpagent.service.http.problems import Refusal

ASSET = Asset("http:", "stream", "http")
BATCH_TEXTS, BATCH_CHARS = 32, 80_000
LARGE_CHARS = 100_000


class TextIn(NamedTuple):
    """A text, and words that stand beside it (a heading, a key)."""

    text: str
    context: str | None = None


class Found(NamedTuple):
    """What is in one text: rows of FINDING_SCHEMA as mappings, and why not all of it was checked.

    unchecked: (SIT id or None for all, reason).
    """

    matches: list[dict[str, Any]]
    unchecked: list[tuple[str | None, str]]


class Submit(Protocol):
    """Hands a batch to the next worker that is free."""

    def __call__(self, batch: pa.RecordBatch) -> Future[Assessed]:
        """record_id of each row must be its number."""


class Workers:
    """One thread, or several processes; closed together."""

    def __init__(self, classifier: Classifier, count: int) -> None:
        self.count = count
        self._assessor = Assessor(classifier)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dlpagent-classify")
        self._pool: WorkerPool | None = None

    def warm_up(self) -> None:
        """Load, or compile, what classifying needs; then begin the processes."""
        warm_up = getattr(self._assessor.classifier, "warm_up", None)
        if warm_up is not None:
            self._thread.submit(warm_up).result()
        self._thread.submit(self._assessor.assess, ASSET, batch_of([TextIn("ready")])).result()
        if self.count > 1:
            self._pool = WorkerPool(self._assessor, self.count)
            ready = [self._pool.submit(ASSET, batch_of([TextIn("ready")])) for _ in range(8)]
            for one in ready:
                one.result()

    def submit(self, batch: pa.RecordBatch) -> Future[Assessed]:
        """See Submit."""
        if self._pool is not None:
            return self._pool.submit(ASSET, batch)
        return self._thread.submit(self._assessor.assess, ASSET, batch)

    def close(self) -> None:
        """End them; what they are at is dropped."""
        if self._pool is not None:
            self._pool.close()
        self._thread.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Waiting:
    texts: Sequence[TextIn]
    chars: int
    answer: asyncio.Future[list[Found]]


class Lane:
    """A queue in front of workers. Belongs to one event loop."""

    def __init__(self, submit: Submit, slots: int, waiting_chars: int) -> None:
        self._submit = submit
        self._free = slots
        self._room = waiting_chars
        self._queue: deque[_Waiting] = deque()
        self._is_called = False

    @property
    def waiting(self) -> int:
        """Requests that no worker has taken yet."""
        return len(self._queue)

    async def classify(self, texts: Sequence[TextIn], chars: int) -> list[Found]:
        """What is in each text. Raises Refusal when too much waits, and DlpAgentError."""
        if chars > self._room and self._queue:
            raise Refusal(
                503, "overloaded", "too many texts wait to be classified",
                remedy="Try again in a second.", headers={"Retry-After": "1"},
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        waiting = _Waiting(texts, chars, loop.create_future())
        self._room -= chars
        self._queue.append(waiting)
        if not self._is_called:  # what else arrives in this turn of the loop goes along
            self._is_called = True
            loop.call_soon(self._take, loop)
        try:
            return await waiting.answer
        finally:
            self._room += chars

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_called = False
        while self._free and self._queue:
            group = self._group(-(-len(self._queue) // self._free))
            if not group:
                continue
            self._free -= 1
            future = self._submit(batch_of([text for one in group for text in one.texts]))
            future.add_done_callback(partial(self._called_back, loop, group))

    def _called_back(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], done: Future[Assessed]
    ) -> None:
        """In the worker's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(self._done, loop, group, done)

    def _group(self, most: int) -> list[_Waiting]:
        """The next requests that go together; those whose asker has gone are dropped."""
        group: list[_Waiting] = []
        texts = chars = 0
        while self._queue and len(group) < most:
            first = self._queue[0]
            texts += len(first.texts)
            chars += first.chars
            if group and (texts > BATCH_TEXTS or chars > BATCH_CHARS):
                break
            self._queue.popleft()
            if not first.answer.done():
                group.append(first)
        return group

    def _done(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], done: Future[Assessed]
    ) -> None:
        self._free += 1
        self._take(loop)
        error = done.exception()
        if error is not None:
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        found = found_of(done.result(), sum(len(one.texts) for one in group))
        place = 0
        for one in group:
            if not one.answer.done():
                one.answer.set_result(found[place : place + len(one.texts)])
            place += len(one.texts)


class Lanes:
    """The lane of prompts and the lane of what is large."""

    def __init__(self, workers: Workers, waiting_chars: int) -> None:
        self._small = Lane(workers.submit, workers.count, waiting_chars)
        self._large = Lane(workers.submit, max(1, workers.count - 1), waiting_chars)

    async def classify(self, texts: Sequence[TextIn]) -> list[Found]:
        """What is in each text, in order."""
        if not texts:
            return []
        chars = sum(len(text.text) for text in texts)
        lane = self._large if chars > LARGE_CHARS else self._small
        return await lane.classify(texts, chars)

    @property
    def waiting(self) -> int:
        return self._small.waiting + self._large.waiting


class WaitingClassifier:
    """Workers as a Classifier, for code that runs in a thread and waits (redaction)."""

    def __init__(self, workers: Workers, classifier: Classifier) -> None:
        self._workers, self._classifier = workers, classifier

    @property
    def pack(self) -> PackRef:
        return self._classifier.pack

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self._classifier.sit_names

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """As Classifier.classify; record_id of each row must be its number."""
        assessed = self._workers.submit(batch).result()
        matches = [
            {"row": int(row["record_id"]), **{name: row[name] for name in MATCH_SCHEMA.names[1:]}}
            for row in assessed.findings.to_pylist()
        ]
        return Classified(
            pa.RecordBatch.from_pylist(matches, schema=MATCH_SCHEMA),
            tuple(
                Incomplete(int(each.record_id), each.sit_id, each.reason)
                for each in assessed.problems
            ),
        )


def batch_of(texts: Sequence[TextIn]) -> pa.RecordBatch:
    """Texts as a batch of RECORD_SCHEMA; record_id is the number of the text."""
    count = len(texts)
    return batch_of_columns(
        ASSET.uri,
        count,
        {
            "record_id": pa.array([str(number) for number in range(count)], pa.string()),
            "part": pa.repeat(pa.scalar("text"), count),
            "text": pa.array([without_surrogates(each.text) for each in texts], pa.large_string()),
            "context": pa.array([each.context for each in texts], pa.string()),
        },
    )


_COLUMNS = ("start", "end", "sit_id", "confidence", "pattern", "masked", "key")


def found_of(assessed: Assessed, count: int) -> list[Found]:
    """What was assessed, text by text."""
    found = [Found([], []) for _ in range(count)]
    rows = assessed.findings
    if rows.num_rows:
        columns = [rows.column(name).to_pylist() for name in _COLUMNS]
        for number, *values in zip(rows.column("record_id").to_pylist(), *columns, strict=True):
            found[int(number)].matches.append(dict(zip(_COLUMNS, values, strict=True)))
    for problem in assessed.problems:
        found[int(problem.record_id)].unchecked.append((problem.sit_id, problem.reason))
    return found
