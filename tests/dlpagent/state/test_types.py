"""Text, JSON and moments as the state stores them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.state.types import moment, restored, storable, time_of, to_json

any_text = st.text(alphabet=st.characters(codec=None), max_size=30)


@given(any_text)
def test_any_string_is_restored_from_what_is_stored(text):
    assert restored(storable(text)) == text


@given(any_text)
def test_what_is_stored_is_text_every_database_takes(text):
    stored = storable(text)
    assert "\x00" not in stored
    stored.encode()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("a\x00b", "a\x1a0000b"),
        ("\x1a", "\x1a001a"),
        ("\udcff", "\x1adcff"),
        ("\x1a0000", "\x1a001a0000"),
    ],
)
def test_unsafe_characters_are_escaped_and_others_left_alone(text, stored):
    assert storable(text) == stored


def test_equal_json_values_give_equal_text():
    assert to_json({"b": 1, "a": [1, "é"]}) == to_json({"a": [1, "é"], "b": 1})
    assert to_json({"a": "é\x00"}).isascii()
    assert json.loads(to_json({"a": "\x00"})) == {"a": "\x00"}


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2026-01-02T03:04:05.000060Z"),
        (
            datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T23:00:00.000000Z",
        ),
    ],
)
def test_moments_are_utc_of_fixed_width_and_come_back(time, text):
    assert moment(time) == text
    assert time_of(text) == time


@given(st.lists(st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC)), max_size=5))  # noqa: DTZ001
def test_the_order_of_moments_is_the_order_of_times(times):
    assert sorted(map(moment, times)) == [moment(time) for time in sorted(times)]
