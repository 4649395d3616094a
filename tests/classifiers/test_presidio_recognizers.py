"""Recognizers of Presidio as elements of SITs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dlpagent.classifiers import presidio_recognizers
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.presidio_recognizers import open_detector
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Detector
from dlpagent.errors import ConfigurationError, ProblemsError, RuleError

SIT = """
id: 00000000-0000-4000-8000-0000000000cc
name: Card by Presidio
version: 1
parity: own
elements:
  card: {detector: {kind: presidio, recognizer: CreditCardRecognizer, score: 0.9}}
  cue: {keywords: [card]}
patterns:
- {confidence: 85, primary: card, match: [cue]}
- {confidence: 65, primary: card}
"""
FORM = """
recognizers:
  - name: Badge
    supported_language: en
    supported_entity: BADGE
    patterns: [{name: badge, regex: 'B-[0-9]{4}', score: 0.6}]
  - name: Colour
    supported_language: en
    supported_entity: COLOUR
    deny_list: [vermilion]
"""
CARD = "4111 1111 1111 1111"


def element(**params: str | float) -> Detector:
    return Detector("it", "presidio", tuple(params.items()))


def seen(text: str, **params: str | float) -> list[str]:
    (found,) = open_detector(element(**params)).look([Subject.of(text)])
    return [text[start:end] for start, end in found.spans]


def test_a_recognizer_is_an_element_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(SIT)
    pack = CompiledPack(load_pack(tmp_path))
    for text, wanted in (
        (f"card {CARD}", 85),
        (f"number {CARD}", 65),
        ("card 4111 1111 1111 1112", 0),
    ):
        hits = evaluate(pack, text, sits=pack.detected).hits
        assert max((hit.confidence for hit in hits), default=0) == wanted, text


def test_a_score_below_the_threshold_does_not_count() -> None:
    text = "licence AC333991"
    assert seen(text, recognizer="UsLicenseRecognizer", score=0.2) == ["AC333991"]
    assert seen(text, recognizer="UsLicenseRecognizer", score=0.5) == []


def test_a_form_of_recognizers_is_read_and_may_be_narrowed_to_one_entity(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FORM)
    form = str(tmp_path / "mine.yaml")
    text = "badge B-1234 in vermilion"
    assert seen(text, form=form) == ["B-1234", "vermilion"]
    assert seen(text, form=form, entity="COLOUR") == ["vermilion"]


def test_another_form_is_another_pack(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(FORM)
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "a.yaml").write_text(
        SIT.replace("recognizer: CreditCardRecognizer", "form: ../mine.yml")
    )
    before = load_pack(folder).ref.hash
    (tmp_path / "mine.yml").write_text(FORM.replace("{4}", "{5}"))
    assert load_pack(folder).ref.hash != before


def test_no_recognizer_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert seen("mail to jo@example.co.uk", recognizer="EmailRecognizer") == ["jo@example.co.uk"]


def test_a_pattern_that_runs_out_of_time_is_told() -> None:
    looker = open_detector(element(recognizer="CreditCardRecognizer"))
    plain = type(looker.recognizers[0]).analyze

    class Slow(type(looker.recognizers[0])):  # type: ignore[misc]
        def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> object:
            import logging

            logging.getLogger("presidio-analyzer").warning(
                "Regex pattern '%s' timed out after %s seconds, skipping.", "x", 5
            )
            return plain(self, text, entities, nlp_artifacts)

    looker.recognizers = [Slow()]
    first, second = looker.look([Subject.of(CARD), Subject.of("nothing")])
    assert first.skipped == second.skipped == "a pattern of Presidio ran out of time"
    assert len(first.spans) == 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{kind: presidio}", "must name a recognizer"),
        ("{kind: presidio, recognizer: SpacyRecognizer}", "Use kind: entity"),
        ("{kind: presidio, form: nowhere.yaml}", "is not there"),
        ("{kind: presidio, recognizer: X, threshold: 1}", "do not take"),
    ],
)
def test_wrong_parameters_are_problems_of_the_file(params: str, said: str, tmp_path: Path) -> None:
    wrong = SIT.replace("{kind: presidio, recognizer: CreditCardRecognizer, score: 0.9}", params)
    (tmp_path / "card.yaml").write_text(wrong)
    with pytest.raises(ProblemsError) as caught:
        load_pack(tmp_path)
    assert said in str(caught.value)


def test_a_class_presidio_does_not_have_and_a_form_it_cannot_read_are_errors(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match="no recognizer of this name"):
        open_detector(element(recognizer="CardRecogniser"))
    (tmp_path / "bad.yaml").write_text("recognizers: [{name: 1}]")
    with pytest.raises(RuleError, match="cannot read this form"):
        open_detector(element(form=str(tmp_path / "bad.yaml")))


def test_without_presidio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio_recognizers.importlib.util, "find_spec", lambda _name: None)
    assert presidio_recognizers.unavailable(element()) == "needs dlpagent[ner]"
    with pytest.raises(ConfigurationError, match=r"pip install 'dlpagent\[ner\]'"):
        open_detector(element(recognizer="CreditCardRecognizer"))
