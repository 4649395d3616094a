"""The lint: every rule fires where it should, good packages pass, any file gives findings."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.lint import has_errors, lint_package, lint_path
from dlpagent.classifiers.lint_regex import regex_notes
from dlpagent.classifiers.lint_rules import MAX_FINDINGS_PER_RULE, RULES
from dlpagent.errors import ConfigurationError
from tests.classifiers.packages import BASE, CONTOSO, EDM, SMALL, written

ENTITY = "b4f1c1a0-1111-4222-8333-0000000000fa"


def rules_of(path: Path) -> set[str]:
    return {finding.rule for finding in lint_package(path, BASE)}


def test_a_good_package_has_no_finding(tmp_path: Path) -> None:
    assert lint_package(written(tmp_path / "a.xml", SMALL), BASE) == []


@pytest.mark.parametrize("text", [EDM, CONTOSO], ids=["edm", "contoso"])
def test_a_package_with_everything_has_no_error_but_the_unknown_function(
    text: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.xml", text.replace(" Func_not_known_here", ""), "utf-16")
    assert not has_errors(lint_package(path, BASE))


# --- one change, one rule ---------------------------------------------------------------------

CHANGES = [
    # structure
    ("crossed-tags", '<Any minMatches="1"><Match idRef="Keyword_order" minCount="1"/>',
     '<Any minMatches="1"><Match idRef="Keyword_order" minCount="1">'),
    ("not-well-formed", "PO-", "P&O-"),
    ("not-well-formed", 'idRef="Keyword_order"', 'idRef="Keyword_order'),
    ("entities", "<RulePackage", '<!DOCTYPE a [<!ENTITY b "c">]><RulePackage'),
    ("namespace", "http://schemas", "https://schemas"),
    ("namespace", ' xmlns="http://schemas.microsoft.com/office/2011/mce"', ""),
    ("not-a-rule-package", "2011/mce", "2020/pdm"),
    ("prolog", 'encoding="utf-8"', 'encoding="utf-16"'),
    ("unknown-element", "<LocalizedStrings>", "<LocalizedStrings><Resources/>"),
    ("misplaced-element", "<LocalizedStrings>", "<Term>a</Term><LocalizedStrings>"),
    ("missing-element", "<PublisherName>Contoso</PublisherName>", ""),
    ("missing-attribute", ' patternsProximity="300"', ""),
    ("missing-attribute", ' confidenceLevel="75"', ""),
    ("missing-attribute", ' major="1"', ""),
    ("missing-attribute", ' idRef="Keyword_order"', ""),
    ("missing-attribute", ' type="Checksum"', ""),
    ("missing-default", ' matchStyle="word"', ""),
    ("missing-default", ' recommendedConfidence="75"', ""),
    ("unknown-attribute", 'confidenceLevel="85"', 'confidenceLevel="85" proximity="50"'),
    ("unknown-attribute", 'caseSensitive="false"', 'casesensitive="false"'),
    ("wrong-value", 'confidenceLevel="75"', 'confidenceLevel="101"'),
    ("wrong-value", 'matchStyle="word"', 'matchStyle="whole"'),
    ("wrong-value", 'caseSensitive="false"', 'caseSensitive="no"'),
    ("wrong-value", 'minCount="1"', 'minCount="some"'),
    ("empty-proximity", 'patternsProximity="300"', 'patternsProximity=""'),
    ("empty-proximity", 'patternsProximity="300"', 'patternsProximity="-1"'),
    ("duplicate-id", '<Keyword id="Keyword_order">', '<Keyword id="Regex_order">'),
    ("id-blank", '<Keyword id="Keyword_order">', '<Keyword id="Keyword order">'),
    ("id-unsafe", '<Keyword id="Keyword_order">', '<Keyword id="Keyword/order">'),
    ("not-a-guid", f'<Entity id="{ENTITY}"', '<Entity id="order"'),
    ("not-a-guid", '<RulePack id="b4f1c1a0-1111-4222-8333-0000000000f1">', '<RulePack id="">'),
    ("reserved-id", 'RulePack id="b4f1c1a0', 'RulePack id="00000000'),
    ("no-name", '<Name default="true" ', '<Name default="false" '),
    ("name-too-long", "<Name>Small</Name>", f"<Name>{'S' * 65}</Name>"),
    # SITs
    ("id-match", '<IdMatch idRef="Regex_order"/>\n        <Any', "<Any"),
    ("unknown-reference", 'idRef="Keyword_order"', 'idRef="Keyword_ordr"'),
    ("unknown-reference", f'<Resource idRef="{ENTITY}"', '<Resource idRef="x"'),
    ("unknown-reference", 'validators="Checks"', 'validators="Check"'),
    ("unused-element", '<Match idRef="Keyword_order" minCount="1"/>', ""),
    ("duplicate-confidence", 'confidenceLevel="85"', 'confidenceLevel="75"'),
    ("recommended-unreached", 'recommendedConfidence="75"', 'recommendedConfidence="95"'),
    ("any-impossible", 'minMatches="1"', 'minMatches="3"'),
    ("any-impossible", 'minMatches="1"', 'minMatches="1" maxMatches="0"'),
    ("any-always", 'minMatches="1"', 'minMatches="0"'),
    ("window-too-short", 'patternsProximity="300"', 'patternsProximity="5"'),
    # keywords
    ("term-empty", "<Term>purchase</Term>", "<Term></Term>"),
    ("term-too-long", "<Term>purchase</Term>", f"<Term>{'p' * 51}</Term>"),
    ("term-duplicate", "<Term>purchase</Term>", "<Term>Order</Term>"),
    ("term-ampersand", "<Term>purchase</Term>", "<Term>p&amp;o</Term>"),
    ("word-match-script", "<Term>purchase</Term>", "<Term>注文</Term>"),
    ("list-empty", '<Term caseSensitive="false">order</Term><Term>purchase</Term>', ""),
    ("list-too-long", "<Term>purchase</Term>",
     "".join(f"<Term>t{number}</Term>" for number in range(2100))),
    # checks and filters
    ("unknown-validator", 'type="Checksum"', 'type="Luhn"'),
    ("wrong-validator", '<Param name="Weights">1, 2, 3</Param>', ""),
    ("wrong-validator", 'type="Checksum"', 'type="DateSimple"'),
    ("wrong-filter", "<LocalizedStrings>",
     '<Filters id="F"><Filter type="Other"/></Filters><LocalizedStrings>'),
    ("wrong-filter", "<LocalizedStrings>", '<Filters id="F"><Filter type="TextMatchFilter" '
     'textProcessorId="Keyword_order"/></Filters><LocalizedStrings>'),
    ("regex-empty", r"PO-\d{6}", ""),
    # limits
    ("too-large", "<Term>purchase</Term>", f"<!--{'x' * 800_000}-->"),
    ("nested-too-deep", "<LocalizedStrings>", "<a>" * 200 + "</a>" * 200 + "<LocalizedStrings>"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "old", "new"), CHANGES)
def test_one_change_breaks_one_rule(rule: str, old: str, new: str, tmp_path: Path) -> None:
    assert old in SMALL
    path = written(tmp_path / "a.xml", SMALL.replace(old, new, 1))
    findings = [finding for finding in lint_package(path, BASE) if finding.rule == rule]
    assert findings
    assert all(finding.severity == RULES[rule][0] for finding in findings)
    assert all(finding.file == str(path) and finding.line >= 1 for finding in findings)


def test_a_finding_names_line_rule_and_fix(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xml", SMALL.replace('minMatches="1"', 'minMatches="3"'))
    [finding] = lint_package(path, BASE)
    line = next(number for number, text in enumerate(SMALL.splitlines(), 1) if "<Any" in text)
    assert (finding.line, finding.rule) == (line, "any-impossible")
    assert finding.fix
    assert str(finding).startswith(f"{path}:{line}: error: ")


def test_more_sits_and_regexes_than_a_tenant_takes(tmp_path: Path) -> None:
    entity = SMALL[SMALL.index("<Entity") : SMALL.index("</Entity>") + 9]
    many = "".join(entity.replace("00fa", f"{number:04x}") for number in range(501))
    assert "too-many-sits" in rules_of(written(tmp_path / "a.xml", SMALL.replace(entity, many)))
    matches = "".join(f'<Match idRef="R{number}"/>' for number in range(21))
    regexes = "".join(f'<Regex id="R{number}">a{number}</Regex>' for number in range(21))
    text = SMALL.replace("<Match", matches + "<Match", 1).replace("<Regex", regexes + "<Regex", 1)
    assert "too-many-regexes" in rules_of(written(tmp_path / "b.xml", text))


def test_the_guid_of_a_type_of_purview_is_told(tmp_path: Path) -> None:
    from dataclasses import replace

    from dlpagent.classifiers.sit import Sit

    base = replace(BASE, sits={ENTITY: Sit(ENTITY, "Type", 1, "structure", ())})
    found = lint_package(written(tmp_path / "a.xml", SMALL), base)
    assert [finding.rule for finding in found] == ["builtin-guid"]


# --- regexes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("(", "regex-invalid"),
        ("[a-z", "regex-invalid"),
        (r"[\x{ffffffff}]", "regex-invalid"),
        ("(" * 3000 + "a" + ")" * 3000, "regex-invalid"),
        ("a" * 1025, "regex-too-long"),
        ("(?P<x>a)", "regex-python-syntax"),
        ("|a", "regex-empty-choice"),
        ("a|", "regex-empty-choice"),
        (".*a", "regex-open-dot"),
        ("a.{0,50}", "regex-open-dot"),
        ("a.{1,5}", "regex-open-dot"),
        ("a(.{0,50})b", "regex-dot-in-group"),
        ("a(.+)b", "regex-dot-in-group"),
        ("x(a*)y", "regex-repeat-in-group"),
        ("a(xx)*b", "regex-group-unbounded"),
        ("a(xx){2,}b", "regex-group-unbounded"),
        (r"(?<!\d)\d{9}", "regex-lookaround"),
        ("^abc$", "regex-anchored"),
        ("^abc", "regex-half-anchored"),
        ("a?", "regex-matches-empty"),
        ("(a+)+b", "regex-catastrophic"),
        (r"(\w+\s?)*:", "regex-catastrophic"),
        ("(a|a)*b", "regex-catastrophic"),
        (r"(?:(\d+))+x", "regex-catastrophic"),
        (r"(\w+\d)+x", "regex-catastrophic"),
        (r"([a-z]{1,20}){10,30}x", "regex-catastrophic"),
        (r"\d+\d+x", "regex-rival-repeats"),
        (r"a.*b.*c", "regex-rival-repeats"),
        (r"PO-\d+", "regex-unbounded-tail"),
        (r"PO-(\d+)", "regex-unbounded-tail"),
    ],
)
def test_a_bad_regex_breaks_its_rule(pattern: str, rule: str) -> None:
    assert rule in {note.rule for note in regex_notes(pattern)}


@pytest.mark.parametrize(
    "pattern",
    [
        r"EMP-\d{6}",
        r"\b[A-Z]{2}\d{7}\b",
        r"(\s)(\d{9})(\s)",
        r"[a-z]{2,40}@[a-z]{2,40}\.(com|nl)",
        r"(?:\d{4}-){3}\d{4}",
        r"\d{2}[01]\d[0-3]\d[ -]?\d{4}",
        r"(?i)iban[: ]{1,3}[a-z]{2}\d{2}",
    ],
)
def test_a_good_regex_breaks_none(pattern: str) -> None:
    assert list(regex_notes(pattern)) == []


@pytest.mark.parametrize(
    "pattern", [r"(\d+-)+x", r"(?:a+)++x", r"(?>a+)+b", r"(?:\d{1,3}[ -]?){2,6}"]
)
def test_a_repeat_in_a_repeat_with_one_reading_is_not_called_catastrophic(pattern: str) -> None:
    assert "regex-catastrophic" not in {note.rule for note in regex_notes(pattern)}


# a Regex element never starts or ends with blanks, so those are stripped here as well
@settings(max_examples=150, deadline=None)
@given(st.text(r"ab01\[](){}*+?|.^$-,dwsbQEx<!=:P '", max_size=30))
def test_any_text_as_a_regex_gives_notes_of_known_rules(pattern: str) -> None:
    assert {note.rule for note in regex_notes(pattern)} <= RULES.keys()


# --- hostile files ----------------------------------------------------------------------------


def hostile(number: int) -> bytes:
    """A copy of a package with some damage, the same for the same number."""
    chance = random.Random(number)
    data = bytearray((SMALL, CONTOSO, EDM)[number % 3].encode("utf-16" if number % 2 else "utf-8"))
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place : place + chance.randint(1, 40)]
        elif kind == 2:
            data[place:place] = data[place : place + chance.randint(1, 200)]
        else:
            other = chance.randrange(len(data))
            data[place : place + 9], data[other : other + 9] = (
                data[other : other + 9],
                data[place : place + 9],
            )
    return bytes(data)


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_a_damaged_copy_gives_findings_and_never_an_exception(first: int, tmp_path: Path) -> None:
    for number in range(first, first + 50):
        path = tmp_path / "a.xml"
        path.write_bytes(hostile(number))
        assert all(finding.rule in RULES for finding in lint_package(path, BASE)), number


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not-well-formed"),
        (b"\xff\xfe", "not-well-formed"),
        (b"\x00" * 100, "not-well-formed"),
        (SMALL.replace("Contoso", "Größe").encode("cp1252"), "encoding"),
        (SMALL.encode("utf-16")[:-1], "encoding"),
        (b"PK\x03\x04 not xml", "not-well-formed"),
        (b"<a/>", "not-a-rule-package"),
        (
            b'<EdmSchema xmlns="http://schemas.microsoft.com/office/2018/edm"/>',
            "not-a-rule-package",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>',
            "entities",
        ),
    ],
)
def test_what_is_no_rule_package_is_told(data: bytes, rule: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(data)
    assert [finding.rule for finding in lint_package(tmp_path / "a.xml", BASE)] == [rule]


def test_ten_megabytes_of_findings_take_seconds_and_are_cut(tmp_path: Path) -> None:
    terms = f"<Term>{' ' * 200}</Term>\n" * 50_000
    path = written(tmp_path / "a.xml", SMALL.replace("<Term>purchase</Term>", terms))
    started = time.monotonic()
    findings = lint_package(path, BASE)
    assert time.monotonic() - started < 60
    empty = [finding for finding in findings if finding.rule == "term-empty"]
    assert len(empty) == MAX_FINDINGS_PER_RULE + 1
    assert any("49900 more findings" in finding.message for finding in empty)


def test_a_regex_of_ten_megabytes_does_not_hang(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xml", SMALL.replace(r"PO-\d{6}", "(a+)+" * 2_000_000))
    assert {"regex-too-long", "too-large"} <= rules_of(path)


def test_every_attribute_that_must_be_there_is_missed(tmp_path: Path) -> None:
    import re

    optional = ("minCount", "caseSensitive", "validators", "encoding", "version")
    for found in re.finditer(r' ([a-zA-Z]+)="[^"]*"', SMALL):
        if found[1] in optional or (found[1], found[0]) == ("minMatches", ' minMatches="1"'):
            continue
        text = SMALL[: found.start()] + SMALL[found.end() :]
        assert rules_of(written(tmp_path / "a.xml", text)), found[0]


# --- packs ------------------------------------------------------------------------------------

SIT = """
id: 11111111-1111-4111-8111-111111111111
name: Test type
version: 1
parity: own
recommended_confidence: {recommended}
elements:
  Regex_a: {{regex: '{regex}'}}
  Keyword_b: {{keywords: [{term}]}}
