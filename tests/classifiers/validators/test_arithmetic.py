import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn as stdnum_luhn
from stdnum import verhoeff as stdnum_verhoeff

from dlpagent.classifiers.validators import arithmetic

DIGITS = st.text(alphabet="0123456789", min_size=1, max_size=30)


@given(DIGITS)
def test_luhn_agrees_with_stdnum(number):
    assert arithmetic.luhn_ok(number) is stdnum_luhn.is_valid(number)


@given(DIGITS)
def test_verhoeff_agrees_with_stdnum(number):
    assert arithmetic.verhoeff_ok(number) is stdnum_verhoeff.is_valid(number)


@pytest.mark.parametrize(
    "number", ["2363", "1428570", "123451"]
)  # Verhoeff's and textbook examples
def test_textbook_numbers_pass_verhoeff(number):
    assert arithmetic.verhoeff_ok(number)


@given(DIGITS, st.lists(st.integers(-9, 12), min_size=1, max_size=30))
def test_weighted_sums_the_products_of_the_first_digits(number, weights):
    number = number.ljust(len(weights), "7")
    expected = sum(int(d) * w for d, w in zip(number, weights, strict=False))
    assert arithmetic.weighted(number, weights) == expected
    assert arithmetic.weighted_values(number, weights) == expected


def test_letters_count_from_ten():
    assert arithmetic.values("09AZ") == [0, 9, 10, 35]
    assert arithmetic.weighted_values("A1", (2, 3)) == 23
