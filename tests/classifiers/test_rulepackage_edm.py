"""Rule packages of exact data match, in with a store at hand and out again, meaning the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.diff import diff_packs
from dlpagent.classifiers.lint import has_errors, lint_package
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.pack_yaml import write_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.rulepackage_export import export_rule_package
from dlpagent.classifiers.rulepackage_xml import Imported, read_rule_package
from dlpagent.classifiers.sit import Detector, Pack
from dlpagent.errors import ProblemsError
from tests.classifiers.edm_stores import store_of
from tests.classifiers.packages import BASE, EDM, SMALL, written

DATA = Path(__file__).parent.parent / "data" / "rulepackages"
MEMBER = "b4f1c1a0-1111-4222-8333-0000000000ea"

BADGE = """
id: 00000000-0000-4000-8000-0000000000dd
name: Contoso badge
version: 1
parity: own
elements: {badge: {regex: 'M-[0-9]{4}-[0-9]{2}'}}
patterns: [{confidence: 75, primary: badge}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("edm")
    store_of(place)
    (place / "badge.yaml").write_text(BADGE)
    return place


@pytest.fixture(scope="module")
def base(folder: Path) -> Pack:
    return load_pack(folder / "badge.yaml")


def read(path: Path, text: str, folder: Path, base: Pack | None) -> Imported:
    return read_rule_package(written(path, text), base, stores={"Members": folder / "store"})


def found(pack: Pack, text: str) -> list[tuple[str, int]]:
    compiled = CompiledPack(pack)
    hits = evaluate(compiled, text, sits=compiled.detected).hits
    return [(text[hit.start : hit.end], hit.confidence) for hit in hits]


def test_an_exact_match_with_its_store_finds_rows(folder: Path, base: Pack, tmp_path: Path) -> None:
    imported = read(tmp_path / "a.xml", EDM, folder, base)
    assert imported.warnings == ()
    text = "M-1002-78 Jo Long, Kiel; M-1002.78; M-1001-77 Jo Long, Kiel"
    assert found(imported.pack, text) == [("M-1002-78", 75)]


def test_it_survives_a_pack_folder_and_an_export(folder: Path, base: Pack, tmp_path: Path) -> None:
    first = read(tmp_path / "a.xml", EDM, folder, base)
    write_pack(first.pack, tmp_path / "pack", inherited=first.inherited)
    loaded = load_pack(tmp_path / "pack", base=base)
    assert loaded.ref.hash == first.pack.ref.hash
    exported = export_rule_package(loaded, base)
    assert exported.warnings == ()
    again = read(tmp_path / "b.xml", exported.text, folder, base)
    assert again.pack.ref.hash == first.pack.ref.hash
    assert diff_packs(first.pack, again.pack).is_equal


def test_with_and_without_its_store_the_same_is_written_back(
    folder: Path, base: Pack, tmp_path: Path
) -> None:
    path = DATA / "msdocs-edm-healthcare.xml"
    plain = read_rule_package(path, base).pack
    stubs = read_rule_package(
        written(tmp_path / "a.xml", export_rule_package(plain, base).text), base
    ).pack
    assert stubs.ref.hash == plain.ref.hash
    text = EDM.replace('maxMatches="3">', 'maxMatches="3" >').replace(
        '<match matches="Town" />', '<match matches="Town" classification="A place" />'
    )
    here = export_rule_package(read(tmp_path / "b.xml", text, folder, base).pack, base).text
    there = export_rule_package(read_rule_package(tmp_path / "b.xml", base).pack, base).text
    assert here == there
    assert '<match matches="Town" classification="A place" />' in here


def test_a_classification_that_is_not_here_is_told_and_words_are_looked_for(
    folder: Path, tmp_path: Path
) -> None:
    imported = read(tmp_path / "a.xml", EDM, folder, None)
    (warning,) = imported.warnings
    assert "Contoso badge" in warning.what
    assert found(imported.pack, "m/1002/78 Jo Long, Kiel") == [("m/1002/78", 75)]
    text = export_rule_package(imported.pack).text
    assert '<idMatch matches="Number" classification="Contoso badge" />' in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</Any>", '</Any><Any><match matches="Born" /></Any>'),
        ('<match matches="Town" />', '<Any><match matches="Town" /></Any>'),
        ('<match matches="Town" />', '<match matches="Town" minCount="2" />'),
    ],
)
def test_what_asks_for_more_than_fields_of_a_row_stays_a_stub(
    old: str, new: str, folder: Path, base: Pack, tmp_path: Path
) -> None:
    imported = read(tmp_path / "a.xml", EDM.replace(old, new), folder, base)
    assert any("stays a stub" in warning.what for warning in imported.warnings)
    assert not any(isinstance(item, Detector) for item in imported.pack.elements.values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('matches="Number"', 'matches="Numbr"', "cannot be a primary element"),
        ('matches="Town"', 'matches="Twon"', "does not have"),
        ('minMatches="2"', 'minMatches="3"', "min asks for more"),
    ],
)
def test_fields_that_the_store_does_not_have_are_problems(
    old: str, new: str, said: str, folder: Path, base: Pack, tmp_path: Path
) -> None:
    with pytest.raises(ProblemsError, match=said):
        read(tmp_path / "a.xml", EDM.replace(old, new), folder, base)


