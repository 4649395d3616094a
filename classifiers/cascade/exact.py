"""Exact matches of expressions, looked for only around what the scan has seen of them.

A region is a stretch of a row that holds all matches of an expression near some events; no match
reaches from one region into another. So what RE2 finds from left to right in each region is what it
finds in the whole row: regexes.Re2Matcher.spans says how, and this is the same loop on bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import re2

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.plan import UNBOUNDED
from dlpagent.classifiers.cascade.rows import Rows
from dlpagent.classifiers.cascade.scanner import Events
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.regexes import RESCAN_CHARS, Accept, Re2Matcher

_SLACK = 4
Found = tuple[list[int], list[int]]
Match = Callable[[bytes, int, int], tuple[tuple[int, int], ...] | None]


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
    """An expression with the validators of an element. width, least: see Plan."""

    first: Match
    inner: Match
    before_chars: int
    group: int
    width: int
    least: int
    accept: Accept | None

    def add(self, row: bytes, low: int, last: int, shift: int, found: Found) -> None:
        """The accepted matches of one region; offsets in the row, to which shift is added."""
        plain = row.isascii()
        size = len(row)
        bounded = self.width != UNBOUNDED
        limit = min(size, last + self.width + _SLACK) if bounded else size
        # no match that the scan has seen starts behind this
        final = last - self.least + self.before_chars
        char = low if plain else _border(row, low)
        before, group, accept = self.before_chars, self.group, self.accept
        while char <= final:
            if char:
                place = char - before if plain or not before else _border(row, char - 1)
                spans = self.inner(row, place, limit)
            else:
                spans = self.first(row, 0, limit)
            if spans is None or (bounded and spans[0][0] >= last):
                return
            start, end = spans[group]
            if start == end:
                char = max(char, start) + 1
            else:
                text = row[start:end].decode()
                if accept is None or accept(text):
                    found[0].append(start + shift)
                    found[1].append(end + shift)
                    char = end
                else:
                    char = end if len(text) > RESCAN_CHARS else start + 1
            if not plain:
                char = _ahead(row, char)


def _border(row: bytes, place: int) -> int:
    while place > 0 and place < len(row) and row[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _ahead(row: bytes, place: int) -> int:
    while place < len(row) and row[place] & 0xC0 == 0x80:
        place += 1
    return place


def finder_of(matcher: Re2Matcher, width: int, least: int, accept: Accept | None) -> Finder:
    """The finder of a pattern."""
    first, inner = raw_match(matcher.first), raw_match(matcher.inner)
    return Finder(first, inner, matcher.before_chars, matcher.group, width, least, accept)


def raw_match(compiled: re2._Regexp) -> Match:
    """Searches data from a place up to another: the spans of all groups, or None.

    What stands before and behind still counts as context. The binding's own search costs twice as
    much, for the match object.
    """
    inner = getattr(getattr(compiled, "_regexp", None), "Match", None)
    anchor = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if inner is None or anchor is None:
        return lambda data, start, end: _searched(compiled, data, start, end)

    def match(data: bytes, start: int, end: int) -> tuple[tuple[int, int], ...] | None:
        spans = inner(anchor, data, start, end)
        return None if spans[0][0] < 0 else spans

    return match


def _searched(
    compiled: re2._Regexp, data: bytes, start: int, end: int
) -> tuple[tuple[int, int], ...] | None:
    found = compiled.search(data, start, end)
    return found and tuple(found.span(group) for group in range(compiled.groups + 1))
