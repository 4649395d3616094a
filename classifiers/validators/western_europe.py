"""Numbers of Germany, Luxembourg, Malta, the Netherlands, Spain and the United Kingdom."""

import re

from dlpagent.classifiers.validators.arithmetic import (
    luhn_ok,
    verhoeff_ok,
    weighted,
    weighted_values,
)
from dlpagent.classifiers.validators.calendar import is_day, is_day_of_some_century
from dlpagent.classifiers.validators.text import digits, letters_and_digits

_DE_ALPHABET = "[0-9CFGHJKLMNPRTVWXYZ]"  # no vowels and no letters that look like digits
_DE_ID_CARD = re.compile(rf"(?:[LMNPRTVWXY]{_DE_ALPHABET}{{8}}[0-9]?|[0-9]{{10}})")
_DE_PASSPORT = re.compile(rf"[CFGHJK]{_DE_ALPHABET}{{8}}[0-9]?")
_DE_DRIVER = re.compile(r"[A-Z0-9][0-9]{2}[A-Z0-9]{6}[0-9X][A-Z0-9]")
_MT_ID = re.compile(r"[0-9]{7}[MGAPLHBZ]")
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z][0-9]{6}[ABCD]?")
_GB_DRIVER = re.compile(
    r"(?=[A-Z])[A-Z9]{5}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]"
    r"(?:99|[A-Z][A-Z9])[0-9][A-Z0-9]{2}(?:[0-9]{2})?"
)
_ES_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def nl_bsn(text: str) -> bool:
    """A Dutch citizen service number: 9 digits (8 with the leading zero left out), "elfproef".

    Weights 9 to 2 and -1, sum divisible by 11, not all zeros. Source: Logisch ontwerp BSN (RvIG).
    """
    number = digits(text, 8, 9).zfill(9)
    return weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and number != "000000000"


