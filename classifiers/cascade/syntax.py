"""A regex as a small tree over ASCII, few characters beyond it, and "any other character".

The tree stands for a superset of what the pattern matches: what cannot be said exactly is widened,
never narrowed. Lookarounds and word borders are kept as nodes, so that a printer may use them as
context; everybody else takes them for the empty string.
"""

from __future__ import annotations

import functools
import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from dataclasses import dataclass
from typing import Any, TypeAlias

OTHER = 1 << 128
"""The bit of a character outside ASCII in the mask of Chars."""
ASCII = OTHER - 1
ANYTHING = ASCII | OTHER
UTF8_BYTES = 4
FEW = 24
"""Sets of more characters beyond ASCII are widened to any."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set: bit n for code point n below 128, OTHER for those above.

    beyond: the code points above, when they are few; None: any.
    """

    mask: int
    beyond: frozenset[int] | None = None

    @property
    def most_bytes(self) -> int:
        """Bytes of the widest character in UTF-8."""
        if not self.mask & OTHER:
            return 1
        return UTF8_BYTES if self.beyond is None else max(map(_size, self.beyond))


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least low, at most high (None: any number of) times."""

    node: Node
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class At:
    """A place: start, end, border (between a word character and none), inside (neither)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Look:
    ahead: bool
    negative: bool
    node: Node


Node: TypeAlias = Chars | Sequence | Choice | Repeat | At | Look

EMPTY = Sequence(())


class Unreadable(ValueError):  # noqa: N818 - says what the pattern is
    """A pattern this reader does not take; nothing is known of its matches."""


