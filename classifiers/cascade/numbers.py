"""Where numbers stand: the shapes that are rows of digits, found without a call for each of them.

Rows of digits come in crowds (tables, logs, and whatever is meant to be slow), and a call from
Hyperscan for each costs more than to look at every byte here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.ragged import NONE
from dlpagent.classifiers.cascade.shapes import NUMBERS, SEPARATORS

_EVERY = 4
"""Of a long row every fourth digit is told: near enough to wherever a shape in it ends (LATE_BYTES)."""
_SEPARATES = np.zeros(256, dtype=np.bool_)
_SEPARATES[list(SEPARATORS.encode())] = True


def numbers_in(data: bytes, shapes: Sequence[int]) -> tuple[Ints, Ints]:
    """Shapes of shapes.NUMBERS found, with offsets behind digits: at most LATE_BYTES behind their ends."""
    octets = np.frombuffer(data, dtype=np.uint8)
    digits = np.flatnonzero(octets - 48 < 10) if shapes else NONE
    found: list[Ints] = []
    ends: list[Ints] = []
    runs: dict[int, tuple[Ints, npt.NDArray[np.bool_]]] = {}
    for shape in shapes:
        least, gap = NUMBERS[shape]
        if len(digits) < least:
            continue
        if gap not in runs:
            runs[gap] = _runs(octets, digits, gap)
        place, last = runs[gap]
        behind = place - (least - 1)
        told = digits[(behind >= 0) & (last | (behind % _EVERY == 0))]
        found.append(np.full(len(told), shape, dtype=np.int64))
        ends.append(told + 1)
    if not found:
        return NONE, NONE
    return np.concatenate(found), np.concatenate(ends)


def _runs(
    octets: npt.NDArray[np.uint8], digits: Ints, gap: int
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """For each digit its place in its row, and whether it is the last one there.

    gap: how many separators may stand between two digits of a row.
    """
    steps = np.diff(digits)
    joined = steps == 1
    wide = np.flatnonzero((steps > 1) & (steps <= gap + 1))
    if len(wide):
        held = np.ones(len(wide), dtype=np.bool_)
        for back in range(1, gap + 1):
            beside = np.minimum(digits[wide] + back, digits[wide + 1])
            held &= (steps[wide] <= back) | _SEPARATES[octets[beside]]
        joined[wide] = held
    first = np.concatenate([[True], ~joined])
    starts = np.flatnonzero(first)
    place = np.arange(len(digits)) - np.repeat(starts, np.diff(np.append(starts, len(digits))))
    return place, np.concatenate([~joined, [True]])
