"""Matches of expressions in all rows of a chunk together, instead of one region after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.finite import Finite, Places
from dlpagent.classifiers.cascade.ragged import NONE
from dlpagent.classifiers.cascade.rows import Rows, Windows, whole
from dlpagent.classifiers.cascade.sieve import FEWEST, Sieve
from dlpagent.classifiers.regexes import Accept

Bools = npt.NDArray[np.bool_]

FEW_EVENTS = 16
"""So few are looked at alone, whatever they cost: to read an expression for this takes 2 ms."""
EVENT_NS = 4_000
"""What an event costs that is looked at alone, about."""
STEP_NS, STEP_NS_PER_BYTE = 1_000, 0.05
"""What a step of an expression costs for a whole text, about."""


@dataclass(slots=True)
class Together:
    """The rows of a chunk that may hold something. Only those in ASCII are read here: `readable`."""

    rows: Rows
    wanted: Ints
    readable: Bools = field(init=False)
    _windows: Windows | None = field(init=False, default=None)
    _places: Places | None = field(init=False, default=None)
    _size: int = field(init=False)

    def __post_init__(self) -> None:
        rows = self.rows
        self.readable = np.ones(len(rows.starts), dtype=np.bool_)
        if not rows.is_ascii:
            octets = np.frombuffer(rows.data, dtype=np.uint8)
            self.readable[rows.rows_of(np.flatnonzero(octets >= 128) + 1)] = False
        self._size = int((rows.ends[self.wanted] - rows.starts[self.wanted]).sum())

    def pays(self, finite: Finite, events: int) -> bool:
        """Whether events are so many that the whole text is searched sooner than around each."""
        return events * EVENT_NS > finite.steps * (STEP_NS + STEP_NS_PER_BYTE * self._size)

    def matches(self, finite: Finite, wanted: Ints) -> tuple[Ints, Ints]:
        """Matches in the readable ones of some of the rows, by start: offsets through all rows."""
        if self._windows is None or self._places is None:
            self._windows = whole(self.rows, self.wanted)
            self._places = Places.of(self._windows.data, self._windows.separators)
        starts, ends = finite.matches(self._places)
        if not len(starts):
            return NONE, NONE
        part = np.searchsorted(self._windows.ends, starts, side="right")
        shift = self._windows.shifts[part]
        starts, ends = starts + shift, ends + shift
        allowed = np.zeros(len(self.rows.starts), dtype=np.bool_)
        allowed[wanted] = True
        allowed &= self.readable
        keep = allowed[np.searchsorted(self.rows.starts, starts, side="right") - 1]
        return starts[keep], ends[keep]


def accepted(
    data: bytes, starts: Ints, ends: Ints, accept: Accept | None, sieve: Sieve | None = None
) -> tuple[list[int], list[int]]:
    """Those of some matches, by start, that are accepted and do not overlap one that is."""
    if accept is None and not np.any(starts[1:] < ends[:-1]):
        return starts.tolist(), ends.tolist()
    sure = np.zeros(len(starts), dtype=np.bool_)
    if sieve is not None and len(starts) >= FEWEST:
        may, sure = sieve(np.frombuffer(data, dtype=np.uint8), starts, ends)
        starts, ends, sure = starts[may], ends[may], sure[may]
        if sure.all() and not np.any(starts[1:] < ends[:-1]):
            return starts.tolist(), ends.tolist()
    found: tuple[list[int], list[int]] = ([], [])
    free = 0
    for start, end, known in zip(starts.tolist(), ends.tolist(), sure.tolist(), strict=True):
        if start >= free and (known or accept is None or accept(data[start:end].decode())):
            found[0].append(start)
            found[1].append(end)
            free = end
    return found
