"""Keyword lists, validators, filters and proximities of a rule package, one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.rulepackage_parts import (
    keyword_of,
    proximity_of,
    read_filters,
    read_validators,
    whole_number,
)
from dlpagent.classifiers.sit import UNLIMITED, Filter, Group, Keyword, Term, ValidatorSpec
from dlpagent.classifiers.xml_nodes import Node, parse_xml


class Reports(list[str]):
    def __call__(self, node: Node, what: str, *_: str) -> None:
        self.append(f"{node.line}: {what}")


def node(text: str) -> Node:
    return parse_xml(text, Path("package.xml"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), (" 0300 ", 300), ("999999999", 999_999_999), ("", None), ("-1", None), ("1.5", None),
     ("²", None), ("٣", None), ("1e3", None), ("9999999999", None), ("9" * 5_000, None)],
)  # fmt: skip
def test_a_whole_number_is_plain_digits_of_a_sane_length(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("text", "width", "problems"),
    [
        ("300", 300, 0),
        ("unlimited", UNLIMITED, 0),
        ("Unlimited", UNLIMITED, 0),
        ("", None, 0),
        ("0", None, 1),
        ("-5", None, 1),
        ("far", None, 1),
    ],
)
def test_a_proximity_is_positive_or_unlimited(text: str, width: int | None, problems: int) -> None:
    reports = Reports()
    assert proximity_of(node(f'<M proximity="{text}"/>'), "proximity", reports) == width
    assert len(reports) == problems


def test_a_keyword_list_keeps_groups_styles_and_case() -> None:
    reports = Reports()
    found = keyword_of(
        node(
            '<Keyword id="K"><Group matchStyle="word"><Term>one</Term>'
            '<Term caseSensitive="true">\n TWO\n parts </Term></Group>'
            '<Group matchStyle="String"><Term caseSensitive="false">part</Term></Group>'
            "<Group><Term>plain</Term></Group></Keyword>"
        ),
        reports,
    )
    assert found == Keyword(
        "K",
        (
            Group("word", (Term("one"), Term("TWO\n parts", True))),
            Group("string", (Term("part"),)),
            Group("word", (Term("plain"),)),
        ),
    )
    assert reports == []


def test_an_empty_keyword_list_is_reported() -> None:
    reports = Reports()
    keyword_of(node('<Keyword id="K"><Group><Term> </Term></Group></Keyword>'), reports)
    assert reports == ["1: a Term has no text", "1: the keyword list K has no terms"]


CHECKSUM = (
    '<V><Validator type="Checksum"><Param name="Weights">1, 2 3</Param><Param name="Mod">11</Param>'
    '<Param name="CheckDigit">3</Param><Param name="AllowAlphabets">1</Param></Validator></V>'
)


def test_validators_become_specifications() -> None:
    reports = Reports()
    assert read_validators(node(CHECKSUM), reports) == (
        ValidatorSpec(
            "checksum",
            (("weights", (1, 2, 3)), ("mod", 11), ("check_digit", 3), ("allow_alphabets", True)),
        ),
    )
    date = (
        '<V><Validator type="DateSimple"><Param name="Pattern"> YYMMDD </Param>'
        '<Param name="StartOffset">2</Param></Validator></V>'
    )
    assert read_validators(node(date), reports) == (
        ValidatorSpec("date", (("pattern", "YYMMDD"), ("offset", 2))),
    )
    assert reports == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("11", "0"), ("11", ""), ("11", "²"), (">3<", ">4<"), ("1, 2 3", "a"), ('name="Mod"', 'name="M"'),
     ("Checksum", "Mod11")],
)  # fmt: skip
def test_a_validator_that_cannot_work_is_reported(old: str, new: str) -> None:
    reports = Reports()
    assert old in CHECKSUM
    assert read_validators(node(CHECKSUM.replace(old, new)), reports) == (ValidatorSpec("?"),)
    assert len(reports) == 1


def test_filters_of_a_group_are_numbered() -> None:
    reports = Reports()
    text = (
        '<Filters id="F"><Filter type="AllDigitsSameFilter"/>'
        '<Filter type="TextMatchFilter" direction="Suffix" logic="Include" textProcessorId=" K "/>'
        '<Filter type="TextMatchFilter" direction="EndsWith" textProcessorId="K"/></Filters>'
    )
    assert read_filters(node(text), reports) == {
        "F": Filter("F", "all_digits_same"),
        "F#2": Filter("F#2", "text_match", "suffix", "include", "K"),
        "F#3": Filter("F#3", "text_match", "ends_with", "exclude", "K"),
    }
    assert reports == []


@pytest.mark.parametrize(
    "attributes",
    ['type="TextMatchFilter" direction="Left" textProcessorId="K"',
     'type="TextMatchFilter" direction="Full" logic="Maybe" textProcessorId="K"',
     'type="TextMatchFilter" direction="Full"', 'type=""', ""],
)  # fmt: skip
def test_a_filter_that_cannot_work_is_reported(attributes: str) -> None:
    reports = Reports()
    assert read_filters(node(f'<Filters id="F"><Filter {attributes}/></Filters>'), reports) == {}
    assert len(reports) == 1
