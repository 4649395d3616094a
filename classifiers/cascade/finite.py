"""Matches of expressions without unbounded repeats, of a whole text at once.

A set of places in a text is an integer, one bit for each byte. Where a character of a class may stand
before a set of places is a shift and an "and"; so the places where a match can start are worked out
backwards through the expression, in as many steps as it has characters, whatever the text holds. Where
the match ends that RE2 would choose is then read forwards, for all matches together: at each choice
the first branch is taken behind which the rest of the expression can still match.

Only for rows in ASCII: a class is a set of bytes here.
"""

from __future__ import annotations

import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.syntax import ASCII, Unreadable, mask_of, read_chars

Octets = npt.NDArray[np.uint8]
EDGE = 255
"""The octet that stands where rows end: of no class."""
MAX_STEPS = 1_500
_WORD = mask_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


@dataclass(slots=True)
class Places:
    """A text of rows, and which of its bytes are of which class. edges: where rows end, 0 among them."""

    octets: Octets
    every: int = field(init=False)
    edges: int = field(init=False)
    _classes: dict[int, int] = field(init=False, default_factory=dict)
    _borders: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.every = (1 << (len(self.octets) + 1)) - 1
        self.edges = _number(self.octets == EDGE)

    @classmethod
    def of(cls, data: bytes, separators: Ints) -> Places:
        """Rows with a byte before and behind each."""
        octets = np.frombuffer(data, dtype=np.uint8).copy()
        octets[separators] = EDGE
        return cls(octets)

    def of_class(self, mask: int) -> int:
        """The bytes of a class of ASCII characters."""
        known = self._classes.get(mask)
        if known is None:
            table = np.zeros(256, dtype=np.bool_)
            table[:128] = [mask >> code & 1 for code in range(128)]
            known = self._classes[mask] = _number(table[self.octets])
        return known

    def borders(self) -> int:
        """The places between a word character and none."""
        if self._borders is None:
            words = self.of_class(_WORD)
            self._borders = words ^ (words << 1)
        return self._borders


