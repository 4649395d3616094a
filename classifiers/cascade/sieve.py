"""Which of many matches validators may accept, read from tables for all of them at once.

A validator takes a microsecond or more for each value, and most of what looks like a number of some
kind is none. A sieve never loses a value that its validator accepts; what is left is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.sit import ValidatorSpec
from dlpagent.classifiers.validators.arithmetic import DIHEDRAL, PERMUTED
from dlpagent.classifiers.validators.cards import ISSUED
from dlpagent.classifiers.validators.shortcuts import (
    LUHN,
    MOD_11_10,
    NOT_ONE,
    SHORTCUTS,
    VERHOEFF,
    Among,
    Condition,
    Listed,
    Shortcut,
    Sum,
    sum_of,
)
from dlpagent.classifiers.validators.wrapped import MODULES

Bools = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]
Sieve = Callable[[Octets, Ints, Ints], tuple[Bools, Bools]]
"""Of a text in ASCII and matches in it (starts, ends): those that may be accepted, and those that are."""

FEWEST = 8
"""Fewer matches are asked for one by one."""
MOST_BYTES = 64
BLOCK = 8_192
_SEPARATORS = b" \t\r\n-./,:()_'`|"
"""In ASCII what validators leave out (validators/text.py)."""
_OTHER = np.ones(256, dtype=np.bool_)
_OTHER[[*_SEPARATORS, *b"0123456789"]] = False


def sieve_of(validators: Sequence[ValidatorSpec]) -> Sieve | None:
    """What is known of the values that all of some validators accept; None: nothing."""
    found = [_shortcut(one) for one in validators]
    known = [one for one in found if one is not None]
    if not known:
        return None
    everything = len(known) == len(found)

    def sieve(octets: Octets, starts: Ints, ends: Ints) -> tuple[Bools, Bools]:
        may, sure = np.ones((2, len(starts)), dtype=np.bool_)
        for first in range(0, len(starts), BLOCK):
            part = slice(first, first + BLOCK)
            may[part], sure[part] = _judged(known, octets, starts[part], ends[part])
        return may, sure & everything

    return sieve


def _shortcut(spec: ValidatorSpec) -> Shortcut | None:
    if spec.name == "checksum":
        return _checksum(dict(spec.params))
    if spec.params:
        return None
    module = MODULES.get(spec.name, "")
    if module == "nz.bankaccount":  # its parts may be filled up with zeros
        return None
    return SHORTCUTS.get(module) or OWN.get(spec.name)


def _checksum(params: Mapping[str, object]) -> Shortcut | None:
    weights, modulus, at = params["weights"], params["mod"], params["check_digit"]
    assert isinstance(weights, tuple)
    assert isinstance(modulus, int)
    assert isinstance(at, int)
    if params["allow_alphabets"] or weights[at - 1]:
        return None
    condition = sum_of(weights, modulus, lambda rest: rest, at - 1)
    return Shortcut({len(weights): (condition,)}, exact=True)


def _prefixes(length: int) -> frozenset[int]:
    return frozenset(n for n, lengths in enumerate(ISSUED) if lengths >> length & 1)


_SSN = (
    Among(0, 3, {*range(1, 900)} - {666}),
    Among(3, 2, range(1, 100)),
    Among(5, 4, range(1, 10_000)),
)

OWN: Mapping[str, Shortcut] = {
    "credit_card": Shortcut(
        {length: (LUHN, Among(0, 4, _prefixes(length)), NOT_ONE) for length in range(12, 20)},
        exact=True,
    ),
    "gb_nhs": Shortcut({10: (sum_of(range(10, 1, -1), 11, lambda rest: -rest % 11),)}, exact=True),
    "hu_taj": Shortcut({9: (sum_of((3, 7) * 4, 10, lambda rest: rest),)}, exact=True),
    "hu_tax": Shortcut(
        {10: (Among(0, 1, {8}), sum_of(range(1, 10), 11, lambda rest: rest))}, exact=True
    ),
    "nl_bsn": Shortcut(
        {n: (sum_of(range(n, 1, -1), 11, lambda rest: rest),) for n in (8, 9)}, exact=True
    ),
    "nz_social_welfare": Shortcut({9: (NOT_ONE,)}, exact=True),
    "us_itin": Shortcut({9: (Among(0, 1, {9}),)}),
    "us_rtn": Shortcut({9: (sum_of((3, 7, 1, 3, 7, 1, 3, 7), 10, lambda rest: -rest % 10),)}),
    "us_ssn": Shortcut({9: _SSN}, exact=True),
    "us_ssn_pre2011": Shortcut(
        {9: (*_SSN, Among(0, 3, {*range(1, 734), *range(750, 773)}))}, exact=True
    ),
}
"""The same of validators that are ours. tests/…/test_sieve.py holds each of them against the validator."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Digits from the left, and how many there are. plain: matches of digits and separators alone."""

    digits: Octets
    counts: Ints
    plain: Bools


