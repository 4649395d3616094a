"""Batches keep within limits; a refused batch is divided until the culprit stands alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sinks._batches import Piece, batches_of, deliver_batches
from dlpagent.connectors.sinks._http import Reply


def pieces(*sizes: int) -> list[Piece]:
    return [Piece(f"e{index}", b"x" * size) for index, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 10), st.integers(1, 100))
def test_batches_hold_everything_in_order_within_both_limits(
    sizes: list[int], max_count: int, max_bytes: int
) -> None:
    made = list(batches_of(pieces(*sizes), max_count=max_count, max_bytes=max_bytes))
    assert [piece for batch in made for piece in batch] == pieces(*sizes)
    for batch in made:
        assert 1 <= len(batch) <= max_count
        assert len(batch) == 1 or sum(len(piece.data) + 1 for piece in batch) <= max_bytes


class Service:
    """Refuses batches that hold one of the bad events; goes away after so many requests."""

    def __init__(self, bad: set[str], status: int = 400, away_after: int = 999) -> None:
        self.bad, self.status, self.away_after = bad, status, away_after
        self.taken: list[str] = []
        self.requests = 0

    def __call__(self, batch: Sequence[Piece]) -> Reply:
        self.requests += 1
        if self.requests > self.away_after:
            return Reply(429, {"retry-after": "9"})
        ids = [piece.event_id for piece in batch]
        if self.bad & set(ids):
            return Reply(self.status)
        self.taken += ids
        return Reply(204)


@given(st.integers(1, 20), st.sets(st.integers(0, 19)), st.integers(1, 7))
def test_only_what_is_refused_is_refused(many: int, bad: set[int], size: int) -> None:
    service = Service({f"e{index}" for index in bad})
    batches = batches_of(pieces(*[1] * many), max_count=size, max_bytes=1000)
    receipts = deliver_batches(batches, service)
    assert [receipt.event_id for receipt in receipts] == [f"e{index}" for index in range(many)]
    for index, receipt in enumerate(receipts):
        assert receipt.ok == (index not in bad)
        assert receipt.retry != (index in bad)
    assert service.taken == [f"e{index}" for index in range(many) if index not in bad]


@given(st.integers(1, 20), st.integers(0, 10), st.sets(st.integers(0, 19)))
def test_once_the_service_is_away_nothing_more_is_sent(
    many: int, away_after: int, bad: set[int]
) -> None:
    service = Service({f"e{index}" for index in bad}, away_after=away_after)
    receipts = deliver_batches(
        batches_of(pieces(*[1] * many), max_count=4, max_bytes=1000), service
    )
    assert len(receipts) == many
    assert service.requests <= away_after + 1
    assert {receipt.event_id for receipt in receipts if receipt.ok} == set(service.taken)
    away = [receipt for receipt in receipts if receipt.blame == "sink"]
    assert all(receipt.retry_after_s == 9.0 for receipt in away)


@pytest.mark.parametrize(("status", "requests"), [(500, 1), (503, 1), (400, 3)])
def test_a_batch_is_divided_only_when_its_content_is_at_fault(status: int, requests: int) -> None:
    service = Service({"e0"}, status)
    deliver_batches([pieces(1, 1)], service)
    assert service.requests == requests