def parse(python_pattern: str, *, python_folding: bool = False) -> Node:
    """The tree of a pattern in Python's syntax (regex_syntax.translate). Raises Unreadable.

    python_folding: the pattern runs on Python's re, whose caseless "i" takes the dotless one too.
    """
    if "{," in python_pattern:
        raise Unreadable("a count without its lower bound, which RE2 and Python read differently")
    if python_folding and re.search(r"\(\?[a-z]*i", python_pattern):
        raise Unreadable("caseless matching by Python's re")
    try:
        parsed = sre_parser.parse(python_pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Unreadable(str(error)) from None
    return _sequence(parsed, bool(parsed.state.flags & re.IGNORECASE))


def _sequence(items: Any, caseless: bool) -> Node:
    parts: list[Node] = []
    for op, arg in items:
        node = _node(op, arg, caseless)
        parts.extend(node.parts if isinstance(node, Sequence) else (node,))
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


_PLACES = {
    sre.AT_BEGINNING: "start", sre.AT_BEGINNING_STRING: "start", sre.AT_END: "end",
    sre.AT_END_STRING: "end", sre.AT_BOUNDARY: "border", sre.AT_NON_BOUNDARY: "inside",
}  # fmt: skip


def _node(op: Any, arg: Any, caseless: bool) -> Node:
    if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
        return read_chars(op, arg, caseless)
    if op is sre.BRANCH:
        return Choice(tuple(_sequence(items, caseless) for items in arg[1]))
    if op is sre.SUBPATTERN:
        _, add, remove, items = arg
        inner = (caseless or bool(add & re.IGNORECASE)) and not remove & re.IGNORECASE
        return _sequence(items, inner)
    if op is sre.ATOMIC_GROUP:
        return _sequence(arg, caseless)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        low, high, items = arg
        return Repeat(
            _sequence(items, caseless), int(low), None if high is sre.MAXREPEAT else int(high)
        )
    if op is sre.AT and arg in _PLACES:
        return At(_PLACES[arg])
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        return Look(arg[0] > 0, op is sre.ASSERT_NOT, _sequence(arg[1], caseless))
    raise Unreadable(f"the construct {op}")


def read_chars(op: Any, arg: Any, caseless: bool) -> Chars:
    if op is sre.ANY:
        return Chars(ANYTHING)
    if op is sre.IN:
        mask = _members(arg, caseless)
        return Chars(mask, _members_beyond(arg, caseless) if mask & OTHER else None)
    mask = _range(arg, arg, caseless)
    if op is sre.NOT_LITERAL:
        return Chars((ASCII & ~mask) | OTHER)
    return Chars(mask, _beyond(arg, arg, caseless) if mask & OTHER else None)


def _members(items: Any, caseless: bool) -> int:
    """The mask of a bracket class. A negated class always holds the characters beyond ASCII."""
    negated = bool(items) and items[0][0] is sre.NEGATE
    mask = 0
    for op, arg in items[1:] if negated else items:
        if op is sre.LITERAL:
            mask |= _range(arg, arg, caseless, into_ascii=not negated)
        elif op is sre.RANGE:
            mask |= _range(arg[0], arg[1], caseless, into_ascii=not negated)
        elif op is sre.CATEGORY:
            mask |= _category(arg)
        else:
            raise Unreadable(f"the class member {op}")
    return (ASCII & ~mask) | OTHER if negated else mask


def _members_beyond(items: Any, caseless: bool) -> frozenset[int] | None:
    """The characters beyond ASCII of a bracket class, when they are few."""
    found: set[int] = set()
    for op, arg in items:
        if op not in (sre.LITERAL, sre.RANGE):
            return None
        first, last = (arg, arg) if op is sre.LITERAL else arg
        part = _beyond(first, last, caseless)
        if part is None:
            return None
        found |= part
    return frozenset(found) if len(found) <= FEW else None


def _beyond(first: int, last: int, caseless: bool) -> frozenset[int] | None:
    """The characters beyond ASCII of a range, with all their cases, when they are few."""
    first = max(first, 128)
    if last - first >= FEW:
        return None
    found = set(range(first, last + 1))
    if caseless:
        found = {one for code in found for one in _cases().get(code, (code,))}
    return frozenset(found) if len(found) <= FEW else None


@functools.cache
def _cases() -> dict[int, tuple[int, ...]]:
    """Code point beyond ASCII → all that differ from it in case alone, itself among them."""
    alike: dict[str, set[int]] = {}
    for code in range(128, 0x1F000):
        char = chr(code)
        for other in {char.lower(), char.upper()}:
            if len(other) == 1 and other != char:
                alike.setdefault(other, {ord(other)}).add(code)
    found: dict[int, set[int]] = {}
    for group in alike.values():
        whole = set(group)
        for code in group:
            whole |= found.get(code, set())
        for code in whole:
            found[code] = whole
    return {code: tuple(sorted(one for one in group if one > 127)) for code, group in found.items()}


def _size(code: int) -> int:
    return len(chr(code).encode("utf-8", "replace"))


def mask_of(chars: str) -> int:
    """The mask of some ASCII characters."""
    return sum(1 << ord(char) for char in set(chars))


_UPPER, _LOWER = (mask_of("".join(map(chr, range(first, first + 26)))) for first in (65, 97))
_DIGITS = mask_of("0123456789")
_WORD = _UPPER | _LOWER | _DIGITS | mask_of("_")
_BLANKS = mask_of(" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f")


def _category(kind: Any) -> int:
    known = {
        sre.CATEGORY_DIGIT: _DIGITS, sre.CATEGORY_WORD: _WORD, sre.CATEGORY_SPACE: _BLANKS,
        sre.CATEGORY_NOT_DIGIT: ASCII & ~_DIGITS, sre.CATEGORY_NOT_WORD: ASCII & ~_WORD,
        sre.CATEGORY_NOT_SPACE: ASCII & ~_BLANKS,
    }  # fmt: skip
    if kind not in known:
        raise Unreadable(f"the category {kind}")
    return known[kind] | OTHER


def _range(first: int, last: int, caseless: bool, *, into_ascii: bool = True) -> int:
    top = min(last, 127)
    mask = ((1 << (top + 1)) - 1) & ~((1 << first) - 1) if first <= top else 0
    if last > 127:
        mask |= OTHER
        if caseless and into_ascii:
            # the long s and the Kelvin sign are the only letters beyond ASCII that fold into it
            mask |= mask_of("sS") if first <= 0x17F <= last else 0
            mask |= mask_of("kK") if first <= 0x212A <= last else 0
    if caseless:
        mask |= (mask & _UPPER) << 32 | (mask & _LOWER) >> 32
    return mask


def width(node: Node) -> int | None:
    """The most bytes a match and its context can span in UTF-8; None: no bound."""
    if isinstance(node, Chars):
        return node.most_bytes
    if isinstance(node, At):
        return 1
    if isinstance(node, Look):
        return width(node.node)
    if isinstance(node, Repeat):
        inner = width(node.node)
        if inner == 0 or node.high == 0:
            return 0
        return None if inner is None or node.high is None else inner * node.high
    parts = [width(part) for part in (node.parts if isinstance(node, Sequence) else node.branches)]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    return sum(known) if isinstance(node, Sequence) else max(known, default=0)


def least(node: Node) -> int:
    """The fewest characters a match can have."""
    if isinstance(node, Chars):
        return 1
    if isinstance(node, Repeat):
        return least(node.node) * node.low
    if isinstance(node, Sequence):
        return sum(map(least, node.parts))
    if isinstance(node, Choice):
        return min(map(least, node.branches), default=0)
    return 0


def loosened(node: Node, copies: int) -> Node:
    """A superset in which nothing is repeated more than `copies` times by count."""
    if isinstance(node, Sequence):
        return Sequence(tuple(loosened(part, copies) for part in node.parts))
    if isinstance(node, Choice):
        return Choice(tuple(loosened(part, copies) for part in node.branches))
    if not isinstance(node, Repeat):
        return EMPTY if isinstance(node, (At, Look)) else node
    inner = loosened(node.node, copies)
    low = min(node.low, copies)
    high = (
        node.high
        if node.high is not None and node.high - node.low <= 2 and low == node.low
        else None
    )
    return Repeat(inner, low, high)
