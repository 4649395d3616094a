"""Boost syntax in the syntaxes of RE2 and Python: class by class, escape by escape."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.regex_syntax import (
    Edges,
    Untranslatable,
    edges_of,
    relaxed,
    tokens,
    translate,
)

ASCII = [chr(code) for code in range(1, 128)]
BEYOND = ["é", "５", "日", "\u00a0", "ſ"]

WORD = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
DIGITS = set("0123456789")
SPACE = set(" \t\n\x0b\f\r")
EVERY = {*ASCII, *BEYOND}


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        (r"\d", DIGITS),
        (r"\D", EVERY - DIGITS),
        (r"\w", WORD),
        (r"\W", EVERY - WORD),
        (r"\s", SPACE),
        (r"\S", EVERY - SPACE),
        (r"\h", {" ", "\t"}),
        (r"\l", set("abcdefghijklmnopqrstuvwxyz")),
        (r"\u", set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        (r"[\d]", DIGITS),
        (r"[^\d]", EVERY - DIGITS),
        (r"[\D]", EVERY - DIGITS),
        (r"[\W]", EVERY - WORD),
        (r"[\S]", EVERY - SPACE),
        (r"[\w-.]", WORD | {"-", "."}),
        (r"[\\w-z]", {"\\", "w", "x", "y", "z"}),
        (r"[\d-]", DIGITS | {"-"}),
        (r"[\s-+]", SPACE | {"-", "+"}),
        (r"[[:digit:]]", DIGITS),
        (r"[[:alpha:]_]", set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")),
        (r"[[:space:]x]", SPACE | {"x"}),
        (r"[]a]", {"]", "a"}),
        (r"[^]a]", EVERY - {"]", "a"}),
        (r"[[a]", {"[", "a"}),
        (r"[a\]b]", {"a", "]", "b"}),
        (r"[a&&b]", {"a", "&", "b"}),
        (r"[a||b]", {"a", "|", "b"}),
        (r"[\x41-\x43]", {"A", "B", "C"}),
        (r"\x41", {"A"}),
        (r"\x{e9}", {"é"}),
        (r"[\x{e9}]", {"é"}),
        (r"\e", {"\x1b"}),
        (r"[\b]", {"\b"}),
        (r"\Q.\E", {"."}),
        (r"(?#nothing)a", {"a"}),
        (r"\-", {"-"}),
        (r"\.", {"."}),
    ],
)  # fmt: skip
def test_a_class_takes_the_same_characters_in_both_engines(pattern: str, taken: set[str]) -> None:
    both = translate(pattern)
    in_re2, in_python = re2.compile(both.re2), re.compile(both.python)
    assert {char for char in EVERY if in_re2.fullmatch(char)} == taken
    assert {char for char in EVERY if in_python.fullmatch(char)} == taken


@pytest.mark.parametrize(
    ("pattern", "text", "span"),
    [
        (r"\bcat\b", "écaté", (1, 4)),  # letters beyond ASCII do not make a word
        (r"\<cat", "a cat", (2, 5)),
        (r"cat\>", "cat a", (0, 3)),
        (r"^a", "a\na", (0, 1)),
        (r"a$", "a\na", (2, 3)),
        (r"\Aa\z", "a", (0, 1)),
        (r"\`a\'", "a", (0, 1)),
        (r"\R", "a\r\n", (1, 3)),
        (r"(?'name'a)b", "ab", (0, 2)),
        (r"(?<name>a)b", "ab", (0, 2)),
    ],
)
def test_anchors_and_groups_mean_the_same(pattern: str, text: str, span: tuple[int, int]) -> None:
    both = translate(pattern)
    found = re.search(both.python, text)
    assert found
    assert found.span() == span
    found = re2.search(both.re2, text)
    assert found
    assert found.span() == span


@pytest.mark.parametrize(
    "pattern",
    ["[a", "[[:what:]]", "[[:^alpha:]]", "\\", r"\K", r"\G", r"\X", r"\g{1}", r"\k<a>", r"\x{110000}",
     r"\x{d800}", "(?|a)", "(?R)", "(?1)", "(?(1)a)", "(?&a)", "(?P>a)", "(*FAIL)", "(?U)a", "(?x)a"],
)  # fmt: skip
def test_what_has_no_equal_is_refused(pattern: str) -> None:
    with pytest.raises(Untranslatable):
        translate(pattern)


@pytest.mark.parametrize(
    ("pattern", "edges"),
    [
        ("a", Edges("", "a", "", 0)),
        ("(?<!b)a", Edges(r"(?:\A|[^b])", "a", "", 1)),
        ("(?<=b)a", Edges("(?:[b])", "a", "", 1)),
        ("(?<![^b])a", Edges(r"(?:\A|[b])", "a", "", 1)),
        ("(?<!b|[c-e])a", Edges(r"(?:\A|[^bc-e])", "a", "", 1)),
        ("a(?!b)", Edges("", "a", r"(?:[^b]|\z)", 0)),
        ("a(?=bc|d)", Edges("", "a", "(?:bc|d)", 0)),
        ("(?i)(?<!b)a", Edges(r"(?i)(?:\A|[^b])", "a", "", 1)),
        ("(?i)a|b", Edges("", "(?i)a|b", "", 0)),
        # left as they are: another engine takes them
        ("(?<!b)a|c", Edges("", "(?<!b)a|c", "", 0)),
        ("(?<!bc)a", Edges("", "(?<!bc)a", "", 0)),
        (r"(?<!\b)a", Edges("", r"(?<!\b)a", "", 0)),
        ("(?<!b?)a", Edges("", "(?<!b?)a", "", 0)),
        ("(?<!.)a", Edges("", "(?<!.)a", "", 0)),
        ("a(?!bc)", Edges("", "a(?!bc)", "", 0)),
    ],
)
def test_lookarounds_of_one_character_at_the_edges_become_context(
    pattern: str, edges: Edges
) -> None:
    assert edges_of(pattern) == edges


def test_behind_the_start_of_the_text_the_context_is_a_character() -> None:
    assert edges_of("(?<!b)a").inner() == Edges("(?:[^b])", "a", "", 1)


def test_tokens_put_together_are_the_pattern() -> None:
    pattern = r"(?i)\Qa.b\E[^]\]x[:alpha:]]{2,3}(?<n>\x{41})(?#c)\p{L}$|.*?"
    assert "".join(tokens(pattern)) == pattern


@given(
    st.sampled_from([r"(?<=ab)c", r"a(?!b)c", r"(?>a+)b", "a++b", r"(?<!\d\d)1(?=b)x?", "(?:(?=a)a)+b"]),
    st.text("abc1x", max_size=12),
)  # fmt: skip
@settings(max_examples=300)
def test_the_relaxed_pattern_matches_wherever_the_pattern_does(pattern: str, text: str) -> None:
    if re.search(pattern, text):
        assert re2.search(relaxed(pattern), text)


def test_a_back_reference_cannot_be_relaxed() -> None:
    assert relaxed(r"(a)\1") == ""
