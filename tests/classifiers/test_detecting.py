"""The seam of detectors, tried with one whose content is a file of words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from dlpagent.classifiers import detectors
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.classifiers.detecting import DetectingClassifier, classifier_of
from dlpagent.classifiers.detectors import Sightings, content_path
from dlpagent.classifiers.diff import diff_packs
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Detector
from dlpagent.errors import Problem, ProblemsError
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

SIT = """
id: 00000000-0000-4000-8000-0000000000aa
name: Word of a list
version: 1
parity: own
value: text
elements:
  word: {detector: {kind: wordlist, form: words.txt}}
  cue: {keywords: [secret]}
patterns:
- {confidence: 85, primary: word, match: [cue]}
- {confidence: 65, primary: word}
"""
PLAIN = """
id: 00000000-0000-4000-8000-0000000000bb
name: Number
version: 1
parity: own
elements:
  number: {regex: '\\b[0-9]{4}\\b'}
patterns:
- {confidence: 85, primary: number, match: [cue]}
- {confidence: 65, primary: number}
"""


def records(texts: Sequence[str | None]) -> pa.RecordBatch:
    """Records of one part each."""
    count = len(texts)
    return batch_of_columns(
        "test:///x",
        count,
        {
            "record_id": pa.array([str(row) for row in range(count)], pa.string()),
            "part": pa.array(["text"] * count, pa.string()),
            "text": pa.array(texts, pa.large_string()),
        },
    )


class WordList:
    """Finds the words of a file; refuses to look at texts that say so."""

    def __init__(self, element: Detector) -> None:
        self.words = content_path(element, "form").read_text().split()
        self.looks = 0

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        self.looks += 1
        return [self._one(subject.text) for subject in subjects]

    def _one(self, text: str) -> Sightings:
        if "unreadable" in text:
            return Sightings(skipped="the budget is used up")
        found = [(text.find(word), text.find(word) + len(word)) for word in self.words]
        return Sightings(tuple(sorted(span for span in found if span[0] >= 0)))


def _problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    if not element.param("form"):
        yield Problem(file, line, "a word list needs a form")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module: Any = ModuleType("a_detector_for_tests")
    module.open_detector, module.problems = WordList, _problems
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(detectors.KINDS, "wordlist", module.__name__)  # type: ignore[arg-type]
    (tmp_path / "words.txt").write_text("falcon heron")
    (tmp_path / "word.yaml").write_text(SIT)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    return tmp_path


def test_a_detector_gives_findings_with_keywords_and_proximity_like_any_element(
    folder: Path,
) -> None:
    compiled = CompiledPack(load_pack(folder))
    assert [sit.name for sit in compiled.detected] == ["Word of a list"]
    found = evaluate(compiled, "the secret falcon", sits=compiled.detected).hits
    assert [(hit.start, hit.end, hit.confidence) for hit in found] == [(11, 17, 85)]
    found = evaluate(compiled, "a heron", sits=compiled.detected).hits
    assert [(hit.start, hit.end, hit.confidence) for hit in found] == [(2, 7, 65)]


def test_both_kinds_of_sits_come_out_of_one_classifier_in_the_order_of_the_text(
    folder: Path,
) -> None:
    classifier = classifier_of(load_pack(folder), Evidence(bytes(32)))
    assert isinstance(classifier, DecodingClassifier)
    assert isinstance(classifier.inner, DetectingClassifier)
    batch = records(["secret 1234 falcon", None, "heron", "nothing"])
    matches = classifier.classify(batch).matches.to_pylist()
    assert [(item["row"], item["start"], item["confidence"]) for item in matches] == [
        (0, 7, 85), (0, 12, 85), (2, 0, 65),
    ]  # fmt: skip


def test_a_text_that_was_not_looked_at_is_incomplete_and_says_why(folder: Path) -> None:
    classifier = classifier_of(load_pack(folder), Evidence(bytes(32)))
    found = classifier.classify(records(["falcon", "unreadable falcon"]))
    assert [(item.row, item.reason) for item in found.incomplete] == [(1, "the budget is used up")]
    compiled = CompiledPack(load_pack(folder))
    result = evaluate(compiled, "unreadable falcon", sits=compiled.detected)
    assert result.incomplete == [(compiled.detected[0].id, "the budget is used up")]


def test_another_content_behind_a_detector_is_another_pack(folder: Path) -> None:
    before = load_pack(folder)
    assert load_pack(folder).ref == before.ref
    (folder / "words.txt").write_text("falcon heron egret")
    after = load_pack(folder)
    assert after.ref.hash != before.ref.hash
    assert not diff_packs(before, after).is_equal


def test_a_trace_tells_what_a_detector_saw(folder: Path) -> None:
    (trace,) = explain(CompiledPack(load_pack(folder)), "a heron flies").traces
    assert (trace.confidence, trace.start, trace.end) == (65, 2, 7)
    assert "cue" in trace.next_level


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{kind: wordlst, form: words.txt}", "Did you mean wordlist?"),
        ("{kind: wordlist}", "a word list needs a form"),
        ("{form: words.txt}", "a detector needs a kind"),
    ],
)
def test_a_detector_that_cannot_be_is_a_problem_of_its_file(
    wrong: str, said: str, folder: Path
) -> None:
    (folder / "word.yaml").write_text(SIT.replace("{kind: wordlist, form: words.txt}", wrong))
    with pytest.raises(ProblemsError) as caught:
        load_pack(folder)
    assert said in str(caught.value)
