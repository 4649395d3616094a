"""Elements of a pack at work: keywords against a brute-force search, regexes, unions, validators."""

from __future__ import annotations

import importlib.util
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.compiled import (
    CompiledPack,
    is_word,
    keyword_finder,
    regex_finder,
    validator_of,
)
from dlpagent.classifiers.normalise import Subject, shadow_of
from dlpagent.classifiers.sit import (
    Expression,
    Group,
    Keyword,
    MatchStyle,
    Regex,
    Term,
    ValidatorSpec,
)

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

Span = tuple[int, int]


def find(term: str, text: str, match: MatchStyle = "word", *, case: bool = False) -> list[str]:
    element = Keyword("K", (Group(match, (Term(term, case),)),))
    subject = Subject.of(text)
    return [subject.text[start:end] for start, end in keyword_finder(element)(subject)]


def lower_each(text: str) -> str:
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def brute_force(terms: list[tuple[str, bool, bool]], text: str) -> list[Span]:
    """Every term tried at every place, as the documentation says it. (text, word?, case-sensitive?)"""
    text = shadow_of(text)
    found = set()
    for term, word, case in terms:
        pieces = shadow_of(term).split()
        if not pieces:
            continue
        wanted = [piece if case else lower_each(piece) for piece in pieces]
        given = text if case else lower_each(text)
        for start in range(len(text)):
            end = _at(given, start, wanted)
            if end and (not word or is_word(given, start, end)):
                found.add((start, end))
    return sorted(found)


def _at(text: str, start: int, pieces: list[str]) -> int:
    """Where the pieces end when they stand at a place, with one to three gap signs between; else 0.

    Of several ends the longest gaps count.
    """
    if not text.startswith(pieces[0], start):
        return 0
    end = start + len(pieces[0])
    if len(pieces) == 1:
        return end
    for gap in (3, 2, 1):
        between = text[end : end + gap]
        if len(between) == gap and all(char in "\t\n\x0b\f\r _-" for char in between):
            behind = _at(text, end + gap, pieces[1:])
            if behind:
                return behind
    return 0


words = st.text("abÉé1_-. 日カß", min_size=1, max_size=5).filter(lambda text: text.strip() != "")
terms = st.lists(st.tuples(words, st.booleans(), st.booleans()), min_size=1, max_size=4)
texts = st.text("abABÉé1_-. \n\x0b日カßＡ\u00a0\u200b\u2013İ", max_size=30)


@given(terms, texts)
@settings(max_examples=1200)
def test_keywords_are_found_where_a_brute_force_search_finds_them(
    given_terms: list[tuple[str, bool, bool]], text: str
) -> None:
    groups = tuple(
        Group("word" if word else "string", (Term(term, case),)) for term, word, case in given_terms
    )
    found = keyword_finder(Keyword("K", groups))(Subject.of(text))
    assert found == brute_force(given_terms, text)


@pytest.mark.parametrize(
    ("term", "text", "match", "found"),
    [
        ("card number", "card_number card--number card - number cardnumber", "word",
         ["card_number", "card--number", "card - number"]),
        ("card number", "card\n number", "word", ["card\n number"]),
        ("card number", "card\x0bnumber", "word", ["card\x0bnumber"]),
        ("card number", "card\u2028number", "word", ["card number"]),
        ("card    number", "card number", "word", ["card number"]),  # written over two lines
        ("card\n   number", "card number", "word", ["card number"]),
        (" ssn ", "ssn", "word", ["ssn"]),  # blanks around a term do not count
        ("ssn#", "ssn#12", "word", ["ssn#"]),
        ("#ssn", "x#ssn", "word", ["#ssn"]),
        ("no.", "no.12 ano.", "word", ["no."]),
        ("番号", "お客様番号は", "word", ["番号"]),
        ("번호", "주민등록번호는", "word", ["번호"]),
        ("บัตร", "หมายเลขบัตรเครดิต", "word", ["บัตร"]),
        ("card", "カードcard番号", "word", ["card"]),
        ("ÉTÉ", "été ete", "word", ["été"]),
        ("ＳＳＮ", "ssn", "word", ["ssn"]),
        ("aa", "aaaa", "string", ["aa", "aa", "aa"]),
        ("straße", "STRASSE straße", "word", ["straße"]),
    ],
)  # fmt: skip
def test_a_term_means_what_the_documentation_says(
    term: str, text: str, match: MatchStyle, found: list[str]
) -> None:
    assert find(term, text, match) == found


