"""Numbers of Egypt, Iran, Qatar, Saudi Arabia and the United Arab Emirates."""

from dlpagent.classifiers.validators.arithmetic import luhn_ok, weighted
from dlpagent.classifiers.validators.calendar import is_day
from dlpagent.classifiers.validators.countries import NUMERIC
from dlpagent.classifiers.validators.text import digits


def sa_national_id(text: str) -> bool:
    """A Saudi national id (first digit 1) or residence permit (2): 10 digits, Luhn.

    Source: rule used by the Ministry of Interior's services, as all public implementations agree.
    """
    number = digits(text, 10)
    return number[:1] in ("1", "2") and luhn_ok(number)


def ae_id(text: str) -> bool:
    """An Emirates identity card: 784, year of birth 1900-2099, seven digits, Luhn digit.

    Source: Federal Authority for Identity (ICP); 784 is the ISO 3166 number of the country.
    """
    number = digits(text, 15)
    return number.startswith(("78419", "78420")) and luhn_ok(number)


def qa_id(text: str) -> bool:
    """A Qatari identity card: century 2 or 3, year, ISO 3166 number of the nationality, 5 digits.

    Source: Ministry of Interior (Qatar). It has no public check digit.
    """
    number = digits(text, 11)
    return number[:1] in ("2", "3") and number[3:6] in NUMERIC


def ir_national(text: str) -> bool:
    """An Iranian national code: 10 digits, weights 10 to 2, sum mod 11; from 2 on eleven minus it.

    One digit ten times is not a code. Source: National Organization for Civil Registration, as
    all public implementations agree.
    """
    number = digits(text, 10)
    if not number or len(set(number)) == 1:
        return False
    rest = weighted(number, range(10, 1, -1)) % 11
    return int(number[9]) == (rest if rest < 2 else 11 - rest)


# Governorates, and 88 for births abroad.
_EGYPT = {*range(1, 5), *range(11, 20), *range(21, 30), *range(31, 36), 88}


def eg_national(text: str) -> bool:
    """An Egyptian national id: century 2 or 3, birth date yymmdd, governorate, serial, check digit.

    The rule of the check digit is not published. Source: Civil Status Organization, Egypt.
    """
    number = digits(text, 14)
    if number[:1] not in ("2", "3"):
        return False
    year = (1900 if number[0] == "2" else 2000) + int(number[1:3])
    return is_day(year, int(number[3:5]), int(number[5:7])) and int(number[7:9]) in _EGYPT


VALIDATORS = {
    "ae_id": ae_id,
    "eg_national": eg_national,
    "ir_national": ir_national,
    "qa_id": qa_id,
    "sa_national_id": sa_national_id,
}
