"""Rule packages as they are found in the world, and as no one should write them."""

# ruff: noqa: E501 - XML reads best in one line

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import builtin_pack, load_pack
from dlpagent.classifiers.pack_yaml import write_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.rulepackage_xml import Imported, read_rule_package
from dlpagent.classifiers.sit import AnyOf, Keyword, Match, Pack
from dlpagent.classifiers.xml_nodes import decoded
from dlpagent.errors import ConfigurationError, DlpAgentError, ProblemsError

FOLDER = Path(__file__).parent.parent / "data" / "rulepackages"
PACKAGES = {
    # SITs, elements, warnings when the built-in pack is at hand
    "hc-netherlands-healthcare.utf16.xml": (13, 25, 2),
    "msdocs-credit-card-modified.xml": (1, 4, 1),
    "msdocs-edm-healthcare.xml": (1, 7, 7),
    "msdocs-employee-id.xml": (1, 6, 0),
    "ncheruvu-demo-1.xml": (3, 3, 0),
    "ncheruvu-demo-2.xml": (4, 1, 1),
}
REFUSED = {
    "msdocs-edm-schema-patientrecords.xml": "schema of an exact data match store",
    "msdocs-priva-pdm-healthcare.xml": "Priva personal data match package",
}


@pytest.fixture(scope="module")
def base() -> Pack:
    return builtin_pack()


def text_of(name: str) -> str:
    path = FOLDER / name
    return decoded(path.read_bytes(), path)


def imported(
    tmp_path: Path, text: str | bytes, base: Pack | None = None, **more: object
) -> Imported:
    path = tmp_path / "package.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rule_package(path, base, **more)  # type: ignore[arg-type]


def outcome(tmp_path: Path, text: str | bytes) -> Imported | None:
    """The import, or None where it was refused in words; anything else is a crash."""
    try:
        found = imported(tmp_path, text)
    except (ProblemsError, ConfigurationError):
        return None
    evaluate(CompiledPack(found.pack), "what is imported can be run: 123456789 Employee ID")
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_the_world_is_read_and_survives_as_yaml(
    name: str, base: Pack, tmp_path: Path
) -> None:
    found = read_rule_package(FOLDER / name, base)
    pack = found.pack
    assert (len(pack.sits), len(pack.elements), len(found.warnings)) == PACKAGES[name]
    write_pack(pack, tmp_path / "pack", inherited=found.inherited)
    again = load_pack(tmp_path / "pack", base=base)
    assert again.ref == pack.ref
    assert again.sit_names == pack.sit_names
    # every GUID of the file is kept
    written = set(re.findall(r'<(?:Entity|ExactMatch)[^>]*?\sid\s*=\s*"([^"]+)"', text_of(name)))
    assert {ident.lower() for ident in written} == set(pack.sits)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_rule_package_is_refused_and_named(name: str) -> None:
    with pytest.raises(ProblemsError, match=REFUSED[name]):
        read_rule_package(FOLDER / name)


