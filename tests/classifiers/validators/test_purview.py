import pytest

from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.classifiers.validators.purview import FUNCTIONS


def test_every_function_has_a_validator_that_exists():
    assert set(FUNCTIONS.values()) <= set(VALIDATORS)


@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("Func_credit_card", "4111 1111 1111 1111"),
        ("Func_formatted_itin", "912-70-1234"),
        ("Func_randomized_unformatted_ssn", "899123456"),
        ("Func_eu_date", "31 december 1999"),
        ("Func_expiration_date", "12/27"),
        ("Func_netherlands_bsn", "111222333"),
    ],
)
def test_a_function_accepts_what_its_page_describes(function, number):
    assert VALIDATORS[FUNCTIONS[function]](number)


def test_areas_unassigned_before_2011_fail_the_functions_of_that_time_only():
    assert not VALIDATORS[FUNCTIONS["Func_ssn"]]("899-12-3456")
    assert VALIDATORS[FUNCTIONS["Func_randomized_formatted_ssn"]]("899-12-3456")
