"""A text made from another by edits, one layer upon the other, with offsets that lead back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Span = tuple[int, int]

Edit = tuple[int, int, str, int]
"""Start and end in the text below (half-open code points), what stands there now, the transform's bit.

A bit of 0 is a folding that every text undergoes: it is mapped back, and counts as no change.
"""

TRANSFORMS = (
    "html entity",
    "url encoding",
    "escape sequence",
    "markdown",
    "quoted-printable",
    "markup",
    "base64",
    "hexadecimal",
    "combining mark",
    "look-alike letter",
    "line break",
    "separator",
)
"""What can have been undone, as traces name it; the place in this row is the bit."""

BIT = {name: 1 << place for place, name in enumerate(TRANSFORMS)}


def names_of(bits: int) -> tuple[str, ...]:
    """The transforms of a set of bits."""
    return tuple(name for name, bit in BIT.items() if bits & bit)


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits as columns, in the order of the text. out_start, out_end: in the text above."""

    start: Ints
    end: Ints
    out_start: Ints
    out_end: Ints
    bits: Ints

    @classmethod
    def of(cls, edits: Sequence[Edit]) -> Edits:
        start = np.array([edit[0] for edit in edits], dtype=np.int64)
        end = np.array([edit[1] for edit in edits], dtype=np.int64)
        length = np.array([len(edit[2]) for edit in edits], dtype=np.int64)
        grown = np.cumsum(length - (end - start))
        out_end = end + grown
        bits = np.array([edit[3] for edit in edits], dtype=np.int64)
        return cls(start, end, out_end - length, out_end, bits)

    def below(self, start: int, end: int) -> Span:
        """The span of the text below from which a span of the text above, not empty, was made."""
        return self._first(start), self._last(end - 1)

    def _first(self, char: int) -> int:
        place = int(np.searchsorted(self.out_start, char, side="right")) - 1
        if place < 0:
            return char
        if char < self.out_end[place]:
            return int(self.start[place])
        return int(self.end[place] + char - self.out_end[place])

    def _last(self, char: int) -> int:
        place = int(np.searchsorted(self.out_start, char, side="right")) - 1
        if place < 0:
            return char + 1
        if char < self.out_end[place]:
            return int(self.end[place])
        return int(self.end[place] + char - self.out_end[place]) + 1

    def above(self, chars: Ints) -> Ints:
        """Where offsets of the text below are in the text above; inside an edit: its start."""
        if not len(self.start):
            return chars
        place = np.searchsorted(self.start, chars, side="right") - 1
        known = np.maximum(place, 0)
        moved = np.where(
            chars < self.end[known],
            self.out_start[known],
            chars + self.out_end[known] - self.end[known],
        )
        return np.where(place < 0, chars, moved)


@dataclass(frozen=True, slots=True)
class Layer:
    """A text, and how it was made from the one below; the lowest is the original."""

    text: str
    edits: Edits | None = None
    below: Layer | None = None

    def edited(self, edits: Sequence[Edit]) -> Layer:
        """The text with edits made: in order, not overlapping. No edits: the same layer."""
        return Layer(replaced(self.text, edits), Edits.of(edits), self) if edits else self

    def original(self, start: int, end: int) -> Span:
        """Offsets in the original text of a span, not empty, of this one."""
        layer: Layer | None = self
        while layer is not None and layer.edits is not None:
            start, end = layer.edits.below(start, end)
            layer = layer.below
        return start, end

    def changes(self, since: Layer | None = None) -> Changes:
        """Every edit that counts as a change, above `since` (default: the original), in this text."""
        starts: list[Ints] = []
        ends: list[Ints] = []
        bits: list[Ints] = []
        for layer in self._downwards(since):
            edits = layer.edits
            assert edits is not None
            counted = edits.bits != 0
            starts = [*starts, edits.out_start[counted]]
            ends = [*ends, edits.out_end[counted]]
            bits = [*bits, edits.bits[counted]]
            upwards = [upper.edits for upper in self._upwards(layer) if upper.edits is not None]
            for upper in upwards:
                starts[-1], ends[-1] = upper.above(starts[-1]), upper.above(ends[-1])
        return Changes.of(_joined(starts), _joined(ends), _joined(bits))

    def _downwards(self, since: Layer | None) -> Iterator[Layer]:
        layer: Layer | None = self
        while layer is not None and layer.edits is not None and layer is not since:
            yield layer
            layer = layer.below

    def _upwards(self, lower: Layer) -> list[Layer]:
        return list(self._downwards(lower))[::-1]


def replaced(text: str, edits: Sequence[Edit]) -> str:
    """The text with edits made."""
    pieces: list[str] = []
    done = 0
    for start, end, now, _ in edits:
        pieces.append(text[done:start])
        pieces.append(now)
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changed stretches of a text, by start; they may lie in each other, and may be empty (removals)."""

    starts: Ints
    ends: Ints
    bits: Ints
    reach: Ints
    """The farthest end of this stretch and all before it."""

    @classmethod
    def of(cls, starts: Ints, ends: Ints, bits: Ints) -> Changes:
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum(ends[order], starts[order])
        return cls(starts, ends, bits[order], np.maximum.accumulate(ends))

    def touching(self, start: int, end: int) -> int:
        """The bits of the changes that touch a span."""
        last = int(np.searchsorted(self.starts, end, side="right"))
        first = int(np.searchsorted(self.reach, start, side="left"))
        if first >= last:
            return 0
        here = self.ends[first:last] >= start
        return int(np.bitwise_or.reduce(self.bits[first:last][here])) if here.any() else 0

    def lie_within(self, start: int, end: int) -> bool:
        """Whether a span overlaps some of these stretches, and holds those whole."""
        last = int(np.searchsorted(self.starts, end, side="left"))
        first = int(np.searchsorted(self.reach, start, side="right"))
        here = slice(first, last)
        return first < last and bool(
            (self.starts[here] >= start).all() and (self.ends[here] <= end).all()
        )

    def is_near(self, start: int, end: int, chars: int) -> bool:
        """Whether a change lies at most so many characters away."""
        last = int(np.searchsorted(self.starts, end + chars, side="right"))
        return last > 0 and bool(self.reach[last - 1] >= start - chars)

    def clusters(self, margin: int, length: int) -> list[Span]:
        """Stretches of the text around changes, margin characters to both sides, none overlapping."""
        if not len(self.starts):
            return []
        low, high = np.maximum(self.starts - margin, 0), np.minimum(self.reach + margin, length)
        new = np.ones(len(low), dtype=bool)
        new[1:] = low[1:] > high[:-1]
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(low)) - 1
        return list(zip(low[first].tolist(), high[last].tolist(), strict=True))
