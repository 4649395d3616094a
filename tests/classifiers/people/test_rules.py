"""Names by rules alone: what is found, where it begins and ends, what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.people.rules import candidates

ACCEPTED = 0.55


def found(text: str) -> list[str]:
    return [text[item.start : item.end] for item in candidates(text) if item.score >= ACCEPTED]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I met Maria Gonzalez there.", ["Maria Gonzalez"]),
        ("Ask Dr. Quennell about it.", ["Quennell"]),
        ("Mr. J. R. Ottley signed.", ["J. R. Ottley"]),
        ("Name: Ubul Trivo", ["Ubul Trivo"]),
        ("Ludwig van der Berg called.", ["Ludwig van der Berg"]),
        ("That was Anna's house, not Peter's.", ["Anna", "Peter"]),
        ("my name is borna jerković", ["borna jerković"]),
        ("they had 3: pamela, donna and brian", ["pamela", "donna", "brian"]),
        ("Henrik K. Solberg\nBirkelunden 12\n0558 Oslo", ["Henrik K. Solberg"]),
        ("Trivo: Are you coming?", []),
        ("Jennifer: Are you coming?", ["Jennifer"]),
        ("Glyceria is very kind to us.", ["Glyceria"]),
        ("Vide, can I please speak to you?", ["Vide"]),
        ("mail to selma nyberg and wait", ["selma nyberg"]),
        ("we spoke with Zhou Xiuqin", ["Zhou Xiuqin"]),
    ],
)  # fmt: skip
def test_names_are_found_without_what_stands_beside_them(text: str, names: list[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "The Conference Room is on the second floor.",
        "We live at 14 Goldsmith Street in New York.",
        "Lindenstrasse 42, Berlin",
        "The Maria Foundation and the Thomas Group merged.",
        "may the rose and the lily grow",
        "Traffic on Monday, Tuesday and Friday was light.",
        "write to LauraPalmerson@example.org",
        "from itertools import chain; class Table(Base):",
        "",
    ],
)
def test_what_is_no_person_is_left_alone(text: str) -> None:
    assert found(text) == []


@given(st.text(max_size=200))
def test_candidates_lie_inside_the_text_and_have_a_share_as_score(text: str) -> None:
    for item in candidates(text):
        assert 0 <= item.start < item.end <= len(text)
        assert 0 < item.score <= 1
