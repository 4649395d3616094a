import random

import pytest

from dlpagent.classifiers.validators.russia_central_asia import kz_iin, ru_snils

VALID = [
    (ru_snils, "112-233-445 95"),  # the usual specimen
    (ru_snils, "08765430300"),  # worked example of public texts: 100 is written 00
    (kz_iin, "880101300010"),  # generated: born 1 January 1988
    (kz_iin, "050140000011"),  # generated: a company founded in January 2005
]
INVALID = [
    (ru_snils, "112-233-445 96"), (ru_snils, "001-001-998 73"), (ru_snils, "112-233-445 9"),
    (ru_snils, "00000000000"), (kz_iin, "880101300012"), (kz_iin, "881301300018"),
    (kz_iin, "880101900018"), (kz_iin, "88010130001"), (kz_iin, "880132300010"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "number"), VALID)
def test_a_true_number_is_valid(check, number):
    assert check(number)


@pytest.mark.parametrize(("check", "number"), INVALID)
def test_a_number_that_breaks_a_rule_is_not_valid(check, number):
    assert not check(number)


def test_every_changed_digit_of_a_snils_is_refused():
    number = "11223344595"
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char}:
            assert not ru_snils(number[:at] + digit + number[at + 1 :])


def test_every_changed_digit_of_an_iin_is_refused_but_where_the_rule_has_gaps():
    number = "880101300010"
    others = [
        number[:at] + digit + number[at + 1 :]
        for at, char in enumerate(number)
        for digit in set("0123456789") - {char}
        if at != 10  # its weight is 11: the sum mod 11 does not know it
    ]
    # A first remainder of 10 sends a number to other weights.
    assert [other for other in others if kz_iin(other) and first_sum(other) % 11 != 10] == []


def first_sum(number):
    return sum(int(digit) * weight for weight, digit in enumerate(number[:11], 1))


def test_every_body_has_at_most_one_check():
    rng = random.Random(4)
    for _ in range(200):
        body = f"{rng.randrange(2_000_000, 10**9):09}"
        assert sum(ru_snils(f"{body}{check:02}") for check in range(100)) == 1
        born = f"8801013{rng.randrange(10**4):04}"
        assert sum(kz_iin(f"{born}{check}") for check in range(10)) <= 1
