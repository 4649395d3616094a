"""One YAML file, one SIT: every key read, every mistake named at its line."""

from __future__ import annotations

import pytest

from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    NearMiss,
    Regex,
    Term,
    Union,
    ValidatorSpec,
)
from dlpagent.classifiers.sit_yaml import read_sit
from dlpagent.errors import Problem
from dlpagent.yaml_reader import parse_yaml

WHOLE = r"""id: 11111111-1111-4111-8111-111111111111
name: Test type
version: 3
parity: structure
description: What it is.
proximity: 200
recommended_confidence: 85
value: secret
elements:
  Func_id:
    function: true
    regex: ['\d{6}', '\d{8}']
    ours: ['[A-Z]\d{6}']
    validators: [luhn, {checksum: {weights: [1, 2], mod: 11, check_digit: 2, allow_alphabets: true}},
                 {date: {pattern: DDMMYYYY, offset: 1}}]
  Keyword_id:
    keywords: [alpha, {match: string, case_sensitive: true, terms: [BETA]}]
    ours: [gamma]
  All: {union: [Func_id, Keyword_id]}
  Outside: {stub: true}
patterns:
  - confidence: 85
    primary: Func_id
    match: [Keyword_id, {id: All, min_count: 2, unique: true, proximity: unlimited, ours: true}]
    any: [{min: 0, max: 0, of: [Keyword_id]}, {min: 1, of: [All, {any: {min: 2, of: [All, Outside]}}]}]
    proximity: 50
    filters: [F]
  - {confidence: 65, primary: Func_id, ours: true}
filters: {F: {kind: text_match, direction: prefix, logic: include, processor: Keyword_id}}
examples:
  - {text: "alpha 123456", confidence: 85, matched: "123456", context: heading}
near_misses: [plain, {text: more, max_confidence: 65, context: c, why: it is a date}]
references: [a standard]
attributes: {workload: Exchange}
names: {de-de: Name}
descriptions: {de-de: ""}
"""


def read(text: str):
    problems: list[Problem] = []
    root = parse_yaml(text, "sit.yaml", problems)
    assert root
    return (*read_sit(root), problems)


def test_every_key_is_read() -> None:
    sit, elements, lines, filters, problems = read(WHOLE)
    assert problems == []
    assert (sit.id, sit.name, sit.version, sit.parity) == (
        "11111111-1111-4111-8111-111111111111", "Test type", 3, "structure",
    )  # fmt: skip
    assert (sit.proximity, sit.recommended_confidence, sit.value) == (200, 85, "secret")
    assert elements == {
        "Func_id": Regex(
            "Func_id",
            (Expression(r"\d{6}"), Expression(r"\d{8}"), Expression(r"[A-Z]\d{6}", "ours")),
            (
                ValidatorSpec("luhn"),
                ValidatorSpec("checksum", (("weights", (1, 2)), ("mod", 11), ("check_digit", 2),
                                           ("allow_alphabets", True))),
                ValidatorSpec("date", (("pattern", "DDMMYYYY"), ("offset", 1))),
            ),
            function=True,
        ),
        "Keyword_id": Keyword(
            "Keyword_id",
            (
                Group("string", (Term("BETA", True),)),
                Group("word", (Term("alpha"),)),
                Group("word", (Term("gamma"),), "ours"),
            ),
        ),
        "All": Union("All", ("Func_id", "Keyword_id")),
        "Outside": Keyword("Outside", (), stub=True),
    }  # fmt: skip
    assert lines["Keyword_id"] == 17
    first, second = sit.patterns
    assert first.conditions == (
        Match("Keyword_id"),
        Match("All", 2, True, UNLIMITED, "ours"),
        AnyOf((Match("Keyword_id"),), 0, 0),
        AnyOf((Match("All"), AnyOf((Match("All"), Match("Outside")), 2)), 1),
    )
    assert (first.proximity, first.filters, first.origin) == (50, ("F",), "purview")
    assert (second.confidence, second.origin, second.proximity) == (65, "ours", None)
    assert filters == {"F": Filter("F", "text_match", "prefix", "include", "Keyword_id")}
    assert sit.filters == ("F",)
    assert sit.examples[0].matched == "123456"
    assert sit.near_misses[0] == NearMiss("plain", line=sit.near_misses[0].line)
    assert sit.near_misses[1].max_confidence == 65
    assert (sit.references, sit.attributes) == (("a standard",), {"workload": "Exchange"})
    assert (sit.names, sit.descriptions) == ({"de-de": "Name"}, {"de-de": ""})


