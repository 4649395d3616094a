"""Packs out to rule packages and in again: nothing lost that Purview can hold, nothing silent."""

from __future__ import annotations

import re
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.diff import diff_packs
from dlpagent.classifiers.lint import has_errors, lint_package
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.pack_yaml import write_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.rulepackage_export import Exported, bumped, export_rule_package
from dlpagent.classifiers.rulepackage_xml import read_rule_package
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
    pattern_refs,
)
from dlpagent.classifiers.xml_nodes import decoded, read_xml
from dlpagent.classifiers.xml_writing import encoded
from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.findings import PackRef
from tests.classifiers.packages import BASE, CONTOSO, EDM, SMALL, written

SIT_ID = "b4f1c1a0-1111-4222-8333-0000000000aa"


def read_back(exported: Exported, base: Pack = BASE) -> Pack:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.xml"
        path.write_bytes(exported.data)
        return read_rule_package(path, base).pack


def pack_of(*elements: object, sits: tuple[Sit, ...] = (), **more: object) -> Pack:
    found = {item.id: item for item in elements}  # type: ignore[attr-defined]
    return with_hash(
        Pack(
            ref=PackRef("b4f1c1a0-1111-4222-8333-000000000009", "1.0.0.0", ""),
            name="pack",
            publisher="test",
            profile="extended",
            sits={sit.id: sit for sit in sits},
            elements=found,  # type: ignore[arg-type]
            **more,  # type: ignore[arg-type]
        )
    )


def sit_of(*patterns: Pattern, **more: object) -> Sit:
    return Sit(SIT_ID, "Type", 1, "own", patterns, **more)  # type: ignore[arg-type]


def warnings(exported: Exported) -> str:
    return "\n".join(problem.what for problem in exported.warnings)


# --- what comes in goes out -------------------------------------------------------------------


@pytest.mark.parametrize("text", [CONTOSO, EDM, SMALL], ids=["contoso", "edm", "small"])
def test_a_package_comes_back_with_everything_it_had(text: str, tmp_path: Path) -> None:
    first = read_rule_package(written(tmp_path / "a.xml", text, "utf-16"), BASE).pack
    again = read_back(export_rule_package(first, BASE))
    assert again.ref == first.ref
    assert again.attributes == first.attributes
    for ident, sit in first.sits.items():
        other = again.sits[ident]
        for name in ("name", "names", "description", "descriptions", "attributes",
                     "proximity", "recommended_confidence"):  # fmt: skip
            assert getattr(other, name) == getattr(sit, name), name


def test_a_package_comes_back_by_way_of_a_pack_folder(tmp_path: Path) -> None:
    imported = read_rule_package(written(tmp_path / "a.xml", CONTOSO, "utf-16"), BASE)
    write_pack(imported.pack, tmp_path / "pack", inherited=imported.inherited)
    folder = load_pack(tmp_path / "pack", base=BASE)
    assert folder.ref.hash == imported.pack.ref.hash
    assert read_back(export_rule_package(folder, BASE)).ref.hash == imported.pack.ref.hash


def test_the_export_of_an_import_is_taken_by_the_lint(tmp_path: Path) -> None:
    pack = read_rule_package(written(tmp_path / "a.xml", SMALL), BASE).pack
    (tmp_path / "b.xml").write_bytes(export_rule_package(pack, BASE).data)
    assert not has_errors(lint_package(tmp_path / "b.xml", BASE))


def test_elements_that_are_not_evaluated_are_written_back(tmp_path: Path) -> None:
    pack = read_rule_package(written(tmp_path / "a.xml", CONTOSO, "utf-16"), BASE).pack
    (tmp_path / "b.xml").write_bytes(export_rule_package(pack, BASE).data)
    root = read_xml(tmp_path / "b.xml")
    found = {
        node.tag: node for node in root.within("Fingerprint", "ExtendedKeyword", "Affinity", "IV")
    }
    assert set(found) == {"Fingerprint", "ExtendedKeyword", "Affinity", "IV"}
    assert found["Fingerprint"].attributes == {
        "id": "Print_1",
        "threshold": "50",
        "shingleCount": "50",
    }
    assert [node.attributes["langcode"] for node in root.within("LocalizedDetails")] == [
        "en-us",
        "de-de",
    ]
    engines = [node.attributes.get("minEngineVersion") for node in root.within("Version")]
    assert engines[1:] == ["15.1.0.0", "15.0.1.0"]
    badge = next(node for node in root.within("Regex") if node.attributes["id"] == "Regex_badge")
    assert badge.attributes["validators"].split()[1:] == ["Func_iban", "Func_not_known_here"]