def _number(bits: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def members(places: int) -> Ints:
    """The places of a set, in order."""
    octets = _octets(places)
    held = np.flatnonzero(octets)
    bits = np.unpackbits(octets[held], bitorder="little").reshape(-1, 8)
    which, bit = np.nonzero(bits)
    return np.asarray(held[which] * 8 + bit, dtype=np.int64)


def _octets(places: int) -> Octets:
    return np.frombuffer(places.to_bytes(places.bit_length() // 8 + 1, "little"), dtype=np.uint8)


@dataclass(slots=True)
class _Held:
    """A set of places to be asked for many places at once."""

    places: int
    _octets: Octets | None = None

    def has(self, asked: Ints) -> npt.NDArray[np.bool_]:
        if self._octets is None:
            self._octets = _octets(self.places)
        inside = np.minimum(asked >> 3, len(self._octets) - 1)
        found = (self._octets[inside] >> (asked & 7).astype(np.uint8)) & 1
        return np.asarray((found == 1) & (asked >> 3 == inside))


Walk: TypeAlias = int | Callable[[Ints], Ints]
"""From where a part of a match starts to where it ends: so many bytes on, or as the text has it."""
Step = Callable[[Places, int], tuple[int, Walk]]
"""Where a part can start, given where the rest behind it can; and how to walk it."""


@dataclass(frozen=True, slots=True)
class Finite:
    """An expression that can be read this way. width: the most bytes of a match; steps: see MAX_STEPS."""

    step: Step
    width: int
    steps: int

    def matches(self, places: Places) -> tuple[Ints, Ints]:
        """Where matches start, and where the one ends that begins there; they may overlap."""
        found, walk = self.step(places, places.every)
        starts = members(found)
        return starts, _walked(walk, starts)


def finite_of(python_pattern: str) -> Finite | None:
    """The expression of a pattern in Python's syntax (regex_syntax.translate), if it is of this kind."""
    try:
        parsed = sre_parser.parse(python_pattern)
        part = _sequence(parsed, bool(parsed.state.flags & re.IGNORECASE))
    except (re.error, Unreadable, RecursionError, OverflowError):
        return None
    if part.least < 1 or part.steps > MAX_STEPS:
        return None
    return Finite(part.step, part.most, part.steps)


# --- parts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an expression: the fewest and most bytes it takes, and what it costs."""

    step: Step
    least: int
    most: int
    steps: int
    mask: int | None = None


def _walked(walk: Walk, starts: Ints) -> Ints:
    return starts + walk if isinstance(walk, int) else walk(starts)


def _sequence(items: Any, caseless: bool) -> _Part:
    parts = [_part(op, arg, caseless) for op, arg in items]
    if len(parts) == 1:
        return parts[0]
    steps = [part.step for part in reversed(parts)]

    def step(places: Places, behind: int) -> tuple[int, Walk]:
        walks: list[Walk] = []
        for one in steps:
            behind, walk = one(places, behind)
            if walks and isinstance(walk, int) and isinstance(walks[-1], int):
                walks[-1] += walk
            else:
                walks.append(walk)
        return behind, _in_turn(walks)

    return _Part(
        step,
        sum(part.least for part in parts),
        sum(part.most for part in parts),
        sum(part.steps for part in parts) or 1,
    )


def _in_turn(walks: list[Walk]) -> Walk:
    """All of some walks, the last one first."""
    if len(walks) < 2:
        return walks[0] if walks else 0

    def walk(starts: Ints) -> Ints:
        for one in reversed(walks):
            starts = _walked(one, starts)
        return starts

    return walk


def _part(op: Any, arg: Any, caseless: bool) -> _Part:
    if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN):
        return _one(read_chars(op, arg, caseless).mask & ASCII)
    if op is sre.SUBPATTERN:
        _, add, remove, items = arg
        inner = (caseless or bool(add & re.IGNORECASE)) and not remove & re.IGNORECASE
        return _sequence(items, inner)
    if op is sre.BRANCH:
        return _choice([_sequence(items, caseless) for items in arg[1]])
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, items = arg
        if high is sre.MAXREPEAT:
            raise Unreadable("a repeat without a bound")
        return _repeat(_sequence(items, caseless), int(low), int(high), op is sre.MAX_REPEAT)
    if op is sre.AT:
        return _at(arg)
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        inner_part = _sequence(arg[1], caseless)
        return (_ahead if arg[0] > 0 else _behind)(inner_part, op is sre.ASSERT_NOT)
    raise Unreadable(f"the construct {op}")


def _one(mask: int) -> _Part:
    def step(places: Places, behind: int) -> tuple[int, Walk]:
        return places.of_class(mask) & (behind >> 1), 1

    return _Part(step, 1, 1, 1, mask)


def _choice(parts: list[_Part]) -> _Part:
    steps = [part.step for part in parts]
    width = parts[0].most
    fixed = all(part.least == part.most == width for part in parts)

    def step(places: Places, behind: int) -> tuple[int, Walk]:
        branches = [one(places, behind) for one in steps]
        found = 0
        for one, _ in branches:
            found |= one
        return found, width if fixed else _first(branches)

    return _Part(
        step,
        min(part.least for part in parts),
        max(part.most for part in parts),
        sum(part.steps for part in parts),
    )


def _first(branches: Iterable[tuple[int, Walk]]) -> Walk:
    """Each place by the first branch that can be taken there."""
    asked = [(_Held(found), walk) for found, walk in branches if found]

    def walk(starts: Ints) -> Ints:
        ends = starts.copy()
        open_ = np.ones(len(starts), dtype=np.bool_)
        for held, one in asked:
            mine = open_ & held.has(starts)
            ends[mine] = _walked(one, starts[mine])
            open_ &= ~mine
        return ends

    return walk


def _repeat(part: _Part, low: int, high: int, greedy: bool) -> _Part:
    if part.least < 1 and high > 1:
        raise Unreadable("a repeat of what may be empty")
    one = part.step

    def step(places: Places, behind: int) -> tuple[int, Walk]:
        levels: list[tuple[int, int, Walk]] = []
        rest = behind
        for _ in range(high - low):
            taken, walk = one(places, behind)
            levels.append((rest, taken, walk))
            behind = rest | taken
        walks: list[Walk] = [_optional(levels, greedy)] if levels else []
        for _ in range(low):
            behind, walk = one(places, behind)
            walks.append(walk)
        if all(isinstance(walk, int) for walk in walks):
            return behind, sum(walk for walk in walks if isinstance(walk, int))
        return behind, _in_turn(walks)

    return _Part(step, part.least * low, part.most * high, max(1, part.steps * high))


def _optional(levels: list[tuple[int, int, Walk]], greedy: bool) -> Walk:
    """Once more at each level, the outermost first, until it cannot be or need not be."""
    asked = [(_Held(rest), _Held(taken), walk) for rest, taken, walk in reversed(levels)]

    def walk(starts: Ints) -> Ints:
        ends = starts.copy()
        open_ = np.arange(len(starts))
        for rest, taken, one in asked:
            here = ends[open_]
            goes_on = taken.has(here) if greedy else ~rest.has(here)
            open_ = open_[goes_on]
            if not len(open_):
                break
            ends[open_] = _walked(one, ends[open_])
        return ends

    return walk


def _at(kind: Any) -> _Part:
    def step(places: Places, behind: int) -> tuple[int, Walk]:
        if kind in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            return behind & (places.edges << 1), 0
        if kind in (sre.AT_END, sre.AT_END_STRING):
            return behind & places.edges, 0
        borders = places.borders()
        return (behind & borders if kind is sre.AT_BOUNDARY else behind & ~borders), 0

    if kind not in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING, sre.AT_END, sre.AT_END_STRING,
                    sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):  # fmt: skip
        raise Unreadable(f"the place {kind}")
    return _Part(step, 0, 0, 1)


def _ahead(part: _Part, negative: bool) -> _Part:
    def step(places: Places, behind: int) -> tuple[int, Walk]:
        found, _ = part.step(places, places.every)
        return (behind & ~found if negative else behind & found), 0

    return _Part(step, 0, 0, part.steps + 1)


def _behind(part: _Part, negative: bool) -> _Part:
    if part.mask is None:
        raise Unreadable("a look behind at more than one character")
    mask = part.mask

    def step(places: Places, behind: int) -> tuple[int, Walk]:
        before = places.of_class(mask) << 1
        return (behind & ~before if negative else behind & before), 0

    return _Part(step, 0, 0, 1)
