"""Packs made from packs: profiles, hashes, selections, several as one."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import builtin_pack, load_pack
from dlpagent.classifiers.pack_values import as_profile, conditions_of, merge, select, with_hash
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Keyword, Match, Pack, Regex, Union
from dlpagent.errors import ConfigurationError

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

OTHER = "22222222-2222-4222-8222-222222222222"
GOOD = r"""
elements:
  Id: {regex: '\d{6}'}
  Word: {keywords: [alpha]}
patterns: [{confidence: 85, primary: Id, match: [Word]}]
"""


def found(pack: Pack, text: str) -> list[tuple[str, int]]:
    return [
        (text[hit.start : hit.end], hit.confidence)
        for hit in evaluate(CompiledPack(pack), text).hits
    ]


# --- profiles ---------------------------------------------------------------------------------

PROFILES = r"""
id: 11111111-1111-4111-8111-111111111111
name: Test type
version: 1
parity: structure
elements:
  Id: {regex: '\d{6}', ours: ['[A-Z]\d{6}']}
  Word: {keywords: [alpha], ours: [beta]}
  Unpublished: {keywords: [], ours: [gamma]}
  Extra: {regex: [], ours: ['zz']}
  All: {union: [Word, Extra]}
filters: {F: {kind: text_match, direction: prefix, processor: Extra}}
patterns:
  - {confidence: 85, primary: Id, match: [Word], filters: [F]}
  - {confidence: 80, primary: Id, match: [Unpublished]}
  - {confidence: 78, primary: Id, match: [{id: Extra, ours: true}, All]}
  - {confidence: 70, primary: Id, any: [{min: 1, of: [Unpublished, {id: Word, min_count: 2}]}]}
  - {confidence: 65, primary: Id, ours: true}
  - {confidence: 60, primary: Extra}
"""
OWN = f"""id: {OTHER}
name: Ours
version: 1
parity: own
elements: {{O: {{regex: 'own'}}}}
patterns: [{{confidence: 85, primary: O}}]
"""


@pytest.mark.parametrize(
    ("text", "extended", "strict"),
    [
        ("alpha 123456", [("123456", 85)], [("123456", 85)]),
        ("beta 123456", [("123456", 85)], []),
        ("alpha X123456", [("X123456", 85)], [("123456", 85)]),
        # Purview asks for a list it does not publish: strictly, that pattern cannot hold
        ("gamma 123456", [("123456", 80)], []),
        ("123456", [("123456", 65)], []),
        ("zz", [("zz", 60)], []),
        ("own", [("own", 85)], []),
    ],
)
def test_strict_holds_nothing_of_ours_and_nothing_less_than_purview_asks_for(
    tmp_path: Path, text: str, extended: list[tuple[str, int]], strict: list[tuple[str, int]]
) -> None:
    pack = building.pack_of(tmp_path, PROFILES, OWN)
    assert found(pack, text) == extended
    assert found(load_pack(tmp_path / "pack", profile="strict"), text) == strict


def test_a_strict_pack_refers_to_nothing_it_does_not_hold() -> None:
    for pack in (builtin_pack("strict"), builtin_pack()):
        compiled = CompiledPack(pack)
        for element in pack.elements.values():
            assert not isinstance(element, Union) or set(element.of) <= set(pack.elements)
        for sit in pack.sits.values():
            names = {item.ref for item in conditions_of(sit)} | {p.primary for p in sit.patterns}
            assert names <= set(pack.elements), sit.name
            for name in (*sit.filters, *(n for p in sit.patterns for n in p.filters)):
                processor = pack.filters[name].processor
                assert not processor or processor in pack.elements
        assert evaluate(compiled, "nothing of note").hits == []


def test_the_strict_pack_keeps_no_mark_of_ours() -> None:
    pack = builtin_pack("strict")
    for element in pack.elements.values():
        if isinstance(element, Regex):
            assert all(item.origin == "purview" for item in element.expressions)
        elif isinstance(element, Keyword):
            assert all(group.origin == "purview" for group in element.groups)
    for sit in pack.sits.values():
        assert sit.parity != "own"
        assert all(item.origin == "purview" for item in (*sit.patterns, *conditions_of(sit)))


# --- hash, select, merge ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("[alpha]", "[beta]", True),
        ("[alpha]", "[{match: string, terms: [alpha]}]", True),
        ("[alpha]", "[{match: word, terms: [alpha]}]", False),
        (r"'\d{6}'", r"'\d{7}'", True),
        (r"'\d{6}'", r"'\d{6}', validators: [luhn]", True),
        ("confidence: 85", "confidence: 75", True),
        ("match: [Word]", "match: [{id: Word, min_count: 2}]", True),
        ("match: [Word]", "match: [{id: Word, proximity: 10}]", True),
        ("patterns:", "proximity: 200\npatterns:", True),
        ("patterns:", "proximity: 300\npatterns:", False),
        ("patterns:", "description: words\nreferences: [a]\npatterns:", False),
        ("patterns:", "# a remark\npatterns:", False),
    ],
)
def test_the_hash_changes_with_the_meaning_only(
    tmp_path: Path, old: str, new: str, changes: bool
) -> None:
    assert old in GOOD
    first = building.pack_of(tmp_path, GOOD).ref.hash
    second = building.pack_of(tmp_path, GOOD.replace(old, new)).ref.hash
    assert (first != second) is changes


def test_a_selection_keeps_only_what_is_wanted(tmp_path: Path) -> None:
    pack = building.pack_of(tmp_path, GOOD, OWN)
    part = select(pack, lambda sit: sit.id == OTHER)
    assert part.sit_names == {OTHER: "Ours"}
    assert part.ref.hash != pack.ref.hash
    assert found(part, "alpha 123456 own") == [("own", 85)]


def test_of_several_packs_the_later_replaces_the_earlier(tmp_path: Path) -> None:
    first = building.pack_of(tmp_path / "a", GOOD, OWN)
    second = building.pack_of(tmp_path / "b", GOOD.replace("85", "75"))
    assert found(merge([first, second]), "alpha 123456 own") == [("123456", 75), ("own", 85)]
    assert merge([first]).ref == first.ref
    with pytest.raises(ConfigurationError):
        merge([])


def test_the_extended_profile_is_the_whole_pack(tmp_path: Path) -> None:
    pack = building.pack_of(tmp_path, PROFILES, OWN)
    assert as_profile(pack, "extended") == pack
    assert with_hash(replace(pack)).ref == pack.ref


def test_every_match_of_a_sit_is_listed_however_deep(tmp_path: Path) -> None:
    body = GOOD.replace("match: [Word]", "any: [{of: [Id, {any: {of: [Word]}}]}]")
    (sit,) = building.pack_of(tmp_path, body).sits.values()
    assert {item.ref for item in conditions_of(sit)} == {"Id", "Word"}
    assert all(isinstance(item, Match) for item in conditions_of(sit))
