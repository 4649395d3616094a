"""A trained class as a detector and as a SIT."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.detectors import Sightings, detector_of
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Detector
from dlpagent.classifiers.trainable_model import Model, write_model
from dlpagent.classifiers.trainable_training import train
from dlpagent.errors import ProblemsError
from dlpagent.evidence import Evidence
from tests.classifiers.letters import letter, others, resignations
from tests.classifiers.test_detecting import records
from tests.classifiers.test_trainable_training import sides

SIT = """
id: 00000000-0000-4000-8000-0000000000fb
name: Letter of resignation
version: 1
parity: own
value: text
elements:
  surely: {detector: {kind: trainable, model: resignation.model, at_least: high}}
  likely: {detector: {kind: trainable, model: resignation.model, at_least: 0.5}}
  stamp: {keywords: [personnel file]}
patterns:
- {confidence: 85, primary: surely, match: [stamp], proximity: unlimited}
- {confidence: 75, primary: surely}
- {confidence: 65, primary: likely}
references: [a page]
"""


@cache
def learned() -> Model:
    return train(sides(resignations(50), others(100)), "resignation")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    write_model(learned(), tmp_path / "resignation.model")
    (tmp_path / "resignation.yaml").write_text(SIT)
    return tmp_path


def look(folder: Path, *texts: str) -> list[Sightings]:
    params = (("model", "resignation.model"), ("at_least", "medium"))
    element = Detector("x", "trainable", params, digest="a", folder=str(folder))
    return detector_of(element).look([Subject.of(text) for text in texts])


def test_a_short_text_is_found_whole(folder: Path) -> None:
    text = letter("resignation", 4_321)
    (seen,) = look(folder, f"  {text}\n")
    ((start, end),) = seen.spans
    assert (start, f"  {text}\n"[start:end]) == (2, text.rstrip(".,"))
    assert "of 1 for “resignation”" in seen.notes[start, end]


def test_in_a_long_text_the_stretch_is_found(folder: Path) -> None:
    before = "\n".join(others(40, 7_000))
    letters = "\n".join(resignations(12, 7_000))
    text = f"{before}\n{letters}\n{before}"
    (seen,) = look(folder, text)
    assert len(seen.spans) == 1
    start, end = seen.spans[0]
    middle = len(before) + len(letters) // 2
    assert start < middle < end
    assert abs(start - len(before)) < 1_500
    assert abs(end - len(before) - len(letters)) < 1_500


def test_two_stretches_far_apart_are_two(folder: Path) -> None:
    apart = "\n".join(others(40, 7_000))
    letters = "\n".join(resignations(8, 7_000))
    (seen,) = look(folder, f"{letters}\n{apart}\n{letters}")
    assert len(seen.spans) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "I resign.", "\x00" * 10_000, "\ufffd\ufffe" * 5_000, "resign " * 100_000, "契約" * 30_000,
        "\ud800 " * 1_000,
    ],
    ids=["empty", "short", "binary", "undecodable", "one word", "signs", "surrogates"],
)  # fmt: skip
def test_hostile_text_is_looked_at_without_harm(text: str, folder: Path) -> None:
    (seen,) = look(folder, text)
    assert not seen.skipped
    assert all(0 <= start < end <= len(text) for start, end in seen.spans)
    if "resign" not in text:
        assert not seen.spans


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        (letter("resignation", 4_321) + "\nFor the personnel file.", 85),
        (letter("resignation", 4_321), 75),
        (letter("offer", 4_321), 0),
        (letter("code", 4_321), 0),
    ],
)
def test_levels_and_keywords_work_together(text: str, confidence: int, folder: Path) -> None:
    compiled = CompiledPack(load_pack(folder))
    hits = evaluate(compiled, text, sits=compiled.detected).hits
    assert [hit.confidence for hit in hits] == ([confidence] if confidence else [])


def test_a_batch_gives_the_findings_of_its_texts(folder: Path) -> None:
    classifier = classifier_of(load_pack(folder), Evidence(bytes(32)))
    batch = records([*others(5, 8_000), None, *resignations(3, 8_000), ""])
    matches = classifier.classify(batch).matches.to_pylist()
    assert [(item["row"], item["confidence"]) for item in matches] == [(6, 75), (7, 75), (8, 75)]


def test_a_trace_shows_the_levels(folder: Path) -> None:
    text = letter("resignation", 4_321)
    (trace,) = explain(CompiledPack(load_pack(folder)), text).traces
    assert trace.confidence == 75
    assert "stamp" in trace.next_level


def test_another_model_is_another_pack(folder: Path) -> None:
    before = load_pack(folder).ref.hash
    write_model(train(sides(resignations(40), others(60)), "r"), folder / "resignation.model")
    assert load_pack(folder).ref.hash != before


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{kind: trainable}", "needs a model"),
        ("{kind: trainable, model: none.model}", "No such file"),
        ("{kind: trainable, model: resignation.yaml}", "none that can be read"),
        ("{kind: trainable, model: resignation.model, at_least: highest}", "no level"),
        ("{kind: trainable, model: resignation.model, at_least: 1}", "above 0 and below 1"),
        ("{kind: trainable, model: resignation.model, at_least: true}", "above 0 and below 1"),
        ("{kind: trainable, model: resignation.model, above: 1}", "takes no above"),
    ],
)
def test_wrong_parameters_are_problems_of_the_sit_file(
    params: str, said: str, folder: Path
) -> None:
    text = SIT.replace("{kind: trainable, model: resignation.model, at_least: high}", params)
    (folder / "resignation.yaml").write_text(text)
    with pytest.raises(ProblemsError) as caught:
        load_pack(folder)
    assert said in str(caught.value)
