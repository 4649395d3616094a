"""Which findings decide about which place."""

from __future__ import annotations

from typing import Any

import pytest

from dlpagent.service.redact.operators import Stretch
from dlpagent.service.redact.rewriting import Edit, Match, Text, apply, merged, outside

CARD, MAIL = (f"00000000-0000-4000-8000-0000000000{end}" for end in ("aa", "bb"))


def match(start: int, end: int, sit: str, confidence: int) -> Match:
    """A match without a key."""
    return Match(start, end, sit, confidence, "")


@pytest.mark.parametrize(
    ("matches", "regions"),
    [
        ([], []),
        ([match(0, 4, "a", 65), match(4, 8, "b", 85)], [(0, 4, "a"), (4, 8, "b")]),
        ([match(0, 4, "a", 65), match(3, 8, "b", 85)], [(0, 8, "b")]),
        ([match(0, 9, "a", 65), match(3, 5, "b", 85)], [(0, 9, "b")]),
        ([match(0, 4, "a", 75), match(0, 9, "b", 75)], [(0, 9, "b")]),
        ([match(0, 4, "a", 85), match(3, 8, "b", 75), match(7, 9, "c", 65)], [(0, 9, "a")]),
    ],
)
def test_matches_that_overlap_are_one_place_and_the_surest_decides(
    matches: list[Match], regions: list[tuple[int, int, str]]
) -> None:
    assert [(start, end, sure.sit) for start, end, sure in merged(matches)] == regions


def test_marks_inside_of_a_place_are_left_out() -> None:
    own = [Stretch(0, 2), Stretch(4, 6), Stretch(8, 12)]
    assert list(outside(1, 9, own)) == [(2, 4), (6, 8)]
    assert list(outside(4, 6, own)) == []
    assert list(outside(2, 4, own)) == [(2, 4)]


def test_edits_are_made_at_the_places_of_the_first_text() -> None:
    assert apply("é😀abc", [Edit(0, 1, "xx"), Edit(2, 4, "")]) == "xx😀c"


def test_types_have_operators_of_their_own_and_confidence_a_floor(kit: Any) -> None:
    text = Text("ann@x.com 4111 1111 1111 1111")
    (found,) = kit.redactor("keep", {MAIL: "mask"}).rewrite([text])
    assert apply(text.text, found.edits) == "***@*.*** 4111 1111 1111 1111"
    (found,) = kit.redactor("mask", min_confidence=75).rewrite([text])
    assert apply(text.text, found.edits) == "***@*.*** 4111 1111 1111 1111"
    (found,) = kit.redactor("mask", min_confidence=75).rewrite([text._replace(context="card")])
    assert apply(text.text, found.edits) == "***@*.*** **** **** **** 1111"


def test_a_value_dressed_up_as_a_token_is_redacted(kit: Any) -> None:
    text = "[X_0123456789ABCDEF] [CARD_4111111111111111] 4111 1111 1111 1111"
    (found,) = kit.redactor("token").rewrite([Text(text)])
    assert "4111 1111" not in apply(text, found.edits)
