"""Keyword dictionaries as people save them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.dictionary import (
    compressed_bytes,
    dictionary_pack,
    identities,
    read_dictionary,
)
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.pack_yaml import write_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.rulepackage_xml import read_rule_package
from dlpagent.errors import ConfigurationError, DlpAgentError, ProblemsError
from tests.classifiers.building import HEAD
from tests.classifiers.packages import SMALL, written

ONE, TWO = "b4f1c1a0-1111-4222-8333-0000000000d1", "b4f1c1a0-1111-4222-8333-0000000000d2"


@pytest.mark.parametrize(
    ("data", "terms"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\r\n  two  \r\n", ["one", "two"]),
        (b"one, two,three\nfour", ["one", "two", "three", "four"]),
        (b'"one, two",three', ["one, two", "three"]),
        (b"one\none\nOne", ["one", "One"]),
        ("één\nдва\n三".encode(), ["één", "два", "三"]),
        ("één\nдва".encode("utf-16"), ["één", "два"]),
        ("\ufeffone".encode(), ["one"]),
    ],
)
def test_terms_stand_on_lines_or_between_commas(
    tmp_path: Path, data: bytes, terms: list[str]
) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes(data)
    assert read_dictionary(path) == terms


@pytest.mark.parametrize(
    "data",
    [b"", b"\n , \n", b"\xff\xfe\x00", b"caf\xe9", b'"' + b"x\n" * 10],
    ids=["empty", "blank", "cut", "latin", "open quote"],
)
def test_what_is_no_dictionary_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes(data)
    with pytest.raises(DlpAgentError, match=r"terms\.txt"):
        read_dictionary(path)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_dictionary(tmp_path / name)


# --- as a tenant writes them ------------------------------------------------------------------


def tenants(path: Path, *entries: tuple[str, str], encoding: str = "utf-8") -> Path:
    rows = [
        {"Identity": ident, "Name": "n", "KeywordDictionary": terms} for ident, terms in entries
    ]
    text = json.dumps(rows[0] if len(rows) == 1 else rows)
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_json_of_a_tenant_holds_dictionaries_by_guid(encoding: str, tmp_path: Path) -> None:
    path = tenants(tmp_path / "d.json", (ONE, "asthma, flu , ,"), (TWO.upper(), "cold"),
                   encoding=encoding)  # fmt: skip
    assert identities(path) == [ONE, TWO]
    assert read_dictionary(path, f"{{{ONE.upper()}}}") == ["asthma", "flu"]
    assert read_dictionary(path, TWO) == ["cold"]
    assert read_dictionary(tenants(tmp_path / "e.json", (ONE, "a,b"))) == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[1]", '{"Identity": "x"}', '{"KeywordDictionary": ""}', "[" * 20_000]
)
def test_other_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(DlpAgentError, match=r"d\.json"):
        read_dictionary(tmp_path / "d.json")


def test_a_dictionary_that_is_not_in_the_file_is_told(tmp_path: Path) -> None:
    path = tenants(tmp_path / "d.json", (ONE, "a"), (TWO, "b"))
    for ident in ("", "b4f1c1a0-1111-4222-8333-0000000000d3"):
        with pytest.raises(ConfigurationError, match="does not hold the dictionary"):
            read_dictionary(path, ident)


# --- in packages and packs --------------------------------------------------------------------


def test_a_package_finds_the_terms_of_its_dictionaries(tmp_path: Path) -> None:
    text = SMALL.replace('<Match idRef="Keyword_order" minCount="1"/>', f'<Match idRef="{ONE}"/>')
    path = written(tmp_path / "a.xml", text.replace(' validators="Checks"', ""))
    terms = tenants(tmp_path / "d.json", (ONE, "asthma, flu"))
    pack = CompiledPack(read_rule_package(path, None, {ONE: terms}).pack)
    for text, confidence in (("flu PO-123456", 85), ("influenza PO-123456", 75)):
        assert [hit.confidence for hit in evaluate(pack, text).hits] == [confidence]


def test_a_dictionary_too_large_for_a_tenant_is_a_warning(tmp_path: Path) -> None:
    chance = random.Random(1)
    terms = [f"{chance.getrandbits(128):032x}" for _ in range(60_000)]
    assert compressed_bytes(terms) > 1 << 20
    assert compressed_bytes(["the same term"] * 60_000) < 1 << 20
    (tmp_path / "terms.txt").write_text("\n".join(terms))
    path = written(tmp_path / "a.xml", SMALL.replace("Func_iban", ONE))
    said = [
        item.what for item in read_rule_package(path, None, {ONE: tmp_path / "terms.txt"}).warnings
    ]
    assert any("after compression" in what for what in said)


def test_a_dictionary_alone_is_a_type_that_finds_its_terms(tmp_path: Path) -> None:
    (tmp_path / "Diseases.txt").write_bytes("Ziekte van Pfeiffer\r\nasthma".encode("utf-16"))
    pack = dictionary_pack(tmp_path / "Diseases.txt")
    assert dictionary_pack(tmp_path / "Diseases.txt") == pack
    write_pack(pack, tmp_path / "pack")
    loaded = load_pack(tmp_path / "pack")
    assert loaded.ref == pack.ref
    text = "ASTHMA, ziekte van pfeiffer, asthmatic"
    hits = evaluate(CompiledPack(loaded), text).hits
    assert [(text[hit.start : hit.end], hit.confidence) for hit in hits] == [
        ("ASTHMA", 75), ("ziekte van pfeiffer", 75),
    ]  # fmt: skip


def test_a_sit_file_may_name_a_dictionary_beside_it(tmp_path: Path) -> None:
    body = "elements:\n  list: {keywords: [{dictionary: lists/terms.csv}, plain]}\n"
    (tmp_path / "a.yaml").write_text(f"{HEAD}{body}patterns: [{{confidence: 75, primary: list}}]\n")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "terms.csv").write_text("one,two\n")
    first = load_pack(tmp_path)
    found = evaluate(CompiledPack(first), "one two plain three").hits
    assert [hit.value for hit in found] == ["one", "two", "plain"]
    (tmp_path / "lists" / "terms.csv").write_text("one,three\n")
    assert load_pack(tmp_path).ref.hash != first.ref.hash


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("{dictionary: none.txt}", "dictionary cannot be used"),
        ("{dictionary: none.txt, terms: [a]}", "a group has terms or a dictionary"),
        ("{match: word}", "terms is missing"),
    ],
)
def test_a_dictionary_that_cannot_be_used_is_a_problem_of_the_sit_file(
    group: str, said: str, tmp_path: Path
) -> None:
    body = f"elements:\n  list: {{keywords: [{group}]}}\n"
    (tmp_path / "a.yaml").write_text(f"{HEAD}{body}patterns: [{{confidence: 75, primary: list}}]\n")
    with pytest.raises(ProblemsError, match=said):
        load_pack(tmp_path)
