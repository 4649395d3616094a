"""Spans inside ranges, whatever overlaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.spans import Spans, joined, sorted_spans

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda one: (one[0], one[0] + one[1])),
    max_size=12,
)


def spans_of(ranges: list[tuple[int, int]]) -> Spans:
    starts, ends = np.array(ranges, dtype=np.int64).reshape(-1, 2).T
    return sorted_spans(starts, ends)


@given(RANGES, RANGES)
def test_a_range_holds_a_span_only_as_a_whole(
    spans: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    low, high = np.array(asked, dtype=np.int64).reshape(-1, 2).T
    expected = [any(low <= start and end <= high for start, end in spans) for low, high in asked]
    assert spans_of(spans).inside(low, high).tolist() == expected


@given(st.lists(RANGES, max_size=4))
def test_joined_spans_are_in_order_and_none_is_there_twice(
    parts: list[list[tuple[int, int]]],
) -> None:
    found = joined(spans_of(part) for part in parts)
    got = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    assert got == sorted({span for part in parts for span in part})
