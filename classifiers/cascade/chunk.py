"""One chunk of rows: where the primary elements stand in it, and where the keywords near them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.exact import Finder, Found, Regions, finder_of, regions_of
from dlpagent.classifiers.cascade.plan import Plan, Support
from dlpagent.classifiers.cascade.ragged import NONE, distinct
from dlpagent.classifiers.cascade.rows import Rows, whole
from dlpagent.classifiers.cascade.scanner import Events, events_in_order, events_of, listed
from dlpagent.classifiers.cascade.spans import Spans, joined, sorted_spans
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.words import Words
from dlpagent.classifiers.compiled import CompiledPack, acceptance_of
from dlpagent.classifiers.regexes import Re2Matcher, matcher
from dlpagent.classifiers.sit import Regex, ValidatorSpec

MAX_REMEMBERED = 20_000


@dataclass(slots=True)
class Finders:
    """The finders of a pack's expressions, made when first needed."""

    compiled: CompiledPack
    plan: Plan
    _known: dict[int, tuple[Finder, list[list[str]]]] = field(init=False, default_factory=dict)
    _named: dict[tuple[int, str], Finder] = field(init=False, default_factory=dict)

    def of(self, expression: int) -> tuple[Finder, list[list[str]]]:
        """An expression's finder, and for each choice of validators the elements that have it."""
        known = self._known.get(expression)
        if known is None:
            alike: dict[tuple[ValidatorSpec, ...], list[str]] = {}
            for name in self.plan.elements[expression]:
                alike.setdefault(self._validators(name), []).append(name)
            finder = self._made(expression, list(alike))
            known = self._known[expression] = finder, list(alike.values())
        return known

    def named(self, expression: int, name: str) -> Finder:
        """The finder of an expression of one element."""
        known = self._named.get((expression, name))
        if known is None:
            known = self._named[expression, name] = self._made(expression, [self._validators(name)])
        return known

    def _validators(self, name: str) -> tuple[ValidatorSpec, ...]:
        element = self.compiled.pack.elements[name]
        assert isinstance(element, Regex)
        return element.validators

    def _made(self, expression: int, validators: list[tuple[ValidatorSpec, ...]]) -> Finder:
        compiled = matcher(self.plan.patterns[expression])
        assert isinstance(compiled, Re2Matcher)
        accepts = [acceptance_of(one) for one in validators]
        return finder_of(
            compiled,
            self.plan.widths[expression],
            self.plan.leasts[expression],
            [accept and remembering(accept) for accept in accepts],
        )


def remembering(accept: Callable[[str], bool]) -> Callable[[str], bool]:
    """The same answers, the last ones from memory: tables and copied lines repeat their values."""
    known: dict[str, bool] = {}

    def accepts(value: str) -> bool:
        answer = known.get(value)
        if answer is None:
            if len(known) >= MAX_REMEMBERED:
                known.clear()
            answer = known[value] = accept(value)
        return answer

    return accepts


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
        regions = regions_of(self.tables, self.rows, events)
        found: dict[str, list[Found]] = {}
        firsts = np.flatnonzero(np.diff(regions.expressions, prepend=-1)).tolist()
        every = self._places(regions)
        for first, last in zip(firsts, [*firsts[1:], len(every)], strict=True):
            finder, elements = self.finders.of(int(regions.expressions[first]))
            mine: list[Found] = [([], []) for _ in elements]
            self._add(finder, every[first:last], mine)
            for part, names in zip(mine, elements, strict=True):
                if part[0]:
                    for name in names:
                        found.setdefault(name, []).append(part)
        for name, parts in found.items():
            self.primaries[name] = self._spans(parts)

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
                self._add(self.finders.named(number, support.element), places, [mine])
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
