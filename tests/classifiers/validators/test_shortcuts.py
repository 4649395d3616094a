"""Shortcuts against the modules of python-stdnum they stand for."""

import random
from importlib import import_module

import pytest

from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.classifiers.validators.shortcuts import SHORTCUTS, answer
from dlpagent.classifiers.validators.text import compact
from dlpagent.classifiers.validators.wrapped import MODULES

DRAWN = 1_200


def drawn(chance, lengths):
    """Digits of a right or nearly right length; every third has a date in it, that more are valid."""
    length = chance.choice([*lengths, *lengths, min(lengths) - 1, max(lengths) + 1])
    number = "".join(chance.choice("0123456789") for _ in range(length))
    if chance.random() < 1 / 3 and length > 8:
        day, month, year = chance.randrange(1, 29), chance.randrange(1, 13), chance.randrange(100)
        at = chance.choice((0, 1, 6))
        date = chance.choice((f"{day:02}{month:02}{year:02}", f"{year:02}{month:02}{day:02}"))
        number = (number[:at] + date + number[at + 6 :])[:length]
    return number


def told(module, number):
    try:
        return bool(module.is_valid(number))
    except Exception:  # noqa: BLE001 - as wrapped.py takes it
        return False


def candidates(module, chance):
    """Drawn numbers, and all last digits of a tenth of them: one of those is valid."""
    lengths = tuple(SHORTCUTS[module].by_length)
    for count in range(DRAWN):
        number = drawn(chance, lengths)
        if number.strip("0"):  # zeros alone are refused before anybody is asked
            yield number
        if count % 10 == 0:
            yield from (number[:-1] + digit for digit in "123456789")


@pytest.mark.parametrize("module", SHORTCUTS)
def test_a_shortcut_says_what_the_module_says(module):
    asked = import_module(f"stdnum.{module}")
    for number in candidates(module, random.Random(module)):
        said = SHORTCUTS[module].answer(number) if number else False
        if said is not None:
            assert said == told(asked, number), number


@pytest.mark.parametrize("module", [name for name, one in SHORTCUTS.items() if one.exact])
def test_an_exact_shortcut_never_asks(module):
    answers = {SHORTCUTS[module].answer(one) for one in candidates(module, random.Random(1)) if one}
    assert answers <= {True, False}


@pytest.mark.parametrize("module", SHORTCUTS)
@pytest.mark.parametrize("separator", [" ", "-", ".", "/", " - "])
def test_separators_change_no_answer(module, separator):
    asked, chance = import_module(f"stdnum.{module}"), random.Random(2)
    for number in list(candidates(module, chance))[:150]:
        cuts = sorted(chance.sample(range(len(number) + 1), min(3, len(number))))
        pieces = [number[low:high] for low, high in zip([0, *cuts], [*cuts, None], strict=True)]
        text = separator.join(pieces)
        if not text.strip("0 -./"):
            continue
        said = answer(module, text, compact(text))
        if said is not None:
            assert said == (told(asked, text) or told(asked, compact(text))), text


@pytest.mark.parametrize("text", ["GB 123456789", "١٢٣٤٥٦٧٨٩", "12a", ""])
def test_what_is_not_plain_digits_is_asked(text):
    assert answer("gb.vat", text, compact(text)) is None


def test_a_module_without_a_shortcut_is_asked():
    assert answer("it.codicefiscale", "1234567890", "1234567890") is None


def test_every_shortcut_is_of_a_module_in_use():
    assert set(SHORTCUTS) <= set(MODULES.values())


@pytest.mark.parametrize(
    ("name", "number", "valid"),
    [
        ("nz_bankaccount", "01-902-0068389-00", True),
        ("nz_bankaccount", "01-902-0068389-01", True),
        ("nz_bankaccount", "01-902-0068388-00", False),
        ("us_ein", "91-1144442", True),
        ("us_ein", "07-1144442", False),
        ("in_aadhaar", "2341 2341 2346", True),
        ("in_aadhaar", "2222 2222 2222", False),
    ],
)
def test_numbers_are_judged_with_their_separators(name, number, valid):
    assert VALIDATORS[name](number) is valid
