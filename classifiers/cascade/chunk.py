"""One chunk of rows: where the primary elements stand in it, and where the keywords near them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.exact import Finder, Found, finder_of, regions_of
from dlpagent.classifiers.cascade.plan import Plan
from dlpagent.classifiers.cascade.ragged import distinct
from dlpagent.classifiers.cascade.rows import Rows
from dlpagent.classifiers.cascade.scanner import Events, events_of, listed
from dlpagent.classifiers.cascade.spans import Spans, sorted_spans
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.words import Find, Words
from dlpagent.classifiers.compiled import CompiledPack, acceptance_of
from dlpagent.classifiers.regexes import Re2Matcher, matcher
from dlpagent.classifiers.sit import Regex

MAX_REMEMBERED = 20_000


@dataclass(slots=True)
class Finders:
    """The finders of a pack's expressions, made when first needed."""

    compiled: CompiledPack
    plan: Plan
    _known: dict[int, list[tuple[Finder, list[str]]]] = field(init=False, default_factory=dict)

    def of(self, expression: int) -> list[tuple[Finder, list[str]]]:
        """An expression's finders, one for each choice of validators, with their elements."""
        known = self._known.get(expression)
        if known is None:
            known = self._known[expression] = list(self._made(expression))
        return known

    def _made(self, expression: int) -> Iterator[tuple[Finder, list[str]]]:
        compiled = matcher(self.plan.patterns[expression])
        assert isinstance(compiled, Re2Matcher)
        alike: dict[object, list[str]] = {}
        for name in self.plan.elements[expression]:
            element = self.compiled.pack.elements[name]
            assert isinstance(element, Regex)
            alike.setdefault(element.validators, []).append(name)
        for names in alike.values():
            element = self.compiled.pack.elements[names[0]]
            assert isinstance(element, Regex)
            accept = acceptance_of(element.validators)
            width, least = self.plan.widths[expression], self.plan.leasts[expression]
            yield finder_of(compiled, width, least, accept and remembering(accept)), names


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

    def search(self, find: Find) -> None:
        """Find the primary elements, and the rows that may hold what only the reference can find."""
        events = self._plain(self._needed(events_of(self.tables, self.rows, self.words)))
        terms = self._plain(self._needed(listed(self.tables, self.rows)))
        if len(terms.expressions):
            self._terms(terms, find)
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

    def _terms(self, terms: Events, find: Find) -> None:
        """The exact hits of keyword lists that are primary elements."""
        plan = self.tables.plan
        self.words.look(distinct(self.rows.rows_of(terms.ends)))
        names = {plan.elements[number][0] for number in distinct(terms.expressions).tolist()}
        numbers = {plan.lists.index(name): name for name in names}
        found = self.words.spans(np.array(sorted(numbers)), find)
        for number, spans in found.items():
            self.primaries[numbers[number]] = spans

    def _exact(self, events: Events) -> None:
        regions = regions_of(self.tables, self.rows, events)
        found: dict[str, list[Found]] = {}
        data = self.rows.data
        firsts = np.flatnonzero(np.diff(regions.expressions, prepend=-1)).tolist()
        starts, ends = self.rows.starts[regions.rows], self.rows.ends[regions.rows]
        every = list(zip(starts.tolist(), ends.tolist(), regions.lows.tolist(),
                         regions.lasts.tolist(), strict=True))  # fmt: skip
        texts: dict[int, bytes] = {}
        for first, last in zip(firsts, [*firsts[1:], len(every)], strict=True):
            for finder, names in self.finders.of(int(regions.expressions[first])):
                mine: Found = ([], [])
                for start, end, low, behind in every[first:last]:
                    text = texts.get(start)
                    if text is None:
                        text = texts[start] = data[start:end]
                    finder.add(text, low - start, behind - start, start, mine)
                if mine[0]:
                    for name in names:
                        found.setdefault(name, []).append(mine)
        for name, parts in found.items():
            self.primaries[name] = self._spans(parts)

    def _spans(self, parts: list[Found]) -> Spans:
        starts = self.rows.chars(np.array([one for starts, _ in parts for one in starts]))
        ends = self.rows.chars(np.array([one for _, ends in parts for one in ends]))
        return Spans(starts, ends) if len(parts) == 1 else sorted_spans(starts, ends)
