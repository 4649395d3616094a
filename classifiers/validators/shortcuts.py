"""What python-stdnum answers for plain digits, worked out from tables instead of asked.

A module of stdnum takes 10 to 50 µs to say no; a row of random digits asks dozens of them. Here a
module's number is a few conditions that are read from tables: what fails one is not valid, and where
the conditions are all there is, what meets them is. tests/…/test_shortcuts.py holds each of them
against the module itself. numpy reads the same tables for many numbers at once (cascade/sieve.py).
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType

from dlpagent.classifiers.validators.arithmetic import luhn_ok, verhoeff_ok, weighted
from dlpagent.classifiers.validators.calendar import is_day, is_day_of_some_century
from dlpagent.classifiers.validators.text import words


@dataclass(frozen=True, slots=True)
class Sum:
    """The digit at a place is what the weighted sum of the first digits says.

    wanted: for each remainder the digit; 10 stands for none.
    """

    weights: tuple[int, ...]
    wanted: bytes
    at: int = -1

    def holds(self, number: str) -> bool:
        remainder = weighted(number, self.weights) % len(self.wanted)
        return ord(number[self.at]) == 48 + self.wanted[remainder]


@dataclass(frozen=True, slots=True)
class Among:
    """Some digits that follow each other, read as a number, are one of some."""

    at: int
    size: int
    allowed: Container[int]

    def holds(self, number: str) -> bool:
        return int(number[self.at : self.at + self.size]) in self.allowed


@dataclass(frozen=True, slots=True)
class Listed:
    """The first digits stand in a table of stdnum, which is asked once for each."""

    table: str
    size: int
    _known: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    def holds(self, number: str) -> bool:
        prefix = number[: self.size]
        known = self._known.get(prefix)
        if known is None:
            found = import_module("stdnum.numdb").get(self.table).info(prefix)
            known = self._known[prefix] = bool(found[0][1])
        return known


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula over all digits, as it is computed for one number."""

    holds: Callable[[str], bool]


