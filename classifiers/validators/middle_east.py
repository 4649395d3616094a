"""Numbers of Qatar, Saudi Arabia and the United Arab Emirates."""

from dlpagent.classifiers.validators.arithmetic import luhn_ok
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


VALIDATORS = {"ae_id": ae_id, "qa_id": qa_id, "sa_national_id": sa_national_id}
