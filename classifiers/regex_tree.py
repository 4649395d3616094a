"""A regex cut into a tree, for questions about its shape: what repeats, what may be left out.

The tree is approximate on purpose (lookarounds count as nothing, references as any character): it
serves warnings, never matching.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

from dlpagent.classifiers.regex_syntax import Untranslatable, tokens, translate

_SAMPLE = string.printable + "é中٣"
_ALL = frozenset(_SAMPLE)
_QUANTIFIER = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ZERO_WIDTH = ("^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z", r"\<", r"\>", r"\`", r"\'")


@dataclass(slots=True)
class Item:
    """One thing of a sequence and how often it may stand there; high None: without end.

    branches: None for a character, else the choices of a group. capped: it never gives back what it
    took (possessive, atomic).
    """

    token: str
    branches: list[list[Item]] | None = None
    low: int = 1
    high: int | None = 1
    capped: bool = False

    @property
    def is_group(self) -> bool:
        return self.branches is not None

    @property
    def is_lookaround(self) -> bool:
        return self.token in ("(?=", "(?!", "(?<=", "(?<!")

    @property
    def is_nothing(self) -> bool:
        """Whether it takes no character."""
        return self.is_lookaround or self.token in _ZERO_WIDTH

    @property
    def is_unbounded(self) -> bool:
        return self.high is None

    @property
    def varies(self) -> bool:
        return self.high is None or self.high > self.low

    def many(self, times: int) -> bool:
        """Whether it may stand there that often."""
        return self.high is None or self.high >= times


@dataclass(slots=True)
class _Frame:
    token: str
    branches: list[list[Item]] = field(default_factory=lambda: [[]])


def tree_of(pattern: str) -> list[list[Item]]:
    """The choices at the top of a pattern, each a sequence. Raises Untranslatable."""
    parts = list(tokens(pattern))
    stack = [_Frame("")]
    index = 0
    while index < len(parts):
        part = parts[index]
        here = stack[-1].branches[-1]
        index += 1
        if part == "|":
            stack[-1].branches.append([])
        elif re.fullmatch(r"\(\?[A-Za-z-]+\)|\(\?#[^)]*\)", part):
            continue
        elif part.startswith("("):
            stack.append(_Frame(part))
        elif part == ")":
            if len(stack) == 1:
                raise Untranslatable("a group is closed that was not opened")
            frame = stack.pop()
            stack[-1].branches[-1].append(
                Item(frame.token, frame.branches, capped=frame.token == "(?>")
            )
        elif part in ("*", "+", "?", "{") and here:
            index += _quantify(here[-1], part, parts, index)
        else:
            here.append(Item(part))
    if len(stack) > 1:
        raise Untranslatable("a group is not closed")
    return stack[0].branches


def _quantify(item: Item, part: str, parts: list[str], index: int) -> int:
    """Give an item its quantifier; how many tokens after `part` belong to it."""
    used = 0
    if part == "{":
        found = _QUANTIFIER.match("{" + "".join(parts[index : index + 12]))
        if found is None:
            return 0
        used = len(found[0]) - 1
        low = int(found[1] or 0)
        item.low, item.high = low, int(found[3]) if found[3] else (None if found[2] else low)
    else:
        item.low, item.high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[part]
    if index + used < len(parts) and parts[index + used] in ("?", "+"):
        item.capped |= parts[index + used] == "+"
        used += 1
    return used


def walk(branches: list[list[Item]], depth: int = 0) -> Iterator[tuple[Item, int]]:
    """Every item with the number of groups around it."""
    for branch in branches:
        for item in branch:
            yield item, depth
            if item.branches is not None:
                yield from walk(item.branches, depth + (not item.is_lookaround))


def sequences(branches: list[list[Item]]) -> Iterator[list[Item]]:
    """Every sequence, however deep, without what takes no character."""
    for branch in branches:
        yield [item for item in branch if not item.is_nothing]
        for item in branch:
            if item.branches is not None:
                yield from sequences(item.branches)


def may_be_empty(item: Item) -> bool:
    """Whether it can match without a character."""
    if item.low == 0 or item.is_nothing:
        return True
    return item.branches is not None and any(all(map(may_be_empty, one)) for one in item.branches)


def characters(item: Item) -> frozenset[str]:
    """The characters of a sample that may stand in it (all of them where that is not known)."""
    if item.is_nothing:
        return frozenset()
    if item.branches is not None:
        return frozenset().union(*(characters(one) for branch in item.branches for one in branch))
    return _characters(item.token)


@functools.lru_cache(maxsize=4096)
def _characters(token: str) -> frozenset[str]:
    try:
        compiled = re.compile(translate(token).python, re.IGNORECASE)
    except (ValueError, re.error, OverflowError, RecursionError):
        return _ALL
    return frozenset(char for char in _SAMPLE if compiled.fullmatch(char))
