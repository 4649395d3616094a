"""Results of an analyzer made ready to be replaced: overlapping ones merged or dropped.

The rules are Presidio's: results of one type that share characters become one; a result inside
another is dropped, of equal ones the less sure; neighbours of one type with blanks between join.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlpagent.service.http.presidio_errors import PresidioError

_NAMES: Mapping[type, str] = {
    str: "string", bool: "boolean", int: "number", list: "array", object: "object",
}  # fmt: skip
_BLANKS = re.compile(" +")


@dataclass(slots=True)
class Span:
    """A place of an entity; start and end are code points, half-open."""

    entity: str
    start: int
    end: int
    score: Any = None


def invalid(message: str) -> PresidioError:
    """Presidio's InvalidParamError."""
    return PresidioError(422, message)


def check_type(value: object, name: str, expected: type) -> None:
    """Raises PresidioError for a value that is there and of another type."""
    if value and not isinstance(value, expected):
        wanted, given = _NAMES.get(expected), _NAMES.get(type(value))
        if wanted and given:
            raise invalid(
                f"Invalid parameter value for {name}. Expecting '{wanted}', but got '{given}'."
            )
        raise invalid(f"Invalid parameter value for '{name}'.")


def span_of(given: object, *, scored: bool) -> Span:
    """A result of a request, checked in Presidio's order. Raises PresidioError."""
    if not isinstance(given, dict):
        raise PresidioError(500, "Internal server error")
    start, end, entity = given.get("start"), given.get("end"), given.get("entity_type")
    for name, value in (("start", start), ("end", end)):
        if value is None:
            raise invalid(f"Invalid input, result must contain {name}")
        check_type(value, name, int)
    if not entity:
        raise invalid("Invalid input, result must contain entity_type")
    if not isinstance(start, int) or not isinstance(end, int):  # falsy and of another type
        raise PresidioError(500, "Internal server error")
    if start < 0 or end < 0:
        raise invalid("Invalid input, result start and end must be positive")
    if start > end:
        raise invalid(
            f"Invalid input, start index '{start}' must be smaller than end index '{end}'"
        )
    score = given.get("score")
    if scored and score is None:
        raise invalid("Invalid input, analyzer result must contain score")
    if not isinstance(entity, str) or (scored and not isinstance(score, int | float)):
        raise PresidioError(500, "Internal server error")
    return Span(entity, start, end, score)


def settled(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans to be replaced, in order."""
    ordered = sorted(
        (Span(each.entity, each.start, each.end, each.score) for each in spans),
        key=lambda each: (each.start, each.end),
    )
    return _joined(text, _outermost(_merged(ordered)))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """One for all of a type that share characters; in the place of the last of them."""
    last: dict[str, tuple[int, Span]] = {}
    kept: list[tuple[int, Span]] = []
    for place, span in enumerate(spans):
        known = last.get(span.entity)
        if known is not None and min(known[1].end, span.end) > span.start:
            before = known[1]
            before.end = max(before.end, span.end)
            before.score = max(before.score, span.score)
            last[span.entity] = (place, before)
            continue
        if known is not None:
            kept.append(known)
        last[span.entity] = (place, span)
    kept += last.values()
    return [span for _, span in sorted(kept, key=lambda each: each[0])]


def _outermost(spans: Sequence[Span]) -> list[Span]:
    """Without those that lie in another; of equal ones the surest stays, the last on a tie."""
    order = sorted(
        range(len(spans)),
        key=lambda at: (spans[at].start, -spans[at].end, -spans[at].score, -at),
    )
    kept: list[int] = []
    reached = -1
    for at in order:
        if spans[at].end > reached:
            kept.append(at)
            reached = spans[at].end
    return [spans[at] for at in sorted(kept)]


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.entity == span.entity
            and _BLANKS.fullmatch(text[before.end : span.start])
        ):
            span.start = before.start
            joined.pop()
        joined.append(span)
    return joined
