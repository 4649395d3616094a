"""Requests that wait are classified together, in bounded numbers, and each gets its own answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.assess import Assessed
from dlpagent.errors import RuleError
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.service.http.classifying import BATCH_TEXTS, Lane, TextIn, found_of
from dlpagent.service.http.problems import Refusal
from dlpagent.state import Counters, PartProblem


class Bench:
    """Workers that answer when told to: each text is found once, from 0 to its length."""

    def __init__(self) -> None:
        self.batches: list[tuple[pa.RecordBatch, Future[Assessed]]] = []

    def submit(self, batch: pa.RecordBatch) -> Future[Assessed]:
        future: Future[Assessed] = Future()
        self.batches.append((batch, future))
        return future

    def sizes(self) -> list[int]:
        return [batch.num_rows for batch, _ in self.batches]

    def answer(self, number: int) -> None:
        batch, future = self.batches[number]
        rows = [
            {"record_id": row["record_id"], "part": "text", "start": 0, "end": len(row["text"]),
             "sit_id": "x", "confidence": 85, "pattern": 0, "masked": "*", "key": "k"}
            for row in batch.select(["record_id", "text"]).to_pylist()
        ]  # fmt: skip
        findings = pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA)
        future.set_result(Assessed(findings, (), (), Counters()))


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def ask(lane: Lane, *texts: str) -> asyncio.Task[Any]:
    chars = sum(map(len, texts))
    return asyncio.ensure_future(lane.classify([TextIn(each) for each in texts], chars))


def test_what_waits_goes_together_and_comes_back_apart() -> None:
    async def work() -> None:
        bench = Bench()
        lane = Lane(bench.submit, 1, 10_000)
        first = ask(lane, "a")
        await turn()
        others = [ask(lane, *["b" * size] * size) for size in (1, 2, 3)]
        await turn()
        assert (bench.sizes(), lane.waiting) == ([1], 3)
        bench.answer(0)
        await turn()
        assert (bench.sizes(), lane.waiting) == ([1, 6], 0)
        bench.answer(1)
        assert [len(one.matches) for one in await first] == [1]
        for size, task in zip((1, 2, 3), others, strict=True):
            assert [one.matches[0]["end"] for one in await task] == [size] * size

    asyncio.run(work())


def test_workers_share_what_waits_and_batches_are_bounded() -> None:
    async def work() -> None:
        bench = Bench()
        lane = Lane(bench.submit, 2, 10_000)
        tasks = [ask(lane, "a") for _ in range(100)]
        await turn()
        assert bench.sizes() == [BATCH_TEXTS, BATCH_TEXTS]
        for number in range(4):
            bench.answer(number)
            await turn()
        assert sum(bench.sizes()) == 100
        await asyncio.gather(*tasks)

    asyncio.run(work())


def test_more_than_may_wait_is_refused_and_room_comes_back() -> None:
    async def work() -> None:
        bench = Bench()
        lane = Lane(bench.submit, 1, 10)
        tasks = [ask(lane, "a" * 5)]
        await turn()
        tasks.append(ask(lane, "b" * 5))
        await turn()
        with pytest.raises(Refusal) as refusal:
            await ask(lane, "c")
        assert refusal.value.problem.status == 503
        bench.answer(0)
        await turn()
        bench.answer(1)
        await asyncio.gather(*tasks)
        again = ask(lane, "d" * 10)
        await turn()
        bench.answer(2)
        assert len(await again) == 1

    asyncio.run(work())


def test_who_has_gone_is_not_classified_and_an_error_reaches_all_it_concerns() -> None:
    async def work() -> None:
        bench = Bench()
        lane = Lane(bench.submit, 1, 10_000)
        first = ask(lane, "a")
        await turn()
        gone, stays = ask(lane, "gone"), ask(lane, "stays")
        await turn()
        gone.cancel()
        await turn()
        bench.batches[0][1].set_exception(RuleError("classifying failed"))
        with pytest.raises(RuleError):
            await first
        await turn()
        assert bench.batches[1][0].column("text").to_pylist() == ["stays"]
        bench.answer(1)
        assert len(await stays) == 1

    asyncio.run(work())


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_every_finding_and_problem_lands_on_its_text(rows: list[tuple[int, bool]]) -> None:
    findings = [
        {"record_id": str(at), "part": "text", "start": 0, "end": 1, "sit_id": "x",
         "confidence": 85, "pattern": 0, "masked": "*", "key": "k"}
        for at, is_finding in rows if is_finding
    ]  # fmt: skip
    problems = tuple(
        PartProblem(str(at), "text", "unchecked", "late")
        for at, is_finding in rows
        if not is_finding
    )
    batch = pa.RecordBatch.from_pylist(findings, schema=FINDING_SCHEMA)
    found = found_of(Assessed(batch, problems, (), Counters()), 10)
    for number, one in enumerate(found):
        assert len(one.matches) == rows.count((number, True))
        assert len(one.unchecked) == rows.count((number, False))