def test_proximity_of_the_package_is_that_of_the_match(
    folder: Path, base: Pack, tmp_path: Path
) -> None:
    text = EDM.replace('patternsProximity="300"', 'patternsProximity="20"')
    pack = read(tmp_path / "a.xml", text, folder, base).pack
    assert found(pack, "M-1002-78 Jo Long, Kiel") == [("M-1002-78", 75)]
    assert found(pack, "M-1002-78 Jo Long, of lovely Kiel") == []
    again = read(tmp_path / "b.xml", export_rule_package(pack, base).text, folder, base).pack
    assert again.ref.hash == pack.ref.hash


def test_a_type_written_as_yaml_becomes_an_exact_match(
    folder: Path, base: Pack, tmp_path: Path
) -> None:
    (tmp_path / "sit.yaml").write_text(f"""
id: {MEMBER}
name: Member
version: 1
parity: own
elements:
  badge: {{detector: {{kind: edm, store: {folder / "store"}, primary: Number, through: Contoso badge,
    all: [Born], any: [Name, Town], min: 1}}}}
patterns: [{{confidence: 85, primary: badge}}]
""")
    pack = load_pack(tmp_path / "sit.yaml", base=base)
    exported = export_rule_package(pack, base)
    assert 'dataStore="Members"' in exported.text
    again = read(tmp_path / "a.xml", exported.text, folder, base)
    assert diff_packs(pack, again.pack).is_equal
    assert not has_errors(lint_package(tmp_path / "a.xml", base))


def test_what_a_tenant_cannot_hold_of_a_type_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sit.yaml").write_text(f"""
id: {MEMBER}
name: Member
version: 1
parity: own
elements:
  cue: {{keywords: [member]}}
  badge: {{regex: 'M-[0-9]{{4}}-[0-9]{{2}}'}}
  a: {{detector: {{kind: edm, store: {folder / "store"}, primary: Number}}}}
  b: {{detector: {{kind: edm, store: {folder / "store"}, primary: Number, through: badge}}}}
  c: {{detector: {{kind: edm, store: {folder / "store"}, primary: Code, proximity: 9}}}}
patterns:
- {{confidence: 85, primary: a, match: [cue]}}
- {{confidence: 75, primary: b}}
- {{confidence: 65, primary: a}}
- {{confidence: 60, primary: c}}
""")
    said = "\n".join(
        item.what for item in export_rule_package(load_pack(tmp_path / "sit.yaml")).warnings
    )
    for words in ("more than fields of a store", "is an element, not a type", "no classification"):
        assert words in said


def test_packages_without_exact_matches_are_read_as_before(folder: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "a.xml", SMALL)
    with_stores = read_rule_package(path, BASE, stores={"Members": folder / "store"})
    assert with_stores == read_rule_package(path, BASE)