@pytest.mark.parametrize("other", ["", "x", "zebra"])
def test_what_a_term_finds_does_not_depend_on_other_terms(other: str) -> None:
    text = "card\x0bnumber x"
    groups = [Group("word", (Term("card number"),))]
    if other:
        groups.append(Group("word", (Term(other),)))
    found = keyword_finder(Keyword("K", tuple(groups)))(Subject.of(text))
    assert (0, 11) in found


@pytest.mark.parametrize("term", ["\u200b", "\u3164", " \u00ad "])
def test_a_term_that_shows_nothing_finds_nothing(term: str) -> None:
    assert find(term, "anything at all") == []
    assert find(term, "anything at all", "string") == []


def test_a_list_without_terms_finds_nothing() -> None:
    assert keyword_finder(Keyword("K", (), stub=True))(Subject.of("text")) == []


def test_all_expressions_count_and_every_validator_must_accept() -> None:
    weights = (1,) * 7 + (0,)
    last_is_sum = ValidatorSpec(
        "checksum",
        (("weights", weights), ("mod", 10), ("check_digit", 8), ("allow_alphabets", False)),
    )
    date = ValidatorSpec("date", (("pattern", "YYYYMMDD"), ("offset", 0)))
    expressions = (Expression(r"\d{4}-\d{4}"), Expression(r"\d{8}"))
    text = "2000-0103 20000102 20000103 20009993"
    found = regex_finder(Regex("R", expressions))(Subject.of(text))
    assert [text[start:end] for start, end in found] == text.split()
    found = regex_finder(Regex("R", expressions, (last_is_sum,)))(Subject.of(text))
    assert [text[start:end] for start, end in found] == ["2000-0103", "20000103"]
    found = regex_finder(Regex("R", expressions, (date,)))(Subject.of(text))
    assert [text[start:end] for start, end in found] == ["2000-0103", "20000102", "20000103"]


@pytest.mark.parametrize(
    ("spec", "valid", "invalid"),
    [
        (
            ValidatorSpec("date", (("pattern", "DDMMYYYY"), ("offset", 0))),
            ["29022024"],
            ["29022023", "2902202"],
        ),
        (ValidatorSpec("date", (("pattern", "YYMMDD"), ("offset", 2))), ["xx991231"], ["991231"]),
        (ValidatorSpec("luhn"), ["4111111111111111"], ["4111111111111112"]),
    ],
)
def test_a_validator_is_made_of_its_specification(
    spec: ValidatorSpec, valid: list[str], invalid: list[str]
) -> None:
    check = validator_of(spec)
    assert [text for text in [*valid, *invalid] if check(text)] == valid


def test_a_union_finds_what_any_part_finds_once(tmp_path: Path) -> None:
    compiled = building.compiled(
        tmp_path,
        r"""
elements:
  A: {regex: '\d{3}'}
  B: {regex: '[0-9]{3}|x'}
  Inner: {union: [B]}
  All: {union: [A, Inner]}
patterns: [{confidence: 85, primary: All}]
""",
    )
    assert compiled.find("All", Subject.of("123 x")) == [(0, 3), (4, 5)]


def test_a_compiled_pack_survives_the_way_to_another_process(tmp_path: Path) -> None:
    body = "elements: {A: {regex: 'a'}}\npatterns: [{confidence: 85, primary: A}]"
    compiled = building.compiled(tmp_path, body)
    compiled.find("A", Subject.of("a"))
    other: CompiledPack = pickle.loads(pickle.dumps(compiled))  # noqa: S301 - our own
    assert other.ref == compiled.ref
    assert other.find("A", Subject.of("bab")) == [(1, 2)]
    assert re.fullmatch("[0-9a-f]{16}", other.ref.hash)


def test_sits_without_patterns_are_not_looked_for(tmp_path: Path) -> None:
    body = f"id: {building.SIT_ID}\nname: n\nversion: 1\nparity: name\npatterns: []"
    assert building.compiled(tmp_path, body).sits == ()
