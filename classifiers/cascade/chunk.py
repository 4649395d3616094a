"""One chunk of rows: where the primary elements stand in it, and where the keywords near them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.exact import Finder, Found, Regions, regions_of
from dlpagent.classifiers.cascade.finders import Finders, Sought
from dlpagent.classifiers.cascade.plan import Support
from dlpagent.classifiers.cascade.ragged import NONE, distinct
from dlpagent.classifiers.cascade.rows import Rows, whole
from dlpagent.classifiers.cascade.scanner import Events, events_in_order, events_of, listed
from dlpagent.classifiers.cascade.spans import Spans, joined, sorted_spans
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.together import FEW_EVENTS, Together, accepted
from dlpagent.classifiers.cascade.words import Words

_Place = tuple[int, int, int, int]


@dataclass(slots=True)
class Supporting:
    """The hits of a supporting element. done: how many of the parts looked at they are from."""

    spans: Spans = field(default_factory=lambda: Spans(NONE, NONE))
    done: int = 0


@dataclass(slots=True)
class Chunk:
    """What is known of a chunk. primaries: element → where it stands, found by search().

    odd: expressions of SITs that are left to the reference evaluator; rows_of_odd: where they may be.
    """

    tables: Tables
    rows: Rows
    words: Words
    finders: Finders
    odd: frozenset[int]
    primaries: dict[str, Spans] = field(init=False, default_factory=dict)
    rows_of_odd: dict[int, Ints] = field(init=False, default_factory=dict)
    _last: tuple[int, str] = field(init=False, default=(-1, ""))
    _texts: dict[int, bytes] = field(init=False, default_factory=dict)
    _supports: dict[str, Supporting] = field(init=False, default_factory=dict)
    _looked: list[Events] = field(init=False, default_factory=list)
    _seen: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = np.zeros(len(self.rows.starts), dtype=np.bool_)

    def search(self) -> None:
        """Find the primary elements, and the rows that may hold what only the reference can find."""
        events = self._plain(self._needed(events_of(self.tables, self.rows, self.words)))
        terms = self._plain(self._needed(listed(self.tables, self.rows)))
        if len(terms.expressions):
            self._terms(terms)
        if len(events.expressions):
            self._exact(events)

    def _needed(self, events: Events) -> Events:
        """Events without those of expressions all users of which need keywords the row has not."""
        expressions, ends = events.expressions, events.ends
        weak = np.flatnonzero(~self.tables.free[expressions])
        if not len(weak):
            return events
        where = self.rows.rows_of(ends[weak])
        self.words.look(distinct(where))
        count = len(self.tables.free)
        pairs, inverse = np.unique(where * count + expressions[weak], return_inverse=True)
        rows, numbers = np.divmod(pairs, count)
        places, users = self.tables.users.of(numbers)
        met = np.zeros(len(pairs), dtype=np.bool_)
        met[places[self.words.meets(rows[places], users)]] = True
        keep = np.ones(len(ends), dtype=np.bool_)
        keep[weak] = met[inverse]
        return Events(expressions[keep], ends[keep])

    def _plain(self, events: Events) -> Events:
        """Events without odd ones, whose rows are remembered."""
        if not self.odd:
            return events
        for number in self.odd:
            rows = distinct(self.rows.rows_of(events.ends[events.expressions == number]))
            if number in self.tables.plan.always:
                rows = np.flatnonzero(self.rows.ends > self.rows.starts)
            if len(rows):
                self.rows_of_odd[number] = rows
        keep = ~np.isin(events.expressions, list(self.odd))
        return Events(events.expressions[keep], events.ends[keep])

    def _terms(self, terms: Events) -> None:
        """The exact hits of keyword lists that are primary elements."""
        plan = self.tables.plan
        self.words.look(distinct(self.rows.rows_of(terms.ends)))
        names = {plan.elements[number][0] for number in distinct(terms.expressions).tolist()}
        numbers = {plan.lists.index(name): name for name in names}
        found = self.words.spans(np.array(sorted(numbers)))
        for number, spans in found.items():
            self.primaries[numbers[number]] = spans

    def _exact(self, events: Events) -> None:
        found: dict[str, list[Found]] = {}
        together = Together(self.rows, distinct(self.rows.rows_of(events.ends)))
        firsts = np.flatnonzero(np.diff(events.expressions, prepend=-1)).tolist()
        for first, last in zip(firsts, [*firsts[1:], len(events.ends)], strict=True):
            sought = self.finders.of(int(events.expressions[first]))
            mine: list[Found] = [([], []) for _ in sought.elements]
            part = Events(events.expressions[first:last], events.ends[first:last])
            self._find(sought, part, together, mine)
            for spans, names in zip(mine, sought.elements, strict=True):
                if spans[0]:
                    for name in names:
                        found.setdefault(name, []).append(spans)
        for name, parts in found.items():
            self.primaries[name] = self._spans(parts)

    def _find(self, sought: Sought, events: Events, together: Together, found: list[Found]) -> None:
        """Matches of one expression about its events, in all rows together where they are many."""
        finite = sought.finite if len(events.ends) > FEW_EVENTS else None
        if finite is not None and together.pays(finite, len(events.ends)):
            rows = self.rows.rows_of(events.ends)
            starts, ends = together.matches(finite, rows)
            for accept, sieve, spans in zip(sought.accepts, sought.sieves, found, strict=True):
                chosen = accepted(self.rows.data, starts, ends, accept, sieve)
                spans[0].extend(chosen[0])
                spans[1].extend(chosen[1])
            if self.rows.is_ascii:
                return
            left = ~together.readable[rows]
            events = Events(events.expressions[left], events.ends[left])
        if len(events.ends):
            places = self._places(regions_of(self.tables, self.rows, events))
            self._add(sought.finder, places, found)

    def _places(self, regions: Regions) -> list[_Place]:
        rows = self.rows
        starts, ends = rows.starts[regions.rows].tolist(), rows.ends[regions.rows].tolist()
        return list(zip(starts, ends, regions.lows.tolist(), regions.lasts.tolist(), strict=True))

    def _add(self, finder: Finder, places: list[_Place], found: list[Found]) -> None:
        data, texts = self.rows.data, self._texts
        for start, end, low, last in places:
            text = texts.get(start)
            if text is None:
                text = texts[start] = data[start:end]
            finder.add(text, low - start, last - start, start, found)

    def support(self, name: str, wanted: Ints) -> Spans | None:
        """Where an element stands in some rows, and perhaps in others; None: it cannot be scanned for."""
        place = self.tables.support.get(name)
        if place is None:
            return None
        self._look(wanted)
        known = self._supports.setdefault(name, Supporting())
        if known.done < len(self._looked):
            support = self.tables.plan.supports[place]
            parts = [self._supporting(support, one) for one in self._looked[known.done :]]
            known.spans, known.done = joined([known.spans, *parts]), len(self._looked)
        return known.spans

    def _look(self, wanted: Ints) -> None:
        """Scan some rows for all that supports."""
        new = wanted[~self._seen[wanted]]
        if not len(new):
            return
        windows = whole(self.rows, new)
        self._seen[new if windows.data is not self.rows.data else slice(None)] = True
        numbers, ends = self.tables.plan.supporting.scan(windows.data)
        hits, expressions = self.tables.supporting.of(numbers)
        self._looked.append(
            events_in_order(expressions, windows.back(ends[hits]), len(self.rows.data))
        )

    def _supporting(self, support: Support, events: Events) -> Spans:
        """The exact hits of one element about some events."""
        mine: Found = ([], [])
        for number in support.expressions:
            first, last = np.searchsorted(events.expressions, (number, number + 1)).tolist()
            if first < last:
                part = Events(events.expressions[first:last], events.ends[first:last])
                places = self._places(regions_of(self.tables, self.rows, part))
                self._add(self.finders.named(number, support.element).finder, places, [mine])
        return self._spans([mine, mine]) if mine[0] else Spans(NONE, NONE)

    def text(self, row: int, start: int, end: int) -> str:
        """What stands between two offsets through all rows, in one row."""
        rows = self.rows
        if rows.is_ascii:
            return rows.data[start:end].decode()
        if row != self._last[0]:
            self._last = row, rows.data[rows.starts[row] : rows.ends[row]].decode()
        first = int(rows.char_starts[row])
        return self._last[1][start - first : end - first]

    def _spans(self, parts: list[Found]) -> Spans:
        starts = self.rows.chars(np.array([one for starts, _ in parts for one in starts]))
        ends = self.rows.chars(np.array([one for _, ends in parts for one in ends]))
        return Spans(starts, ends) if len(parts) == 1 else sorted_spans(starts, ends)
