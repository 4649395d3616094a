"""Literals of which every match holds one, read off a pattern's tree and then proven."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dlpagent.classifiers.cascade import ordinary
from dlpagent.classifiers.cascade.automaton import (
    Automaton,
    Search,
    automaton_of,
    contains,
    letters_of,
)
from dlpagent.classifiers.cascade.syntax import (
    ASCII,
    OTHER,
    Chars,
    Choice,
    Node,
    Repeat,
    Sequence,
    mask_of,
)

MIN_BYTES = 3
MAX_LITERALS = 400
_MAX_CHARS = 24

Strings = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """all: every string the node matches, when few; needed: strings of which a match holds one."""

    all: Strings | None
    needed: Strings | None


def literals_of(node: Node, pattern: Automaton) -> tuple[str, ...]:
    """Literals, to be looked for in any case of ASCII letters; () when none are known."""
    for shortest in (MIN_BYTES, MIN_BYTES - 1):
        whole = _Reader(shortest).found(node)
        best = _best([whole.needed, whole.all], shortest)
        if best:
            return _proven(_shortest(best), node, pattern)
    return ()


def literal(text: str) -> bytes:
    """A literal as a Hyperscan pattern."""
    return b"".join(
        re.escape(char).encode() if char.isascii() else
        b"".join(b"\\x%02x" % byte for byte in char.encode("utf-8", "replace"))
        for char in text
    )  # fmt: skip


def rate(text: str) -> float:
    """How often ordinary text holds a literal, per million characters, at most; where it is not known
    the guess is that it is rare."""
    if not text.isascii():
        return ordinary.LEAST / 4
    if len(text) < 3:
        return float(sum(count for three, count in ordinary.RATES.items() if text in three[:2]))
    threes = [text[place : place + 3] for place in range(len(text) - 2)]
    known: float = min(ordinary.RATES.get(three, ordinary.LEAST / 8) for three in threes)
    # a longer literal is rarer than each of its triples
    return known * 0.5 ** min(6, len(text) - 3)


def _proven(found: Strings, node: Node, pattern: Automaton) -> tuple[str, ...]:
    letters = letters_of(found)
    search = Search([_caseless(text) for text in found], letters)
    if letters:
        pattern = automaton_of(node, letters)
    return tuple(sorted(found)) if contains(pattern, search) else ()


def _caseless(text: str) -> Node:
    return Sequence(
        tuple(
            Chars(mask_of(char.lower() + char.upper()))
            if char.isascii()
            else Chars(OTHER, frozenset([ord(char)]))
            for char in text
        )
    )


def _best(candidates: list[Strings | None], shortest: int) -> Strings | None:
    """The candidate with the longest shortest literal; then the one with the fewest."""
    good = [
        one for one in candidates
        if one and len(one) <= MAX_LITERALS and min(map(_size, one)) >= shortest
    ]  # fmt: skip
    return max(good, key=lambda one: (min(map(_size, one)), -len(one)), default=None)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _shortest(texts: Strings) -> Strings:
    """The same without those that hold another one."""
    return frozenset(
        one for one in texts if not any(other != one and other in one for other in texts)
    )


_NOTHING: Strings = frozenset([""])


@dataclass(frozen=True, slots=True)
class _Reader:
    shortest: int

    def found(self, node: Node) -> _Found:
        if isinstance(node, Chars):
            return _Found(_letters(node), None)
        if isinstance(node, Sequence):
            return self.sequence(node)
        if isinstance(node, Choice):
            return self.choice([self.found(part) for part in node.branches])
        if isinstance(node, Repeat):
            return self.repeat(node)
        return _Found(_NOTHING, None)

    def repeat(self, node: Repeat) -> _Found:
        inner = self.found(node.node)
        needed = _best([inner.needed, inner.all], self.shortest) if node.low else None
        if inner.all is None or node.high is None or node.high > 2:
            return _Found(None, needed)
        few: Strings | None = _NOTHING
        for number in range(node.high):
            few = _product(few, inner.all if number < node.low else inner.all | _NOTHING)
        return _Found(few, needed)

    def choice(self, branches: list[_Found]) -> _Found:
        needed: set[str] | None = set()
        every: set[str] | None = set()
        for branch in branches:
            best = _best([branch.needed, branch.all], self.shortest)
            needed = needed | best if needed is not None and best else None
            every = every | branch.all if every is not None and branch.all is not None else None
        small = every is not None and len(every) <= MAX_LITERALS
        return _Found(frozenset(every) if every is not None and small else None,
                      frozenset(needed) if needed else None)  # fmt: skip

    def sequence(self, node: Sequence) -> _Found:
        run: Strings = _NOTHING
        whole: Strings | None = _NOTHING
        candidates: list[Strings | None] = []
        for part in node.parts:
            found = self.found(part)
            whole = _product(whole, found.all)
            longer = _product(run, found.all)
            if longer is None:
                candidates += [run, found.needed, found.all]
                run = found.all if found.all is not None and len(found.all) < 100 else _NOTHING
            else:
                run = longer
        candidates.append(run)
        return _Found(whole, _best(candidates, self.shortest))


def _letters(node: Chars) -> Strings | None:
    beyond = node.beyond if node.mask & OTHER else frozenset[int]()
    if beyond is None or (node.mask & ASCII).bit_count() + len(beyond) > 8:
        return None
    low = {chr(code).lower() for code in range(128) if node.mask >> code & 1}
    return frozenset(low | {chr(code) for code in beyond})


def _product(left: Strings | None, right: Strings | None) -> Strings | None:
    if left is None or right is None or len(left) * len(right) > MAX_LITERALS:
        return None
    joined = frozenset(one + other for one in left for other in right)
    return joined if max(map(len, joined)) <= _MAX_CHARS else None
