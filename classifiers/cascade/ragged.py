"""Lists of numbers by number, kept flat, so that many are looked up in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dlpagent.classifiers.cascade.database import Ints


class Ragged:
    """lists[n] for every n of an array at once."""

    __slots__ = ("lengths", "starts", "values")

    def __init__(self, lists: Iterable[Sequence[int]]) -> None:
        kept = list(lists)
        self.lengths: Ints = np.array([len(one) for one in kept], dtype=np.int64)
        self.starts: Ints = np.cumsum(self.lengths) - self.lengths
        self.values: Ints = np.array([value for one in kept for value in one], dtype=np.int64)

    def of(self, numbers: Ints) -> tuple[Ints, Ints]:
        """(places, values): the values of lists[numbers[place]], place by place."""
        lengths = self.lengths[numbers]
        places = np.repeat(np.arange(len(numbers)), lengths)
        within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return places, self.values[self.starts[numbers][places] + within]


def is_in(wanted: Ints, known: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of some numbers are among sorted ones."""
    if not len(known):
        return np.zeros(len(wanted), dtype=np.bool_)
    found = np.searchsorted(known, wanted)
    found[found == len(known)] = 0
    return np.asarray(known[found] == wanted)


def distinct(numbers: Ints) -> Ints:
    """The numbers in order, none twice. (np.unique hashes, which is slower for what we have.)"""
    if not len(numbers):
        return numbers
    ordered = np.sort(numbers)
    new = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.asarray(ordered[new])


NONE: Ints = np.empty(0, dtype=np.int64)
