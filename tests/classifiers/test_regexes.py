"""Matchers against a plain loop over Python's re: same spans on random patterns and texts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regex_syntax import RuleTimeout, Untranslatable, translate
from dlpagent.classifiers.regexes import (
    MAX_PATTERN_CHARS,
    RESCAN_CHARS,
    JailedMatcher,
    Re2Matcher,
    matcher,
    regex_problem,
)

Span = tuple[int, int]


def oracle(pattern: str, text: str, accept: Callable[[str], bool] | None = None) -> Iterator[Span]:
    """What a matcher's spans mean, with lookarounds left as they are."""
    compiled = re.compile(translate(pattern).python)
    group = "value" if "value" in compiled.groupindex else 0
    place = 0
    while place <= len(text) and (found := compiled.search(text, place)):
        start, end = found.span(group)
        if start == end:
            place = max(place, start) + 1
        elif accept is None or accept(text[start:end]):
            yield start, end
            place = end
        else:
            place = end if end - start > RESCAN_CHARS else start + 1


ALPHABET = "ab1-_ .é日\n"
ATOMS = ["a", "b", "1", "-", "é", ".", r"\d", r"\w", r"\s", r"\D", r"[ab]", r"[^a1]", r"[a\-]",
         r"[\w.-]", r"[[:digit:]b]", r"\b", r"\x31", r"\Qa.\E", r"[^\s]", r"\W", r"[日é]"]  # fmt: skip
QUANTIFIERS = ["", "", "", "?", "*", "+", "{2}", "{1,3}", "+?", "{0,2}?"]
BEFORE = ["", "", r"(?<!\d)", r"(?<![\w-])", "(?<=a)", r"(?<!é)", r"(?<![^ ])", "(?<![ab]|1)"]
AFTER = ["", "", r"(?!\d)", r"(?![\w-])", r"(?=[-b])", "(?!é)", r"(?=ab|1)", "(?=b*1)"]

_piece = st.tuples(st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)).map(
    lambda pair: pair[0] + (pair[1] if pair[0] != r"\b" and not pair[0].startswith(r"\Q") else "")
)


def _repeated(parts: tuple[str, str]) -> str:
    """A group with a quantifier; none on a group that can match nothing, where engines differ."""
    inner, quantifier = parts
    compiled = re.compile(translate(inner).python)
    empty = any(found.end() == 0 for text in ("", "a", "-") if (found := compiled.match(text)))
    return f"(?:{inner})" + ("" if empty else quantifier)


_core = st.recursive(
    _piece,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(?:" + "|".join(parts) + ")"),
        st.tuples(inner, st.sampled_from(["?", "*", "{1,2}"])).map(_repeated),
    ),
    max_leaves=6,
)
patterns = st.builds(
    lambda flags, before, core, after: flags + before + core + after,
    st.sampled_from(["", "", "(?i)"]),
    st.sampled_from(BEFORE),
    _core,
    st.sampled_from(AFTER),
)
texts = st.text(ALPHABET, max_size=24)


@settings(max_examples=1500)
@given(patterns, texts, st.booleans())
@example(r"(?<!\d)1(?!\d)", "1 1-1", False)
@example(r"(?<![\w-])a(?![\w-])", "a a a", False)
@example("(?<!a)a*", "baa", True)
@example(r"(?<!\d)\d{2}", "111111", True)
def test_a_matcher_on_re2_finds_what_a_plain_loop_finds(
    pattern: str, text: str, rejecting: bool
) -> None:
    try:
        found = matcher(pattern)
    except Untranslatable:
        pytest.fail(f"{pattern} is plain enough")
    if not isinstance(found, Re2Matcher):
        return
    accept = (lambda value: hash(value) % 3 == 0 and "b" not in value) if rejecting else None
    assert list(found.spans(Subject.of(text), accept)) == list(oracle(pattern, text, accept))


