"""Keyword hits of a chunk of rows: which lists a row may hold, and where exactly their terms stand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.keywords import (
    ABOUT,
    LOOK,
    LOOK_CASE,
    ODD_BLANKS,
    SPACED,
    finder_of,
    flattened,
    stands,
)
from dlpagent.classifiers.cascade.ragged import NONE, distinct, is_in
from dlpagent.classifiers.cascade.rows import Rows, whole
from dlpagent.classifiers.cascade.spans import Spans
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.normalise import Subject

Bools = npt.NDArray[np.bool_]
AROUND_BYTES = 32


@dataclass(slots=True)
class Words:
    """Rows are searched when first asked for. contexts: row → lists its context may hold."""

    tables: Tables
    rows: Rows
    contexts: Mapping[int, tuple[int, ...]]
    _seen: Bools = field(init=False)
    _found: list[tuple[Ints, Ints, Ints]] = field(init=False, default_factory=list)
    _sets: Ints | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._seen = np.zeros(len(self.rows.starts), dtype=np.bool_)

    def look(self, wanted: Ints) -> None:
        """Find the keywords of some rows."""
        new = wanted[~self._seen[wanted]]
        if not len(new):
            return
        part = whole(self.rows, new)
        if part.data is self.rows.data:
            self._found.clear()
            self._seen[:] = True
        self._seen[new] = True
        flat = flattened(part.data, part.separators)
        numbers, ends = self.tables.plan.keywords.scan(flat.data)
        if not len(numbers):
            return
        last = ends - self.tables.pattern_after[numbers] - 1
        # a hyphen that begins a term is the last of the blanks that became one
        starts = flat.places(last + 2 - self.tables.pattern_size[numbers]) - 1
        ends = flat.places(last) + 1
        shift = part.shifts[np.searchsorted(part.ends, ends - 1, side="left")]
        self._found.append((numbers, starts + shift, ends + shift))
        self._sets = None

    def sets(self) -> Ints:
        """Sorted pairs row * number of sets + set: what rows and their contexts may hold of each set."""
        if self._sets is None:
            numbers, _, ends = self._all()
            hits, uses = self.tables.uses.of(numbers)
            lists = self.tables.use_list[uses]
            pairs = self.rows.rows_of(ends[hits]) * len(self.tables.plan.lists) + lists
            self._sets = self._pairs(distinct(pairs))
        return self._sets

    def _pairs(self, pairs: Ints) -> Ints:
        count = len(self.tables.plan.lists)
        rows, lists = np.divmod(pairs, max(1, count))
        if self.contexts:
            beside = [(row, one) for row, lists in self.contexts.items() for one in lists]
            more = np.array(beside, dtype=np.int64).reshape(-1, 2).T
            rows, lists = np.concatenate([rows, more[0]]), np.concatenate([lists, more[1]])
        places, sets = self.tables.sets.of(lists)
        return distinct(rows[places] * len(self.tables.plan.needs) + sets)

    def _all(self) -> tuple[Ints, Ints, Ints]:
        if not self._found:
            return NONE, NONE, NONE
        if len(self._found) > 1:
            numbers, starts, ends = (np.concatenate(one) for one in zip(*self._found, strict=True))
            self._found = [(numbers, starts, ends)]
        return self._found[0]

    def hold(self, wanted: Ints, lists: tuple[int, ...]) -> Ints:
        """Those of some rows that may hold a term of some lists, beside them or inside."""
        self.look(wanted)
        numbers, _, ends = self._all()
        good = np.isin(self.tables.use_list, lists)
        patterns = np.zeros(len(self.tables.uses.lengths), dtype=np.bool_)
        patterns[self.tables.use_pattern[good]] = True
        rows = self.rows.rows_of(ends[patterns[numbers]])
        return np.asarray(np.intersect1d(wanted, np.append(rows, self.beside(lists))))

    def beside(self, lists: tuple[int, ...]) -> Ints:
        """The rows whose context may hold a term of some lists."""
        rows = [row for row, held in self.contexts.items() if not set(lists).isdisjoint(held)]
        return np.array(rows, dtype=np.int64)

    def meets(self, rows: Ints, users: Ints) -> Bools:
        """Whether rows may hold what users need."""
        met = np.ones(len(rows), dtype=np.bool_)
        needs = self.tables.user_needs[users]
        for column in range(needs.shape[1]):
            wanted = needs[:, column]
            open_ = wanted >= 0
            pairs = rows[open_] * len(self.tables.plan.needs) + wanted[open_]
            met[open_] &= is_in(pairs, self.sets())
        return met

    def spans(self, lists: Ints) -> dict[int, Spans]:
        """The exact hits of some lists in the rows looked at: list → spans."""
        numbers, starts, ends = self._all()
        tables, rows = self.tables, self.rows
        hits, uses = tables.uses.of(numbers)
        wanted = np.zeros(len(tables.plan.lists), dtype=np.bool_)
        wanted[lists] = True
        keep = wanted[tables.use_list[uses]]
        hits, uses = hits[keep], uses[keep]
        starts, ends, sure = starts[hits], ends[hits], tables.use_sure[uses]
        held = tables.use_list[uses]
        unsure = sure == ABOUT
        good = ~unsure
        spaced = sure == SPACED
        if not any(bytes([blank]) in rows.data for blank in ODD_BLANKS):
            spaced &= ends - starts != tables.use_size[uses]
        look = spaced | (sure == LOOK) | (sure == LOOK_CASE) | self._touched(starts, ends, uses)
        for place in np.flatnonzero(good & look).tolist():
            written = tables.plan.written[uses[place]]
            good[place] = stands(written, rows.data, int(starts[place]), int(ends[place]))
        last = ends[unsure]
        held, starts, ends = held[good], rows.chars(starts[good]), rows.chars(ends[good])
        searched = [
            (int(tables.use_list[use]), *span)
            for use, end in zip(uses[unsure].tolist(), last.tolist(), strict=True)
            for span in self._around(use, end)
        ]
        if searched:
            more = np.array(searched, dtype=np.int64).T
            held = np.concatenate([held, more[0]])
            starts, ends = np.concatenate([starts, more[1]]), np.concatenate([ends, more[2]])
        return _by_list(held, starts, ends)

    def _around(self, use: int, end: int) -> list[tuple[int, int]]:
        """The occurrences of a term about an end of a hit, as the reference finds them."""
        written, data = self.tables.plan.written[use], self.rows.data
        row = int(self.rows.rows_of(np.array([end]))[0])
        first, last = int(self.rows.starts[row]), int(self.rows.ends[row])
        low, high = max(first, end - 4 * written.size - AROUND_BYTES), min(last, end + AROUND_BYTES)
        while data[low] & 0xC0 == 0x80:
            low -= 1
        while data[high] & 0xC0 == 0x80:
            high += 1
        text = data[low:high].decode()
        shift = int(self.rows.chars(np.array([low]))[0])
        return [
            (start + shift, end + shift)
            for start, end in finder_of(written)(Subject.of(text))
            if (start or low == first) and (end < len(text) or high == last)
        ]

    def _touched(self, starts: Ints, ends: Ints, uses: Ints) -> Bools:
        """Hits of whole words with a neighbour beyond ASCII, of which bytes say too little."""
        if self.rows.is_ascii:
            return np.zeros(len(starts), dtype=np.bool_)
        octets = np.frombuffer(self.rows.data, dtype=np.uint8)
        before = (self.tables.use_before[uses] > 0) & (octets[starts - 1] >= 128)
        after = (self.tables.use_after[uses] > 0) & (octets[ends] >= 128)
        return np.asarray(before | after)


def _by_list(held: Ints, starts: Ints, ends: Ints) -> dict[int, Spans]:
    order = np.lexsort((ends, starts, held))
    held, starts, ends = held[order], starts[order], ends[order]
    if not len(held):
        return {}
    new = np.ones(len(held), dtype=np.bool_)
    new[1:] = (held[1:] != held[:-1]) | (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    held, starts, ends = held[new], starts[new], ends[new]
    cuts = np.flatnonzero(np.diff(held)) + 1
    firsts = [0, *cuts.tolist(), len(held)]
    return {
        int(held[first]): Spans(starts[first:last], ends[first:last])
        for first, last in itertools.pairwise(firsts)
    }
