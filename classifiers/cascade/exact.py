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
    """An expression with the validators of an element. width: bytes a match and its context span at
    most; UNBOUNDED: any number."""

    first: Match
    inner: Match
    before_chars: int
    group: int
    width: int
    accept: Accept | None

    def add(self, row: bytes, low: int, last: int, shift: int, found: Found) -> None:
        """The accepted matches of one region; offsets in the row, to which shift is added."""
        ascii_row = row.isascii()
        size = len(row)
        limit = size if self.width == UNBOUNDED else min(size, last + self.width + _SLACK)
        if self.width == UNBOUNDED:
            last = size + 1
        char = low if ascii_row else _border(row, low)
        before, group, accept = self.before_chars, self.group, self.accept
        starts, ends = found
        while char <= size:
            if char:
                spans = self.inner(row, _back(row, char) if before else char, limit)
            else:
                spans = self.first(row, 0, limit)
            if spans is None or spans[0][0] >= last:
                return
            start, end = spans[group]
            if start == end:
                char = _next(row, max(char, start))
                continue
            text = row[start:end].decode()
            if accept is None or accept(text):
                starts.append(start + shift)
                ends.append(end + shift)
                char = end
            else:
                char = end if len(text) > RESCAN_CHARS else _next(row, start)


def _border(row: bytes, place: int) -> int:
    while place > 0 and place < len(row) and row[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _next(row: bytes, place: int) -> int:
    place += 1
    while place < len(row) and row[place] & 0xC0 == 0x80:
        place += 1
    return place


def _back(row: bytes, place: int) -> int:
    return _border(row, place - 1)


def finder_of(matcher: Re2Matcher, width: int, accept: Accept | None) -> Finder:
    """The finder of a pattern."""
    return Finder(
        raw_match(matcher.first), raw_match(matcher.inner), matcher.before_chars, matcher.group,
        width, accept,
    )  # fmt: skip


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
