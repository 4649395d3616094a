"""Numbers of Russia and Kazakhstan that python-stdnum does not know."""

from dlpagent.classifiers.validators.arithmetic import weighted
from dlpagent.classifiers.validators.calendar import is_day_of_some_century
from dlpagent.classifiers.validators.text import digits

_FIRST_CHECKED = "001001998"
_ONE_TO_ELEVEN = tuple(range(1, 12))
_THREE_ON = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)


def ru_snils(text: str) -> bool:
    """A Russian pension insurance number: nine digits, weights 9 to 1, sum mod 101, 100 being 00.

    Numbers up to 001-001-998 carry no check and are refused: nothing tells them from any others.
    Source: Pension Fund of Russia, decree 192p of 2006, annex.
    """
    number = digits(text, 11)
    if not number or number[:9] <= _FIRST_CHECKED:
        return False
    return weighted(number, range(9, 0, -1)) % 101 % 100 == int(number[9:])


def kz_iin(text: str) -> bool:
    """A Kazakh individual or business number: 12 digits, weights 1 to 11, sum mod 11; 10: again.

    Individual: birth date yymmdd and 1-6 for sex and century. Business: year, month and 4-6 for
    the kind. When the first sum leaves 10 the weights 3 to 11, 1, 2 decide; when they do too, the
    number is not issued. Source: rules on forming identification numbers, Law 223-III of 2007.
    """
    number = digits(text, 12)
    if not number or not (_is_born(number) or _is_founded(number)):
        return False
    check = weighted(number, _ONE_TO_ELEVEN) % 11
    if check == 10:
        check = weighted(number, _THREE_ON) % 11
    return check == int(number[11])


def _is_born(number: str) -> bool:
    day = is_day_of_some_century(int(number[:2]), int(number[2:4]), int(number[4:6]))
    return day and number[6] in "123456"


def _is_founded(number: str) -> bool:
    return 1 <= int(number[2:4]) <= 12 and number[4] in "456" and number[5] in "0123"


VALIDATORS = {"kz_iin": kz_iin, "ru_snils": ru_snils}