def test_an_exact_match_keeps_its_store_and_classification(tmp_path: Path) -> None:
    pack = read_rule_package(written(tmp_path / "a.xml", EDM), BASE).pack
    text = export_rule_package(pack, BASE).text
    assert 'xmlns="http://schemas.microsoft.com/office/2018/edm"' in text
    assert '<idMatch matches="Number" classification="Contoso badge" />' in text


# --- the file ---------------------------------------------------------------------------------


def test_the_file_is_utf_16_with_a_byte_order_mark() -> None:
    data = export_rule_package(pack_of(), BASE).data
    assert data.startswith(b"\xff\xfe<\0?\0")
    assert 'encoding="utf-16"' in data.decode("utf-16")


def test_the_same_pack_gives_the_same_file() -> None:
    pack = replace(pack_of(), ref=PackRef("not-a-guid", "1", ""))
    assert export_rule_package(pack, BASE).data == export_rule_package(pack, BASE).data


@pytest.mark.parametrize(
    ("version", "part", "wanted"),
    [
        ("1.2.3.4", "major", "2.0.0.0"),
        ("1.2.3.4", "minor", "1.3.0.0"),
        ("1.2.3.4", "build", "1.2.4.0"),
        ("1.2.3.4", "revision", "1.2.3.5"),
        ("1", "minor", "1.1.0.0"),
    ],
)
def test_a_version_is_counted_up(version: str, part: str, wanted: str) -> None:
    assert bumped(version, part) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1.0+2", "", "1.2.3.4.5"])
def test_a_version_that_cannot_be_counted_is_an_error(version: str) -> None:
    with pytest.raises(ConfigurationError):
        bumped(version, "minor")


def test_publisher_and_version_are_as_told() -> None:
    text = export_rule_package(pack_of(), BASE, version="7.8.9.10", publisher="Fabrikam").text
    assert '<Version major="7" minor="8" build="9" revision="10" />' in text
    assert "<PublisherName>Fabrikam</PublisherName>" in text


# --- what is Purview's, what is ours ----------------------------------------------------------


def test_functions_and_lists_of_purview_are_referred_to_and_not_written() -> None:
    sit = sit_of(Pattern(85, "Func_credit_card", (Match("Keyword_cc_name"),)))
    names = ("Func_credit_card", "Keyword_cc_name")
    exported = export_rule_package(
        pack_of(*(BASE.elements[name] for name in names), sits=(sit,)), BASE
    )
    assert '<IdMatch idRef="Func_credit_card" />' in exported.text
    assert "<Regex" not in exported.text
    assert "<Keyword" not in exported.text
    assert "without the additions that dlpagent makes" in warnings(exported)


def test_the_base_pack_writes_its_own_additions_beside_purviews() -> None:
    sit = sit_of(Pattern(85, "Func_credit_card", (Match("Keyword_cc_name"),)))
    pack = replace(BASE, sits={sit.id: sit})
    text = export_rule_package(pack, pack).text
    assert (
        '<Regex id="Regex_credit_card_ours" validators="Func_credit_card">\\d{19}</Regex>' in text
    )
    assert '<Match idRef="Keyword_cc_name_ours" />' in text
    assert "<Term>maestro</Term>" in text
    assert "<Term>visa</Term>" not in text


def test_a_function_of_ours_is_written_as_a_regex() -> None:
    own = Regex("Func_contoso", (Expression("C-[0-9]{4}"),), function=True)
    text = export_rule_package(pack_of(own, sits=(sit_of(Pattern(75, "Func_contoso")),)), BASE).text
    assert '<Regex id="Regex_contoso">C-[0-9]{4}</Regex>' in text
    assert '<IdMatch idRef="Regex_contoso" />' in text


# --- what Purview cannot express --------------------------------------------------------------


def found(pack: Pack, text: str) -> list[tuple[int, int, int]]:
    return [(hit.start, hit.end, hit.confidence) for hit in evaluate(CompiledPack(pack), text).hits]


