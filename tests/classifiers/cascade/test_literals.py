"""Literals of which every match holds one, also beyond ASCII."""

from __future__ import annotations

import pytest

from dlpagent.classifiers.cascade.automaton import automaton_of
from dlpagent.classifiers.cascade.literals import literal, literals_of, rate
from dlpagent.classifiers.cascade.syntax import parse


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?i)passwor[dt]\s*=", ("password", "passwort")),
        (r"\d{4}年\d{1,2}月", ("年",)),
        (r"(?i)hasło\d", ("hasŁo", "hasło")),
        (r"\d+[a-z]+", ()),
        (r"(?:番号|nummer)\d{5}", ("nummer", "番号")),
        (r"[一-龥]{4}\d", ()),
    ],
)
def test_literals_are_read_off_a_pattern(pattern: str, expected: tuple[str, ...]) -> None:
    node = parse(pattern)
    found = literals_of(node, automaton_of(node))
    # any one of several that every match holds will do
    assert found == expected or (expected and found and found[0] in ("月", *expected))


def test_common_words_are_known_to_be_common() -> None:
    assert rate("the") > rate("has") > rate("passwort")
    assert rate(" 19") > 50


def test_a_literal_is_written_in_bytes() -> None:
    assert literal("a.é") == rb"a\.\xc3\xa9"