HEAD = "id: 11111111-1111-4111-8111-111111111111\nname: n\nversion: 1\nparity: own\n"
TAIL = "patterns: [{confidence: 85, primary: A}]\n"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("name: n\n", 1, "the key id is missing"),
        (HEAD.replace("11111111-", "1-") + TAIL, 1, "not a GUID"),
        (HEAD.replace("parity: own", "parity: mine") + TAIL, 4, "wrong value"),
        (HEAD.replace("version: 1", "version: 0") + TAIL, 3, "out of range"),
        (HEAD + TAIL + "colour: red\n", 6, "unknown key"),
        (HEAD + TAIL + "name: again\n", 6, "appears twice"),
        (HEAD + "patterns: []\n", 5, "has no pattern"),
        (HEAD + "patterns:\n  - {confidence: 85}\n", 6, "primary is missing"),
        (HEAD + "patterns:\n  - {confidence: 101, primary: A}\n", 6, "out of range"),
        (HEAD + "patterns:\n  - {confidence: high, primary: A}\n", 6, "wrong value"),
        (HEAD + "patterns:\n  - {confidence: 1, primary: A, proximity: 0}\n", 6, "out of range"),
        (HEAD + "patterns:\n  - confidence: 1\n    primary: A\n    any: [{max: 0, of: [A]}]\n", 8,
         "max is below min"),
        (HEAD + "patterns:\n  - confidence: 1\n    primary: A\n    any: [{min: 2, of: [A]}]\n", 8,
         "asks for more than there is"),
        (HEAD + "patterns:\n  - confidence: 1\n    primary: A\n    any: [{min: 1}]\n", 8, "of is missing"),
        (HEAD + TAIL + "elements:\n  A: {}\n", 7, "exactly one kind"),
        (HEAD + TAIL + "elements:\n  A: {regex: a, keywords: [b]}\n", 7, "exactly one kind"),
        (HEAD + TAIL + "elements:\n  A: {keywords: []}\n", 7, "no terms"),
        (HEAD + TAIL + "elements:\n  A: {keywords: [b], validators: [luhn]}\n", 7, "takes no validators"),
        (HEAD + TAIL + "elements:\n  A: {union: [B], ours: [b]}\n", 7, "takes no ours"),
        (HEAD + TAIL + "elements:\n  A: {keywords: [\"\\u200b\"]}\n", 7, "shows nothing"),
        (HEAD + TAIL + "elements:\n  A: {keywords: [{match: part, terms: [b]}]}\n", 7, "wrong value"),
        (HEAD + TAIL + "elements:\n  A: {keywords: [{match: word}]}\n", 7, "terms is missing"),
        (HEAD + TAIL + "elements:\n  A:\n    regex: a\n    validators: [{what: 1}]\n", 9, "unknown"),
        (HEAD + TAIL + "elements:\n  A:\n    regex: a\n    validators: [{checksum: {mod: 1}}]\n", 9,
         "weights is missing"),
        (HEAD + TAIL + "filters:\n  F: {kind: text_match}\n", 7, "needs a processor"),
        (HEAD + TAIL + "filters:\n  F: {kind: other}\n", 7, "wrong value"),
        (HEAD + TAIL + "examples:\n  - {text: a}\n", 7, "confidence is missing"),
        (HEAD + TAIL + "near_misses:\n  - {max_confidence: 1}\n", 7, "text is missing"),
        ("[]", 1, "wrong shape"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_at_its_line(text: str, line: int, what: str) -> None:
    *_, problems = read(text)
    assert any(what in item.what and item.line == line for item in problems), problems


def test_a_term_written_as_a_number_stays_as_written() -> None:
    _, elements, *_ = read(HEAD + TAIL + "elements:\n  A: {keywords: [0012, 1e3, yes]}\n")
    assert [term.text for term in elements["A"].groups[0].terms] == ["0012", "1e3", "yes"]


@pytest.mark.parametrize("depth", [50, 400])
def test_conditions_nested_without_end_are_a_problem_and_no_crash(depth: int) -> None:
    nested = "{any: {of: [" * depth + "A" + "]}}" * depth
    problems: list[Problem] = []
    text = HEAD + f"patterns:\n  - confidence: 1\n    primary: A\n    match: [{nested}]\n"
    root = parse_yaml(text, "sit.yaml", problems)
    if root:
        read_sit(root)
    assert problems
    assert all(item.line == 8 for item in problems)


def test_every_prefix_of_a_file_gives_a_sit_or_problems() -> None:
    for end in range(0, len(WHOLE), 7):
        problems: list[Problem] = []
        root = parse_yaml(WHOLE[:end], "sit.yaml", problems)
        if root is not None:
            read_sit(root)
        assert root is not None or problems
