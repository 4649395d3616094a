"""What a SIT leads to, worked out in one place."""

from __future__ import annotations

import pytest

from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.sit import (
    AnyOf,
    Element,
    Expression,
    Filter,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Union,
    elements_of,
    filter_refs,
    with_parts,
)
from dlpagent.findings import PackRef


def regex(name: str) -> Regex:
    return Regex(name, (Expression("x"),))


def union(name: str, *parts: str) -> Union:
    return Union(name, parts)


def pack(*elements: Element, filters: tuple[Filter, ...] = ()) -> Pack:
    return Pack(
        PackRef("p", "1", ""), "p", "p", "extended", {},
        {item.id: item for item in elements}, {item.id: item for item in filters},
    )  # fmt: skip


def sit(*patterns: Pattern, filters: tuple[str, ...] = ()) -> Sit:
    return Sit("s", "S", 1, "own", patterns, filters=filters)


NESTED = AnyOf((Match("c"), AnyOf((Match("d"), Match("a")))))


@pytest.mark.parametrize(
    ("asked", "elements", "expected"),
    [
        (sit(Pattern(75, "a")), (), ["a"]),
        (sit(Pattern(75, "a"), Pattern(85, "b", (Match("a"),))), (), ["a", "b"]),
        (sit(Pattern(75, "a", (Match("b"), NESTED))), (), ["a", "b", "c", "d"]),
        (
            sit(Pattern(75, "u"), Pattern(85, "b")),
            (union("u", "x", "y"), union("x", "z", "b")),
            ["u", "x", "z", "b", "y"],
        ),
        (sit(Pattern(75, "u")), (union("u", "v"), union("v", "u", "a")), ["u", "v", "a"]),
        (sit(Pattern(75, "a"), filters=("f",)), (), ["a", "in f"]),
        (sit(Pattern(75, "a", filters=("f", "g", "unknown"))), (), ["a", "in f"]),
    ],
)
def test_a_sit_leads_to_what_it_names_what_unions_hold_and_what_filters_ask(
    asked: Sit, elements: tuple[Element, ...], expected: list[str]
) -> None:
    filters = (Filter("f", "text_match", processor="in f"), Filter("g", "all_digits_same"))
    assert elements_of(pack(*elements, filters=filters), asked) == expected


def test_filters_are_those_of_the_sit_and_of_its_patterns_once() -> None:
    asked = sit(
        Pattern(75, "a", filters=("g", "f")), Pattern(85, "a", filters=("h",)), filters=("f",)
    )
    assert filter_refs(asked) == ["f", "g", "h"]


def test_parts_stand_behind_their_union() -> None:
    held = pack(union("u", "a", "b"), regex("a"))
    assert with_parts(held, ["c", "u", "b"]) == ["c", "u", "a", "b"]


def test_whatever_a_sit_of_the_pack_leads_to_is_there() -> None:
    held = builtin_pack()
    reached = {name for each in held.sits.values() for name in elements_of(held, each)}
    assert reached <= set(held.elements)
    assert len(reached) > 500