def gb_nhs(text: str) -> bool:
    """An NHS number: 10 digits, weights 10 to 2, check digit 11 minus sum mod 11 (11 = 0).

    Source: NHS Data Model and Dictionary, NHS NUMBER. All zeros is not a number.
    """
    number = digits(text, 10)
    if not number or number == "0000000000":
        return False
    return weighted(number, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def gb_nino(text: str) -> bool:
    """A National Insurance number: two allowed prefix letters, six digits, suffix A-D if present.

    Source: HMRC National Insurance Manual NIM39110. It has no check digit.
    """
    return bool(_NINO.fullmatch(letters_and_digits(text, 8, 9)))


def gb_driver(text: str) -> bool:
    """A British driver number of 16 places (18 with issue number): surname, birth date, initials.

    Women have 5 added to the first digit of the month. The two computed characters follow a rule
    that is not public. Source: DVLA, driver number structure.
    """
    code = letters_and_digits(text, 16, 18)
    if not _GB_DRIVER.fullmatch(code) or not code[:5].rstrip("9").isalpha():
        return False
    month = int(code[6:8]) % 50
    return is_day_of_some_century(int(code[5] + code[10]), month, int(code[8:10]))


def _icao_check(code: str) -> bool:
    """Whether the tenth place is the check digit of the first nine (ICAO 9303: 7-3-1, mod 10)."""
    return weighted_values(code, (7, 3, 1, 7, 3, 1, 7, 3, 1)) % 10 == int(code[9])


def de_id_card(text: str) -> bool:
    """A German identity card: 9 places from the card alphabet, or those with their check digit.

    The check digit (ICAO 9303 weights 7-3-1) is printed in the machine-readable zone and was part
    of the all-digit numbers until October 2010. Without it only the format is judged.
    Source: Personalausweisgesetz section 5, BSI TR-03127.
    """
    code = letters_and_digits(text, 9, 10)
    if not _DE_ID_CARD.fullmatch(code) or not code.strip("0"):
        return False
    return len(code) == 9 or _icao_check(code)


def de_passport(text: str) -> bool:
    """A German passport: C, F, G, H, J or K and 8 places from the card alphabet, check digit if 10.

    Source: Passverwaltungsvorschrift (Anlage), ICAO 9303. With 9 places only the format is judged.
    """
    code = letters_and_digits(text, 9, 10)
    return bool(_DE_PASSPORT.fullmatch(code)) and (len(code) == 9 or _icao_check(code))


def de_document_check(text: str) -> bool:
    """A German identity card or passport number that carries its check digit (10 places)."""
    return len(letters_and_digits(text, 10)) == 10 and (de_id_card(text) or de_passport(text))


def de_driver(text: str) -> bool:
    """A German driving licence: 9 places, check character at 10, issue number at 11.

    Letters count A = 10, weights 9 to 1, remainder mod 11, X for 10. Source: KBA / FeV Anlage 8.
    """
    code = letters_and_digits(text, 11)
    if not _DE_DRIVER.fullmatch(code) or not code.strip("0"):
        return False
    return "0123456789X"[weighted_values(code, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11] == code[9]


def lu_natural(text: str) -> bool:
    """A Luxembourg number of a natural person: birth date, 3 digits, Luhn digit, Verhoeff digit.

    Both digits are computed over the first eleven. Source: règlement grand-ducal du 28 novembre
    2013, OECD TIN sheet Luxembourg.
    """
    number = digits(text, 13)
    if not number or not is_day(int(number[:4]), int(number[4:6]), int(number[6:8])):
        return False
    return luhn_ok(number[:12]) and verhoeff_ok(number[:11] + number[12])


def lu_legal(text: str) -> bool:
    """A Luxembourg number of a legal person: year, 6 digits, check digit (11 in all).

    Weights 5 4 3 2 7 6 5 4 3 2, check 11 minus sum mod 11 (remainder 0 gives 0, 1 is not assigned).
    Source: règlement grand-ducal du 21 décembre 1987, first mode of calculation.
    """
    number = digits(text, 11)
    if not number or not 1800 <= int(number[:4]) <= 2099:
        return False
    return weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def mt_id(text: str) -> bool:
    """A Maltese identity card: seven digits and M, G, A, P, L, H, B or Z. No check digit.

    Source: Identity Card Act (Malta), OECD TIN sheet Malta.
    """
    return bool(_MT_ID.fullmatch(letters_and_digits(text, 8)))


def es_ssn(text: str) -> bool:
    """A Spanish social security number: province, number, two control digits (11 or 12 digits).

    Control: province and number (its leading zero left out below ten million) mod 97. Province 01
    to 53 or 66. Source: Tesorería General de la Seguridad Social.
    """
    number = digits(text, 11, 12)
    if not number or not (1 <= int(number[:2]) <= 53 or number[:2] == "66"):
        return False
    body = int(number[2:-2])
    base = int(number[:2]) * (10_000_000 if body < 10_000_000 else 100_000_000)
    return (base + body) % 97 == int(number[-2:])


def es_driver(text: str) -> bool:
    """A Spanish driving licence: the number of the DNI, or X, Y, Z and 7 digits, with its letter.

    Letter: number mod 23 in TRWAGMYFPDXBNJZSQVHLCKE. Source: Ministerio del Interior, DGT.
    """
    code = letters_and_digits(text, 9)
    if not code:
        return False
    number = {"X": "0", "Y": "1", "Z": "2"}.get(code[0], code[0]) + code[1:8]
    return number.isdigit() and _ES_LETTERS[int(number) % 23] == code[8]


VALIDATORS = {
    "de_document_check": de_document_check,
    "de_driver": de_driver,
    "de_id_card": de_id_card,
    "de_passport": de_passport,
    "es_driver": es_driver,
    "es_ssn": es_ssn,
    "gb_driver": gb_driver,
    "gb_nhs": gb_nhs,
    "gb_nino": gb_nino,
    "lu_legal": lu_legal,
    "lu_natural": lu_natural,
    "mt_id": mt_id,
    "nl_bsn": nl_bsn,
}
