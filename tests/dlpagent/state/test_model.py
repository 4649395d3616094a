"""Counters add up."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.state import Counters

maps = st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))
counters = st.builds(
    Counters,
    **{
        field.name: st.integers(0, 9) if field.type == "int" else maps for field in fields(Counters)
    },
)


@given(counters, counters, counters)
def test_the_order_of_adding_does_not_matter(one, two, three):
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Counters() == one


@pytest.mark.parametrize("name", [field.name for field in fields(Counters)])
def test_every_field_is_added(name):
    value = {"x": 2} if isinstance(getattr(Counters(), name), dict) else 2
    total = Counters(**{name: value}) + Counters(**{name: value})
    assert getattr(total, name) == ({"x": 4} if isinstance(value, dict) else 4)
