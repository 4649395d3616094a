"""Telephone numbers by shape: the North American plan and E.164."""

import re

from dlpagent.classifiers.validators.text import compact

_EXTENSION = re.compile(r"(?:\s|;|,)*(?:ext\.?|extension|x|#)\s*=?\s*[0-9]{1,6}$", re.IGNORECASE)

# Digits after the country code, as each national numbering plan allows (ITU-T E.164 annex and the
# plans filed with ITU). Codes without own row: 4 to 15 minus the length of the code.
_LENGTHS = {
    "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9), "32": (8, 9),
    "33": (9, 9), "34": (9, 9), "36": (8, 9), "39": (6, 12), "40": (9, 9), "41": (9, 9),
    "43": (4, 13), "44": (7, 10), "45": (8, 8), "46": (7, 10), "47": (5, 8), "48": (9, 9),
    "49": (6, 13), "51": (8, 9), "52": (10, 10), "53": (6, 8), "54": (10, 11), "55": (10, 11),
    "56": (9, 9), "57": (8, 10), "58": (10, 10), "60": (8, 10), "61": (9, 9), "62": (8, 12),
    "63": (8, 10), "64": (8, 10), "65": (8, 8), "66": (8, 9), "81": (9, 10), "82": (8, 11),
    "84": (9, 10), "86": (9, 12), "90": (10, 10), "91": (10, 10), "92": (9, 10), "93": (9, 9),
    "94": (9, 9), "95": (7, 10), "98": (10, 10), "212": (9, 9), "213": (8, 9), "216": (8, 8),
    "234": (8, 11), "254": (9, 10), "351": (9, 9), "352": (6, 11), "353": (7, 9), "354": (7, 9),
    "355": (8, 9), "356": (8, 8), "357": (8, 8), "358": (5, 11), "359": (8, 9), "370": (8, 8),
    "371": (8, 8), "372": (7, 8), "373": (8, 8), "374": (8, 8), "375": (9, 9), "376": (6, 9),
    "377": (8, 9), "380": (9, 9), "381": (8, 9), "382": (8, 8), "383": (8, 9), "385": (8, 9),
    "386": (8, 8), "387": (8, 9), "389": (8, 8), "420": (9, 9), "421": (9, 9), "423": (7, 9),
    "502": (8, 8), "503": (8, 8), "504": (8, 8), "505": (8, 8), "506": (8, 8), "507": (7, 8),
    "591": (8, 8), "593": (8, 9), "595": (9, 9), "598": (8, 8), "852": (8, 8), "853": (8, 8),
    "855": (8, 9), "880": (8, 10), "886": (8, 9), "961": (7, 8), "962": (8, 9), "963": (8, 9),
    "964": (8, 10), "965": (8, 8), "966": (9, 9), "967": (7, 9), "968": (8, 8), "970": (8, 9),
    "971": (8, 9), "972": (8, 9), "973": (8, 8), "974": (8, 8), "977": (8, 10), "994": (9, 9),
    "995": (9, 9), "996": (9, 9), "998": (9, 9),
}  # fmt: skip
# Three-digit country codes in use, by their first two digits (ITU-T list of country codes).
_THREE = {
    "21": "12368", "22": "0123456789", "23": "0123456789", "24": "0123456789", "25": "012345678",
    "26": "0123456789", "29": "01789", "35": "0123456789", "37": "0123456789", "38": "01235679",
    "42": "013", "50": "0123456789", "59": "0123456789", "67": "023456789", "68": "012356789",
    "69": "012", "80": "08", "85": "02356", "87": "08", "88": "012368", "96": "012345678",
    "97": "012345679", "99": "234568",
}  # fmt: skip


def _digits(text: str) -> str:
    """The digits of a written number without its extension; a leading + or 00 becomes "+"."""
    if len(text) > 48:
        return ""
    bare = compact(_EXTENSION.sub("", text.strip().removeprefix("tel:")))
    if bare.startswith("00"):
        bare = "+" + bare[2:]
    return bare if bare.isascii() and bare.removeprefix("+").isdigit() else ""


def _country_code(number: str) -> str:
    """The country code at the start of the digits, "" when no country has it."""
    if number[:1] in ("1", "7"):
        return number[:1]
    if number[:2] in _THREE:
        return number[:3] if number[2:3] and number[2] in _THREE[number[:2]] else ""
    return number[:2] if number[:2] in _LENGTHS else ""


def _is_nanp(number: str) -> bool:
    """Ten digits: area NXX (not N9X, 37X, 96X, N11), exchange NXX (not N11). Source: NANPA."""
    if len(number) != 10 or number[0] in "01" or number[3] in "01":
        return False
    area = number[:3]
    if area[1] == "9" or area[:2] in ("37", "96") or area[1:] == "11":
        return False
    return number[4:6] != "11" and len(set(number[3:])) > 1


def phone_nanp(text: str) -> bool:
    """A telephone number of the North American Numbering Plan, with or without +1 or 1.

    Source: NANPA, area and exchange code rules. Seven repeated digits after the area are refused.
    """
    number = _digits(text).removeprefix("+")
    return _is_nanp(number[1:] if len(number) == 11 and number[0] == "1" else number)


def phone_e164(text: str) -> bool:
    """A telephone number with + or 00, an assigned country code and a length its plan allows.

    A trunk zero in brackets after the country code, +44 (0)20, is left out. Source: ITU-T E.164.
    """
    number = _digits(text.replace("(0)", ""))
    if not number.startswith("+"):
        return False
    number = number[1:]
    code = _country_code(number)
    if code == "1":
        return _is_nanp(number[1:])
    least, most = _LENGTHS.get(code, (4, 15 - len(code)))
    national = number[len(code) :]
    return bool(code) and least <= len(national) <= most and len(set(national)) > 1


def phone(text: str) -> bool:
    """A telephone number of the North American plan, or in international form."""
    return phone_nanp(text) or phone_e164(text)


VALIDATORS = {"phone": phone, "phone_e164": phone_e164, "phone_nanp": phone_nanp}
