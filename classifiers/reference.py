"""The reference evaluator: what Purview's documentation says a SIT means, as plainly as we can.

This is the specification in code. Every other engine must give exactly what this one gives. The
choices where Purview's documentation is silent stand in docs/sits.md, each with its test:

* A supporting hit counts when it lies wholly inside [start - proximity, end + proximity) of the
  primary match, in code points of the matched text (invisible characters removed).
* Of a SIT's matches at the same place the highest confidence holds; of overlapping ones the higher
  confidence, then the earlier, then the longer.
* Hits in a part's context (column heading, JSON key) lie at distance 0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detectors import NotLookedAt
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regex_syntax import RuleTimeout
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Direction,
    Filter,
    Match,
    Pattern,
    Sit,
    Union,
)

MAX_FINDINGS_PER_SIT = 100_000
"""Findings kept of one SIT in one part; more are cut off with the mark *truncated*."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """A SIT found in a text: place in the original text, confidence, which pattern held.

    value is the matched text after folding: for evidence only, it must not leave the process.
    """

    sit_id: str
    start: int
    end: int
    confidence: int
    pattern: int
    value: str = field(repr=False)


@dataclass(slots=True)
class Evaluation:
    """Everything found in one text, and what could not be looked for: (SIT id, reason)."""

    hits: list[Hit] = field(default_factory=list)
    incomplete: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Evidences:
    """The hits of elements in one part, looked for when first asked and kept."""

    pack: CompiledPack
    subject: Subject
    context: Subject
    primaries: Set[str] | None = None
    _spans: dict[str, list[Span]] = field(default_factory=dict)
    _primary: dict[str, list[Span]] = field(default_factory=dict)
    _starts: dict[str, list[int]] = field(default_factory=dict)
    _context: dict[str, list[Span]] = field(default_factory=dict)

    def spans(self, element: str) -> list[Span]:
        """Hits in the text, by start; they may overlap for keywords. Raises RuleTimeout."""
        if element not in self._spans:
            self.give(element, self.pack.find(element, self.subject))
        return self._spans[element]

    def give(self, element: str, spans: list[Span]) -> None:
        """Hits already known, by start: what a detector saw when it looked at many texts at once."""
        self._spans[element] = spans
        self._starts[element] = [start for start, _ in spans]

    def primary_spans(self, element: str) -> list[Span]:
        """Hits of a primary element. With `primaries` given, others are known to have none."""
        if self.primaries is None:
            return self.spans(element)
        known = self._primary.get(element)
        if known is None:
            known = self._primary[element] = self._left_over(element, self.primaries)
        return known

    def _left_over(self, element: str, primaries: Set[str]) -> list[Span]:
        inside = self.pack.pack.elements[element]
        if isinstance(inside, Union):
            return sorted({span for part in inside.of for span in self.primary_spans(part)})
        return self.spans(element) if element in primaries else []

    def in_context(self, element: str) -> list[Span]:
        """Hits in the context."""
        if not self.context.text:
            return []
        if element not in self._context:
            self._context[element] = self.pack.find(element, self.context)
        return self._context[element]

    def near(self, element: str, low: int, high: int) -> list[Span]:
        """Hits that lie wholly inside [low, high) of the text."""
        spans = self.spans(element)
        starts = self._starts[element]
        first, last = bisect_left(starts, low), bisect_right(starts, high)
        return [span for span in spans[first:last] if span[1] <= high]


def evaluate(
    pack: CompiledPack,
    text: str,
    context: str = "",
    sits: Sequence[Sit] | None = None,
    primaries: Set[str] | None = None,
) -> Evaluation:
    """Find the pack's SITs (or those given) in one text. Offsets are code points of that text.

    primaries: what a faster engine has left over: the only regex and keyword elements that can give
    a finding as a primary in this text. None: any.
    """
    found = Evidences(pack, Subject.of(text), Subject.of(context), primaries)
    return evaluate_in(found, pack.sits if sits is None else sits)


def evaluate_in(found: Evidences, sits: Sequence[Sit]) -> Evaluation:
    """Find SITs in a text of which some elements' hits may be known already."""
    result = Evaluation()
    for sit in sits:
        try:
            result.hits.extend(_sit_hits(sit, found, result))
        except RuleTimeout:
            result.incomplete.append((sit.id, "a rule ran out of time"))
        except NotLookedAt as reason:
            result.incomplete.append((sit.id, str(reason)))
    result.hits.sort(key=lambda hit: (hit.start, hit.end, hit.sit_id))
    return result