def _judged(
    known: Sequence[Shortcut], octets: Octets, starts: Ints, ends: Ints
) -> tuple[Bools, Bools]:
    numbers = _numbers(octets, starts, ends)
    may = np.ones(len(starts), dtype=np.bool_)
    sure = numbers.plain & np.any(numbers.digits, axis=1)
    for shortcut in known:
        good, certain = ~numbers.plain, np.zeros(len(starts), dtype=np.bool_)
        for length, conditions in shortcut.by_length.items():
            these = np.flatnonzero(numbers.plain & (numbers.counts == length) & may)
            if len(these):
                left, whole = _hold(conditions, numbers.digits[these, :length])
                good[these[left]] = True
                certain[these[left]] = whole and shortcut.exact
        may &= good
        sure &= certain
    return may, sure


def _numbers(octets: Octets, starts: Ints, ends: Ints) -> _Numbers:
    widths = ends - starts
    most = min(int(widths.max()), MOST_BYTES)
    columns = np.arange(most)
    found = octets[np.minimum(starts[:, None] + columns, len(octets) - 1)]
    inside = columns < widths[:, None]
    is_digit = (found - 48 < 10) & inside
    plain = (widths <= MOST_BYTES) & ~np.any(_OTHER[found] & inside, axis=1)
    counts = is_digit.sum(axis=1)
    if np.array_equal(counts, widths):
        return _Numbers(found - 48, counts, plain)
    digits = np.zeros_like(found)
    rows, places = np.nonzero(is_digit)
    before = np.cumsum(counts) - counts
    digits[rows, np.arange(len(rows)) - before[rows]] = found[rows, places] - 48
    return _Numbers(digits, counts, plain)


def _hold(conditions: Sequence[Condition], digits: Octets) -> tuple[Ints, bool]:
    """The rows of digits that meet the conditions, and whether all of them could be asked."""
    left = np.arange(len(digits))
    whole = True
    for condition in conditions:
        holds = _holds(condition, digits[left])
        if holds is None:
            whole = False
        else:
            left = left[holds]
    return left, whole


def _holds(condition: Condition, digits: Octets) -> Bools | None:
    if isinstance(condition, Sum):
        used = digits[:, : len(condition.weights)].astype(np.float64)
        sums = used @ np.array(condition.weights[: digits.shape[1]], dtype=np.float64)
        wanted = np.frombuffer(condition.wanted, dtype=np.uint8)
        rest = sums.astype(np.int64) % len(condition.wanted)
        return np.asarray(digits[:, condition.at] == wanted[rest])
    if isinstance(condition, Among):
        return np.asarray(_table(condition)[_read(digits, condition.at, condition.size)])
    if isinstance(condition, Listed):
        prefixes, which = np.unique(_read(digits, 0, condition.size), return_inverse=True)
        known = [condition.holds(f"{one:0{condition.size}}") for one in prefixes.tolist()]
        return np.array(known, dtype=np.bool_)[which]
    for formula, many in _FORMULAS:
        if condition is formula:
            return many(digits)
    return None


def _read(digits: Octets, at: int, size: int) -> Ints:
    powers = 10 ** np.arange(size - 1, -1, -1)
    return np.asarray(digits[:, at : at + size].astype(np.int64) @ powers)


_tables: dict[int, tuple[Among, Bools]] = {}


def _table(condition: Among) -> Bools:
    known = _tables.get(id(condition))
    if known is None:
        table = np.zeros(10**condition.size, dtype=np.bool_)
        table[[one for one in range(len(table)) if one in condition.allowed]] = True
        known = _tables[id(condition)] = condition, table
    return known[1]


_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], dtype=np.uint8)


def _luhn(digits: Octets) -> Bools:
    sums = digits[:, ::-2].sum(axis=1) + _DOUBLED[digits[:, -2::-2]].sum(axis=1)
    return np.asarray(sums % 10 == 0)


def _verhoeff(digits: Octets) -> Bools:
    table, moved = np.array(DIHEDRAL), np.array(PERMUTED)
    check = np.zeros(len(digits), dtype=np.int64)
    for place in range(digits.shape[1]):
        check = table[check, moved[place % 8, digits[:, -1 - place]]]
    return np.asarray(check == 0)


def _mod_11_10(digits: Octets) -> Bools:
    check = np.full(len(digits), 5)
    for place in range(digits.shape[1]):
        check[check == 0] = 10
        check = (check * 2 % 11 + digits[:, place]) % 10
    return np.asarray(check == 1)


def _not_one(digits: Octets) -> Bools:
    return np.asarray(np.any(digits != digits[:, :1], axis=1))


_FORMULAS = (
    (LUHN, _luhn),
    (VERHOEFF, _verhoeff),
    (MOD_11_10, _mod_11_10),
    (NOT_ONE, _not_one),
)