@pytest.mark.parametrize("text", ["A-11 and B-22 word", "B-22", "word C-33 other", "A-11 other"])
def test_unions_and_several_expressions_find_the_same_after_the_export(text: str) -> None:
    long = "C-(?:33|" + "x" * 1010 + ")"  # together too long for one regex
    pack = pack_of(
        Regex("Regex_a", (Expression("A-11"), Expression("B-22"))),
        Regex("Regex_c", (Expression(long), Expression("D-[0-9]{2}"))),
        Union("Union_all", ("Regex_a", "Regex_c")),
        Keyword("Keyword_w", (Group("word", (Term("word"),)),)),
        Keyword("Keyword_o", (Group("word", (Term("other"),)),)),
        Union("Union_words", ("Keyword_w", "Keyword_o")),
        sits=(
            sit_of(
                Pattern(85, "Union_all", (Match("Union_words"),)),
                Pattern(65, "Union_all", (AnyOf((Match("Union_words"),), 0, 0),)),
            ),
        ),
    )
    again = read_back(export_rule_package(pack, BASE))
    assert found(pack, text)
    assert found(again, text) == found(pack, text)


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        (pack_of(Regex("Regex_a", (Expression("A"),), (ValidatorSpec("luhn"),)),
                 sits=(sit_of(Pattern(75, "Regex_a")),)), "the check luhn of Regex_a has no function"),
        (pack_of(Regex("Regex_a", (Expression("a=(?P<value>b)"),)),
                 sits=(sit_of(Pattern(75, "Regex_a")),)), "marks a value inside its match"),
        (pack_of(Regex("Regex_a", (Expression("A"), Expression("B"))),
                 sits=(sit_of(Pattern(75, "Regex_a")),)), "2 expressions of Regex_a are written as one"),
        (pack_of(Keyword("Keyword a", (Group("word", (Term("x"),)),)),
                 sits=(sit_of(Pattern(75, "Keyword a")),)), "the id Keyword a is written Keyword_a"),
        (pack_of(Keyword("Nothing", (), stub=True), sits=(sit_of(Pattern(75, "Nothing")),)),
         "Nothing has no content here"),
        (pack_of(Regex("Regex_a", (Expression("A"),)), sits=(replace(
                 sit_of(Pattern(75, "Regex_a")), parity="structure"),)), "this is Purview's own type"),
        (pack_of(sits=(sit_of(),)), "it has no pattern that Purview can hold"),
        (pack_of(Regex("Regex_a", (Expression("A"),)), sits=(sit_of(Pattern(75, "Regex_a"),
                 value="secret"),)), "say that their values are text or secrets"),
        (pack_of(Regex("Regex_a", (Expression("A"),)), sits=(sit_of(Pattern(75, "Regex_a",
                 proximity=5)),)), "proximity on a pattern is not in the published schema"),
        (pack_of(Regex("Regex_a", (Expression("A"),)), Keyword("Keyword_b", (Group("word",
                 (Term("\x07"),)),)), sits=(sit_of(Pattern(75, "Regex_a", (Match("Keyword_b"),))),)),
         "the pattern of confidence 75 cannot be written"),
    ],
)  # fmt: skip
def test_what_purview_cannot_express_is_named(pack: Pack, words: str) -> None:
    assert words in warnings(export_rule_package(pack, BASE))


# --- any pack ---------------------------------------------------------------------------------

REGEXES = (r"\d{9}", r"[A-Z]<\d>&\"'x", "(?i)ab|cd", r"\bé{2}\b", r"(?<!\d)\d{3}", "a b", r"\x20x")
CHECKS = (
    (),
    (ValidatorSpec("credit_card"),),
    (ValidatorSpec("checksum", (("weights", (2, -1, 0)), ("mod", 11), ("check_digit", 3),
                                ("allow_alphabets", True))), ValidatorSpec("iban")),
    (ValidatorSpec("date", (("pattern", "YYMMDD"), ("offset", 2))),),
)  # fmt: skip

words = (
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=12
    )
    .map(str.strip)
    .filter(bool)
)
terms = st.builds(Term, words, st.booleans())
groups = st.builds(
    Group, st.sampled_from(["word", "string"]), st.lists(terms, min_size=1, max_size=3).map(tuple)
)
windows = st.sampled_from([None, 1, 50, UNLIMITED])
NAMES = ("Regex_0", "Regex_1", "Keyword_0", "Keyword_1", "Func_credit_card", "Keyword_cc_name")
refs = st.sampled_from(NAMES)
matches = st.builds(Match, refs, st.integers(0, 3), st.booleans(), windows)


@st.composite
def any_of(draw: st.DrawFn, inner: st.SearchStrategy[Match | AnyOf]) -> AnyOf:
    children = tuple(draw(st.lists(inner, min_size=1, max_size=3)))
    least = draw(st.integers(0, len(children)))
    most = draw(st.sampled_from([None, *range(least, len(children) + 1)]))
    return AnyOf(children, least, most)


