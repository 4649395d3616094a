import random
from datetime import date, timedelta

import pytest
from stdnum.cn import ric

from dlpagent.classifiers.validators.china import cn_resident_id


@pytest.mark.parametrize(
    "number",
    [
        "11010519491231002X",  # worked example of GB 11643
        "11010519491231002x",
        "440524188001010014",  # worked example of GB 11643, a county whose code is no longer in use
        "110105 19491231 002X",
    ],
)
def test_a_true_number_is_valid(number):
    assert cn_resident_id(number)


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",  # check character
        "1101051949123100X",  # a digit short
        "1101051949123100200X",  # two digits long
        "11010519490231002X",  # 31 February
        "99010519491231002X",  # no such province
        "11000019491231002X",  # no county
        "X1010519491231002X",
        "",
    ],
)
def test_a_wrong_number_is_not_valid(number):
    assert not cn_resident_id(number)


@pytest.mark.parametrize("place", range(18))
def test_every_digit_counts(place):
    number = "11010519491231002X"
    others = [c for c in "0123456789" if c != number[place]]
    assert not any(cn_resident_id(number[:place] + c + number[place + 1 :]) for c in others)


def test_the_check_character_is_that_of_python_stdnum():
    chance = random.Random(11643)
    for _ in range(300):
        born = date(1930, 1, 1) + timedelta(days=chance.randrange(30_000))
        head = f"{chance.choice(('110105', '310104', '440305'))}{born:%Y%m%d}{chance.randrange(1000):03}"
        assert cn_resident_id(head + ric.calc_check_digit(head + "0"))
