"""Numbers of the People's Republic of China."""

from dlpagent.classifiers.validators.calendar import is_day
from dlpagent.classifiers.validators.text import letters_and_digits, words

_PROVINCES = frozenset(
    words(
        "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 "
        "65 71 81 82 83"
    )
)
_CHECK = "10X98765432"


def cn_resident_id(text: str) -> bool:
    """A Chinese resident identity number: province, birth date from 1800 to 2099, check character.

    The county is not looked up: it is the one of the first registration, its codes come and go, and
    a number stays as it is when they do. Check: weights 2^(17-i) mod 11, remainder 0 to 10 is
    written 1 0 X 9 … 2. 83 begins residence permits for Taiwanese. Source: GB 11643-1999, GB/T 2260.
    """
    code = letters_and_digits(text, 18)
    if not code[:17].isdigit() or code[:2] not in _PROVINCES or code[2:6] == "0000":
        return False
    year, month, day = int(code[6:10]), int(code[10:12]), int(code[12:14])
    if not 1800 <= year <= 2099 or not is_day(year, month, day):
        return False
    return _CHECK[sum(2 ** (17 - i) * int(c) for i, c in enumerate(code[:17])) % 11] == code[17]


VALIDATORS = {"cn_resident_id": cn_resident_id}
