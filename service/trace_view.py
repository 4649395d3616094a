"""Traces for people and for programs. Values are masked unless the caller shows them on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dlpagent.classifiers.explain import ConditionTrace, Explanation, PatternTrace, Trace
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import masked
from dlpagent.findings import level_of

# What is said of types of which nothing, or no pattern, is Purview's.
_PARITY = {
    "own": "not one of Purview's types",
    "format": "Purview publishes a name and a format; what finds it is ours",
}


def explanation_json(found: Explanation, pack: Pack, text: str) -> dict[str, Any]:
    """The traces as plain JSON values; a masked shape stands for each value."""
    return {
        "v": 1,
        "pack": {"id": pack.ref.id, "version": pack.ref.version},
        "traces": [
            {**trace.to_json(), "masked": _masked(trace, pack, text)} for trace in found.traces
        ],
        "incomplete": [{"sit_id": sit, "reason": reason} for sit, reason in found.incomplete],
        "truncated": found.truncated,
    }


def _masked(trace: Trace, pack: Pack, text: str) -> str:
    return masked(text[trace.start : trace.end], pack.sits[trace.sit_id].value)


def explanation_text(
    found: Explanation, pack: Pack, text: str, visible: str | None, *, everything: bool
) -> str:
    """The traces as a person reads them. visible: the text, when its values may be shown.

    everything: places without a finding, too.
    """
    lines: list[str] = []
    shown = [trace for trace in found.traces if everything or trace.confidence]
    for trace in shown:
        value = visible[trace.start : trace.end] if visible else _masked(trace, pack, text)
        lines += [*_trace(trace, value), ""]
    hidden = len(found.traces) - len(shown)
    if not shown:
        lines.append("Nothing found.")
    if hidden:
        lines.append(f"{hidden} place(s) look like a SIT and are not one; see them with --all.")
    for sit, reason in found.incomplete:
        name = pack.sits[sit].name if sit else "every type"
        lines.append(f"Incomplete: {name}: {reason}.")
    if found.truncated:
        lines.append("More places were found than are shown.")
    return "\n".join(lines) + "\n"


def why_of(trace: Trace) -> str:
    """In one line, what the pattern that decided stands on; no value is in it."""
    if trace.pattern is None:
        return ""
    pattern = next((one for one in trace.patterns if one.index == trace.pattern), None)
    if pattern is None:
        return ""
    told = [pattern.primary, *_supports(pattern.conditions)]
    return " with ".join(filter(None, (told[0], " and ".join(told[1:]))))


def _supports(conditions: Sequence[ConditionTrace]) -> Iterator[str]:
    for condition in conditions:
        if condition.children:
            yield from _supports(condition.children)
        elif condition.met and condition.hits:
            hit = condition.hits[0]
            place = "beside the text" if hit.in_context else f"{hit.distance} away"
            yield f"{_quoted(hit.term) or condition.element + ' '}{place}"


def _trace(trace: Trace, value: str) -> Iterator[str]:
    verdict = (
        f"confidence {trace.confidence} ({level_of(trace.confidence)})"
        if trace.confidence
        else "no finding"
    )
    yield f"{trace.sit_name}  {value}  at {trace.start}–{trace.end}: {verdict}"
    if trace.decoded:
        yield f"  decoded: {', '.join(trace.decoded)}"
    if trace.parity in _PARITY:
        yield f"  parity {trace.parity}: {_PARITY[trace.parity]}"
    for pattern in trace.patterns:
        if not pattern.primary_found and not pattern.holds:
            continue
        yield from _pattern(pattern, trace)
    if trace.next_level:
        yield f"  to reach {trace.next_level}"


def _pattern(pattern: PatternTrace, trace: Trace) -> Iterator[str]:
    chosen = pattern.index == trace.pattern
    mark = "=>" if chosen else "ok" if pattern.holds else "--"
    ours = _ours(pattern.origin)
    if not ours and pattern.match_origin == "ours" and trace.parity not in _PARITY:
        ours = " (by a term or format of ours)"
    note = f": {pattern.note}" if pattern.note else ""
    yield f"  {mark} {pattern.confidence} {pattern.level:<6} {pattern.primary} matches{ours}{note}"
    for name, passed in pattern.filters:
        yield f"       filter {name}: {'passed' if passed else 'drops it'}"
    for condition in pattern.conditions:
        yield from _condition(condition, "       ")


def _condition(condition: ConditionTrace, indent: str) -> Iterator[str]:
    mark = "met" if condition.met else "not met"
    if condition.kind == "any":
        yield f"{indent}{condition.needs}: {condition.count} hold ({mark})"
        for child in condition.children:
            yield from _condition(child, indent + "  ")
        return
    hits = ", ".join(
        f"{_quoted(hit.term)}{'beside the text' if hit.in_context else f'{hit.distance} away'}"
        f"{_ours(hit.origin)}"
        for hit in condition.hits[:3]
    )
    near = condition.nearest_distance
    if not hits:
        hits = f"nearest is {near} away" if near is not None else "not in the text"
    yield f"{indent}{condition.element}{_ours(condition.origin)}: {hits} ({mark})"


def _ours(origin: str) -> str:
    """The mark of what Purview does not publish."""
    return " (ours)" if origin == "ours" else ""


def _quoted(term: str | None) -> str:
    return f'"{term}" ' if term else ""
