"""Literals of which every match holds one, read off a pattern's tree and then proven."""

from __future__ import annotations

from dataclasses import dataclass

from dlpagent.classifiers.cascade.automaton import Automaton, Search, contains
from dlpagent.classifiers.cascade.syntax import (
    OTHER,
    Chars,
    Choice,
    Node,
    Repeat,
    Sequence,
    mask_of,
)

MIN_CHARS = 3
MAX_LITERALS = 400
_MAX_CHARS = 24

Strings = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """all: every string the node matches, when few; needed: strings of which a match holds one."""

    all: Strings | None
    needed: Strings | None


def literals_of(node: Node, pattern: Automaton) -> tuple[str, ...]:
    """Lower-case literals, to be looked for in any case; () when none are known."""
    for shortest in (MIN_CHARS, MIN_CHARS - 1):
        whole = _Reader(shortest).found(node)
        best = _best([whole.needed, whole.all], shortest)
        if best and (shortest == MIN_CHARS or _are_rare(best)):
            return _proven(_shortest(best), pattern)
    return ()


_SAMPLE = (
    "when the last of the boats had come in and the nets were drying on the wall, they used to sit "
    "by the door and talk about what is to be done; some days it rained, most days it did not. the "
    "first thing to see after that is how the work was split: one part goes through the front, the "
    "rest stays where it was and is checked again at the end of every month, so that no one has to "
    "ask which of the two lists is right. please let us know as soon as you can if this suits you."
)
_MAX_IN_SAMPLE = 2


def _are_rare(texts: Strings) -> bool:
    """Whether ordinary text holds these seldom; short ones are worth looking for only then."""
    return sum(_SAMPLE.count(text) for text in texts) <= _MAX_IN_SAMPLE


def _proven(found: Strings, pattern: Automaton) -> tuple[str, ...]:
    search = Search([_caseless(text) for text in found])
    return tuple(sorted(found)) if contains(pattern, search) else ()


def _caseless(text: str) -> Node:
    return Sequence(tuple(Chars(mask_of(char.lower() + char.upper())) for char in text))


def _best(candidates: list[Strings | None], shortest: int) -> Strings | None:
    """The candidate with the longest shortest literal; then the one with the fewest."""
    good = [
        one for one in candidates
        if one and len(one) <= MAX_LITERALS and min(map(len, one)) >= shortest
    ]  # fmt: skip
    return max(good, key=lambda one: (min(map(len, one)), -len(one)), default=None)


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
            return _Found(_letters(node.mask), None)
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


def _letters(mask: int) -> Strings | None:
    if mask & OTHER or mask.bit_count() > 8:
        return None
    return frozenset(chr(code).lower() for code in range(128) if mask >> code & 1)


def _product(left: Strings | None, right: Strings | None) -> Strings | None:
    if left is None or right is None or len(left) * len(right) > MAX_LITERALS:
        return None
    joined = frozenset(one + other for one in left for other in right)
    return joined if max(map(len, joined)) <= _MAX_CHARS else None
