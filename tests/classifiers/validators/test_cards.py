import random

import pytest
from stdnum import luhn as stdnum_luhn

from dlpagent.classifiers.validators import cards

# Test numbers that card schemes and payment providers publish.
PUBLISHED = [
    "4111 1111 1111 1111", "4222222222222", "4000056655665556", "5555-5555-5555-4444",
    "5105105105105100", "2223003122003222", "2720 9999 9999 9996", "378282246310005",
    "371449635398431", "30569309025904", "38520000023237", "6011111111111117", "6011000990139424",
    "3530111333300000", "3566002020360505", "6200000000000005", "6759649826438453",
    "6799990100000000019", "5019717010103742", "2200000000000004", "6445644564456445",
]  # fmt: skip


def completed(body):
    """The body with its Luhn digit."""
    return next(body + d for d in "0123456789" if stdnum_luhn.is_valid(body + d))


@pytest.mark.parametrize("number", PUBLISHED)
def test_a_published_test_number_is_a_card(number):
    assert cards.credit_card(number)
    assert cards.luhn(number)


@pytest.mark.parametrize("number", PUBLISHED)
def test_every_changed_digit_is_refused(number):
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char} if char.isdigit() else ():
            assert not cards.credit_card(number[:at] + digit + number[at + 1 :])


@pytest.mark.parametrize(
    ("first", "length"),
    [
        *[(first, 16) for first in ("2221", "2720", "51", "55", "4", "6011", "65", "3528", "62")],
        *[("4", 13), ("4", 19), ("34", 15), ("37", 15), ("36", 14), ("300", 14), ("62", 19)],
        *[("6759", 12), ("6759", 19), ("5018", 12), ("5893", 13), ("6304", 19), ("2204", 19)],
    ],
)
def test_each_issuer_has_its_prefixes_and_lengths(first, length):
    assert cards.credit_card(completed(first.ljust(length - 1, "1")))


@pytest.mark.parametrize(
    ("first", "length"),
    [
        *[("2220", 16), ("2721", 16), ("55", 15), ("34", 16), ("37", 14), ("4", 14), ("4", 15)],
        *[("0", 16), ("1", 16), ("7", 16), ("9", 16), ("31", 14), ("66", 16), ("59", 16)],
        *[("4", 12), ("62", 15), ("4", 20), ("6759", 11)],
    ],
)
def test_a_prefix_or_length_that_no_issuer_has_is_refused(first, length):
    assert not cards.credit_card(completed(first.ljust(length - 1, "1")))


@pytest.mark.parametrize("digit", "0123456789")
@pytest.mark.parametrize("length", range(12, 20))
def test_one_digit_repeated_is_no_card(digit, length):
    assert not cards.credit_card(digit * length)


@pytest.mark.parametrize(
    "text", ["", "-", "411111111111111x", "４１１１１１１１１１１１１１１１", "4111"]
)
def test_other_text_is_no_card(text):
    assert not cards.credit_card(text)


def test_luhn_agrees_with_stdnum_on_4000_random_numbers():
    rng = random.Random(7)
    for _ in range(2000):
        body = "".join(rng.choices("0123456789", k=rng.randrange(1, 25)))
        assert cards.luhn(body) is stdnum_luhn.is_valid(body)
        assert cards.luhn(completed(body))
