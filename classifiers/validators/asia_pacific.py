"""Numbers of Australia, Hong Kong, Japan, Korea, New Zealand, the Philippines, Singapore, Taiwan."""

import re

from dlpagent.classifiers.validators.arithmetic import values, weighted
from dlpagent.classifiers.validators.text import digits, letters_and_digits, words

_HKID = re.compile(r"[A-Z]{1,2}[0-9]{6}[0-9A]")
_NHI_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I and no O; A counts 1
_NHI = re.compile(r"[A-HJ-NP-Z]{3}(?:[0-9]{4}|[0-9]{2}[A-HJ-NP-Z]{2})")
_NZ_DRIVER = re.compile(r"[A-Z]{2}[0-9]{6}")
_NRIC = re.compile(r"[STFGM][0-9]{7}[A-Z]")
_TW_ID = re.compile(r"[A-Z][1289][0-9]{8}")
_TW_ARC = re.compile(r"[A-Z][A-D][0-9]{8}")
_TW_CODES = dict(
    zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True)
)  # the order in which the household registration offices received their letters
_JP_PREFECTURES = frozenset(
    words(
        "00 10 11 12 13 14 20 21 22 23 24 25 30 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 60 "
        "61 62 63 64 65 70 71 72 73 74 80 81 82 83 90 91 92 93 94 95 96 97"
    )
)


def au_tfn(text: str) -> bool:
    """An Australian tax file number: 9 digits weights 1 4 3 7 5 8 6 9 10, or 8 digits of old.

    Old numbers have weights 10 7 8 4 6 3 5 1. The sum is divisible by 11; all zeros is not a
    number. Source: ATO, TFN algorithm.
    """
    number = digits(text, 8, 9)
    if not number.strip("0"):
        return False
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(number) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return weighted(number, weights) % 11 == 0


def au_medicare(text: str) -> bool:
    """An Australian Medicare card: first digit 2-6, check digit at 9, issue at 10, person at 11.

    Weights 1 3 7 9 1 3 7 9, mod 10. Source: Services Australia, Medicare card number.
    """
    number = digits(text, 10, 11)
    if not number or number[0] not in "23456" or number[9] == "0":
        return False
    return weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def hk_hkid(text: str) -> bool:
    """A Hong Kong identity card: 1 or 2 letters, 6 digits, check character (A = 10).

    Weights 9 to 1, a missing first letter counts 36, sum divisible by 11. Source: Immigration
    Department, HKID check digit.
    """
    code = letters_and_digits(text, 8, 9)
    if not _HKID.fullmatch(code):
        return False
    head = [36] * (9 - len(code)) + values(code[:-1])
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), head, strict=True))
    return (total + int(code[-1], 11)) % 11 == 0


def nz_nhi(text: str) -> bool:
    """A New Zealand NHI number, old (AAANNNC, mod 11) or new (AAANNAX, mod 23) form.

    Letters count 1 to 24 without I and O, weights 7 to 2. Old: check 11 minus remainder, 10 is
    written 0, remainder 0 is not issued. New: check letter number 23 minus remainder.
    Source: HISO 10046 Consumer Health Identity Standard.
    """
    code = letters_and_digits(text, 7)
    if not _NHI.fullmatch(code):
        return False
    places = [int(c) if c.isdigit() else _NHI_ALPHABET.index(c) + 1 for c in code]
    total = sum(weight * value for weight, value in zip(range(7, 1, -1), places[:6], strict=True))
    if code[6].isdigit():
        return total % 11 != 0 and (11 - total % 11) % 10 == places[6]
    return 23 - total % 23 == places[6]


def nz_driver(text: str) -> bool:
    """A New Zealand driver licence: two letters and six digits, not one digit repeated.

    The check rule of Waka Kotahi is not public: format only.
    """
    code = letters_and_digits(text, 8)
    return bool(_NZ_DRIVER.fullmatch(code)) and len(set(code[2:])) > 1


def nz_social_welfare(text: str) -> bool:
    """A New Zealand social welfare number: 9 digits, not one digit repeated.

    The check rule of the Ministry of Social Development is not public: format only.
    """
    return len(set(digits(text, 9))) > 1


def sg_nric(text: str) -> bool:
    """A Singapore NRIC or FIN: S, T, F, G or M, seven digits, check letter.

    Weights 2 7 6 5 4 3 2, plus 4 for T and G, plus 3 for M, mod 11, a letter table per series.
    Source: ICA series; the tables are those all public implementations agree on.
    """
    code = letters_and_digits(text, 9)
    if not _NRIC.fullmatch(code):
        return False
    series = code[0]
    offset = {"T": 4, "G": 4, "M": 3}.get(series, 0)
    remainder = (weighted(code[1:8], (2, 7, 6, 5, 4, 3, 2)) + offset) % 11
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "XWUTRQPNJLK"}
    return letters.get(series, "XWUTRQPNMLK")[remainder] == code[8]


def tw_id(text: str) -> bool:
    """A Taiwanese national id (second place 1, 2) or new resident id (8, 9): letter, nine digits.

    The letter stands for two digits; weights 1 9 8 7 6 5 4 3 2 1 1, sum divisible by 10.
    Source: Ministry of the Interior, National Immigration Agency.
    """
    code = letters_and_digits(text, 10)
    if not _TW_ID.fullmatch(code):
        return False
    return _taiwanese(str(_TW_CODES[code[0]]) + code[1:])


def tw_arc(text: str) -> bool:
    """A Taiwanese resident certificate: two letters (second A-D) and 8 digits, or the new form.

    The second letter counts the last digit of its code; then as tw_id. Source: National
    Immigration Agency.
    """
    code = letters_and_digits(text, 10)
    if not _TW_ARC.fullmatch(code):
        return code[1:2] in ("8", "9") and tw_id(text)
    return _taiwanese(f"{_TW_CODES[code[0]]}{_TW_CODES[code[1]] % 10}{code[2:]}")


def _taiwanese(number: str) -> bool:
    return weighted(number, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def jp_driver(text: str) -> bool:
    """A Japanese driving licence: public safety commission, year, serial, check digit at 11.

    Check: (11 - sum mod 11) mod 10, weights 5 4 3 2 7 6 5 4 3 2; place 12 counts reissues.
    Source: National Police Agency numbering, as published by several prefectures' guides.
    """
    number = digits(text, 12)
    if number[:2] not in _JP_PREFECTURES:
        return False
    check = (11 - weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10
    return check == int(number[10])


def ph_umid(text: str) -> bool:
    """A Philippine common reference number (UMID): 12 digits, not one digit repeated.

    The check rule is not public: format only. Source: SSS, CRN 4-7-1.
    """
    return len(set(digits(text, 12))) > 1


def kr_brn(text: str) -> bool:
    """A South Korean business number: 10 digits, weights 1 3 7 1 3 7 1 3 5, check digit mod 10.

    The tens of the last product are added once more; all zeros is not a number. Source: National
    Tax Service (국세청).
    """
    number = digits(text, 10)
    if not number or number == "0000000000":
        return False
    total = weighted(number, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(number[8]) * 5 // 10
    return -total % 10 == int(number[9])


VALIDATORS = {
    "au_medicare": au_medicare,
    "au_tfn": au_tfn,
    "hk_hkid": hk_hkid,
    "jp_driver": jp_driver,
    "kr_brn": kr_brn,
    "nz_driver": nz_driver,
    "nz_nhi": nz_nhi,
    "nz_social_welfare": nz_social_welfare,
    "ph_umid": ph_umid,
    "sg_nric": sg_nric,
    "tw_arc": tw_arc,
    "tw_id": tw_id,
}
