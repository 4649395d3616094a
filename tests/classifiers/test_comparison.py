"""Findings of two packs in one text are paired one to one; what is alone is new or lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.comparison import Tally, compare, tallies
from dlpagent.classifiers.evaluation import Document, Span
from dlpagent.classifiers.evaluation_matching import Names, TypeMap

TYPES = TypeMap(Names({"LABEL": "A"}), Names({"Name of a": "A"}))
NAMES = {"a": "Name of a", "b": "Name of b"}
TEXT = Document("1", "src", "0123456789" * 3, (Span(0, 4, "LABEL"),), where="f:1")


def a(start: int, end: int, confidence: int) -> Span:
    return Span(start, end, "a", confidence)


def outcomes(before, after, document=TEXT, **more):  # type: ignore[no-untyped-def]
    found = compare([document], {"1": before}, {"1": after}, NAMES, TYPES, **more)
    return [(item.kind, item.start, item.end, item.before, item.after, item.right)
            for item in found]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [a(0, 4, 85)], [("new", 0, 4, 0, 85, True)]),
        ([a(8, 9, 65)], [], [("lost", 8, 9, 65, 0, False)]),
        ([a(0, 4, 85)], [a(0, 4, 85)], [("same", 0, 4, 85, 85, True)]),
        ([a(0, 4, 76)], [a(0, 4, 100)], [("same", 0, 4, 76, 100, True)]),
        ([a(0, 4, 75)], [a(0, 4, 76)], [("level changed", 0, 4, 75, 76, True)]),
        ([a(0, 4, 85)], [a(1, 6, 85)], [("same", 1, 6, 85, 85, True)]),
        ([a(0, 4, 85)], [a(4, 8, 85)],
         [("lost", 0, 4, 85, 0, True), ("new", 4, 8, 0, 85, False)]),
        ([a(0, 9, 85)], [a(0, 4, 85), a(5, 9, 85)],
         [("same", 0, 4, 85, 85, True), ("new", 5, 9, 0, 85, False)]),
    ],
)  # fmt: skip
def test_findings_are_paired_by_place(before, after, expected) -> None:  # type: ignore[no-untyped-def]
    assert outcomes(before, after) == expected


def test_types_do_not_answer_for_each_other() -> None:
    kinds = [item[0] for item in outcomes([a(0, 4, 85)], [Span(0, 4, "b", 85)])]
    assert sorted(kinds) == ["lost", "new"]


@pytest.mark.parametrize("unsure", [("1", "a"), ("1", "")])
def test_where_a_type_could_not_be_looked_for_nothing_is_compared(
    unsure: tuple[str, str],
) -> None:
    assert outcomes([], [a(0, 4, 85)], unsure=[unsure])[0][0] == "incomparable"
    assert outcomes([], [a(0, 4, 85)], unsure=[("2", ""), ("1", "b")])[0][0] == "new"


@pytest.mark.parametrize(
    ("document", "more", "right"),
    [
        (TEXT, {}, True),
        (TEXT, {"labelled": {"src": ["OTHER"]}}, None),
        (TEXT, {"labelled": {"src": ["LABEL"]}}, True),
        (Document("1", "src", "x" * 9, is_labelled=False), {}, None),
        (Document("1", "src", "x" * 9, is_negative=True), {}, False),
        (Document("1", "src", "x" * 9, is_negative=True, allowed=frozenset({"LABEL"})), {}, True),
        (Document("1", "src", "x" * 9, is_judged=True), {}, None),
        (Document("1", "src", "x" * 9, decoys=(Span(1, 2, "A"),), is_judged=True), {}, False),
    ],
)
def test_right_and_wrong_are_said_only_where_somebody_looked(document, more, right) -> None:  # type: ignore[no-untyped-def]
    assert outcomes([], [a(0, 4, 85)], document, **more)[0][5] is right


def test_counts_are_by_type_and_source_with_what_was_right() -> None:
    found = compare(
        [TEXT], {"1": [a(0, 4, 85)]}, {"1": [a(9, 12, 85)]}, NAMES, TYPES
    )  # fmt: skip
    assert tallies(found) == {("a", "src"): Tally(new=1, new_wrong=1, lost=1, lost_right=1)}


span = st.builds(
    lambda start, length, kind, conf: Span(start, start + length, kind, conf),
    st.integers(0, 20), st.integers(1, 5), st.sampled_from("ab"), st.sampled_from([65, 75, 85]),
)  # fmt: skip
found = st.lists(span, max_size=8, unique_by=lambda item: (item.start, item.end, item.type))


@given(found, found)
def test_every_finding_is_told_once_and_the_two_ways_round_mirror_each_other(
    before: list[Span], after: list[Span]
) -> None:
    told = outcomes(before, after)
    assert sum(item[3] > 0 for item in told) == len(before)
    assert sum(item[4] > 0 for item in told) == len(after)
    assert outcomes(before, before) == [x for x in outcomes(before, before) if x[0] == "same"]


@given(found)
def test_nothing_changes_when_nothing_changes(spans: list[Span]) -> None:
    assert {item[0] for item in outcomes(spans, spans)} <= {"same"}
