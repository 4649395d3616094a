import pytest

from dlpagent.classifiers.validators import middle_east as me

VALID = [
    (me.sa_national_id, "1000000008"),  # published with open implementations
    (me.sa_national_id, "2000 0000 06"),  # generated: Luhn
    (me.ae_id, "784-1980-1234567-8"),  # generated: Luhn over the usual specimen
    (me.ae_id, "784198012345678"),
    (me.qa_id, "284 634 12345"),  # generated: born 1984, Qatari (634)
    (me.qa_id, "30135612345"),  # generated: born 2001, Indian (356)
    (me.ir_national, "0499370899"),  # printed in tutorials on the rule
    (me.ir_national, "079-041990-4"),  # printed in tutorials on the rule
    (me.eg_national, "29001010112345"),  # generated: born 1 January 1990 in Cairo
    (me.eg_national, "3 000229 21 01234"),  # generated: a leap day, Giza
]
INVALID = [
    (me.sa_national_id, "1000000009"), (me.sa_national_id, "3000000004"),
    (me.sa_national_id, "100000008"), (me.ae_id, "784-1980-1234567-3"),
    (me.ae_id, "784-1880-1234567-8"), (me.ae_id, "785198012345678"), (me.ae_id, "78419801234567"),
    (me.ir_national, "0499370898"), (me.ir_national, "1111111111"), (me.ir_national, "049937089"),
    (me.eg_national, "49001010112345"), (me.eg_national, "29013010112345"),
    (me.eg_national, "29001010512345"), (me.eg_national, "2900101011234"),
    (me.eg_national, "30102290112345"),
    (me.qa_id, "18463412345"), (me.qa_id, "28499912345"), (me.qa_id, "2846341234"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "number"), VALID)
def test_a_true_number_is_valid(check, number):
    assert check(number)


@pytest.mark.parametrize(("check", "number"), INVALID)
def test_a_number_that_breaks_a_rule_is_not_valid(check, number):
    assert not check(number)


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (me.sa_national_id, "1000000008"),
        (me.ae_id, "784198012345678"),
        (me.ir_national, "0499370899"),
    ],
)
def test_every_changed_digit_is_refused(check, number):
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char}:
            assert not check(number[:at] + digit + number[at + 1 :])
