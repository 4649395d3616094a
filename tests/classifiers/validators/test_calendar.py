from calendar import monthrange
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.validators import calendar


@given(st.integers(1, 9999), st.integers(-1, 14), st.integers(-1, 33))
def test_a_day_is_real_exactly_when_the_standard_library_has_it(year, month, day):
    try:
        real = bool(date(year, month, day))
    except ValueError:
        real = False
    assert calendar.is_day(year, month, day) is real


def test_each_month_has_its_days_and_no_more():
    for year in (1900, 2000, 2023, 2024):
        for month in range(1, 13):
            last = monthrange(year, month)[1]
            assert calendar.is_day(year, month, 1)
            assert calendar.is_day(year, month, last)
            assert not calendar.is_day(year, month, last + 1)
            assert not calendar.is_day(year, month, 0)


def test_the_leap_day_of_a_two_digit_year_may_be_of_either_century():
    assert calendar.is_day_of_some_century(0, 2, 29)  # 2000
    assert calendar.is_day_of_some_century(4, 2, 29)
    assert not calendar.is_day_of_some_century(1, 2, 29)


def test_the_year_zero_is_no_year():
    assert not calendar.is_day(0, 1, 1)
