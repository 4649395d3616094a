"""Which patterns hold at which matches: what reference.py says, for all matches of a SIT at once."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.chunk import Chunk
from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.plan import parts_of
from dlpagent.classifiers.cascade.spans import Spans, joined
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.normalise import Subject, lowered
from dlpagent.classifiers.reference import (
    MAX_FINDINGS_PER_SIT,
    Evidences,
    is_met,
    passes,
    without_overlaps,
)
from dlpagent.classifiers.regex_syntax import RuleTimeout
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Filter,
    Keyword,
    Match,
    Pack,
    Pattern,
    Sit,
)

Bools = npt.NDArray[np.bool_]
NOTHING = Subject.of("")


@dataclass(frozen=True, slots=True)
class Places:
    """Matches of a primary element: offsets through all rows, and their rows."""

    starts: Ints
    ends: Ints
    rows: Ints

    def only(self, which: Bools | Ints) -> Places:
        return Places(self.starts[which], self.ends[which], self.rows[which])


@dataclass(frozen=True, slots=True)
class Decided:
    """Findings of one SIT: places, with the pattern (by index) that holds at each."""

    places: Places
    patterns: Ints


@dataclass(slots=True)
class Decider:
    """Decides on the SITs of one chunk.

    lists: exact keyword hits by list. in_context: which rows' contexts hold a hit of some elements.
    beside: the texts, in lower case, of an element's hits in a row's context. evidences: what the
    reference evaluator needs to decide on a row, for conditions that are rare.
    """

    compiled: CompiledPack
    chunk: Chunk
    lists: Mapping[str, Spans]
    in_context: Callable[[tuple[str, ...], Ints], Bools]
    beside: Callable[[int, str], Counter[str]]
    evidences: Callable[[int], Evidences]
    incomplete: list[tuple[int, str, str]] = field(init=False, default_factory=list)
    _joined: dict[tuple[str, ...], Spans] = field(init=False, default_factory=dict)
    _timed_out: set[int] = field(init=False, default_factory=set)

    def decide(self, sit: Sit) -> Decided | None:
        """The findings of a SIT, by place."""
        self._timed_out.clear()
        found: list[tuple[Places, Ints]] = []
        order = sorted(
            range(len(sit.patterns)), key=lambda index: (-sit.patterns[index].confidence, index)
        )
        for primary in dict.fromkeys(sit.patterns[index].primary for index in order):
            places = self._places(primary)
            if places is not None:
                ranks = self._ranks(sit, primary, order, places)
                held = ranks < len(order)
                if held.any():
                    found.append((places.only(held), ranks[held]))
        if not found:
            self._timed_out_only(sit)
            return None
        places, ranks = _best(found)
        return self._kept(sit, places, np.array(order, dtype=np.int64)[ranks])

    def _places(self, primary: str) -> Places | None:
        spans = joined(
            self.chunk.primaries[name]
            for name in parts_of(self.compiled.pack, primary)
            if name in self.chunk.primaries
        )
        if not len(spans):
            return None
        starts = self.chunk.rows.char_starts
        rows = np.searchsorted(starts, spans.starts, side="right") - 1
        return Places(spans.starts, spans.ends, rows)

    def _ranks(self, sit: Sit, primary: str, order: Sequence[int], places: Places) -> Ints:
        """For each place the first pattern in order that holds; len(order) if none does."""
        ranks = np.full(len(places.starts), len(order), dtype=np.int64)
        open_ = np.arange(len(ranks))
        for rank, index in enumerate(order):
            pattern = sit.patterns[index]
            if pattern.primary != primary or not len(open_):
                continue
            holds = self._holds(sit, pattern, places.only(open_))
            ranks[open_[holds]] = rank
            open_ = open_[~holds]
        return ranks

    def _holds(self, sit: Sit, pattern: Pattern, places: Places) -> Bools:
        left = np.arange(len(places.starts))
        conditions = sorted(pattern.conditions, key=self._is_dear)
        for condition in conditions:
            left = left[self._met(sit, pattern, condition, places.only(left))]
            if not len(left):
                break
        for name in (*sit.filters, *pattern.filters):
            item = self.compiled.filters[name]
            left = left[self._passes(item, places.only(left))]
        holds = np.zeros(len(places.starts), dtype=np.bool_)
        holds[left] = True
        return holds

    def _passes(self, item: Filter, places: Places) -> Bools:
        """Whether matches pass a filter, each looked at with what stands right beside it."""
        names = tuple(parts_of(self.compiled.pack, item.processor)) if item.processor else ()
        if not all(name in self.lists or self._is_scanned(name) for name in names):
            return self._each(places, functools.partial(passes, item))
        spans = self._spans_of(names, places.rows)
        longest = int((spans.ends - spans.starts).max()) if len(spans) else 0
        firsts = np.searchsorted(spans.starts, places.starts - longest - 1).tolist()
        lasts = np.searchsorted(spans.starts, places.ends + 1, side="right").tolist()
        out = []
        for start, end, row, first, last in zip(
            places.starts.tolist(),
            places.ends.tolist(),
            places.rows.tolist(),
            firsts,
            lasts,
            strict=True,
        ):
            near = list(
                zip(spans.starts[first:last].tolist(), spans.ends[first:last].tolist(), strict=True)
            )
            low = min([start, *(one for one, _ in near)])
            high = max([end, *(one for _, one in near)])
            low = max(low, int(self.chunk.rows.char_starts[row]))
            high = min(high, int(self.chunk.rows.char_ends[row]))
            text = self.chunk.text(row, low, high)
            seen = Evidences(self.compiled, Subject(text, text.isascii(), None), NOTHING)
            if item.processor:
                seen.give(item.processor, [
                    (one - low, other - low) for one, other in near if one >= low and other <= high
                ])  # fmt: skip
            out.append(passes(item, (start - low, end - low), seen))
        return np.array(out, dtype=np.bool_)

    def _is_scanned(self, name: str) -> bool:
        return name in self.supports or isinstance(self.compiled.pack.elements[name], Keyword)

    def _met(self, sit: Sit, pattern: Pattern, condition: Condition, places: Places) -> Bools:
        if not isinstance(condition, AnyOf):
            return self._near(sit, pattern, condition, places)
        met = np.zeros(len(places.starts), dtype=np.int64)
        for child in condition.children:
            met += self._met(sit, pattern, child, places)
        return np.asarray(
            (met >= condition.min_matches)
            & (condition.max_matches is None or met <= condition.max_matches)
        )

    def _near(self, sit: Sit, pattern: Pattern, match: Match, places: Places) -> Bools:
        if match.min_count < 1:
            return np.ones(len(places.starts), dtype=np.bool_)
        if self._is_dear(match):
            return self._each(places, lambda span, found: is_met(sit, pattern, match, span, found))
        names = tuple(parts_of(self.compiled.pack, match.ref))
        rows = self.chunk.rows
        low, high = rows.char_starts[places.rows], rows.char_ends[places.rows]
        width = match.proximity or pattern.proximity or sit.proximity
        if width != UNLIMITED:
            low, high = (
                np.maximum(low, places.starts - width),
                np.minimum(high, places.ends + width),
            )
        spans, beside = self._spans_of(names, places.rows), self.in_context(names, places.rows)
        if match.min_count == 1:
            return np.asarray(spans.inside(low, high) | beside)
        return self._counted(match, spans, places.rows, low, high, beside)

    def _counted(
        self, match: Match, spans: Spans, rows: Ints, low: Ints, high: Ints, beside: Bools
    ) -> Bools:
        """Whether there are enough hits, or enough that differ, in each range and beside it."""
        firsts = np.searchsorted(spans.starts, low).tolist()
        lasts = np.searchsorted(spans.starts, high).tolist()
        out = []
        for first, last, row, end, more in zip(
            firsts, lasts, rows.tolist(), high.tolist(), beside.tolist(), strict=True
        ):
            starts, ends = spans.starts[first:last], spans.ends[first:last]
            inside = ends <= end
            count = int(inside.sum())
            if match.unique:
                near = zip(starts[inside].tolist(), ends[inside].tolist(), strict=True)
                texts = {lowered(self.chunk.text(row, *span)) for span in near}
                count = len(texts | self.beside(row, match.ref).keys() if more else texts)
            elif more:
                count += self.beside(row, match.ref).total()
            out.append(count >= match.min_count)
        return np.array(out, dtype=np.bool_)

    def _spans_of(self, names: tuple[str, ...], rows: Ints) -> Spans:
        asked = [self.chunk.support(name, rows) for name in names if name in self.supports]
        if asked:
            keywords = [self.lists[name] for name in names if name in self.lists]
            return joined([*keywords, *(one for one in asked if one is not None)])
        known = self._joined.get(names)
        if known is None:
            known = joined(self.lists[name] for name in names if name in self.lists)
            self._joined[names] = known
        return known

    def _is_dear(self, condition: Condition) -> bool:
        return is_dear(condition, self.compiled.pack, self.supports)

    @property
    def supports(self) -> Mapping[str, int]:
        return self.chunk.tables.support

    def _each(self, places: Places, holds: Callable[[tuple[int, int], Evidences], bool]) -> Bools:
        """What the reference evaluator says, match by match."""
        starts = self.chunk.rows.char_starts
        out = []
        for start, end, row in zip(
            places.starts.tolist(), places.ends.tolist(), places.rows.tolist(), strict=True
        ):
            first = int(starts[row])
            try:
                out.append(holds((start - first, end - first), self.evidences(row)))
            except RuleTimeout:
                self._timed_out.add(row)
                out.append(False)
        return np.array(out, dtype=np.bool_)

    def _timed_out_only(self, sit: Sit) -> None:
        for row in sorted(self._timed_out):
            self.incomplete.append((row, sit.id, "a rule ran out of time"))

    def _kept(self, sit: Sit, places: Places, patterns: Ints) -> Decided | None:
        self._timed_out_only(sit)
        if self._timed_out:
            sure = ~np.isin(places.rows, list(self._timed_out))
            places, patterns = places.only(sure), patterns[sure]
        keep = _without_overlaps(sit, places, patterns)
        places, patterns = places.only(keep), patterns[keep]
        if len(patterns) > MAX_FINDINGS_PER_SIT:
            places, patterns = self._cut(sit, places, patterns)
        return Decided(places, patterns) if len(patterns) else None

    def _cut(self, sit: Sit, places: Places, patterns: Ints) -> tuple[Places, Ints]:
        rows, first, counts = np.unique(places.rows, return_index=True, return_counts=True)
        for row in rows[counts > MAX_FINDINGS_PER_SIT].tolist():
            self.incomplete.append(
                (row, sit.id, f"truncated: more than {MAX_FINDINGS_PER_SIT} matches")
            )
        place = np.arange(len(patterns)) - np.repeat(first, counts)
        keep = place < MAX_FINDINGS_PER_SIT
        return places.only(keep), patterns[keep]


def is_dear(condition: Condition, pack: Pack, supports: Container[str]) -> bool:
    """Whether a condition is left to the reference: it asks for what is not scanned for."""
    if isinstance(condition, AnyOf):
        return any(is_dear(child, pack, supports) for child in condition.children)
    return not all(
        name in supports or isinstance(pack.elements[name], Keyword)
        for name in parts_of(pack, condition.ref)
    )


def _best(found: list[tuple[Places, Ints]]) -> tuple[Places, Ints]:
    """The places of all primaries in order, none twice, each with its best rank."""
    if len(found) == 1:
        return found[0]
    starts, ends, rows = (
        np.concatenate([getattr(places, name) for places, _ in found])
        for name in ("starts", "ends", "rows")
    )
    ranks = np.concatenate([one for _, one in found])
    order = np.lexsort((ranks, ends, starts))
    starts, ends, rows, ranks = starts[order], ends[order], rows[order], ranks[order]
    new = np.ones(len(starts), dtype=np.bool_)
    new[1:] = (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    return Places(starts[new], ends[new], rows[new]), ranks[new]


def _without_overlaps(sit: Sit, places: Places, patterns: Ints) -> Bools:
    """Which matches stay; those that overlap, run by run, as the reference says."""
    starts, ends = places.starts, places.ends
    keep = np.ones(len(starts), dtype=np.bool_)
    if len(starts) < 2:
        return keep
    new = np.ones(len(starts), dtype=np.bool_)
    new[1:] = starts[1:] >= np.maximum.accumulate(ends)[:-1]
    if new.all():
        return keep
    firsts = np.flatnonzero(new)
    lasts = np.append(firsts[1:], len(starts))
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        if last - first > 1:
            spans = list(zip(starts[first:last].tolist(), ends[first:last].tolist(), strict=True))
            chosen = {
                span: (sit.patterns[index].confidence, index)
                for span, index in zip(spans, patterns[first:last].tolist(), strict=True)
            }
            left = {span for span, _ in without_overlaps(chosen)}
            keep[first:last] = [span in left for span in spans]
    return keep
