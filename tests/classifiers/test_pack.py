"""Loading packs: references, duplicates, unions, bases."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError, Problem, ProblemsError

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

HEAD = building.HEAD
OTHER = "22222222-2222-4222-8222-222222222222"
GOOD = r"""
elements:
  Id: {regex: '\d{6}'}
  Word: {keywords: [alpha]}
patterns: [{confidence: 85, primary: Id, match: [Word]}]
"""


def problems_of(tmp_path: Path, *sits: str, shared: str = "") -> tuple[Problem, ...]:
    with pytest.raises(ProblemsError) as caught:
        building.pack_of(tmp_path, *sits, shared=shared)
    return caught.value.problems


def found(pack: Pack, text: str) -> list[tuple[str, int]]:
    return [
        (text[hit.start : hit.end], hit.confidence)
        for hit in evaluate(CompiledPack(pack), text).hits
    ]


@pytest.mark.parametrize(
    ("body", "line", "what", "remedy"),
    [
        (GOOD.replace("[Word]", "[Words]"), 10, "the element Words", "Did you mean Word?"),
        (GOOD.replace("primary: Id", "primary: It"), 10, "the element It", ""),
        (GOOD + "filters: [F]\n", 2, "the filter F", "Define it"),
        (GOOD.replace(r"'\d{6}'", r"'\d{6'").replace("6'", "(6'"), 8, "cannot be used", ""),
        (GOOD.replace(r"'\d{6}'", r"'\d{6}', validators: [luhnn]"), 8, "luhnn", "Did you mean luhn?"),
        (GOOD.replace(r"'\d{6}'", r"'\d{6}', validators: [{checksum: {weights: [], mod: 11, check_digit: 9}}]"),  # noqa: E501
         8, "Checksum validator cannot work", ""),
        (GOOD.replace(r"'\d{6}'", r"'\d{6}', validators: [{date: {pattern: DDMM}}]"), 8,
         "unknown pattern", ""),
        (GOOD.replace("Word: {keywords: [alpha]}", "Word: {union: [Word]}"), 9, "part of itself", ""),
        (GOOD.replace("Word: {keywords: [alpha]}", "Word: {union: [Two]}\n  Two: {union: [Word]}"),
         9, "part of itself", ""),
        (GOOD.replace("Word: {keywords: [alpha]}", "Word: {union: [Nobody]}"), 10, "element Nobody", ""),
        (GOOD + "filters: {F: {kind: text_match, processor: Nobody}}\n", 2, "element Nobody", ""),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_named_at_its_line(
    tmp_path: Path, body: str, line: int, what: str, remedy: str
) -> None:
    problems = problems_of(tmp_path, body)
    assert any(
        what in item.what and item.line == line and remedy in item.remedy for item in problems
    ), problems


def test_all_problems_of_all_files_come_at_once_in_order(tmp_path: Path) -> None:
    other = f"id: {OTHER}\nname: m\nversion: 1\nparity: own\npatterns: []\n"
    problems = problems_of(tmp_path, GOOD.replace("[Word]", "[No]"), other, "id: [")
    assert [Path(item.file).name for item in problems] == ["sit0.yaml", "sit1.yaml", "sit2.yaml"]


def test_two_sits_with_one_id_are_refused(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD, GOOD)
    assert ["two SITs have the id" in item.what for item in problems] == [True]
    assert "Test type in" in problems[0].found


def test_an_element_or_filter_has_one_definition(tmp_path: Path) -> None:
    shared = (
        "elements: {Word: {keywords: [beta]}}\n"
        "filters: {F: {kind: text_match, direction: full, processor: Word}}\n"
    )
    problems = problems_of(
        tmp_path, GOOD + "filters: {F: {kind: all_digits_same}}\n", shared=shared
    )
    assert sorted(item.what.split(" is ")[0] for item in problems) == ["element Word", "filter F"]


def test_the_same_definition_twice_is_tolerated(tmp_path: Path) -> None:
    pack = building.pack_of(tmp_path, GOOD, shared="elements: {Word: {keywords: [alpha]}}\n")
    assert found(pack, "alpha 123456") == [("123456", 85)]


def test_a_missing_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such pack"):
        load_pack(tmp_path / "nothing")


def test_a_header_without_its_keys_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text("id: x\nversionn: 1\n")
    with pytest.raises(ProblemsError) as caught:
        load_pack(tmp_path)
    assert {item.what for item in caught.value.problems} == {
        "versionn: unknown key",
        "the key version is missing",
        "the key name is missing",
    }


def test_a_part_of_a_pack_brings_what_the_pack_shares(tmp_path: Path) -> None:
    body = (
        "elements: {Id: {regex: '\\d{6}'}}\npatterns: [{confidence: 85, primary: Id, match: [W]}]\n"
    )
    building.pack_of(tmp_path, body, shared="elements: {W: {keywords: [alpha]}}\n")
    pack = load_pack(tmp_path / "pack" / "sit0.yaml")
    assert found(pack, "alpha 123456") == [("123456", 85)]


def test_elements_of_a_base_are_brought_with_what_they_name(tmp_path: Path) -> None:
    base = building.pack_of(
        tmp_path / "base",
        GOOD.replace("primary: Id", "primary: All") + "filters: {F: {kind: text_match, processor: Word}}\n",
        shared="elements: {All: {union: [Inner]}, Inner: {union: [Id]}}\n",
    )  # fmt: skip
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"id: {OTHER}\nname: mine\nversion: 1\nparity: own\nfilters: [F]\n"
        "patterns: [{confidence: 75, primary: All}]\n"
    )
    pack = load_pack(file, base=base)
    assert set(pack.elements) == {"All", "Inner", "Id", "Word"}
    assert found(pack, "123456") == [("123456", 75)]