def _sit_hits(sit: Sit, found: Evidences, result: Evaluation) -> Iterator[Hit]:
    candidates = dict(_candidates(sit, found))
    kept = without_overlaps(candidates)
    if len(kept) > MAX_FINDINGS_PER_SIT:
        result.incomplete.append((sit.id, f"truncated: more than {MAX_FINDINGS_PER_SIT} matches"))
    for (start, end), (confidence, index) in kept[:MAX_FINDINGS_PER_SIT]:
        first, last = found.subject.original(start, end)
        yield Hit(sit.id, first, last, confidence, index, found.subject.text[start:end])


def _candidates(sit: Sit, found: Evidences) -> Iterator[tuple[Span, tuple[int, int]]]:
    """Every primary match with the best pattern that holds there: span → (confidence, index)."""
    best: dict[Span, tuple[int, int]] = {}
    order = sorted(enumerate(sit.patterns), key=lambda item: (-item[1].confidence, item[0]))
    for index, pattern in order:
        for span in found.primary_spans(pattern.primary):
            if span not in best and holds(sit, pattern, span, found):
                best[span] = (pattern.confidence, index)
    yield from best.items()


def holds(sit: Sit, pattern: Pattern, span: Span, found: Evidences) -> bool:
    """Whether a pattern holds at a primary match: its filters pass and every condition is met."""
    filters = [found.pack.filters[name] for name in (*sit.filters, *pattern.filters)]
    return all(passes(item, span, found) for item in filters) and all(
        is_met(sit, pattern, condition, span, found) for condition in pattern.conditions
    )


def is_met(sit: Sit, pattern: Pattern, condition: Condition, span: Span, found: Evidences) -> bool:
    """Whether a condition is met around a primary match. Any counts satisfied children, not hits."""
    if isinstance(condition, AnyOf):
        met = sum(is_met(sit, pattern, child, span, found) for child in condition.children)
        return condition.min_matches <= met and (
            condition.max_matches is None or met <= condition.max_matches
        )
    return counted(supporting(sit, pattern, condition, span, found), condition, found) >= (
        condition.min_count
    )


@dataclass(frozen=True, slots=True)
class Support:
    """The hits of one supporting element near a primary match, in the text and in its context."""

    in_text: list[Span]
    in_context: list[Span]


def supporting(sit: Sit, pattern: Pattern, match: Match, span: Span, found: Evidences) -> Support:
    """The supporting hits inside the window. Its width: of the Match, else Pattern, else SIT."""
    low, high = window(sit, pattern, match, span, len(found.subject.text))
    return Support(found.near(match.ref, low, high), found.in_context(match.ref))


def window(sit: Sit, pattern: Pattern, match: Match, span: Span, length: int) -> Span:
    """The half-open range in which a supporting hit must lie."""
    width = match.proximity or pattern.proximity or sit.proximity
    if width == UNLIMITED:
        return 0, length
    return max(0, span[0] - width), min(length, span[1] + width)


def counted(support: Support, match: Match, found: Evidences) -> int:
    """Hits, or distinct texts of hits when the Match asks for unique results."""
    if not match.unique:
        return len(support.in_text) + len(support.in_context)
    low, context = found.subject.low, found.context.low
    return len(
        {low[start:end] for start, end in support.in_text}
        | {context[start:end] for start, end in support.in_context}
    )


def passes(item: Filter, span: Span, found: Evidences) -> bool:
    """Whether a primary match passes a filter."""
    text = found.subject.text
    value = text[span[0] : span[1]]
    if item.kind == "all_digits_same":
        digits = {char for char in value if char.isdigit()}
        return len(digits) != 1
    spans = found.spans(item.processor)
    start, end = span
    hit = any(
        _agrees(item.direction, text, span, other)
        for other in spans
        if other[0] <= end + 1 and other[1] >= start - 1
    )
    return hit if item.logic == "include" else not hit


def _agrees(direction: Direction, text: str, primary: Span, other: Span) -> bool:
    """Whether a hit of the filter's element stands where the direction says."""
    start, end = primary
    first, last = other
    if direction == "full":
        return other == primary
    if direction == "starts_with":
        return first == start and last <= end
    if direction == "ends_with":
        return last == end and first >= start
    if direction == "prefix":
        return last <= start and not text[last:start].strip()
    return first >= end and not text[end:first].strip()


def without_overlaps(
    candidates: Mapping[Span, tuple[int, int]],
) -> list[tuple[Span, tuple[int, int]]]:
    """The best of overlapping matches: higher confidence, then earlier, then longer; by start."""
    order = sorted(candidates.items(), key=lambda item: (-item[1][0], item[0][0], -item[0][1]))
    starts: list[int] = []
    ends: list[int] = []
    kept = []
    for span, value in order:
        place = bisect_right(starts, span[0])
        if (place and ends[place - 1] > span[0]) or (
            place < len(starts) and starts[place] < span[1]
        ):
            continue
        starts.insert(place, span[0])
        ends.insert(place, span[1])
        kept.append((span, value))
    return sorted(kept)