patterns:
  - {{confidence: 75, primary: Regex_a, any: [{{min: {least}, of: [Keyword_b]}}]}}
"""
GOOD = {"recommended": "75", "regex": "PO-[0-9]{6}", "term": "order", "least": "1"}


def pack_at(
    path: Path, ident: str = "b4f1c1a0-1111-4222-8333-000000000009", **changes: str
) -> Path:
    path.mkdir()
    (path / "pack.yaml").write_text(f"id: {ident}\nname: p\nversion: 1.0.0.0\n")
    (path / "sit.yaml").write_text(SIT.format(**{**GOOD, **changes}), "utf-8")
    return path


def test_a_good_pack_has_no_finding(tmp_path: Path) -> None:
    assert lint_path(pack_at(tmp_path / "p"), BASE) == []


@pytest.mark.parametrize(
    ("changes", "rule", "severity", "line"),
    [
        ({"ident": "00000000-1111-4222-8333-000000000009"}, "reserved-id", "error", 1),
        ({"recommended": "90"}, "recommended-unreached", "warning", 2),
        ({"regex": "(a+)+b"}, "regex-catastrophic", "warning", 8),
        ({"regex": r"((a+)+)\1"}, "regex-catastrophic", "error", 8),
        ({"regex": r"(a)\1"}, "slow-regex", "warning", 8),
        ({"regex": "("}, "pack", "error", 8),
        ({"term": "注文"}, "word-match-script", "warning", 9),
        ({"term": "x" * 51}, "term-too-long", "warning", 9),
        ({"least": "0"}, "any-always", "warning", 11),
        ({"least": "2"}, "pack", "error", 11),
    ],
)
def test_a_pack_is_told_what_is_wrong_with_it(
    changes: dict[str, str], rule: str, severity: str, line: int, tmp_path: Path
) -> None:
    findings = lint_path(pack_at(tmp_path / "p", **changes), BASE)
    assert (rule, severity, line) in [(item.rule, item.severity, item.line) for item in findings]


def test_a_path_with_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        lint_path(tmp_path / "nothing", BASE)


# --- the table --------------------------------------------------------------------------------


def test_every_rule_is_in_the_documentation_and_no_other() -> None:
    import re

    page = Path(__file__).resolve().parents[2] / "docs" / "lint.md"
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (error|warning) \| (.+?) \|", page.read_text("utf-8"), re.M
    )
    assert {(rule, severity, text) for rule, severity, text in rows} == {
        (rule, severity, text) for rule, (severity, text) in RULES.items()
    }


def test_every_rule_but_a_few_of_the_disk_is_tried_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert {rule for rule in RULES if f'"{rule}"' not in text} <= {"unreadable"}
