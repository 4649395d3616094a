"""Which words are names, and which only look like some."""

from __future__ import annotations

import pytest

from dlpagent.classifiers.people.lexicon import folded, lexicon

WORDS = lexicon()


@pytest.mark.parametrize("word", ["Maria", "jürgen", "SØREN", "Łukasz", "Anne-Marie", "Xiaoming"])
def test_a_given_name_is_known_in_any_case_and_with_accents(word: str) -> None:
    assert WORDS.is_given(word)


@pytest.mark.parametrize("word", ["May", "Will", "Mark", "Hope", "April", "Bill"])
def test_a_name_that_is_an_everyday_word_may_be_one_but_is_none_alone(word: str) -> None:
    assert WORDS.may_be_given(word)
    assert not WORDS.is_given(word)


@pytest.mark.parametrize(
    "word",
    [
        "Johnson",
        "Müller",
        "Kowalska",
        "Guðmundsdóttir",
        "Tkachenko",
        "Papadakis",
        "O'Hara",
        "Zelinović",
    ],
)
def test_a_family_name_is_known_by_the_lists_or_by_its_ending(word: str) -> None:
    assert WORDS.is_family(word)


@pytest.mark.parametrize("word", ["Music", "Traffic", "Norwegian", "Table", "Shelter", "Invoice"])
def test_an_everyday_word_is_no_family_name_whatever_its_ending(word: str) -> None:
    assert not WORDS.is_family(word)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("Zhou", "Xiuqin", True),
        ("Ma", "Jianguo", True),
        ("Zhou", "Street", False),
        ("Table", "Xiuqin", False),
    ],
)
def test_a_chinese_name_is_a_family_name_and_syllables(
    first: str, second: str, wanted: bool
) -> None:
    assert WORDS.is_chinese(first, second) is wanted


def test_places_things_and_streets_are_told_apart() -> None:
    assert WORDS.is_place("Norway")
    assert WORDS.is_thing("Orchestra")
    assert WORDS.is_street("Lindenstrasse")
    assert not WORDS.is_street("Strasse")


@pytest.mark.parametrize(
    ("word", "plain"), [("Ærø", "aero"), ("Straße", "strasse"), ("Iñaki", "inaki")]
)
def test_folding_leaves_plain_small_letters(word: str, plain: str) -> None:
    assert folded(word) == plain
