"""Matches worked out for a whole text at once are those that RE2 finds row by row."""

from __future__ import annotations

import random
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.finite import Finite, Places, finite_of, members
from dlpagent.classifiers.cascade.together import accepted
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.regex_syntax import Untranslatable, translate
from dlpagent.classifiers.regexes import RESCAN_CHARS, Accept, Re2Matcher, matcher
from dlpagent.classifiers.sit import Regex

PATTERNS = [
    r"\d{3}",
    r"(?<!\d)\d{2,4}(?!\d)",
    r"\b[a-z]\d{1,2}\b",
    r"(?<![0-9A-Za-z])\d{2}[ -]?\d{2}(?=$|[^0-9])",
    r"(?<=[a-c])\d\d",
    r"(?:1|12|123)",
    r"(?:123|12|1)2?",
    r"(?:ab|a)(?:bc|c)?",
    r"\d{1,3}?2",
    r"(?:\d-?){2,4}",
    r"(?i)a(?:B|1){1,2}c?",
    r"^\d\d",
    r"\d\d$",
    r"\B\d\d",
    r"a(?:1(?:2(?:3)?)?)?",
    r"[^a-c]\d",
]


def joined(texts: Sequence[str]) -> tuple[bytes, list[int], Places]:
    """Rows as the cascade joins them, and where each starts."""
    data = b"\n" + b"".join(text.encode() + b"\n" for text in texts)
    ends = np.cumsum([len(text) + 1 for text in texts])
    return data, [1, *(ends[:-1] + 1).tolist()], Places.of(data, np.concatenate([[0], ends]))


def found(
    finite: Finite, texts: Sequence[str], accept: Accept | None
) -> list[list[tuple[int, int]]]:
    data, starts, places = joined(texts)
    spans = list(zip(*accepted(data, *finite.matches(places), accept), strict=True))
    return [
        [(a - start, b - start) for a, b in spans if start <= a <= start + len(text)]
        for start, text in zip(starts, texts, strict=True)
    ]


def expected(
    pattern: str, texts: Sequence[str], accept: Accept | None
) -> list[list[tuple[int, int]]]:
    one = matcher(pattern)
    assert isinstance(one, Re2Matcher)
    return [list(one.spans(Subject.of(text), accept)) for text in texts]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=120, deadline=None)
@given(
    texts=st.lists(st.text("0123abcABC -\n", max_size=24), min_size=1, max_size=3),
    odd=st.integers(0, 2),
)
def test_rows_read_together_give_what_the_matcher_gives(
    pattern: str, texts: list[str], odd: int
) -> None:
    """odd 0: no validator; else values with such a sum of digits are refused, and searched again."""
    finite = finite_of(translate(pattern).python)
    assert finite is not None
    accept = (lambda value: sum(map(ord, value)) % 3 != odd) if odd else None
    assert found(finite, texts, accept) == expected(pattern, texts, accept)


@pytest.mark.parametrize(
    "pattern",
    [r"\d+", r"a*", r"a?", r".\d", r"(?<!ab)c", r"(?:a?){3}b", r"(a)\1", "(?:[ab]{30}){60}"],
)
def test_what_has_no_bound_or_is_too_large_is_left_to_re2(pattern: str) -> None:
    assert finite_of(pattern) is None


@given(st.integers(min_value=0))
def test_members_are_the_bits_of_a_number(number: int) -> None:
    assert members(number).tolist() == [
        bit for bit in range(number.bit_length()) if number >> bit & 1
    ]


# --- every expression of the pack, on texts made from it ---------------------------------------


def written(chance: random.Random, items: Any) -> str:
    """A text that a parsed pattern may match, what stands around it left out."""
    out = []
    for op, arg in items:
        if op is sre.LITERAL:
            out.append(chr(arg))
        elif op is sre.NOT_LITERAL:
            out.append("~")
        elif op is sre.IN:
            out.append(member(chance, arg))
        elif op is sre.BRANCH:
            out.append(written(chance, chance.choice(arg[1])))
        elif op is sre.SUBPATTERN:
            out.append(written(chance, arg[3]))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            count = chance.choice((arg[0], arg[1], chance.randint(arg[0], arg[1])))
            out.append("".join(written(chance, arg[2]) for _ in range(count)))
    return "".join(out)


def member(chance: random.Random, items: Any) -> str:
    if items[0][0] is sre.NEGATE:
        return chance.choice("~ a1")
    op, arg = chance.choice(items)
    if op is sre.LITERAL:
        return chr(arg)
    if op is sre.RANGE:
        return chr(chance.randint(arg[0], arg[1]))
    return chance.choice("0a_")


def rows_of(chance: random.Random, pattern: str) -> list[str]:
    """Texts with matches, and with near misses of every kind."""
    parsed = sre_parser.parse(pattern)
    rows = []
    for _ in range(24):
        pieces = []
        for _ in range(chance.randint(1, 3)):
            text = written(chance, parsed)
            if chance.random() < 0.4 and text:
                at = chance.randrange(len(text))
                text = text[:at] + chance.choice(["", "0", "x", "-", " ", "."]) + text[at + 1 :]
            pieces.append(chance.choice([str.upper, str.lower, str, str])(text))
        between = chance.choice([" ", "", ",", "-", "\n", ". "])
        before, behind = chance.choice(["", " ", "(", "0", "/"]), chance.choice(["", ".", "7", ")"])
        rows.append(before + between.join(pieces) + behind)
    return [row for row in rows if row.isascii()]


def expressions() -> list[str]:
    pack = load_pack(BUILTIN)
    return sorted(
        {
            item.pattern
            for element in pack.elements.values()
            if isinstance(element, Regex)
            for item in element.expressions
        }
    )


def test_every_expression_of_the_pack_that_is_read_so_gives_what_its_matcher_gives() -> None:
    chance = random.Random(11)
    count = matches = 0
    for pattern in expressions():
        try:
            python = translate(pattern).python
        except Untranslatable:
            continue
        finite = finite_of(python)
        if finite is None or "<value>" in pattern or not isinstance(matcher(pattern), Re2Matcher):
            continue
        texts = rows_of(chance, python) or ["0"]
        accepts: list[Accept | None] = [None]
        if finite.width <= RESCAN_CHARS:
            accepts.append(lambda value: sum(map(ord, value)) % 3 != 1)
        for accept in accepts:
            wanted = expected(pattern, texts, accept)
            assert found(finite, texts, accept) == wanted, pattern
            matches += sum(map(len, wanted))
        count += 1
    assert count > 600
    assert matches > 10 * count
