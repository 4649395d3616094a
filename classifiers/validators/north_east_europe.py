"""Numbers of Denmark, Finland, Hungary, Latvia and Poland, beside those of python-stdnum."""

from dlpagent.classifiers.validators.arithmetic import weighted, weighted_values
from dlpagent.classifiers.validators.calendar import is_day, is_day_of_some_century
from dlpagent.classifiers.validators.text import digits, letters_and_digits


def dk_cpr_checked(text: str) -> bool:
    """A Danish CPR number that keeps the old check: weights 4 3 2 7 6 5 4 3 2 1, sum mod 11 is 0.

    Source: CPR-kontoret; numbers issued since October 2007 need not keep it, so this loses some of
    the young (`dk_cpr` does not check it).
    """
    number = digits(text, 10)
    if not number or not is_day_of_some_century(
        int(number[4:6]), int(number[2:4]), int(number[:2])
    ):
        return False
    return weighted(number, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def hu_personal_id(text: str) -> bool:
    """A Hungarian personal identifier: sex and century, birth date yymmdd, serial, check digit.

    Weights 1 to 10 mod 11 for births before 1997, 10 to 1 from 1997 on; remainder 10 is not issued.
    Source: Act XX of 1996, annex.
    """
    number = digits(text, 11)
    if not number or number[0] in "09":
        return False
    year = int(number[1:3]) + (1900 if number[0] in "1256" else 2000)
    if not is_day(year, int(number[3:5]), int(number[5:7])):
        return False
    weights = range(1, 11) if year < 1997 else range(10, 0, -1)
    return weighted(number, weights) % 11 == int(number[10])


def hu_taj(text: str) -> bool:
    """A Hungarian social security (TAJ) number: 8 digits with weights 3-7, check digit mod 10.

    Source: Act XX of 1996, annex. All zeros is not a number.
    """
    number = digits(text, 9)
    if not number or number == "000000000":
        return False
    return weighted(number, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(number[8])


def hu_tax(text: str) -> bool:
    """A Hungarian tax identifier of a person: 8, days since 1867, serial, check digit.

    Weights 1 to 9 mod 11, remainder 10 is not issued. Source: Act XX of 1996, annex.
    """
    number = digits(text, 10)
    return number[:1] == "8" and weighted(number, range(1, 10)) % 11 == int(number[9])


def pl_id_card(text: str) -> bool:
    """A Polish identity card: three letters, check digit, five digits; weights 7-3-1-9-7-3-1-7-3.

    The sum mod 10 is 0. Source: MSWiA, seria i numer dowodu osobistego.
    """
    code = letters_and_digits(text, 9)
    if not (code[:3].isalpha() and code[3:].isdigit()):
        return False
    return weighted_values(code, (7, 3, 1, 9, 7, 3, 1, 7, 3)) % 10 == 0


def pl_passport(text: str) -> bool:
    """A Polish passport: two letters, check digit, six digits; weights 7-3-9-1-7-3-1-7-3, mod 10.

    Source: MSWiA, seria i numer paszportu.
    """
    code = letters_and_digits(text, 9)
    if not (code[:2].isalpha() and code[2:].isdigit()):
        return False
    return weighted_values(code, (7, 3, 9, 1, 7, 3, 1, 7, 3)) % 10 == 0


def lv_personal_code(text: str) -> bool:
    """A Latvian personal code: birth date ddmmyy and century digit, or 32 and more; check digit.

    Check: (1 + weighted sum) mod 11 mod 10, weights 10 5 8 4 2 1 6 3 7 9. Source: PMLP; the weights
    are those of public implementations, no official text states them.
    """
    number = digits(text, 11)
    if not number or not _is_latvian_start(number):
        return False
    check = (1 + weighted(number, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10
    return check == int(number[10])


def _is_latvian_start(number: str) -> bool:
    """Birth date and century digit 0-2, or the anonymous codes issued since July 2017 (32-39)."""
    if 32 <= int(number[:2]) <= 39:
        return True
    year = 1800 + 100 * int(number[6]) + int(number[4:6])
    return number[6] in "012" and is_day(year, int(number[2:4]), int(number[:2]))


def fi_ehic(text: str) -> bool:
    """A Finnish European health insurance card: 8024680246 and ten more digits. No public check.

    Source: Kela; 80246 is the ISO 7812 issuer prefix of Finland.
    """
    return digits(text, 20).startswith("8024680246")


VALIDATORS = {
    "dk_cpr_checked": dk_cpr_checked,
    "fi_ehic": fi_ehic,
    "hu_personal_id": hu_personal_id,
    "hu_taj": hu_taj,
    "hu_tax": hu_tax,
    "lv_personal_code": lv_personal_code,
    "pl_id_card": pl_id_card,
    "pl_passport": pl_passport,
}