@pytest.mark.parametrize(("before", "after"), [(b, a) for b in BEFORE for a in AFTER])
def test_edges_of_one_character_need_no_second_engine(before: str, after: str) -> None:
    assert isinstance(matcher(f"{before}a+{after}"), Re2Matcher)


@settings(max_examples=60)
@given(st.sampled_from([r"(a|1)\1", r"(?<=ab)[\w.]", r"a(?=1)\w(?!b)", r"(?>a+)b", "a++b?", r"(?P<value>a)1(?<=1)",  # noqa: E501
                        r"(['_])(?P<value>\w+?)\1"]), texts, st.booleans())  # fmt: skip
def test_the_second_engine_keeps_to_the_same_loop(pattern: str, text: str, rejecting: bool) -> None:
    found = matcher(pattern)
    assert isinstance(found, JailedMatcher)
    accept = (lambda value: "b" not in value) if rejecting else None
    assert list(found.spans(Subject.of(text), accept)) == list(oracle(pattern, text, accept))


def test_a_rejected_match_that_is_long_is_not_searched_again() -> None:
    seen: list[str] = []
    list(
        matcher(r"\d+").spans(Subject.of("1" * (RESCAN_CHARS + 1)), lambda v: bool(seen.append(v)))
    )
    assert len(seen) == 1


def test_many_rejected_matches_on_the_second_engine_are_bounded_in_time() -> None:
    found = matcher(r"(a)\1(?<=a)")
    begun = time.monotonic()
    with pytest.raises(RuleTimeout):
        list(found.spans(Subject.of("aa" * 400_000), lambda _: False))
    assert time.monotonic() - begun < 300  # hours without the bound


HOSTILE = [
    "(" * 4_999 + ")" * 4_999,
    "[" + "[:" * 4_999,
    "[" * 9_999,
    "[[:alpha:]" * 900,
    "(?:" * 3_000 + "a" + ")" * 3_000,
    "(?#" * 3_333,
    r"\Q" * 5_000,
    "(?<!" * 2_500,
    "(?:(?:(?:a{1000}){1000}){1000}){1000}",
    "(?:(?:a{0,30}){0,30}){0,30}",
    "(?:(?:\\p{L}{0,30}){0,30}){0,10}x",
    "a{1,99999999999999999999}",
    ".{0,1000}" * 50,
    "(?=" * 1_500 + "a" + ")" * 1_500,
    "(a)\\1" * 1_600,
    "|".join(f"a{n}" for n in range(1_600)),
    "(?i)" * 2_500,
    "a" * 10_001,
    "\\",
    "[a-",
    "(?P<value>a)(?P<value>b)",
]


@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda pattern: pattern[:12])
def test_a_hostile_pattern_is_judged_in_seconds(pattern: str) -> None:
    begun = time.monotonic()
    regex_problem(pattern)
    assert time.monotonic() - begun < 300  # hours, or for ever, when it is not judged


@given(st.text(alphabet=r"ab1()[]{}\|?*+^$.-:=!<>P,d", max_size=40))
@settings(max_examples=400)
def test_any_text_is_a_pattern_or_has_a_problem_said_in_words(pattern: str) -> None:
    problem = regex_problem(pattern)
    if problem == "":
        matcher(pattern)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a" * (MAX_PATTERN_CHARS + 1), "longer than"),
        (r"\p{Lu}(?<=ab)", "bad escape"),
        ("[ab", "not closed"),
        ("(ab", "missing )"),
        (r"(?|a|b)", "(?|"),
        (r"\K", r"\K"),
        (r"(*SKIP)", "control verb"),
        ("(?x)a b", "flags"),
    ],
)
def test_what_cannot_be_used_is_said(pattern: str, problem: str) -> None:
    assert problem in regex_problem(pattern)


def test_a_large_program_runs_where_it_can_be_killed() -> None:
    assert isinstance(matcher(".{0,1000}.{0,1000}.{0,1000}.{0,1000}x"), JailedMatcher)
