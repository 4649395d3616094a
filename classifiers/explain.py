"""Why a SIT matched, or did not: every pattern at every primary match, condition by condition.

Purview shows none of this. A trace is built on demand from the reference evaluator's own functions,
so it cannot disagree with the findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import Read, not_by_model, read_all
from dlpagent.classifiers.detectors import NotLookedAt, note_seen
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.origins import hit_origin
from dlpagent.classifiers.reference import (
    Evidences,
    Span,
    counted,
    is_met,
    passes,
    supporting,
    window,
)
from dlpagent.classifiers.regex_syntax import RuleTimeout
from dlpagent.classifiers.sit import AnyOf, Condition, Detector, Keyword, Match, Pattern, Sit
from dlpagent.findings import level_of

MAX_TRACES = 50
MAX_SUPPORTS = 10


@dataclass(frozen=True, slots=True)
class SupportHit:
    """One supporting hit: place in the text (code points) or in its context.

    distance: code points from the primary match to the far edge of the hit; 0 in the context.
    term: the keyword as the text writes it, None for regexes (it could be a value). origin: ours when
    only a term or an expression of ours finds it.
    """

    start: int
    end: int
    distance: int
    in_context: bool
    term: str | None
    origin: str = "purview"


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """A condition at one primary match. nearest_distance: of the closest hit outside the window."""

    kind: str
    element: str
    met: bool
    needs: str
    count: int
    origin: str = "purview"
    window: Span | None = None
    hits: tuple[SupportHit, ...] = ()
    nearest_distance: int | None = None
    children: tuple[ConditionTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class PatternTrace:
    """A pattern at one primary match: whether it holds, and what is missing if it does not.

    note: what a detector says of the match (a score, a count), never a value. origin: whose pattern
    it is; match_origin: ours when only an expression or term of ours finds the primary match.
    """

    index: int
    confidence: int
    level: str
    primary: str
    origin: str
    holds: bool
    primary_found: bool
    filters: tuple[tuple[str, bool], ...]
    conditions: tuple[ConditionTrace, ...]
    missing: tuple[str, ...]
    note: str = ""
    match_origin: str = "purview"


@dataclass(frozen=True, slots=True)
class Trace:
    """A SIT at one place: the confidence it got (0: none) and every pattern that was tried.

    next_level says what would lift it to the next higher confidence; empty at the top.
    decoded: what was undone before it could be seen (dlpagent.classifiers.decoding); empty: nothing.
    """

    sit_id: str
    sit_name: str
    start: int
    end: int
    confidence: int
    pattern: int | None
    patterns: tuple[PatternTrace, ...]
    next_level: str
    decoded: tuple[str, ...] = ()
    parity: str = "structure"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All traces of a text, and the SITs that ran out of time."""

    traces: tuple[Trace, ...]
    incomplete: tuple[tuple[str, str], ...]
    truncated: bool = False


def explain(
    pack: CompiledPack, text: str, context: str = "", sits: Sequence[Sit] | None = None
) -> Explanation:
    """Trace the SITs (default: all of the pack) at every primary match in a text.

    A primary match that gives no finding is traced too: that is where a missed value is understood.
    """
    chosen = list((*pack.sits, *pack.detected) if sits is None else sits)
    reads, incomplete = read_all(pack, text, context, chosen)
    traces = [trace for read in reads for trace in _traces(pack, read, Subject.of(context), chosen)]
    traces.sort(key=lambda trace: (-trace.confidence, trace.start, trace.end, trace.sit_name))
    return Explanation(tuple(traces[:MAX_TRACES]), tuple(incomplete), len(traces) > MAX_TRACES)


def _traces(
    pack: CompiledPack, read: Read, context: Subject, sits: Sequence[Sit]
) -> Iterator[Trace]:
    """The traces of one reading; of a decoded one, only where something was decoded."""
    found = Evidences(pack, read.subject, context)
    kept = {(hit.sit_id, hit.start, hit.end): hit for hit in read.hits}
    for sit in sits if read.variant is None else not_by_model(pack, sits):
        try:
            for span in _primary_spans(sit, found):
                hit = kept.get((sit.id, *found.subject.original(*span)))
                decoded = read.decoded(span)
                if read.variant is None or hit or decoded:
                    trace = _trace(sit, span, found, hit.pattern if hit else None)
                    yield replace(trace, decoded=decoded)
        except (RuleTimeout, NotLookedAt):
            continue


def _primary_spans(sit: Sit, found: Evidences) -> list[Span]:
    return sorted({span for pattern in sit.patterns for span in found.spans(pattern.primary)})


