"""Events in batches within a service's limits; a batch that is refused is divided to find out why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dlpagent.connectors.sinks._http import Reply
from dlpagent.ports import Receipt


@dataclass(frozen=True, slots=True)
class Piece:
    """One event as the service takes it."""

    event_id: str
    data: bytes


def batches_of(
    pieces: Iterable[Piece], *, max_count: int, max_bytes: int, overhead: int = 1
) -> Iterator[list[Piece]]:
    """Consecutive batches within both limits. overhead: bytes a piece costs beside its data.

    A piece that is too large by itself is a batch of its own: the service is to say so.
    """
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        cost = len(piece.data) + overhead
        if batch and (len(batch) >= max_count or size + cost > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += cost
    if batch:
        yield batch


Send = Callable[[Sequence[Piece]], Reply]
Read = Callable[[Reply, Sequence[Piece]], list[Receipt]]


def all_alike(reply: Reply, batch: Sequence[Piece]) -> list[Receipt]:
    """What a reply means for the events of its request when it speaks of all of them."""
    return [reply.receipt(piece.event_id, alone=len(batch) == 1) for piece in batch]


def deliver_batches(
    batches: Iterable[Sequence[Piece]], send: Send, read: Read = all_alike
) -> list[Receipt]:
    """One receipt per event, in order. Once the service is away, nothing more is sent.

    read: what a reply that is no refusal means for each event.
    """
    receipts: list[Receipt] = []
    for batch in batches:
        if is_away(receipts):
            receipts += untried(batch, receipts)
        else:
            receipts += _deliver(batch, send, read)
    return receipts


def _deliver(batch: Sequence[Piece], send: Send, read: Read) -> list[Receipt]:
    reply = send(batch)
    if reply.is_ok:
        return read(reply, batch)
    if not reply.is_about_content or len(batch) == 1:
        return all_alike(reply, batch)
    middle = len(batch) // 2
    first = _deliver(batch[:middle], send, read)
    if is_away(first):
        return first + untried(batch[middle:], first)
    return first + _deliver(batch[middle:], send, read)


def is_away(receipts: Sequence[Receipt]) -> bool:
    """Whether one of the receipts says that the service is away."""
    return any(not receipt.ok and receipt.blame != "event" for receipt in receipts)


def untried(pieces: Sequence[Piece], known: Sequence[Receipt]) -> list[Receipt]:
    """Receipts of what was not sent because the service is away, for the same reason."""
    why = next(receipt for receipt in known if not receipt.ok and receipt.blame != "event")
    return [
        Receipt(piece.event_id, False, why.detail, True, why.retry_after_s, "sink")
        for piece in pieces
    ]
