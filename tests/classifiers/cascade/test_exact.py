"""Matches looked for around events are those found in the whole row."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.exact import Found, finder_for, finder_of
from dlpagent.classifiers.cascade.plan import UNBOUNDED
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regexes import Re2Matcher, matcher

PATTERNS = [
    r"\d{3}",
    r"(?<!\d)\d{3,5}(?!\d)",
    r"\b[a-z]\d{2}\b",
    r"(?<![0-9A-Za-z])\d{2}-?\d{2}(?=$|[^0-9])",
    r"(?i)key\s?=\s?(?P<value>[a-z0-9]{2,6})",
    r"é\d+",
    r"^\d\d",
    r"\d\d$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=150, deadline=None)
@given(text=st.text("0123a-é =keyK中\n", max_size=40), odd=st.integers(0, 2))
def test_one_region_over_a_row_gives_what_the_matcher_gives(
    pattern: str, text: str, odd: int
) -> None:
    """odd 0: no validator; else values with such a sum of digits are rejected, and searched again."""
    compiled = matcher(pattern)
    assert isinstance(compiled, Re2Matcher)
    accept = (lambda value: sum(map(ord, value)) % 3 != odd) if odd else None
    subject = Subject.of(text)
    expected = list(compiled.spans(subject, accept))
    for width in (UNBOUNDED, 24):
        found: Found = ([], [])
        made = odd % 2 and finder_for(pattern, width, 1, [accept])
        finder = made or finder_of(compiled, width, 1, [accept])
        finder.add(subject.data, 0, len(subject.data), 0, [found])
        chars = [
            (subject.to_chars(start), subject.to_chars(end))
            for start, end in zip(*found, strict=True)
        ]
        assert chars == expected


def test_a_region_ends_where_no_event_is_left() -> None:
    compiled = matcher(r"\d{3}")
    assert isinstance(compiled, Re2Matcher)
    found: Found = ([], [])
    finder_of(compiled, 3, 3, [None]).add(b"111 222 333", 0, 7, 100, [found])
    assert found == ([100, 104], [103, 107])
