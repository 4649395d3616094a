"""How values and texts are made comparable: what counts, what does not, where a value may begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.edm_schema import Field
from dlpagent.classifiers.edm_words import (
    Column,
    Extent,
    Words,
    normal,
    word_list,
    words_of,
    written,
)
from dlpagent.classifiers.normalise import Subject

EXACT, LOOSE = Field("A"), Field("B", case_insensitive=True, ignored_delimiters="-, ")


@pytest.mark.parametrize(
    ("value", "exact", "loose"),
    [
        ("Ab-12", "Ab-12", "ab12"),
        ("Ab  12\n3", "Ab 12 3", "ab123"),
        ("(555) 123-4567", "555) 123-4567", "555)1234567"),
        ("St. John's Inc.", "St. John's Inc", "st.john'sinc"),
        ("***", "", ""),
        ("", "", ""),
        ("Straße", "Straße", "strasse"),
        ("e\u0301t\u00e9", "été", "été"),
        ("１２３", "123", "123"),
        ("x²", "x2", "x2"),
        ("a_b", "a_b", "a_b"),
    ],
)
def test_a_value_is_compared_as_a_whole(value: str, exact: str, loose: str) -> None:
    assert normal(written(value), EXACT) == exact
    assert normal(written(value), LOOSE) == loose


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one two-three_four", ["one", "two", "three", "four"]),
        ("", []),
        ("  …  ", []),
        ("Łódź e\u0301te", ["Łódź", "e\u0301te"]),
        ("见王小明先生 ok", ["见", "王", "小", "明", "先", "生", "ok"]),
        ("O'Brien", ["O", "Brien"]),
    ],
)
def test_words_are_runs_of_letters_and_digits_and_single_signs(text: str, words: list[str]) -> None:
    assert word_list(text) == words
    assert [text[start:end] for start, end in words_of(text)] == words


def extent_of(values: list[str], field: Field) -> Extent:
    kept = [written(value) for value in values if normal(written(value), field)]
    return Extent.of([normal(value, field) for value in kept], list(map(word_list, kept)), field)


def test_an_extent_tells_lengths_and_kinds_and_no_value() -> None:
    extent = extent_of(["AB12", "A 1", "9"], EXACT)
    assert (extent.min_chars, extent.max_chars, extent.max_words) == (1, 4, 2)
    assert (extent.digits_only, extent.has_digit) == (False, True)
    assert extent.first == {"x": [4, 4], "a": [1, 1], "d": [1, 1]}
    assert extent_of(["12", "3"], EXACT).digits_only
    assert extent_of([], EXACT) == Extent()


@given(st.lists(st.text(max_size=12), max_size=6), st.lists(st.text(max_size=12), max_size=6))
def test_extents_of_parts_join_to_the_extent_of_the_whole(
    left: list[str], right: list[str]
) -> None:
    for field in (EXACT, LOOSE):
        joined = extent_of(left, field)
        joined.join(extent_of(right, field))
        assert joined == extent_of([*left, *right], field)


@given(
    st.lists(st.text(min_size=1, max_size=15), min_size=1, max_size=4),
    st.text("ab1²-, é\n", max_size=12),
    st.text("ab1²-, é\n", max_size=12),
    st.booleans(),
)
def test_every_value_is_among_the_candidates_of_a_text_that_holds_it(
    values: list[str], before: str, after: str, is_loose: bool
) -> None:
    field = LOOSE if is_loose else EXACT
    column = Column(field, extent_of(values, field))
    for value in values:
        wanted = normal(written(value), field)
        if not wanted:
            continue
        words = Words(Subject.of(f"{before} | {value} | {after}"))
        text, spans = words.subject.text, words.spans
        found = [
            compared
            for index in column.starts(words)
            if column.begins(text[slice(*spans[index])])
            for _, compared in column.values(text, spans, index)
        ]
        assert wanted in found


def test_columns_without_values_have_no_candidates() -> None:
    column = Column(EXACT, Extent())
    assert not column.begins("word")


def test_numbers_are_looked_for_only_where_there_are_digits() -> None:
    column = Column(EXACT, extent_of(["AB-12"], EXACT))
    words = Words(Subject.of("one two three four five six AB-12 seven eight"))
    starts = [words.subject.text[slice(*words.spans[index])] for index in column.starts(words)]
    assert starts == ["AB", "12"]
    assert list(column.starts(Words(Subject.of("no number at all")))) == []
