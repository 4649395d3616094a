"""A SIT that does not prove itself is told where and why."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dlpagent.classifiers.prove import prove, prove_path, slow_paths

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

GOOD = r"""
elements:
  Id: {regex: '(?<![0-9])\d{6}(?![0-9])'}
  Word: {keywords: [alpha]}
patterns:
  - {confidence: 85, primary: Id, match: [Word]}
  - {confidence: 65, primary: Id}
examples:
  - {text: "alpha 123456", confidence: 85, matched: "123456"}
  - {text: "123456", confidence: 65}
  - {text: "654321", confidence: 85, context: alpha}
near_misses:
  - "alpha 1234567"
  - {text: "alphabet 123456", max_confidence: 65}
  - "alpha"
references: [a standard]
"""


def test_a_sound_sit_has_no_problem(tmp_path: Path) -> None:
    assert prove(building.pack_of(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "found"),
    [
        ('text: "123456", confidence: 65', 'text: "123456", confidence: 75', 15, "example 2", "confidence 65"),  # noqa: E501
        ('text: "123456", confidence: 65', 'text: "12345", confidence: 65', 15, "example 2", "no match"),
        ('matched: "123456"', 'matched: "alpha"', 14, "example 1", "no match"),
        ('"alpha 1234567"', '"alpha 999999"', 18, "near miss 1", "confidence 85"),
        ("max_confidence: 65", "max_confidence: 60", 19, "near miss 2", "confidence 65"),
        ("references: [a standard]", "", 2, "proves too little", "0"),
        ('  - "alpha"\n', "", 2, "proves too little", "2"),
        ('  - {text: "123456", confidence: 65}\n', "", 2, "proves too little", "2"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named(
    tmp_path: Path, old: str, new: str, line: int, what: str, found: str
) -> None:
    assert old in GOOD
    (problem,) = prove(building.pack_of(tmp_path, GOOD.replace(old, new)))
    assert (problem.line, problem.found) == (line, found)
    assert what in problem.what
    assert "123456" not in str(problem)


def test_a_sit_known_by_name_only_has_nothing_to_prove(tmp_path: Path) -> None:
    body = f"id: {building.SIT_ID}\nname: n\nversion: 1\nparity: name\npatterns: []\n"
    assert prove(building.pack_of(tmp_path, body)) == []


def test_a_proof_that_runs_out_of_time_does_not_hold(tmp_path: Path) -> None:
    body = GOOD.replace(r"'(?<![0-9])\d{6}(?![0-9])'", "'(a+)+(?<=x)b'")
    body = body.replace('"alpha 1234567"', f'"{"a" * 60}b"')
    problems = prove(building.pack_of(tmp_path, body))
    assert any("runs out of time" in problem.what for problem in problems)


def test_a_regex_that_is_slow_is_found_behind_unions_and_filters(tmp_path: Path) -> None:
    body = r"""
elements:
  Fast: {regex: 'a'}
  Slow: {regex: '(a)\1'}
  Also: {regex: 'a(?!bc)'}
  All: {union: [Fast, Slow]}
filters: {F: {kind: text_match, processor: Also}}
patterns: [{confidence: 85, primary: All}]
"""
    assert slow_paths(building.pack_of(tmp_path, body)) == {building.SIT_ID: ["Also", "Slow"]}
    assert slow_paths(building.pack_of(tmp_path, GOOD)) == {}


def test_a_path_is_loaded_and_proven(tmp_path: Path) -> None:
    building.pack_of(tmp_path, GOOD)
    pack, problems = prove_path(tmp_path / "pack" / "sit0.yaml")
    assert (list(pack.sits), problems) == ([building.SIT_ID], [])
