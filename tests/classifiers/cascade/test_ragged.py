"""Lists by number, looked up many at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.ragged import Ragged, distinct, is_in

NUMBERS = st.lists(st.integers(0, 50), max_size=30)


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.data())
def test_values_come_place_by_place(lists: list[list[int]], data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8))
    places, values = Ragged(lists).of(np.array(asked, dtype=np.int64))
    expected = [(place, value) for place, one in enumerate(asked) for value in lists[one]]
    assert list(zip(places.tolist(), values.tolist(), strict=True)) == expected


@given(NUMBERS, NUMBERS)
def test_membership_is_that_of_sets(wanted: list[int], known: list[int]) -> None:
    found = is_in(np.array(wanted, dtype=np.int64), distinct(np.array(known, dtype=np.int64)))
    assert found.tolist() == [one in known for one in wanted]


@given(NUMBERS)
def test_distinct_numbers_come_in_order(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, dtype=np.int64)).tolist() == sorted(set(numbers))
