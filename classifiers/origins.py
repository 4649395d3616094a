"""Whose it is: what Purview publishes of a type, and what we added to it.

Patterns, conditions, groups of terms and expressions carry their origin; here it is worked out for
what was found with them, and for elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from dlpagent.classifiers.compiled import CompiledPack, keyword_finder, regex_finder
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Detector,
    Keyword,
    Origin,
    Pack,
    Regex,
    Union,
    with_parts,
)

Span = tuple[int, int]


def hit_origin(pack: CompiledPack, name: str, subject: Subject, span: Span) -> Origin:
    """Whose part of an element finds a place: ours only when what Purview publishes does not."""
    element = pack.pack.elements[name]
    if isinstance(element, Detector):
        return element.origin
    if isinstance(element, Union):
        origins = {
            hit_origin(pack, part, subject, span)
            for part in element.of
            if span in pack.find(part, subject)
        }
        return "ours" if origins == {"ours"} else "purview"
    published = of_origin(element, "purview")
    if published == element:
        return "purview"
    if published is None or span not in _finder(published)(subject):
        return "ours"
    return "purview"


def of_origin(element: Keyword | Regex, origin: Origin) -> Keyword | Regex | None:
    """What of an element is of an origin; None when nothing is."""
    if isinstance(element, Keyword):
        groups = tuple(group for group in element.groups if group.origin == origin)
        return replace(element, groups=groups) if groups else None
    expressions = tuple(item for item in element.expressions if item.origin == origin)
    return replace(element, expressions=expressions) if expressions else None


@lru_cache(maxsize=256)
def _finder(element: Keyword | Regex) -> Callable[[Subject], list[Span]]:
    return keyword_finder(element) if isinstance(element, Keyword) else regex_finder(element)


def added_elements(pack: Pack) -> frozenset[str]:
    """Elements that only our patterns and conditions of Purview's types name."""
    added: set[str] = set()
    published: set[str] = set()
    for sit in pack.sits.values():
        for pattern in sit.patterns:
            ours = pattern.origin == "ours" and sit.parity != "own"
            (added if ours else published).add(pattern.primary)
            for ref, origin in _refs(pattern.conditions):
                is_added = ours or (origin == "ours" and sit.parity != "own")
                (added if is_added else published).add(ref)
    return frozenset(set(with_parts(pack, added)) - set(with_parts(pack, published)))


def _refs(conditions: tuple[Condition, ...]) -> Iterator[tuple[str, Origin]]:
    for condition in conditions:
        if isinstance(condition, AnyOf):
            yield from _refs(condition.children)
        else:
            yield condition.ref, condition.origin
