import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.validators import parametric
from dlpagent.classifiers.validators.calendar import is_day
from dlpagent.errors import RuleError


def test_a_weight_of_zero_leaves_the_check_digit_out():
    # Polish PESEL: weights 1 3 7 9 ... give 10 minus the digit; with 9 7 3 1 the digit itself.
    pesel = parametric.checksum((9, 7, 3, 1, 9, 7, 3, 1, 9, 7, 0), 10, 11)
    assert pesel("44051401359")
    assert pesel("440514-01359")
    assert not pesel("44051401358")


def test_the_check_digit_may_stand_anywhere():
    check = parametric.checksum((0, 1, 1, 1), 10, 1)
    assert check("6123")
    assert not check("7123")


def test_a_check_digit_with_a_weight_counts_in_the_sum():
    check = parametric.checksum((1, 2), 10, 2)
    assert check("91")  # 9 + 2 = 11
    assert not check("92")  # 9 + 4 = 13


def test_letters_count_from_ten_when_they_are_allowed():
    check = parametric.checksum((1, 1, 0), 36, 3, allow_alphabets=True)
    assert check("A1B")  # 10 + 1 = 11 = B
    assert check("a-1-b")
    assert not check("A1C")


def test_letters_make_a_text_invalid_when_they_are_not_allowed():
    assert not parametric.checksum((1, 1, 0), 36, 3)("A1B")


def test_a_remainder_that_the_check_digit_cannot_say_is_never_equal():
    check = parametric.checksum((1, 1, 0), 11, 3)
    assert not any(check(f"55{digit}") for digit in range(10))


@pytest.mark.parametrize("text", ["", "123", "12345", "12x4", "١٢٣٤"])
def test_there_is_one_digit_per_weight(text):
    assert not parametric.checksum((1, 2, 3, 0), 10, 4)(text)


@pytest.mark.parametrize(
    ("weights", "mod", "check_digit"),
    [((), 10, 1), ((1, 2), 1, 1), ((1, 2), 10, 0), ((1, 2), 10, 3)],
)
def test_parameters_that_cannot_work_are_refused(weights, mod, check_digit):
    with pytest.raises(RuleError, match="Checksum"):
        parametric.checksum(weights, mod, check_digit)


@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=12), st.integers(2, 97), st.text(max_size=15)
)
def test_checksum_never_raises(weights, mod, text):
    for letters in (False, True):
        assert isinstance(parametric.checksum(weights, mod, 1, letters)(text), bool)


@given(
    st.sampled_from(parametric.DATE_PATTERNS),
    st.text(alphabet="0123456789", min_size=8, max_size=8),
)
def test_date_simple_agrees_with_the_calendar(pattern, text):
    number = text[: len(pattern)]
    day, month = (int(number[pattern.index(p) : pattern.index(p) + 2]) for p in ("D", "M"))
    year = number[pattern.index("Y") : pattern.rindex("Y") + 1]
    years = [int(year)] if len(year) == 4 else [1900 + int(year), 2000 + int(year)]
    assert parametric.date_simple(pattern)(number) is any(is_day(y, month, day) for y in years)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("DDMMYYYY", "31.12.1999"), ("MMDDYYYY", "12/31/1999"), ("YYYYDDMM", "1999-31-12"),
        ("YYYYMMDD", "1999 12 31"), ("DDMMYY", "31-12-99"), ("MMDDYY", "123199"),
        ("YYDDMM", "993112"), ("YYMMDD", "000229"),
    ],
)  # fmt: skip
def test_each_pattern_reads_its_own_order(pattern, text):
    assert parametric.date_simple(pattern)(text)


@pytest.mark.parametrize("text", ["1.2.1999", "00000000", "30021999", "3112199", "311219999", ""])
def test_what_is_no_full_date_is_not_valid(text):
    assert not parametric.date_simple("DDMMYYYY")(text)


def test_an_unknown_pattern_is_refused_with_the_known_ones():
    with pytest.raises(RuleError, match="YYYYDDMM"):
        parametric.date_simple("MMYYYYDD")
