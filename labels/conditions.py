"""Conditions of rules and auto-labels: what must have been found in an item, or what it carries.

A condition is a tree of All, AnyOf and Not over leaves. A leaf asks for one SIT, counted in unique
instances within a range of confidence (as Purview counts), or for a label the item already carries.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dlpagent.labels.stamps import Stamps
from dlpagent.violations import LabelRef, SitRef, Tally

# any: it carries a label we know; none: it carries none at all; unknown: one nobody can rank.
LabelState = Literal["any", "none", "unknown"]
LABEL_STATES: tuple[LabelState, ...] = ("any", "none", "unknown")


@dataclass(frozen=True, slots=True)
class SitCondition:
    """At least min_count and at most max_count (None: any number) unique instances of a SIT.

    Instances count whose confidence lies in min_confidence..max_confidence, ends included. A SIT
    that was not found never meets a condition, because min_count is at least 1.
    """

    sit: SitRef
    min_count: int = 1
    max_count: int | None = None
    min_confidence: int = 75
    max_confidence: int = 100

    def count(self, tally: Tally | None) -> int:
        """Unique instances that count."""
        return tally.unique(self.min_confidence, self.max_confidence) if tally else 0

    def holds(self, tally: Tally | None) -> bool:
        """Whether the count is in range."""
        return self.min_count <= self.count(tally) <= (self.max_count or sys.maxsize)


@dataclass(frozen=True, slots=True)
class LabelCondition:
    """The item carries one of these labels, or is in this state of being labelled."""

    labels: tuple[LabelRef, ...] = ()
    state: LabelState | None = None


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. Two of them cancel out, in words and meaning too."""

    part: Condition


Condition = SitCondition | LabelCondition | All | AnyOf | Not


class Found(NamedTuple):
    """Something that made a condition hold. sit_id is "" for a label."""

    sit_id: str
    label: str = ""
    leaf: SitCondition | None = None
    tally: Tally | None = None

    def text(self) -> str:
        """It in words: names, counts and confidence, never a value."""
        if self.leaf is None or self.tally is None:
            return self.label
        most = self.leaf.max_confidence
        top = max((conf for conf, _, _ in self.tally.counts if conf <= most), default=0)
        return f"{self.leaf.sit.name} ({self.leaf.count(self.tally)} unique, confidence {top})"


# Tried on the tallies of an item by SIT id and on the labels it carries: what made the condition
# hold, or None when it does not. What must be absent is not named, so () holds too.
Finder = Callable[[Mapping[str, Tally], Stamps], "tuple[Found, ...] | None"]


def finder(condition: Condition) -> Finder:
    """The condition as a function, made once and called for every item."""
    match condition:
        case SitCondition():
            return _any_finder((condition,))
        case LabelCondition():
            return _label_finder(condition)
        case Not(Not(part)):
            return finder(part)
        case Not(part):
            inner = finder(part)
            return lambda tallies, stamps: () if inner(tallies, stamps) is None else None
        case All(parts):
            return _all_finder([finder(part) for part in parts])
        case AnyOf(parts):
            return _any_finder(parts)


def _all_finder(finders: Sequence[Finder]) -> Finder:
    def find(tallies: Mapping[str, Tally], stamps: Stamps) -> tuple[Found, ...] | None:
        found: tuple[Found, ...] = ()
        for part in finders:
            more = part(tallies, stamps)
            if more is None:
                return None
            found += more
        return found

    return find


def _any_finder(parts: Iterable[Condition]) -> Finder:
    """Asks each found SIT for its leaves, not each leaf for its SIT: items hold few, rules many."""
    by_sit: dict[str, list[SitCondition]] = {}
    others: list[Finder] = []
    for part in parts:
        if isinstance(part, SitCondition):
            by_sit.setdefault(part.sit.id, []).append(part)
        else:
            others.append(finder(part))

    def find(tallies: Mapping[str, Tally], stamps: Stamps) -> tuple[Found, ...] | None:
        found: tuple[Found, ...] | None = None
        for sit_id, tally in tallies.items():
            for leaf in by_sit.get(sit_id, ()):
                if leaf.holds(tally):
                    found = (*(found or ()), Found(sit_id, leaf=leaf, tally=tally))
        for other in others:
            more = other(tallies, stamps)
            if more is not None:
                found = (found or ()) + more
        return found

    return find


def _label_finder(leaf: LabelCondition) -> Finder:
    wanted = {label.id for label in leaf.labels}

    def find(_: Mapping[str, Tally], stamps: Stamps) -> tuple[Found, ...] | None:
        if leaf.state == "none":
            return None if stamps.known or stamps.unknown else (Found("", "no label"),)
        if leaf.state == "unknown":
            text = f"labels this taxonomy does not know ({stamps.unknown_text()})"
            return (Found("", text),) if stamps.unknown else None
        refs = [stamp.label for stamp in stamps.known if stamp.label]
        named = [ref.name for ref in refs if leaf.state == "any" or ref.id in wanted]
        return tuple(Found("", f"the label {name}") for name in named) or None

    return find


def needed_sits(condition: Condition) -> frozenset[str] | None:
    """SITs of which at least one must be found for the condition to hold; None: it may without."""
    match condition:
        case SitCondition(sit):
            return frozenset({sit.id})
        case Not(Not(part)):
            return needed_sits(part)
        case All(parts):
            needs = [need for part in parts if (need := needed_sits(part)) is not None]
            return min(needs, key=len, default=None)
        case AnyOf(parts):
            each = [needed_sits(part) for part in parts]
            return frozenset().union(*(x for x in each if x)) if None not in each else None
        case _:
            return None


def distinct(found: Iterable[Found]) -> tuple[Found, ...]:
    """Each SIT and label once, by first mention."""
    kept: dict[str, Found] = {}
    for one in found:
        kept.setdefault(one.sit_id or one.label, one)
    return tuple(kept.values())


def in_words(found: Iterable[Found], limit: int = 4) -> str:
    """A list for a sentence, by name: "A (1 unique, confidence 85), B and 3 more"; "" for none."""
    texts = sorted(one.text() for one in found)
    if len(texts) == 1:
        return texts[0]
    if len(texts) > limit:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def meaning_of(condition: Condition) -> list[Any]:
    """The condition as JSON values without names and order: equal when it means the same."""
    match condition:
        case SitCondition(sit, min_count, max_count, min_confidence, max_confidence):
            return ["sit", sit.id, min_count, max_count or 0, min_confidence, max_confidence]
        case LabelCondition(labels, state):
            return ["label", state or "", sorted(label.id for label in labels)]
        case Not(Not(part)):
            return meaning_of(part)
        case Not(part):
            return ["not", meaning_of(part)]
        case All(parts):
            return ["and", *sorted(map(meaning_of, parts), key=json.dumps)]
        case AnyOf(parts):
            return ["or", *sorted(map(meaning_of, parts), key=json.dumps)]


def sits_of(condition: Condition) -> Iterable[SitRef]:
    """Every SIT the condition names, in its own order, repeats included."""
    match condition:
        case SitCondition(sit):
            yield sit
        case Not(part):
            yield from sits_of(part)
        case All(parts) | AnyOf(parts):
            for each in parts:
                yield from sits_of(each)
        case _:
            return
