"""The shadow of a text: what is folded, what is removed, and the way back to the original."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.normalise import Subject, lowered, shadow_of

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
INVISIBLE = "\u00ad\u200b\u200d\u2060\ufeff\u3164\ufe0f\U000e0041\U000e0101"
texts = st.text(
    st.one_of(
        st.sampled_from("a1Z- " + INVISIBLE + "１５٣é日😀İẞ\u00a0–’\ud800"),
        st.characters(),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "shadow"),
    [
        ("plain ASCII 1-2", "plain ASCII 1-2"),
        ("１２３", "123"),
        ("٣٤۵७𝟗", "34579"),
        ("ＡＢｃ", "ABc"),
        ("4111\u00a01111\u20071111\u202f1111", "4111 1111 1111 1111"),
        ("1\u20102\u20113\u20124\u20135\u20146\u22127\ufe638\uff0d9", "1-2-3-4-5-6-7-8-9"),
        ("a\u2028b\u2029c\u0085d", "a b c d"),
        ("driver’s “licence”", 'driver\'s "licence"'),
        ("12\u200b34\u00ad56\ufeff", "123456"),
        ("4\ufe0f\u20e31", "4\u20e31"),
        ("1\U000e00312", "12"),  # a tag character hides text in a prompt
        ("\u202e123\u202c", "123"),
        # a footnote mark, a fraction, a circled number are no digits of a number
        ("12²½③", "12²½③"),
        # what would become several characters stays as it is, so that offsets hold
        ("ﬁ№…", "ﬁ№…"),
        ("né 日本語 😀", "né 日本語 😀"),
    ],
)
def test_the_shadow_is_the_text_as_matched(text: str, shadow: str) -> None:
    assert shadow_of(text) == shadow
    assert Subject.of(text).text == shadow


def test_every_character_becomes_one_or_none() -> None:
    assert all(len(shadow_of(char)) <= 1 for char in EVERY)


def test_folding_twice_changes_nothing_more() -> None:
    assert [char for char in EVERY if shadow_of(shadow_of(char)) != shadow_of(char)] == []


def test_every_blank_and_every_decimal_digit_is_plain() -> None:
    assert {shadow_of(char) for char in EVERY if char.isspace() and not char.isascii()} == {" "}
    digits = [char for char in EVERY if unicodedata.category(char) == "Nd"]
    assert all(shadow_of(char) == str(unicodedata.decimal(char)) for char in digits)


@given(texts)
@settings(max_examples=500)
def test_lower_case_keeps_every_offset(text: str) -> None:
    low = lowered(text)
    assert len(low) == len(text)
    assert lowered(low) == low
    if text.isascii():
        assert low == text.lower()


@given(texts, st.data())
@settings(max_examples=500)
def test_a_span_of_the_shadow_leads_back_to_the_characters_it_was_made_of(
    text: str, data: st.DataObject
) -> None:
    subject = Subject.of(text)
    start = data.draw(st.integers(0, len(subject.text)))
    end = data.draw(st.integers(start, len(subject.text)))
    first, last = subject.original(start, end)
    if end > start:
        assert 0 <= first < last <= len(text)
        assert shadow_of(text[first:last]) == subject.text[start:end]
        # nothing invisible at its edges
        assert shadow_of(text[first])
        assert shadow_of(text[last - 1])


@given(texts)
@settings(max_examples=500)
def test_bytes_and_characters_lead_to_each_other(text: str) -> None:
    subject = Subject.of(text)
    for char in range(len(subject.text) + 1):
        assert subject.to_chars(subject.to_bytes(char)) == char
    for start in range(len(subject.text)):
        piece = subject.data[subject.to_bytes(start) : subject.to_bytes(start + 1)]
        assert piece == subject.text[start].encode("utf-8", "replace")


@given(texts)
def test_the_shadow_of_a_text_is_the_text_of_its_subject(text: str) -> None:
    subject = Subject.of(text)
    assert subject.text == shadow_of(text)
    assert subject.is_ascii == subject.text.isascii()
    assert subject.low == lowered(subject.text)
    assert Subject.of(subject.text).text == subject.text
