"""Rows of digits are seen wherever their shape matches, near enough to its end."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.numbers import numbers_in
from dlpagent.classifiers.cascade.shapes import LATE_BYTES, NUMBERS, SEPARATORS, SHAPES


@pytest.mark.parametrize("shape", sorted(NUMBERS))
@given(text=st.text("0123456789" + SEPARATORS + "x\n", max_size=120))
def test_behind_every_end_of_a_shape_an_offset_is_told(shape: int, text: str) -> None:
    found, offsets = numbers_in(text.encode(), [shape])
    told = sorted(offsets.tolist())
    assert set(found.tolist()) <= {shape}
    pattern = re.compile(SHAPES[shape])
    for start in range(len(text)):
        match = pattern.match(text, start)
        if match:
            assert any(match.end() <= one <= match.end() + LATE_BYTES for one in told), match


@pytest.mark.parametrize("shape", sorted(NUMBERS))
@given(text=st.text("0123456789 .-x\n", max_size=60))
def test_no_offset_is_told_where_no_shape_ends(shape: int, text: str) -> None:
    for offset in numbers_in(text.encode(), [shape])[1].tolist():
        assert re.search(f"{SHAPES[shape]}$", text[:offset])


@pytest.mark.parametrize("text", ["", "no digits", "12 34 5", "1234\n5678"])
def test_too_few_digits_are_no_number(text: str) -> None:
    assert not len(numbers_in(text.encode(), sorted(NUMBERS))[1])


def test_numbers_are_named_by_their_shape() -> None:
    found, offsets = numbers_in(b"call 12345 or 123-456", [5, 6, 12])
    assert list(zip(found.tolist(), offsets.tolist(), strict=True)) == [(6, 21), (12, 10)]
