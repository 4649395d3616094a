"""Records rewritten until nothing is left to change.

A mark may bring a neighbour to light (a token names a type, and a number beside it counts now), and
a clean copy must stay as it is when it is redacted again: so each record is read again until a
reading changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from dlpagent.service.redact.rewriting import MAX_ROUNDS, Rewriter, Rewritten, Text


class Record(Protocol):
    """One record as read: its texts, and how to write it with edits in them."""

    @property
    def texts(self) -> Sequence[Text]:
        """The texts that may be edited, or that at least are looked at."""

    @property
    def problem(self) -> str | None:
        """Why not all of it could be read."""

    def edited(self, found: Sequence[Rewritten]) -> str:
        """The record as written with the edits. Raises Unwritable."""


class Unwritable(Exception):  # noqa: N818  a signal between modules of this package
    """A text holds something and cannot be edited in place; the words say which kind, no value."""


class Reader(Protocol):
    """Reads a record from how it is written."""

    def __call__(self, raw: str) -> Record:
        """The record. What cannot be read is told in its problem."""


class Settled(NamedTuple):
    """A record as it is in the clean copy. problem: why it cannot be vouched for."""

    raw: str
    problem: str | None = None


def settle(raws: Sequence[str], read: Reader, rewriter: Rewriter) -> list[Settled]:
    """The records rewritten until they stay as they are."""
    now = list(raws)
    problems: dict[int, str] = {}
    open_ = list(range(len(now)))
    for _ in range(MAX_ROUNDS):
        records = {at: read(now[at]) for at in open_}
        found = iter(rewriter.rewrite([text for at in open_ for text in records[at].texts]))
        still = []
        for at in open_:
            record = records[at]
            answers = [next(found) for _ in record.texts]
            problem = record.problem or next(
                (item.problem for item in answers if item.problem), None
            )
            if problem:
                problems[at] = problem
            if any(item.edits for item in answers):
                try:
                    now[at] = record.edited(answers)
                    still.append(at)
                except Unwritable as why:
                    problems[at] = str(why)
        open_ = still
        if not open_:
            break
    for at in open_:
        problems[at] = f"something is still found after {MAX_ROUNDS} rounds"
    return [Settled(raw, problems.get(at)) for at, raw in enumerate(now)]