conditions = st.recursive(matches, any_of, max_leaves=4)
filter_names = st.sampled_from([(), ("F",), ("G", "G#2"), ("F", "G", "G#2")])
patterns = st.builds(
    Pattern,
    st.integers(1, 100),
    refs,
    st.lists(conditions, max_size=3).map(tuple),
    windows,
    filter_names,
)
FILTERS = {
    "F": Filter("F", "all_digits_same"),
    "G": Filter("G", "text_match", "prefix", "include", "Keyword_0"),
    "G#2": Filter("G#2", "text_match", "full", "exclude", "Regex_1"),
}


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    elements = [
        *(Regex(f"Regex_{n}", (Expression(draw(st.sampled_from(REGEXES))),),
                draw(st.sampled_from(CHECKS))) for n in (0, 1)),
        *(Keyword(f"Keyword_{n}", tuple(draw(st.lists(groups, min_size=1, max_size=3))))
          for n in (0, 1)),
        *(BASE.elements[name] for name in NAMES[4:]),
    ]  # fmt: skip
    sits = tuple(
        Sit(
            str(uuid.UUID(int=number + 1)),
            draw(words),
            1,
            "own",
            tuple(draw(st.lists(patterns, min_size=1, max_size=3))),
            proximity=draw(st.sampled_from([1, 300, UNLIMITED])),
            recommended_confidence=draw(st.integers(1, 100)),
            filters=draw(filter_names),
        )
        for number in range(draw(st.integers(1, 3)))
    )
    used = {ref for sit in sits for item in sit.patterns for ref in pattern_refs(item)} | set(
        NAMES[:4]
    )
    return pack_of(*(item for item in elements if item.id in used), sits=sits, filters=FILTERS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(packs())
def test_any_pack_that_purview_can_hold_comes_back_equal(pack: Pack) -> None:
    exported = export_rule_package(pack, BASE)
    again = read_back(exported)
    assert again.ref.hash == pack.ref.hash
    assert {sit.id: (sit.name, sit.recommended_confidence) for sit in again.sits.values()} == {
        sit.id: (sit.name, sit.recommended_confidence) for sit in pack.sits.values()
    }


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_in_a_pack_gives_a_package_that_can_be_read(term: str, name: str) -> None:
    pack = pack_of(
        Keyword("Keyword_a", (Group("word", (Term(term), Term("x"))),)),
        sits=(replace(sit_of(Pattern(75, "Keyword_a")), name=name or "n", description=term),),
    )
    assert len(read_back(export_rule_package(replace(pack, name=name), BASE)).sits) == 1


# --- packages of the world, as they are and damaged -------------------------------------------

FOLDER = Path(__file__).parent.parent / "data" / "rulepackages"
WORLD = [path for path in sorted(FOLDER.glob("*.xml")) if not re.search("schema|priva", path.name)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
@pytest.mark.parametrize("path", WORLD, ids=lambda path: path.stem)
def test_every_package_of_the_world_comes_back_equal_in_both_encodings(
    path: Path, encoding: str, tmp_path: Path
) -> None:
    pack = read_rule_package(path, BASE).pack
    out = tmp_path / "out.xml"
    out.write_bytes(encoded(export_rule_package(pack, BASE).text, encoding))
    again = read_rule_package(out, BASE).pack
    assert again.ref == pack.ref
    assert diff_packs(pack, again).is_equal
    assert f'encoding="{encoding}"' in out.read_bytes().decode(encoding)


@given(st.sampled_from(WORLD), st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 10**6))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_package_has_findings_or_still_comes_back_equal(
    tmp_path: Path, path: Path, place: int, kind: int, other: int
) -> None:
    text = re.sub(r"<\?xml.*?\?>", "", decoded(path.read_bytes(), path)).strip()
    file = tmp_path / "a.xml"
    file.write_bytes(damaged(text, place, kind, other).encode(("utf-8", "utf-16")[other % 2]))
    findings = lint_package(file, BASE)
    try:
        pack = read_rule_package(file, BASE).pack
    except ProblemsError:
        assert has_errors(findings)
        return
    exported = export_rule_package(pack, BASE)
    if all(sit.patterns for sit in pack.sits.values()):
        assert read_back(exported).ref.hash == pack.ref.hash
    else:  # nothing can be written of a type without patterns
        assert has_errors(findings)
        assert "no pattern that Purview can hold" in warnings(exported)


def damaged(text: str, place: int, kind: int, other: int) -> str:
    """A copy with an attribute dropped or emptied, two tags swapped, or a line left out."""
    if kind < 2:
        found = list(re.finditer(r'\s[\w:]+\s*=\s*"([^"]*)"', text))
        hit = found[place % len(found)]
        start, end = hit.span() if kind == 0 else hit.span(1)
        return text[:start] + text[end:]
    if kind == 2:
        tags = sorted(set(re.findall(r"<(\w+)", text)))
        one, two = tags[place % len(tags)], tags[other % len(tags)]
        return re.sub(
            rf"(</?)({one}|{two})\b", lambda m: m[1] + (two if m[2] == one else one), text
        )
    lines = text.splitlines()
    del lines[place % len(lines)]
    return "\n".join(lines)
