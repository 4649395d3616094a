"""Check-digit arithmetic over strings that are already clean ASCII (see text.py)."""

from collections.abc import Sequence
from operator import mul

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_MOVED = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
DIHEDRAL = [[int(c) for c in row] for row in _TIMES]
PERMUTED = [[int(c) for c in row] for row in _MOVED]


def luhn_ok(number: str) -> bool:
    """Whether the digits, the check digit last, pass the Luhn formula (ISO/IEC 7812-1 annex B)."""
    octets = number.encode()
    plain, doubled = octets[-1::-2], octets[-2::-2].translate(_DOUBLED)
    return (sum(plain) + sum(doubled) - 48 * len(octets)) % 10 == 0


def verhoeff_ok(number: str) -> bool:
    """Whether the digits, the check digit last, pass Verhoeff's dihedral formula (1969)."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = DIHEDRAL[check][PERMUTED[place % 8][int(digit)]]
    return check == 0


def weighted(number: str, weights: Sequence[int]) -> int:
    """The sum of digit times weight over the first len(weights) digits."""
    total: int = sum(map(mul, weights, number.encode()))
    return total - 48 * sum(weights)


def values(text: str) -> list[int]:
    """0 to 35 for each upper-case letter or digit: digits as they are, A = 10 to Z = 35."""
    return [code - 48 if code < 58 else code - 55 for code in text.encode()]


def weighted_values(text: str, weights: Sequence[int]) -> int:
    """Like `weighted`, where a letter counts as its value in `values`."""
    total: int = sum(map(mul, weights, values(text)))
    return total
