"""Does every match of one pattern contain a match of another? Decided, not guessed.

A pattern becomes a position automaton; the other one a search automaton made state by state. If no
match can get to its end without the search having succeeded, containment is proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dlpagent.classifiers.cascade.syntax import (
    OTHER,
    Chars,
    Choice,
    Node,
    Repeat,
    Sequence,
    loosened,
)

COPIES = 24
"""Counted repeats beyond this are loosened to "this often or more" before a proof."""
MAX_POSITIONS = 6_000
_NONE: Mapping[int, int] = MappingProxyType({})


@dataclass(slots=True)
class Automaton:
    """Positions of a pattern: what each takes, what may follow it, where a match may begin or end.

    letters: code points beyond ASCII that are told apart, with their bits in a mask.
    """

    letters: Mapping[int, int] = field(default_factory=dict)
    masks: list[int] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)
    first: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)
    nullable: bool = False


class TooLarge(ValueError):  # noqa: N818 - says what the pattern is
    """A pattern with more positions than a proof is worth."""


def automaton_of(node: Node, letters: Mapping[int, int] = _NONE) -> Automaton:
    """The automaton of a superset of a pattern. Raises TooLarge."""
    return exact_automaton_of(loosened(node, COPIES), letters)


def exact_automaton_of(node: Node, letters: Mapping[int, int] = _NONE) -> Automaton:
    """The automaton of just this pattern, lookarounds and borders taken for nothing."""
    out = Automaton(letters)
    out.nullable, out.first, out.last = _build(node, out)
    return out


_Part = tuple[bool, set[int], set[int]]


def _build(node: Node, out: Automaton) -> _Part:
    if isinstance(node, Chars):
        if len(out.masks) >= MAX_POSITIONS:
            raise TooLarge
        out.masks.append(_mask(node, out.letters))
        out.follow.append(set())
        place = len(out.masks) - 1
        return False, {place}, {place}
    if isinstance(node, Sequence):
        part: _Part = (True, set(), set())
        for item in node.parts:
            part = _joined(part, _build(item, out), out)
        return part
    if isinstance(node, Choice):
        branches = [_build(item, out) for item in node.branches]
        return (
            any(nullable for nullable, _, _ in branches),
            {place for _, first, _ in branches for place in first},
            {place for _, _, last in branches for place in last},
        )
    if isinstance(node, Repeat):
        return _repeated(node, out)
    return True, set(), set()


def letters_of(texts: Iterable[str]) -> dict[int, int]:
    """A bit for each character beyond ASCII in some texts."""
    codes = sorted({ord(char) for text in texts for char in text if not char.isascii()})
    return {code: OTHER << (place + 1) for place, code in enumerate(codes)}


def _mask(node: Chars, letters: Mapping[int, int]) -> int:
    """What a position takes: OTHER stands for all characters beyond ASCII that are no letters."""
    if not node.mask & OTHER or not letters:
        return node.mask
    if node.beyond is None:
        return node.mask | sum(letters.values())
    mask = node.mask & ~OTHER
    for code in node.beyond:
        mask |= letters.get(code, OTHER)
    return mask


def _joined(left: _Part, right: _Part, out: Automaton) -> _Part:
    for place in left[2]:
        out.follow[place] |= right[1]
    return (
        left[0] and right[0],
        left[1] | right[1] if left[0] else left[1],
        left[2] | right[2] if right[0] else right[2],
    )


def _repeated(node: Repeat, out: Automaton) -> _Part:
    part: _Part = (True, set(), set())
    for _ in range(node.low):
        part = _joined(part, _build(node.node, out), out)
    if node.high is None:
        loop = _build(node.node, out)
        for place in loop[2]:
            out.follow[place] |= loop[1]
        return _joined(part, (True, loop[1], loop[2]), out)
    for _ in range(node.high - node.low):
        inner = _build(node.node, out)
        part = _joined(part, (True, inner[1], inner[2]), out)
    return part


class Search:
    """A deterministic automaton that says whether the text so far holds a match of any pattern."""

    def __init__(self, nodes: list[Node], letters: Mapping[int, int] = _NONE) -> None:
        # what is searched for must not be widened: a proof needs it as it will be scanned for
        self.inner = exact_automaton_of(Choice(tuple(nodes)), letters)
        self.blocks = _blocks(set(self.inner.masks), len(letters))
        self._ids: dict[frozenset[int], int] = {frozenset(): 0}
        self._sets: list[frozenset[int]] = [frozenset()]
        self._next: list[list[int]] = [[-2] * len(self.blocks)]
        self._of_mask: dict[int, list[int]] = {}

    FOUND = -1

    def step(self, state: int, block: int) -> int:
        """The state behind a character of a block; FOUND when a match has ended."""
        known = self._next[state][block]
        if known != -2:
            return known
        mask = self.blocks[block]
        inner = self.inner
        places = set(inner.first)
        for place in self._sets[state]:
            places |= inner.follow[place]
        reached = frozenset(place for place in places if inner.masks[place] & mask)
        if reached & inner.last:
            result = self.FOUND
        else:
            result = self._ids.setdefault(reached, len(self._sets))
            if result == len(self._sets):
                self._sets.append(reached)
                self._next.append([-2] * len(self.blocks))
        self._next[state][block] = result
        return result

    def blocks_of(self, mask: int) -> list[int]:
        """The blocks a mask touches."""
        found = self._of_mask.get(mask)
        if found is None:
            found = [number for number, block in enumerate(self.blocks) if block & mask]
            self._of_mask[mask] = found
        return found


def _blocks(masks: set[int], letters: int) -> list[int]:
    """The coarsest partition of the alphabet that no mask cuts through."""
    blocks = [(OTHER << (letters + 1)) - 1]
    for mask in masks:
        blocks = [part for block in blocks for part in (block & mask, block & ~mask) if part]
    return blocks


def contains(pattern: Automaton, search: Search, limit: int = 60_000) -> bool:
    """Whether every match of the pattern holds a match of the search; False also when undecided."""
    if pattern.nullable:
        return False
    seen: set[tuple[int, int]] = set()
    stack = [(place, 0) for place in pattern.first]
    while stack:
        place, state = stack.pop()
        for block in search.blocks_of(pattern.masks[place]):
            reached = search.step(state, block)
            if reached == Search.FOUND:
                continue
            if place in pattern.last:
                return False
            key = (place, reached)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > limit:
                return False
            stack.extend((after, reached) for after in pattern.follow[place])
    return True
