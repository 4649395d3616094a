"""The shared shapes: coarse things to look for in all text, few and cheap.

Which shape stands for which expression is decided by proof (automaton.contains), never by hand; the
order is by how rarely ordinary text holds one, so that the first one proven is the best.
"""

from __future__ import annotations

import functools

from dlpagent.classifiers.cascade.automaton import Automaton, Search, contains
from dlpagent.classifiers.cascade.syntax import parse

SEPARATORS = " .,()_|/-"
SHAPES: tuple[str, ...] = (
    r"[0-9A-Za-z_+-]@",
    r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    r"[0-9A-Fa-f:]:[0-9A-Fa-f:]{1,4}:[0-9A-Fa-f:]",
    r"[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]",
    r"[0-9] ?[./-] ?[0-9]{1,2} ?[./-] ?[0-9]",
    r"[0-9](?:[ .,()_|/-]{0,3}[0-9]){6}",
    r"[0-9](?:[ .,()_|/-]{0,3}[0-9]){5}",
    r"[A-Za-z][0-9][0-9A-Za-z]",
    r"[0-9A-Za-z][0-9][A-Za-z]",
    r"[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{8}",
    r"[0-9A-Za-z+/\\_=.%-]{20}",
    r"[A-Z0-9]{8}",
    r"[0-9]{5}",
    r"[0-9A-Za-z+/\\_=.%-]{16}",
)

# Rows of digits: how many digits, and how many separators may stand between two of them.
NUMBERS: dict[int, tuple[int, int]] = {5: (7, 3), 6: (6, 3), 12: (5, 0)}

# In a long run every further character would be another event: so the end of a run is waited for, or
# this many characters. A shape in the text is then seen up to one byte more behind its end.
LATE_BYTES = 20
_RUNS: dict[int, str] = {
    9: "0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z", 10: r"0-9A-Za-z+/\\_=.%-",
    11: "A-Z0-9", 13: r"0-9A-Za-z+/\\_=.%-",
}  # fmt: skip


def scanned(number: int) -> str:
    """A shape as it is scanned for, in text that ends in a character of no run."""
    if number not in _RUNS:
        return SHAPES[number]
    run = _RUNS[number]
    return f"{SHAPES[number]}(?:[^{run}]|[{run}]{{{LATE_BYTES}}})"


_RARE = 11

# Patterns with branches of different kinds hold one of several shapes.
_TOGETHER: tuple[tuple[int, ...], ...] = (
    (2, 3), (5, 7), (5, 8), (7, 8), (5, 7, 8), (6, 7, 8), (6, 7, 8, 9), (6, 7, 8, 11), (6, 7, 10),
)  # fmt: skip


@functools.cache
def _searches() -> tuple[tuple[tuple[int, ...], Search], ...]:
    rare = range(_RARE)
    wanted = [*((number,) for number in rare), *_TOGETHER,
              *((number,) for number in range(_RARE, len(SHAPES)))]  # fmt: skip
    return tuple((numbers, Search([parse(SHAPES[one]) for one in numbers])) for numbers in wanted)


def shapes_of(pattern: Automaton) -> tuple[int, ...]:
    """Shapes of which every match holds at least one, all of it inside the match; () if none known."""
    for numbers, search in _searches():
        if contains(pattern, search):
            return numbers
    return ()