def test_the_employee_id_of_the_documentation_means_what_it_says(base: Pack) -> None:
    (sit,) = read_rule_package(FOLDER / "msdocs-employee-id.xml", base).pack.sits.values()
    assert [pattern.confidence for pattern in sit.patterns] == [65, 75, 85]
    last = sit.patterns[2].conditions
    assert [type(item) for item in last] == [Match, AnyOf, AnyOf]
    assert isinstance(last[2], AnyOf)
    assert (last[2].min_matches, last[2].max_matches) == (0, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("prolog", ["utf-16", "utf-8", "us-ascii", None])
def test_the_bytes_count_and_not_what_the_prolog_says(
    tmp_path: Path, encoding: str, prolog: str | None
) -> None:
    body = re.sub(r"<\?xml.*?\?>", "", text_of("ncheruvu-demo-1.xml")).strip()
    head = f'<?xml version="1.0" encoding="{prolog}"?>\n' if prolog else ""
    found = imported(tmp_path, (head + body).encode(encoding))
    assert len(found.pack.sits) == 3


# --- hostile and broken -----------------------------------------------------------------------

BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {
    "empty": "",
    "no XML": "hello",
    "zero bytes": "\0" * 100,
    "another root": "<html/>",
    "doctype": "<!DOCTYPE RulePackage><RulePackage/>",
    "entity bomb": f'<!DOCTYPE x [<!ENTITY l0 "ha">{BOMB}]><RulePackage>&l11;</RulePackage>',
    "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><RulePackage>&a;</RulePackage>',
    "deep": "<RulePackage>" + "<a>" * 50_000 + "</a>" * 50_000 + "</RulePackage>",
    "unknown prefix": "<x:RulePackage/>",
    "bare": '<RulePackage xmlns="http://schemas.microsoft.com/office/2011/mce"/>',
    "two roots": "<RulePackage/><RulePackage/>",
    "latin-1": "<RulePackage>é</RulePackage>".encode("latin-1"),
    "odd UTF-16": "<RulePackage/>".encode("utf-16")[:-1],
    "UTF-32": "<RulePackage/>".encode("utf-32"),
    "lone surrogate": "<RulePackage>\ud800</RulePackage>".encode("utf-16-le", "surrogatepass"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_at_once(case: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ProblemsError):
        imported(tmp_path, HOSTILE[case])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_cut_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    data = (FOLDER / name).read_bytes().rstrip()
    for part in range(50):
        assert outcome(tmp_path, data[: len(data) * part // 50]) is None


@pytest.mark.parametrize("name", [*PACKAGES, *REFUSED])
def test_a_package_without_one_of_its_attributes_never_crashes(name: str, tmp_path: Path) -> None:
    text = re.sub(r"<\?xml.*?\?>", "", text_of(name)).strip()
    places = list(re.finditer(r'\s[\w:]+="[^"]*"', text))
    for place in places[:: max(1, len(places) // 40)]:
        outcome(tmp_path, text[: place.start()] + text[place.end() :])


TAGS = ["Entity", "Pattern", "IdMatch", "Match", "Any", "Regex", "Keyword", "Group", "Term", "Rules",
        "RulePack", "LocalizedStrings", "Resource", "Name", "Version", "Affinity", "Filters",
        "Validators", "Fingerprint", "ExactMatch"]  # fmt: skip


@given(st.sampled_from(TAGS), st.sampled_from(TAGS))
@settings(max_examples=60)
def test_a_package_with_tags_swapped_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str
) -> None:
    text = re.sub(r"<\?xml.*?\?>", "", text_of("msdocs-employee-id.xml")).strip()
    swapped = re.sub(
        rf"(</?)({first}|{second})\b", lambda m: m[1] + (second if m[2] == first else first), text
    )
    outcome(tmp_path_factory.getbasetemp(), swapped)


VALUES = [
    "",
    " ",
    "-1",
    "0",
    "101",
    "²",
    "٣",
    "1e3",
    "9" * 5_000,
    "unlimited",
    "nan",
    "\u200b",
    "true",
]


@given(st.integers(0, 200), st.sampled_from(VALUES))
@settings(max_examples=120)
def test_a_package_with_odd_values_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, number: int, value: str
) -> None:
    text = re.sub(r"<\?xml.*?\?>", "", text_of("msdocs-employee-id.xml")).strip()
    places = list(re.finditer(r'(?<==")[^"]*(?=")|(?<=<Term>)[^<]*', text))
    place = places[number % len(places)]
    outcome(tmp_path_factory.getbasetemp(), text[: place.start()] + value + text[place.end() :])


def test_ten_megabytes_are_read_in_seconds(tmp_path: Path) -> None:
    text = re.sub(r"<\?xml.*?\?>", "", text_of("msdocs-employee-id.xml")).strip()
    many = "".join(f"<Term>term number {n} of a long list</Term>" for n in range(230_000))
    text = text.replace('<Group matchStyle="word">', '<Group matchStyle="word">' + many, 1)
    assert len(text) > 10_000_000
    begun = time.monotonic()
    assert imported(tmp_path, text).pack.sits
    assert time.monotonic() - begun < 20


# --- parts ------------------------------------------------------------------------------------

GUID = "11111111-1111-4111-8111-111111111111"


def package(rules: str, names: bool = True) -> str:
    strings = f'<LocalizedStrings><Resource idRef="{GUID}"><Name default="true" langcode="en-us">T</Name></Resource></LocalizedStrings>'
    return f"""<RulePackage xmlns="http://schemas.microsoft.com/office/2011/mce">
<RulePack id="{GUID}"><Version major="1" minor="2" build="3" revision="4"/></RulePack>
<Rules>{rules}{strings if names else ""}</Rules></RulePackage>"""


def entity(pattern: str, more: str = "") -> str:
    return f'<Entity id="{GUID}" patternsProximity="300" recommendedConfidence="75" {more}>{pattern}</Entity>'


PATTERN = '<Pattern confidenceLevel="85"><IdMatch idRef="R"/></Pattern>'
REGEX = r'<Regex id="R">\d{8}</Regex>'


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        (entity(PATTERN.replace("85", "²")) + REGEX, "confidenceLevel is wrong"),
        (entity(PATTERN.replace(' confidenceLevel="85"', "")) + REGEX, "no confidenceLevel"),
        (entity(PATTERN).replace('"300"', '"9999999999999"') + REGEX, "patternsProximity is wrong"),
        (entity('<Pattern confidenceLevel="85"/>') + REGEX, "exactly one IdMatch"),
        (entity(PATTERN.replace("/></P", "/><Any minMatches=\"2\"><Match idRef=\"R\"/></Any></P")) + REGEX,
         "asks for more than there is"),
        (entity(PATTERN, 'filters="F"') + REGEX, "names the filter F"),
        (entity(PATTERN) + REGEX + REGEX, "two elements have the id R"),
        (entity(PATTERN) + entity(PATTERN) + REGEX, "two SITs have the id"),
        (entity(PATTERN) + '<Regex id="R">(</Regex>', "cannot be used"),
        (entity(PATTERN) + '<Regex id="R"/>', "cannot be used: it is empty"),
        (entity(PATTERN) + REGEX + '<Keyword id="K"><Group><Term>\u200b</Term></Group></Keyword>',
         "a Term has no text"),
        (entity(PATTERN) + REGEX + '<Keyword id="K"><Group matchStyle="part"><Term>a</Term></Group></Keyword>',
         "matchStyle is wrong"),
        (entity(PATTERN) + REGEX + '<Validators id="V"><Validator type="DateSimple"><Param name="Pattern">DDMM</Param></Validator></Validators>',
         "Pattern of DateSimple is wrong"),
        (entity(PATTERN) + REGEX + '<Validators id="V"><Validator type="DateSimple"><Param name="Pattern">DDMMYYYY</Param><Param name="StartOffset">two</Param></Validator></Validators>',
         "offset of DateSimple is wrong"),
        (entity(PATTERN) + REGEX + '<Validators id="V"><Validator type="Checksum"><Param name="Weights">1,2</Param><Param name="Mod">0</Param><Param name="CheckDigit">2</Param></Validator></Validators>',
         "Checksum cannot work"),
        (entity(PATTERN) + REGEX + '<Validators id="V"><Validator type="Luhn"/></Validators>',
         "validator type is not known"),
        (entity(PATTERN) + REGEX + '<Filters id="F"><Filter type="TextMatchFilter" direction="Full"/></Filters>',
         "compares with nothing"),
        (entity(PATTERN) + REGEX + '<Filters id="F"><Filter type="Other"/></Filters>', "filter type"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_a_problem(rules: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        imported(tmp_path, package(rules))
    assert any(what in item.what for item in caught.value.problems), caught.value.problems


def test_validators_and_filters_of_a_package_are_applied(tmp_path: Path) -> None:
    rules = (
        entity(PATTERN, 'filters="F"')
        + r'<Regex id="R" validators="V">\d{8}</Regex>'
        + '<Validators id="V"><Validator type="DateSimple"><Param name="Pattern">DDMMYYYY</Param></Validator></Validators>'
        + '<Filters id="F"><Filter type="TextMatchFilter" direction="StartsWith" logic="Exclude" textProcessorId="K"/></Filters>'
        + '<Keyword id="K"><Group matchStyle="string"><Term>29</Term></Group></Keyword>'
    )
    pack = imported(tmp_path, package(rules)).pack
    text = "29022024 28022024 99999999"
    hits = evaluate(CompiledPack(pack), text).hits
    assert [text[hit.start : hit.end] for hit in hits] == ["28022024"]
    assert pack.ref.version == "1.2.3.4"


def test_a_filter_may_compare_with_what_the_base_defines(tmp_path: Path, base: Pack) -> None:
    rules = (
        entity(PATTERN, 'filters="F"') + REGEX
        + '<Filters id="F"><Filter type="TextMatchFilter" direction="Prefix" textProcessorId="Keyword_cc_verification"/></Filters>'
    )  # fmt: skip
    found = imported(tmp_path, package(rules), base)
    assert "Keyword_cc_verification" in found.pack.elements
    assert evaluate(CompiledPack(found.pack), "12345678").hits


def test_a_sit_without_patterns_keeps_its_name_and_finds_nothing(tmp_path: Path) -> None:
    found = imported(tmp_path, package(entity("") + REGEX))
    assert found.pack.sits[GUID].parity == "name"
    assert any("has no Pattern" in item.what for item in found.warnings)
    write_pack(found.pack, tmp_path / "pack")
    assert load_pack(tmp_path / "pack").sit_names == {GUID: "T"}


def test_the_terms_of_a_tenant_dictionary_can_be_given(tmp_path: Path) -> None:
    ident = "6f1d2c3a-0000-4000-8000-000000000001"
    rules = entity(PATTERN.replace('"R"', f'"{ident}"'))
    stub = imported(tmp_path, package(rules))
    assert stub.pack.elements[ident] == Keyword(ident, (), stub=True)
    assert any(f"--dictionary {ident}=FILE" in item.remedy for item in stub.warnings)
    terms = tmp_path / "terms.txt"
    terms.write_text("aspirin\r\nibuprofen\r\n")
    full = imported(tmp_path, package(rules), dictionaries={ident: terms})
    assert len(evaluate(CompiledPack(full.pack), "Aspirin and ibuprofen").hits) == 2


def test_a_name_is_found_even_where_the_default_one_is_empty(tmp_path: Path) -> None:
    text = package(entity(PATTERN) + REGEX).replace(">T<", "><")
    (sit,) = imported(tmp_path, text).pack.sits.values()
    assert sit.name == GUID


def test_every_error_of_a_reader_is_of_this_product(tmp_path: Path) -> None:
    with pytest.raises(DlpAgentError):
        read_rule_package(tmp_path / "missing.xml")
    with pytest.raises(DlpAgentError):
        read_rule_package(tmp_path)
