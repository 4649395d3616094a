"""A SIT shown whole: patterns, elements, terms, proofs, and what in it is ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from dlpagent.classifiers.detectors import description_of
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Detector,
    Element,
    Keyword,
    Pack,
    Regex,
    Sit,
    elements_of,
)
from dlpagent.findings import level_of


def elements_in(pack: Pack, sit: Sit) -> dict[str, Element]:
    """The elements a SIT leads to, in the order they are named; those the pack lacks are left out."""
    named = elements_of(pack, sit)
    return {name: pack.elements[name] for name in named if name in pack.elements}


def sit_json(pack: Pack, sit: Sit) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "v": 1,
        "pack": {"id": pack.ref.id, "version": pack.ref.version},
        "sit": asdict(sit),
        "elements": {
            name: {"kind": type(item).__name__.lower(), **asdict(item)}
            for name, item in elements_in(pack, sit).items()
        },
    }


def sit_text(pack: Pack, sit: Sit) -> str:
    """As a person reads it."""
    return "\n".join(_lines(pack, sit)) + "\n"


def _lines(pack: Pack, sit: Sit) -> Iterator[str]:
    yield f"{sit.name}  {sit.id}"
    yield f"version {sit.version}, parity: {sit.parity}, file: {sit.file}"
    if sit.description:
        yield sit.description
    yield ""
    for pattern in sit.patterns:
        width = pattern.proximity or sit.proximity
        near = "anywhere in the part" if width == UNLIMITED else f"within {width} characters"
        ours = "  (ours)" if pattern.origin == "ours" else ""
        yield f"{pattern.confidence} {level_of(pattern.confidence)}: {pattern.primary}{ours}"
        for condition in pattern.conditions:
            yield from _condition(condition, f"  {near}: ")
    yield ""
    for name, element in elements_in(pack, sit).items():
        yield from _element(name, element)
    yield ""
    yield f"{len(sit.examples)} examples, {len(sit.near_misses)} near misses"
    yield from (f"  see {item}" for item in sit.references)


def _condition(condition: Condition, lead: str) -> Iterator[str]:
    if isinstance(condition, AnyOf):
        most = condition.max_matches
        how = (
            "none of"
            if most == 0
            else f"at least {condition.min_matches} of"
            if most is None
            else f"{condition.min_matches} to {most} of"
        )
        yield lead + how
        for child in condition.children:
            yield from _condition(child, " " * len(lead) + "- ")
        return
    count = f", {condition.min_count} {'distinct ' if condition.unique else ''}hits" if (
        condition.min_count != 1 or condition.unique
    ) else ""  # fmt: skip
    near = f", within {condition.proximity}" if condition.proximity else ""
    ours = "  (ours)" if condition.origin == "ours" else ""
    yield f"{lead}{condition.ref}{count}{near}{ours}"


def _element(name: str, element: Element) -> Iterator[str]:
    if isinstance(element, Regex):
        checks = ", ".join(spec.name for spec in element.validators)
        yield f"{name}: regex" + (f", checked by {checks}" if checks else "")
        for item in element.expressions:
            yield f"    {item.pattern}" + ("  (ours)" if item.origin == "ours" else "")
    elif isinstance(element, Keyword):
        if element.stub:
            yield f"{name}: external dictionary, terms not at hand; it finds nothing"
        for group in element.groups:
            ours = ", ours" if group.origin == "ours" else ""
            terms = ", ".join(term.text for term in group.terms)
            yield f"{name}: {len(group.terms)} terms ({group.match}{ours}): {terms}"
    elif isinstance(element, Detector):
        params = ", ".join(f"{key} {value}" for key, value in element.params)
        yield f"{name}: detector {element.kind}" + (f", {params}" if params else "")
        yield from (f"    {line}" for line in description_of(element))
    else:
        yield f"{name}: any of {', '.join(element.of)}"
