"""The shared shapes: coarse things to look for in all text, few and cheap.

Which shape stands for which expression is decided by proof (automaton.contains), never by hand; the
order is by how rarely ordinary text holds one, so that the first one proven is the best.
"""

from __future__ import annotations

import functools

from dlpagent.classifiers.cascade.automaton import Automaton, Search, contains
from dlpagent.classifiers.cascade.syntax import parse

SHAPES: tuple[str, ...] = (
    r"[0-9A-Za-z_+-]@[0-9A-Za-z]",
    r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    r"[0-9A-Fa-f:]:[0-9A-Fa-f:]{1,4}:[0-9A-Fa-f:]",
    r"[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]",
    r"[0-9] ?[./-] ?[0-9]{1,2} ?[./-] ?[0-9]",
    r"[0-9](?:[ .,()_|/-]{0,3}[0-9]){6}",
    r"[0-9](?:[ .,()_|/-]{0,3}[0-9]){5}",
    r"[0-9A-Za-z+/_=.%-]{20}",
    r"[A-Za-z][A-Za-z][ -]?[0-9][0-9]",
    r"[0-9][ -]?[0-9][ .-]?[A-Za-z]",
    r"[A-Z0-9]{8}",
    r"[0-9]{5}",
    r"[0-9A-Za-z+/_=.%-]{16}",
)

# Patterns with branches of different kinds hold one of several shapes.
_TOGETHER: tuple[tuple[int, ...], ...] = ((5, 8), (6, 8), (6, 9), (8, 9), (6, 8, 9), (6, 8, 9, 10), (7, 8))


@functools.cache
def _searches() -> tuple[tuple[tuple[int, ...], Search], ...]:
    wanted = [(number,) for number in range(len(SHAPES))] + list(_TOGETHER)
    return tuple((numbers, Search([parse(SHAPES[one]) for one in numbers])) for numbers in wanted)


def shapes_of(pattern: Automaton) -> tuple[int, ...]:
    """Shapes of which every match holds at least one, all of it inside the match; () if none known."""
    for numbers, search in _searches():
        if contains(pattern, search):
            return numbers
    return ()