Condition = Sum | Among | Listed | Formula


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A module's conditions by number of digits; any other number of digits is not valid.

    exact: what meets the conditions is valid; else the module must be asked.
    """

    by_length: Mapping[int, tuple[Condition, ...]] = field(default_factory=dict)
    exact: bool = False

    def answer(self, number: str) -> bool | None:
        """Whether ASCII digits are valid; None: ask the module."""
        conditions = self.by_length.get(len(number))
        if conditions is None:
            return False
        for condition in conditions:
            if not condition.holds(number):
                return False
        return True if self.exact else None


def sum_of(weights: Sequence[int], modulus: int, wanted: Callable[[int], int], at: int = -1) -> Sum:
    return Sum(tuple(weights), bytes(min(wanted(rest), 10) for rest in range(modulus)), at)


def _mod_11_10(number: str) -> bool:
    """ISO 7064, MOD 11,10."""
    check = 5
    for octet in number.encode():
        check = ((check or 10) * 2 % 11 + octet - 48) % 10
    return check == 1


def _two_stages(number: str) -> bool:
    """Estonia and Lithuania: where the first weights leave 10, others are taken."""
    check = weighted(number, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(number, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return ord(number[-1]) == 48 + check


def _of_belgium(number: str) -> bool:
    body, check = int(number[:9]), 97 - int(number[9:])
    return body % 97 == check or (2_000_000_000 + body) % 97 == check


LUHN = Formula(luhn_ok)
VERHOEFF = Formula(verhoeff_ok)
MOD_11_10 = Formula(_mod_11_10)
NOT_ONE = Formula(lambda number: number.count(number[0]) != len(number))
"""Not one digit again and again."""
_MONTHS = frozenset(range(1, 13))
_DAYS_FIRST = frozenset(
    day * 100 + month for month in _MONTHS for day in range(1, 32) if is_day(2000, month, day)
)
_MONTHS_FIRST = frozenset(one % 100 * 100 + one // 100 for one in _DAYS_FIRST)


def _months_plus(*added: int) -> frozenset[int]:
    return frozenset(one + 100 * more for one in _MONTHS_FIRST for more in added)


_NOT_FROM_0 = Among(0, 2, frozenset(range(10, 100)))


def _minus_11(rest: int) -> int:
    return -rest % 11


def _minus_11_or_0(rest: int) -> int:
    return -rest % 11 % 10


def _plain_11_or_0(rest: int) -> int:
    return rest % 10


def _same(rest: int) -> int:
    return rest


# Women have 50 added to the month; 20 more when a day's numbers ran out.
_OF_CZECHOSLOVAKIA = Shortcut(
    {
        length: (
            Among(2, 2, frozenset(one for one in range(100) if one % 50 % 20 in _MONTHS)),
            Among(4, 2, frozenset(range(1, 32))),
            *more,
        )
        for length, more in (
            (9, ()),
            (10, (Formula(lambda n: int(n[:9]) % 11 % 10 == int(n[9])),)),
        )
    }
)


# The bank decides how its accounts are checked: weights, and what products and their sum are
# reduced by. Source: Inland Revenue, specification of withholding tax returns.
_NZ_WEIGHTS = {
    "A": ((0, 0, 6, 3, 7, 9, 0, 10, 5, 8, 4, 2, 1), 11, 11),
    "B": ((0, 0, 0, 0, 0, 0, 0, 10, 5, 8, 4, 2, 1), 11, 11),
    "D": ((0, 0, 0, 0, 0, 0, 7, 6, 5, 4, 3, 2, 1), 11, 11),
    "E": ((0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 4, 3, 2, 0, 0, 1), 9, 11),
    "F": ((0, 0, 0, 0, 0, 0, 1, 7, 3, 1, 7, 3, 1), 10, 10),
    "G": ((0, 0, 0, 0, 0, 0, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1), 9, 10),
    "X": ((), 1, 1),
}
_NZ_BANKS = {
    **dict.fromkeys(
        words("01 02 03 04 06 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 27 30 35 38"), "A"
    ),
    "08": "D",
    "09": "E",
    "25": "F",
    "26": "G",
    "28": "G",
    "29": "G",
    "31": "X",
    "33": "F",
}


def _of_new_zealand(number: str) -> bool:
    kind = _NZ_BANKS.get(number[:2], "X")
    if kind == "A" and number[6:13] >= "0990000":
        kind = "B"
    weights, first, then = _NZ_WEIGHTS[kind]
    products = (
        weight * (octet - 48) for weight, octet in zip(weights, number.encode(), strict=False)
    )
    return sum(one % first if one > first else one for one in products) % then == 0


def _nz_spellings(text: str, bare: str) -> Sequence[str]:
    """The digits an account may stand for: its four parts, or its last one, filled up with zeros."""
    whole = bare[:13] + bare[13:].zfill(3)
    parts = text.strip().replace(" ", "-").split("-")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return (whole,)
    sizes = (2, 4, 7, 3)
    return whole, "".join(part.zfill(size) for part, size in zip(parts, sizes, strict=True))


_BANKS = frozenset(
    map(
        int,
        words(
            "01 02 03 04 05 06 08 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 27 30 31 38 88"
        ),
    )
)
"""Banks of New Zealand that have branches in the register of Payments NZ."""

_CAMPUSES = frozenset(
    map(
        int,
        words(
            "01 02 03 04 05 06 10 11 12 13 14 15 16 20 21 22 23 24 25 26 27 30 31 32 33 34 35 36 37 38"
            " 39 40 41 42 43 44 45 46 47 48 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 71"
            " 72 73 74 75 76 77 80 81 82 83 84 85 86 87 88 90 91 92 93 94 95 98 99"
        ),
    )
)
"""Prefixes the IRS assigns employer numbers from."""


SHORTCUTS: Mapping[str, Shortcut] = MappingProxyType(
    {
        "ar.cuit": Shortcut(
            {
                11: (
                    sum_of(
                        (5, 4, 3, 2, 7, 6, 5, 4, 3, 2),
                        11,
                        lambda rest: (0, 9)[rest] if rest < 2 else 11 - rest,
                    ),
                )
            }
        ),
        "at.tin": Shortcut({9: (LUHN, Listed("at/fa", 2))}, exact=True),
        "at.vnr": Shortcut(
            {10: (sum_of((3, 7, 9, 0, 5, 8, 4, 2, 1, 6), 11, _same, at=3), _NOT_FROM_0)}, exact=True
        ),
        "au.abn": Shortcut(
            {
                11: (
                    Formula(
                        lambda n: (
                            int(n[:2])
                            == 11 + (-weighted(n[2:], (3, 5, 7, 9, 11, 13, 15, 17, 19)) - 1) % 89
                        )
                    ),
                )
            },
            exact=True,
        ),
        "au.acn": Shortcut({9: (sum_of(range(-8, 0), 10, _same),)}, exact=True),
        "be.nn": Shortcut({11: (Formula(_of_belgium),)}),
        "bg.egn": Shortcut(
            {
                10: (
                    sum_of((2, 4, 8, 5, 10, 9, 7, 3, 6), 11, _plain_11_or_0),
                    Among(2, 4, _months_plus(0, 20, 40)),
                )
            }
        ),
        "br.cpf": Shortcut(
            {
                11: (
                    sum_of(range(10, 1, -1), 11, _minus_11_or_0, at=9),
                    sum_of(range(11, 1, -1), 11, _minus_11_or_0, at=10),
                )
            },
            exact=True,
        ),
        "ca.bn": Shortcut({9: (LUHN,)}, exact=True),
        "ch.ssn": Shortcut(
            {
                13: (
                    sum_of((1, 3) * 6, 10, lambda rest: -rest % 10),
                    Formula(lambda n: n.startswith("756")),
                )
            },
            exact=True,
        ),
        "cz.rc": _OF_CZECHOSLOVAKIA,
        "de.idnr": Shortcut({11: (MOD_11_10, _NOT_FROM_0)}),
        "ee.ik": Shortcut({11: (Among(3, 4, _MONTHS_FIRST), Formula(_two_stages))}),
        "fr.nif": Shortcut(
            {13: (Formula(lambda n: n[0] in "0123" and int(n[:10]) % 511 == int(n[10:])),)},
            exact=True,
        ),
        "fr.siren": Shortcut({9: (LUHN,)}, exact=True),
        "fr.siret": Shortcut({14: (Formula(lambda n: luhn_ok(n[:9])),)}),
        "gb.vat": Shortcut(
            {
                length: (
                    Formula(
                        lambda n: weighted(n, (8, 7, 6, 5, 4, 3, 2, 10, 1)) % 97 in (0, 42, 55)
                    ),
                )
                for length in (9, 12)
            }
        ),
        "gr.amka": Shortcut({11: (LUHN, Among(0, 4, _DAYS_FIRST))}),
        "gr.vat": Shortcut(
            {
                8: (sum_of((128, 64, 32, 16, 8, 4, 2), 11, _plain_11_or_0),),
                9: (sum_of((256, 128, 64, 32, 16, 8, 4, 2), 11, _plain_11_or_0),),
            },
            exact=True,
        ),
        "hr.oib": Shortcut({11: (MOD_11_10,)}, exact=True),
        "id.nik": Shortcut(
            {
                16: (
                    Among(
                        6,
                        4,
                        frozenset(
                            d * 100 + m
                            for d in range(100)
                            for m in _MONTHS
                            if is_day(2000, m, d % 40)
                        ),
                    ),
                    Listed("id/loc", 4),
                    Formula(
                        lambda n: is_day_of_some_century(
                            int(n[10:12]), int(n[8:10]), int(n[6:8]) % 40
                        )
                    ),
                )
            },
            exact=True,
        ),
        "il.idnr": Shortcut(dict.fromkeys(range(1, 10), (LUHN,)), exact=True),
        "imei": Shortcut({14: (), 15: (LUHN,), 16: ()}, exact=True),
        "in_.aadhaar": Shortcut(
            {
                12: (
                    Among(0, 2, frozenset(range(20, 100))),
                    VERHOEFF,
                    Formula(lambda n: n != n[::-1]),
                )
            },
            exact=True,
        ),
        "is_.kennitala": Shortcut({10: (sum_of((3, 2, 7, 6, 5, 4, 3, 2), 11, _minus_11, at=8),)}),
        "it.iva": Shortcut(
            {
                11: (
                    LUHN,
                    Among(7, 3, frozenset((*range(1, 101), 120, 121, 888, 999))),
                    Formula(lambda n: n[:7] != "0000000"),
                )
            },
            exact=True,
        ),
        "jp.cn": Shortcut(
            {13: (sum_of((0, *(2, 1) * 6), 9, lambda rest: 9 - rest, at=0),)}, exact=True
        ),
        "jp.in_": Shortcut(
            {12: (sum_of((6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11, _minus_11_or_0),)}, exact=True
        ),
        "lt.asmens": Shortcut({11: (Formula(_two_stages),)}),
        "no.fodselsnummer": Shortcut(
            {11: (sum_of((3, 7, 6, 1, 8, 9, 4, 5, 2), 11, _minus_11, at=9),)}
        ),
        "no.orgnr": Shortcut({9: (sum_of((3, 2, 7, 6, 5, 4, 3, 2), 11, _minus_11),)}, exact=True),
        "nz.bankaccount": Shortcut({16: (Among(0, 2, _BANKS), Formula(_of_new_zealand))}),
        "nz.ird": Shortcut(
            {8: (Among(0, 2, frozenset(range(10, 100))),), 9: (Among(0, 2, frozenset(range(15))),)}
        ),
        "pl.nip": Shortcut({10: (sum_of((6, 5, 7, 2, 3, 4, 5, 6, 7), 11, _same),)}, exact=True),
        "pl.pesel": Shortcut(
            {
                11: (
                    sum_of((1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10, lambda rest: -rest % 10),
                    Among(2, 4, _months_plus(0, 20, 40, 60, 80)),
                )
            }
        ),
        "pl.regon": Shortcut(
            {
                9: (sum_of((8, 9, 2, 3, 4, 5, 6, 7), 11, _plain_11_or_0),),
                14: (
                    sum_of((8, 9, 2, 3, 4, 5, 6, 7), 11, _plain_11_or_0, at=8),
                    sum_of((2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8), 11, _plain_11_or_0),
                ),
            },
            exact=True,
        ),
        "pt.nif": Shortcut(
            {9: (sum_of(range(9, 1, -1), 11, _minus_11_or_0), _NOT_FROM_0)}, exact=True
        ),
        "ro.cnp": Shortcut(
            {
                13: (
                    sum_of(
                        (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9),
                        11,
                        lambda rest: 1 if rest == 10 else rest,
                    ),
                    Among(3, 4, _MONTHS_FIRST),
                )
            }
        ),
        "ru.inn": Shortcut(
            {
                10: (sum_of((2, 4, 10, 3, 5, 9, 4, 6, 8), 11, _plain_11_or_0),),
                12: (sum_of((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), 11, _plain_11_or_0, at=10),),
            }
        ),
        "si.ddv": Shortcut(
            {
                8: (
                    sum_of(
                        range(8, 1, -1),
                        11,
                        lambda rest: 0 if rest == 1 else 11 - rest if rest else 10,
                    ),
                    _NOT_FROM_0,
                )
            },
            exact=True,
        ),
        "si.emso": Shortcut(
            {
                13: (
                    sum_of((7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11, _minus_11_or_0),
                    Among(0, 4, _DAYS_FIRST),
                )
            }
        ),
        "sk.rc": _OF_CZECHOSLOVAKIA,
        "th.pin": Shortcut(
            {
                13: (
                    sum_of(range(2, -10, -1), 11, lambda rest: (1 - rest) % 10),
                    Among(0, 1, frozenset(range(1, 9))),
                )
            },
            exact=True,
        ),
        "tr.tckimlik": Shortcut(
            {
                11: (
                    sum_of((3, 1, 3, 1, 3, 1, 3, 1, 3), 10, lambda rest: -rest % 10, at=9),
                    sum_of((1,) * 10, 10, _same, at=10),
                    _NOT_FROM_0,
                )
            },
            exact=True,
        ),
        "ua.rntrc": Shortcut(
            {10: (sum_of((-1, 5, 7, 9, 4, 6, 10, 5, 7), 11, _plain_11_or_0),)}, exact=True
        ),
        "us.ein": Shortcut({9: (Among(0, 2, _CAMPUSES),)}, exact=True),
        "za.idnr": Shortcut({13: (LUHN, Among(2, 4, _MONTHS_FIRST))}),
    }
)
"""By module. Sources of the rules: docs/validators.md."""


def answer(module: str, text: str, bare: str) -> bool | None:
    """What a module would say of a text; None: ask it. bare: the text without separators."""
    shortcut = SHORTCUTS.get(module)
    if shortcut is None or not (bare.isascii() and bare.isdigit()):
        return None
    if module != "nz.bankaccount":
        return shortcut.answer(bare)
    answers = [shortcut.answer(one) for one in _nz_spellings(text, bare)]
    return None if None in answers else False
