"""A sieve loses no value that its validators accept, and few that they refuse are left."""

import random

import numpy as np
import pytest

from dlpagent.classifiers.cascade.sieve import OWN, sieve_of
from dlpagent.classifiers.compiled import acceptance_of
from dlpagent.classifiers.sit import ValidatorSpec
from dlpagent.classifiers.validators.shortcuts import SHORTCUTS
from dlpagent.classifiers.validators.wrapped import MODULES

NAMES = sorted(
    {*OWN, *(name for name, module in MODULES.items() if module in SHORTCUTS)} - {"nz_bankaccount"}
)
WEIGHTED = ValidatorSpec(
    "checksum",
    (("weights", (8, 7, 6, 5, 4, 3, 2, 0)), ("mod", 11), ("check_digit", 8), ("allow_alphabets", False)),
)  # fmt: skip


def shortcut(name):
    return OWN.get(name) or SHORTCUTS.get(MODULES.get(name, ""))


def values(name, count=400):
    """Digits of all lengths around those that count, with separators, dates and letters in some."""
    chance = random.Random(name)
    lengths = [*shortcut(name).by_length]
    for _ in range(count):
        length = chance.choice([*lengths, *lengths, max(lengths) + 1, max(1, min(lengths) - 1)])
        number = "".join(chance.choice("0123456789") for _ in range(length - 1))
        if chance.random() < 0.3:
            number = f"{chance.randrange(1, 29):02}{chance.randrange(1, 13):02}{number}"[
                : length - 1
            ]
        for digit in "0123456789":
            whole = number + digit
            if chance.random() < 0.3:
                at = chance.randrange(len(whole) + 1)
                whole = whole[:at] + chance.choice(" -./x") + whole[at:]
            yield whole


def sieved(specs, texts):
    data = " ".join(texts).encode()
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    starts = ends - np.array([len(text) for text in texts])
    sieve = sieve_of(specs)
    return None if sieve is None else sieve(np.frombuffer(data, np.uint8), starts, ends)


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_lost_that_is_accepted_and_none_sure_that_is_refused(name):
    specs = (ValidatorSpec(name),)
    texts = list(values(name))
    may, sure = sieved(specs, texts)
    accept = acceptance_of(specs)
    for place, text in enumerate(texts):
        if accept(text):
            assert may[place], text
        else:
            assert not sure[place], text


@pytest.mark.parametrize(
    "name", ["credit_card", "il_idnr", "jp_in", "in_aadhaar", "hr_oib", "us_rtn"]
)
def test_nine_of_ten_numbers_with_a_check_digit_are_refused(name):
    length = max(shortcut(name).by_length)
    chance = random.Random(3)
    texts = ["".join(chance.choice("23456789") for _ in range(length)) for _ in range(3000)]
    may, sure = sieved((ValidatorSpec(name),), texts)
    assert may.mean() < 0.15
    assert name in ("in_aadhaar", "us_rtn") or may.tolist() == sure.tolist()


def test_a_checksum_with_weights_is_read_for_all_values_at_once():
    texts = [text for text in values("gr_vat") if len(text) <= 12]
    (may, sure), accept = sieved((WEIGHTED,), texts), acceptance_of((WEIGHTED,))
    for text, one, other in zip(texts, may, sure, strict=True):
        assert one == ("x" in text or accept(text)), text
        assert other == (accept(text) and text.strip("0 -./") != ""), text


def test_values_must_pass_what_is_known_of_every_validator():
    specs = (ValidatorSpec("us_ssn"), ValidatorSpec("il_idnr"))
    texts = ["123456782", "923456789", "123456789", "000000000"]
    alone = [sieved((spec,), texts)[0] for spec in specs]
    assert sieved(specs, texts)[0].tolist() == (alone[0] & alone[1]).tolist()


@pytest.mark.parametrize(
    "specs", [(), (ValidatorSpec("iban"),), (ValidatorSpec("nz_bankaccount"),)]
)
def test_of_other_validators_nothing_is_known(specs):
    assert sieve_of(specs) is None


def test_matches_of_letters_and_long_ones_are_left_to_the_validator():
    texts = ["GB123456789", "1" * 80, "12 34", "123456789"]
    may, sure = sieved((ValidatorSpec("us_rtn"),), texts)
    assert may.tolist() == [True, True, False, False]
    assert not sure.any()


def test_of_several_validators_a_value_is_sure_only_if_all_say_so():
    texts = ["123456782", "123456782"]
    known = ValidatorSpec("us_ssn")
    assert sieved((known,), texts)[1].all()
    assert not sieved((known, ValidatorSpec("iban")), texts)[1].any()