def _trace(sit: Sit, span: Span, found: Evidences, held: int | None) -> Trace:
    patterns = tuple(_pattern(sit, index, span, found) for index in range(len(sit.patterns)))
    start, end = found.subject.original(*span)
    confidence = sit.patterns[held].confidence if held is not None else 0
    higher = sorted(
        (item for item in patterns if item.confidence > confidence and item.primary_found),
        key=lambda item: (item.confidence, len(item.missing)),
    )
    step = higher[0] if higher else None
    missing = "; ".join(step.missing) if step and step.missing else "a better match overlaps it"
    lift = f"{step.confidence} ({step.level}): {missing}" if step else ""
    return Trace(sit.id, sit.name, start, end, confidence, held, patterns, lift, parity=sit.parity)


def _pattern(sit: Sit, index: int, span: Span, found: Evidences) -> PatternTrace:
    pattern = sit.patterns[index]
    primary_found = span in found.spans(pattern.primary)
    filters = tuple(
        (name, passes(found.pack.filters[name], span, found))
        for name in (*sit.filters, *pattern.filters)
    )
    conditions = tuple(_condition(sit, pattern, item, span, found) for item in pattern.conditions)
    missing = [] if primary_found else [f"{pattern.primary} does not match here"]
    missing += [f"filter {name} drops it" for name, passed in filters if not passed]
    missing += [reason for item in conditions for reason in _missing(item)]
    return PatternTrace(
        index=index,
        confidence=pattern.confidence,
        level=level_of(pattern.confidence),
        primary=pattern.primary,
        origin=pattern.origin,
        holds=not missing,
        primary_found=primary_found,
        filters=filters,
        conditions=conditions,
        missing=tuple(missing),
        note=_note(pattern, span, found) if primary_found else "",
        match_origin=hit_origin(found.pack, pattern.primary, found.subject, span)
        if primary_found
        else "purview",
    )


def _note(pattern: Pattern, span: Span, found: Evidences) -> str:
    element = found.pack.pack.elements[pattern.primary]
    return note_seen(element, found.subject, span) if isinstance(element, Detector) else ""


def _condition(
    sit: Sit, pattern: Pattern, condition: Condition, span: Span, found: Evidences
) -> ConditionTrace:
    met = is_met(sit, pattern, condition, span, found)
    if isinstance(condition, AnyOf):
        children = tuple(_condition(sit, pattern, c, span, found) for c in condition.children)
        most = condition.max_matches
        needs = f"at least {condition.min_matches}" if most is None else (
            "none" if most == 0 else f"{condition.min_matches} to {most}"
        )  # fmt: skip
        names = ", ".join(child.element for child in children)
        count = sum(child.met for child in children)
        return ConditionTrace("any", names, met, f"{needs} of", count, children=children)
    return _match(sit, pattern, condition, span, found, met)


def _match(
    sit: Sit, pattern: Pattern, match: Match, span: Span, found: Evidences, met: bool
) -> ConditionTrace:
    support = supporting(sit, pattern, match, span, found)
    low, high = window(sit, pattern, match, span, len(found.subject.text))
    places = [(_distance(hit, span), hit, False) for hit in support.in_text]
    places += [(0, hit, True) for hit in support.in_context]
    places.sort(key=lambda place: place[0])
    hits = [
        _hit(found, match.ref, hit, distance, in_context=in_context)
        for distance, hit, in_context in places[:MAX_SUPPORTS]
    ]
    outside = [_distance(hit, span) for hit in found.spans(match.ref)] if not hits else []
    what = "distinct hits" if match.unique else "hits"
    return ConditionTrace(
        kind="match",
        element=match.ref,
        met=met,
        needs=f"at least {match.min_count} {what}",
        count=counted(support, match, found),
        origin=match.origin,
        window=found.subject.original(low, high) if high > low else (low, high),
        hits=tuple(hits),
        nearest_distance=min(outside, default=None),
    )


def _hit(
    found: Evidences, element: str, hit: Span, distance: int, *, in_context: bool
) -> SupportHit:
    subject = found.context if in_context else found.subject
    start, end = subject.original(*hit)
    is_keyword = isinstance(found.pack.pack.elements[element], Keyword)
    return SupportHit(
        start=start,
        end=end,
        distance=distance,
        in_context=in_context,
        term=subject.text[hit[0] : hit[1]] if is_keyword else None,
        origin=hit_origin(found.pack, element, subject, hit),
    )


def _distance(hit: Span, primary: Span) -> int:
    """How wide the window must be for the hit to lie in it."""
    return max(primary[0] - hit[0], hit[1] - primary[1], 0)


def _missing(condition: ConditionTrace) -> Iterator[str]:
    if condition.met:
        return
    if condition.kind == "any":
        if condition.needs.startswith("none"):
            present = ", ".join(child.element for child in condition.children if child.met)
            yield f"{present} must not be near"
        else:
            yield f"needs {condition.needs} {condition.element}; {condition.count} found"
        return
    near = condition.nearest_distance
    tail = f"; nearest is {near} characters away" if near is not None else "; none in the text"
    if condition.count:
        tail = f"; {condition.count} found"
    yield f"needs {condition.needs} of {condition.element}{tail}"
