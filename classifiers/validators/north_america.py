"""Numbers of the United States, Canada and Mexico."""

import re

from dlpagent.classifiers.validators.arithmetic import luhn_ok, weighted
from dlpagent.classifiers.validators.text import digits, letters_and_digits

_ITIN_GROUPS = {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)}
_MBI_LETTER = "[AC-HJKMNP-RT-Y]"
_MBI = re.compile(
    rf"[1-9]{_MBI_LETTER}(?:{_MBI_LETTER}|\d)\d{_MBI_LETTER}(?:{_MBI_LETTER}|\d)\d"
    rf"{_MBI_LETTER}{{2}}\d\d",
    re.ASCII,
)
_DEA = re.compile(r"[ABCDEFGHJKLMNPRSTUX][A-Z9][0-9]{7}")
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{8}[0-9X][A-HJ-NPR-Z0-9]{8}")
_VIN_VALUES = str.maketrans("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789")


def us_ssn(text: str) -> bool:
    """A Social Security number: area not 000, 666 or 900-999, group not 00, serial not 0000.

    Source: SSA, rules in force since randomisation (25 June 2011). There is no check digit. Numbers
    once printed in advertisements (078-05-1120) pass: Purview does not single them out.
    """
    number = digits(text, 9)
    if not number or number[0] == "9" or number[:3] in ("000", "666"):
        return False
    return number[3:5] != "00" and number[5:] != "0000"


def us_ssn_pre2011(text: str) -> bool:
    """A Social Security number of an area that was in use before June 2011 (001-733, 750-772).

    Source: SSA, list of area numbers; 734-749 and 773-899 were unassigned until randomisation.
    """
    if not us_ssn(text):
        return False
    area = int(digits(text, 9)[:3])
    return area <= 733 or 750 <= area <= 772


def us_itin(text: str) -> bool:
    """An individual taxpayer number: 9, then group 50-65, 70-88, 90-92 or 94-99.

    Source: IRS, assignment of ITIN ranges (50-65 since 2011). There is no check digit.
    """
    number = digits(text, 9)
    return number[:1] == "9" and int(number[3:5]) in _ITIN_GROUPS


def us_dea(text: str) -> bool:
    """A DEA registration number: registrant letter, letter or 9, seven digits with check digit.

    Check: (d1+d3+d5) + 2(d2+d4+d6) ends in d7. Source: 21 CFR 1301 and the DEA practitioner manual.
    """
    code = letters_and_digits(text, 9)
    if not _DEA.fullmatch(code):
        return False
    return weighted(code[2:], (1, 2, 1, 2, 1, 2)) % 10 == int(code[8])


def us_npi(text: str) -> bool:
    """A National Provider Identifier: 10 digits from 1 or 2, Luhn with 80840 before them.

    Source: 45 CFR 162.406 and the CMS check-digit standard.
    """
    number = digits(text, 10)
    return number != "" and number[0] in "12" and luhn_ok("80840" + number)


def us_mbi(text: str) -> bool:
    """A Medicare Beneficiary Identifier: 11 places, letters without S, L, O, I, B, Z.

    Source: CMS, format of the MBI. It has no check digit.
    """
    return bool(_MBI.fullmatch(letters_and_digits(text, 11)))


def vin(text: str) -> bool:
    """A vehicle identification number with the check digit North America asks for at place 9.

    Source: 49 CFR 565. European numbers need no check digit and mostly fail here.
    """
    code = letters_and_digits(text, 17)
    if not _VIN.fullmatch(code) or not code.strip("0"):
        return False
    number = (code[:8] + "0" + code[9:]).translate(_VIN_VALUES)
    remainder = weighted(number, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return "0123456789X"[remainder] == code[8]


def ca_sin(text: str) -> bool:
    """A Canadian Social Insurance Number: 9 digits not starting with 0 or 8, Luhn.

    Source: Service Canada; 0 and 8 are not assigned (8 is used for business accounts).
    """
    number = digits(text, 9)
    return number != "" and number[0] not in "08" and luhn_ok(number)


def ca_ohip(text: str) -> bool:
    """An Ontario health number: 10 digits not starting with 0, Luhn; a version code may follow.

    Source: Ontario Ministry of Health, health number reference.
    """
    number = letters_and_digits(text, 10, 11, 12)
    tail = number[10:]
    return (
        number[:10].isdigit()
        and number[0] != "0"
        and (not tail or tail.isalpha())
        and luhn_ok(number[:10])
    )


def mx_clabe(text: str) -> bool:
    """A Mexican bank account (CLABE): 17 digits weights 3, 7, 1, each product mod 10; check digit.

    000 is no bank. Source: Asociación de Bancos de México, Clave Bancaria Estandarizada.
    """
    number = digits(text, 18)
    if not number or number.startswith("000"):
        return False
    total = sum(int(digit) * (3, 7, 1)[at % 3] % 10 for at, digit in enumerate(number[:17]))
    return -total % 10 == int(number[17])


VALIDATORS = {
    "ca_ohip": ca_ohip,
    "ca_sin": ca_sin,
    "mx_clabe": mx_clabe,
    "us_dea": us_dea,
    "us_itin": us_itin,
    "us_mbi": us_mbi,
    "us_npi": us_npi,
    "us_ssn": us_ssn,
    "us_ssn_pre2011": us_ssn_pre2011,
    "vin": vin,
}
