"""Bank identifiers: IBAN, BIC, American routing numbers, legal entities."""

import re
from functools import cache

from dlpagent.classifiers.validators.arithmetic import weighted
from dlpagent.classifiers.validators.countries import ALPHA2
from dlpagent.classifiers.validators.text import digits, letters_and_digits, words

# Account part after country and check digits: n digits, a letters, c letters or digits.
# Source: SWIFT IBAN registry (the 89 countries listed there).
_BBAN = dict(
    row.split(":")
    for row in words("""
    AD:8n12c AE:19n AL:8n16c AT:16n AZ:4a20c BA:16n BE:12n BG:4a6n8c BH:4a14c BI:23n BR:23n1a1c
    BY:4c4n16c CH:5n12c CR:18n CY:8n16c CZ:20n DE:18n DJ:23n DK:14n DO:4c20n EE:16n EG:25n ES:20n
    FI:14n FK:2a12n FO:14n FR:10n11c2n GB:4a14n GE:2a16n GI:4a15c GL:14n GR:7n16c GT:24c HN:4a20n
    HR:17n HU:24n IE:4a14n IL:19n IQ:4a15n IS:22n IT:1a10n12c JO:4a4n18c KW:4a22c KZ:3n13c LB:4n20c
    LC:4a24c LI:5n12c LT:16n LU:3n13c LV:4a13c LY:21n MC:10n11c2n MD:20c ME:18n MK:3n10c2n MN:16n
    MR:23n MT:4a5n18c MU:4a19n3a NI:4a20n NL:4a10n NO:11n OM:3n16c PK:4a16c PL:24n PS:4a21c PT:21n
    QA:4a21c RO:4a16c RS:18n RU:14n15c SA:2n18c SC:4a20n3a SD:14n SE:20n SI:15n SK:20n SM:1a10n12c
    SO:19n ST:21n SV:4a20n TL:19n TN:20n TR:6n16c UA:6n19c VA:18n VG:4a16n XK:16n YE:4a4n18c
    """)
)
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}
_LETTER_VALUES = {ord(c): str(10 + i) for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
_RTN_PREFIXES = {*range(13), *range(21, 33), *range(61, 73), 80}


@cache
def _bban(country: str) -> re.Pattern[str] | None:
    """The shape of a whole IBAN of this country, check digits 02 to 98."""
    if country not in _BBAN:
        return None
    parts = re.findall(r"(\d+)([nac])", _BBAN[country])
    body = "".join(f"{_CLASSES[kind]}{{{count}}}" for count, kind in parts)
    return re.compile(rf"{country}(?:0[2-9]|[1-8][0-9]|9[0-8]){body}")


def iban(text: str) -> bool:
    """An IBAN: the country's account format and ISO 13616 check digits (ISO 7064 mod 97-10).

    The national check digits inside the account part are not judged (several countries have banks
    that do not follow them). Source: SWIFT IBAN registry.
    """
    account = letters_and_digits(text)
    shape = _bban(account[:2])
    if shape is None or not shape.fullmatch(account):
        return False
    return int((account[4:] + account[:4]).translate(_LETTER_VALUES)) % 97 == 1


def bic(text: str) -> bool:
    """A BIC: 4 letters, ISO 3166 country (or XK), 2 and optionally 3 letters or digits.

    Source: ISO 9362. It has no check digit. Location codes ending in 0 (test) stay valid.
    """
    code = letters_and_digits(text, 8, 11)
    return code[:4].isalpha() and (code[4:6] in ALPHA2 or code[4:6] == "XK")


def us_rtn(text: str) -> bool:
    """An ABA routing number: Federal Reserve prefix 00-12, 21-32, 61-72 or 80, 3-7-1 mod 10.

    000000000 is not a number. Source: ABA Key to Routing Numbers.
    """
    number = digits(text, 9)
    if not number or int(number[:2]) not in _RTN_PREFIXES:
        return False
    return weighted(number, (3, 7, 1, 3, 7, 1, 3, 7, 1)) % 10 == 0 and number != "000000000"


def lei(text: str) -> bool:
    """A legal entity identifier: 18 letters or digits and two check digits (ISO 7064 mod 97-10).

    Source: ISO 17442.
    """
    code = letters_and_digits(text, 20)
    return bool(_LEI.fullmatch(code)) and int(code.translate(_LETTER_VALUES)) % 97 == 1


VALIDATORS = {"bic": bic, "iban": iban, "lei": lei, "us_rtn": us_rtn}
