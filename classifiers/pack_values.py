"""Packs made from packs: one profile, a selection, several merged; and the hash of what one means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec

from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Detector,
    Element,
    Keyword,
    Match,
    Pack,
    Pattern,
    Profile,
    Regex,
    Sit,
    Union,
)
from dlpagent.errors import ConfigurationError
from dlpagent.findings import PackRef


def as_profile(pack: Pack, profile: Profile) -> Pack:
    """The pack with only what the profile holds: strict drops everything marked as ours."""
    if profile == "extended":
        return replace(pack, profile=profile)
    elements = {name: _strict_element(element) for name, element in pack.elements.items()}
    sits = {}
    for ident, sit in pack.sits.items():
        patterns = tuple(
            replace(pattern, conditions=_strict_conditions(pattern.conditions))
            for pattern in sit.patterns
            if pattern.origin == "purview"
        )
        if sit.parity != "own":
            sits[ident] = replace(sit, patterns=patterns)
    return replace(pack, profile=profile, elements=elements, sits=sits)


def _strict_element(element: Element) -> Element:
    """What Purview publishes of an element; a list whose terms are all ours becomes a stub.

    It must stay, finding nothing: Purview asks for it, and a condition that is merely left out would
    let the pattern hold with less than Purview asks for.
    """
    if isinstance(element, Regex):
        kept = tuple(item for item in element.expressions if item.origin == "purview")
        return replace(element, expressions=kept, stub=element.stub or not kept)
    if isinstance(element, Keyword):
        groups = tuple(group for group in element.groups if group.origin == "purview")
        return replace(element, groups=groups, stub=element.stub or not groups)
    return element


def _strict_conditions(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """The conditions without those marked as ours; a group of which nothing is left goes with them."""
    kept: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, AnyOf):
            children = _strict_conditions(condition.children)
            if children or not condition.children:
                kept.append(replace(condition, children=children))
        elif condition.origin == "purview":
            kept.append(condition)
    return tuple(kept)


def select(pack: Pack, wanted: Callable[[Sit], bool]) -> Pack:
    """The pack with only the SITs wanted; elements stay, so references hold."""
    sits = {ident: sit for ident, sit in pack.sits.items() if wanted(sit)}
    return with_hash(replace(pack, sits=sits))


def merge(packs: Iterable[Pack]) -> Pack:
    """Several packs as one; a SIT or element of a later pack replaces one of the same id.

    Raises ConfigurationError when there are none.
    """
    items = list(packs)
    if not items:
        raise ConfigurationError(
            "no pack is named", expected="at least one", remedy="Name builtin."
        )
    merged = items[0]
    for pack in items[1:]:
        merged = replace(
            merged,
            ref=PackRef(
                f"{merged.ref.id}+{pack.ref.id}", f"{merged.ref.version}+{pack.ref.version}", ""
            ),
            name=f"{merged.name} + {pack.name}",
            sits={**merged.sits, **pack.sits},
            elements={**merged.elements, **pack.elements},
            filters={**merged.filters, **pack.filters},
        )
    return with_hash(merged)


def with_hash(pack: Pack) -> Pack:
    """The pack with PackRef.hash over its meaning: what can change a finding, nothing else."""
    meaning = (
        [
            (
                sit.id,
                sit.proximity,
                sit.value,
                sit.filters,
                [_pattern_meaning(pattern) for pattern in sit.patterns],
            )
            for _, sit in sorted(pack.sits.items())
        ],
        [(name, _element_meaning(item)) for name, item in sorted(pack.elements.items())],
        sorted(pack.filters.items()),
    )
    digest = hashlib.sha256(msgspec.json.encode(meaning, order="deterministic")).hexdigest()[:16]
    return replace(pack, ref=PackRef(pack.ref.id, pack.ref.version, digest))


def _element_meaning(element: Element) -> object:
    """What an element finds; how its terms are grouped and ordered does not matter."""
    if isinstance(element, Keyword):
        return sorted(
            {
                (group.match, term.text, term.case_sensitive)
                for group in element.groups
                for term in group.terms
            }
        )
    if isinstance(element, Union):
        return sorted(element.of)
    if isinstance(element, Detector):
        return (element.kind, sorted(element.params), element.digest)
    return (sorted(item.pattern for item in element.expressions), element.validators)


def _pattern_meaning(pattern: Pattern) -> object:
    return (
        pattern.confidence,
        pattern.primary,
        pattern.proximity,
        sorted(pattern.filters),
        sorted((condition_meaning(item) for item in pattern.conditions), key=repr),
    )


def condition_meaning(condition: Condition) -> object:
    """What a condition asks for; the order of its parts and whose addition it is do not matter."""
    if isinstance(condition, AnyOf):
        children = sorted((condition_meaning(child) for child in condition.children), key=repr)
        return (condition.min_matches, condition.max_matches, children)
    return (condition.ref, condition.min_count, condition.unique, condition.proximity)


def conditions_of(sit: Sit) -> Iterator[Match]:
    """Every Match of a SIT, however deep."""
    stack: list[Condition] = [cond for pattern in sit.patterns for cond in pattern.conditions]
    while stack:
        condition = stack.pop()
        if isinstance(condition, AnyOf):
            stack.extend(condition.children)
        else:
            yield condition
