"""Where elements were found in a chunk of rows: sorted arrays of half-open code point ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.ragged import NONE

_FAR = np.int64(1) << 62


@dataclass(slots=True)
class Spans:
    """By start, then end; none twice. Offsets count through all rows, so no span is in two of them."""

    starts: Ints
    ends: Ints
    _least: Ints | None = field(init=False, default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts)

    def inside(self, low: Ints, high: Ints) -> npt.NDArray[np.bool_]:
        """For each range [low, high): whether a span lies wholly in it."""
        if self._least is None:
            least = np.append(self.ends, _FAR)
            self._least = np.minimum.accumulate(least[::-1])[::-1]
        return np.asarray(self._least[np.searchsorted(self.starts, low)] <= high)


def joined(many: Iterable[Spans]) -> Spans:
    """All spans of several."""
    every = [one for one in many if len(one)]
    if len(every) < 2:
        return every[0] if every else Spans(NONE, NONE)
    return sorted_spans(
        np.concatenate([one.starts for one in every]), np.concatenate([one.ends for one in every])
    )


def sorted_spans(starts: Ints, ends: Ints) -> Spans:
    """Spans in any order, some of them perhaps twice."""
    order = np.lexsort((ends, starts))
    starts, ends = starts[order], ends[order]
    new = np.ones(len(starts), dtype=np.bool_)
    new[1:] = (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    return Spans(starts[new], ends[new])
