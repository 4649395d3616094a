"""Exact matches of expressions, looked for only around what the scan has seen of them.

A region is a stretch of a row that holds all matches of an expression near some events; no match
reaches from one region into another. So what RE2 finds from left to right in each region is what it
finds in the whole row: regexes.Re2Matcher.spans says how, and this is the same loop on bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import re2

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.plan import UNBOUNDED
from dlpagent.classifiers.cascade.rows import Rows
from dlpagent.classifiers.cascade.scanner import Events
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.regex_syntax import edges_of, translate
from dlpagent.classifiers.regexes import (
    OPTIONS,
    RESCAN_CHARS,
    VALUE_GROUP,
    Accept,
    Re2Matcher,
)

_SLACK = 4
Found = tuple[list[int], list[int]]
Spans = Sequence[tuple[int, int]]
Match = Callable[[bytes, int, int], Spans | None]


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions of rows, by expression and place; low: where the first match may start; last: the event
    behind the start of the last one."""

    expressions: Ints
    rows: Ints
    lows: Ints
    lasts: Ints


def regions_of(tables: Tables, rows: Rows, events: Events) -> Regions:
    """The regions around all events."""
    expressions, ends = events.expressions, events.ends
    where = rows.rows_of(ends)
    heads, widths = tables.heads[expressions], tables.widths[expressions]
    far = np.int64(len(rows.data))
    heads = np.where(heads < 0, far, heads) + _SLACK
    widths = np.where(widths < 0, far, widths) + _SLACK
    new = np.ones(len(ends), dtype=np.bool_)
    new[1:] = (expressions[1:] != expressions[:-1]) | (where[1:] != where[:-1])
    new[1:] |= ends[1:] - ends[:-1] > heads[1:] + widths[1:]
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(ends)) - 1
    lows = np.maximum(rows.starts[where[first]], ends[first] - heads[first])
    return Regions(expressions[first], where[first], lows, ends[last])


@dataclass(slots=True)
class Finder:
    """An expression with the validators of its elements, those of one element after another.

    width, least: see Plan.
    """

    first: Match
    inner: Match
    before_chars: int
    group: int
    width: int
    least: int
    accepts: Sequence[Accept | None]

    def add(self, row: bytes, low: int, last: int, shift: int, found: Sequence[Found]) -> None:
        """The accepted matches of one region; offsets in the row, to which shift is added."""
        plain = row.isascii()
        bounded = self.width != UNBOUNDED
        limit = min(len(row), last + self.width + _SLACK) if bounded else len(row)
        # no match that the scan has seen starts behind this
        final = last - self.least + self.before_chars
        begin = low if plain else _border(row, low)
        seen: dict[int, tuple[int, int, str] | None] = {}
        for accept, (starts, ends) in zip(self.accepts, found, strict=True):
            char = begin
            while char <= final:
                try:
                    match = seen[char]
                except KeyError:
                    match = seen[char] = self._next(row, char, limit, plain=plain)
                if match is None or (bounded and match[0] >= last):
                    break
                start, end, text = match
                if not text:
                    char = max(char, start) + 1
                elif accept is None or accept(text):
                    starts.append(start + shift)
                    ends.append(end + shift)
                    char = end
                else:
                    char = end if len(text) > RESCAN_CHARS else start + 1
                if not plain:
                    char = _ahead(row, char)

    def _next(
        self, row: bytes, char: int, limit: int, *, plain: bool
    ) -> tuple[int, int, str] | None:
        """The leftmost match that starts at a place or later, and its text."""
        if char:
            behind = char - self.before_chars
            spans = self.inner(row, behind if plain else _border(row, behind), limit)
        else:
            spans = self.first(row, 0, limit)
        if spans is None:
            return None
        start, end = spans[self.group]
        return start, end, row[start:end].decode()


def _border(row: bytes, place: int) -> int:
    while place > 0 and place < len(row) and row[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _ahead(row: bytes, place: int) -> int:
    while place < len(row) and row[place] & 0xC0 == 0x80:
        place += 1
    return place


def finder_of(
    matcher: Re2Matcher, width: int, least: int, accepts: Sequence[Accept | None]
) -> Finder:
    """The finder of a pattern."""
    first, inner = search_in(matcher.first.pattern), search_in(matcher.inner.pattern)
    return Finder(first, inner, matcher.before_chars, matcher.group, width, least, accepts)


def finder_for(pattern: str, width: int, least: int, accepts: Sequence[Accept | None]) -> Finder:
    """The finder of a pattern that RE2 is known to take: nothing is compiled before it is searched for."""
    edges = edges_of(translate(pattern).re2)
    first = edges.pattern
    inner = edges.inner().pattern if edges.before_chars else first
    group = _compiled(first).groupindex.get(VALUE_GROUP, 1) if "<" + VALUE_GROUP in pattern else 1
    return Finder(
        search_in(first), search_in(inner), edges.before_chars, group, width, least, accepts
    )


LONG_BYTES = 4_096
SMALL_BYTES = 8 << 20


@functools.lru_cache(maxsize=16_384)
def search_in(pattern: str) -> Match:
    """Searches data from a place up to another: the spans of all groups, or None.

    What stands before and behind still counts as context. In windows, making the states of RE2's
    automaton would be most of the work. A lazy prefix makes the search an anchored one, for which RE2
    asks the automaton only where the text is long for the pattern.
    The binding's own search costs twice as much as its inner one, for the match object.
    """
    anchors = getattr(re2, "_Anchor", None)
    if anchors is None or not hasattr(re2._Regexp, "_match"):
        return lambda data, start, end: _searched(_compiled(pattern), data, start, end)
    anywhere, at_start = anchors.UNANCHORED, anchors.ANCHOR_START
    match = search = None

    def found(data: bytes, start: int, end: int) -> Spans | None:
        nonlocal match, search
        spans: Spans
        if end - start <= LONG_BYTES:
            if match is None:
                match = _compiled(f"(?s:.*?){pattern}")._regexp.Match
            spans = match(at_start, data, start, end)
        else:
            if search is None:
                search = _compiled(pattern)._regexp.Match
            spans = search(anywhere, data, start, end)
        return None if spans[0][0] < 0 else spans

    return found


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str) -> re2._Regexp:
    """With little memory for the automaton's states, if the pattern leaves any: there are many."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = SMALL_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return re2.compile(pattern, OPTIONS)


def _searched(compiled: re2._Regexp, data: bytes, start: int, end: int) -> Spans | None:
    found = compiled.search(data, start, end)
    return found and tuple(found.span(group) for group in range(compiled.groups + 1))
