"""Which predicted span answers which labelled one, and how type names meet."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Place = tuple[int, int, str]
"""start, end (code points, half-open) and canonical type."""


@dataclass(slots=True)
class Names:
    """A table from type names to canonical ones; None drops a type.

    The exact name counts first, then the longest entry `prefix*` it begins with, then `*`; a type
    that nothing names stays as it is.
    """

    table: Mapping[str, str | None]
    _prefixes: list[str] = field(init=False)
    _known: dict[str, str | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        prefixes = (name[:-1] for name in self.table if name.endswith("*") and name != "*")
        self._prefixes = sorted(prefixes, key=len, reverse=True)

    def of(self, name: str) -> str | None:
        """The canonical name of a type, None when it does not count."""
        if name not in self._known:
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def _looked_up(self, name: str) -> str | None:
        if name in self.table:
            return self.table[name]
        for prefix in self._prefixes:
            if name.startswith(prefix):
                return self.table[prefix + "*"]
        return self.table.get("*", name)


@dataclass(frozen=True, slots=True)
class TypeMap:
    """How labelled types (gold) and SITs (pred) meet, and which canonical types are summed up."""

    gold: Names
    pred: Names
    groups: Mapping[str, str] = field(default_factory=dict)


def shared(one: Place, other: Place) -> int:
    """Code points that two places have in common."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def one_to_one(
    gold: Sequence[Place], found: Sequence[Place], min_iou: float = 0.0
) -> tuple[set[int], set[int]]:
    """The indices of labelled and of predicted places that answer each other, each at most once.

    Both must be sorted. Types are not looked at. Equal places are paired first, then those that share
    most, then the earlier. min_iou: how much of the two together they must share; 0: anything.
    """
    pairs = []
    starts = [place[0] for place in found]
    longest = max((end - start for start, end, _ in found), default=0)
    for i, place in enumerate(gold):
        nearest = range(bisect_left(starts, place[0] - longest), bisect_left(starts, place[1]))
        for j in nearest:
            common = shared(place, found[j])
            together = max(place[1], found[j][1]) - min(place[0], found[j][0])
            if common and common >= min_iou * together:
                pairs.append((place[:2] != found[j][:2], -common, i, j))
    gold_paired: set[int] = set()
    found_paired: set[int] = set()
    for _, _, i, j in sorted(pairs):
        if i not in gold_paired and j not in found_paired:
            gold_paired.add(i)
            found_paired.add(j)
    return gold_paired, found_paired


def exactly(gold: Iterable[Place], found: Iterable[Place]) -> int:
    """How many places are the same, to the code point, types aside."""
    return len({place[:2] for place in gold} & {place[:2] for place in found})
