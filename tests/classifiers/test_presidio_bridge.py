"""The pack inside a real AnalyzerEngine of Presidio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.presidio_names import entity_names, plain_name

presidio = pytest.importorskip("presidio_analyzer")

from dlpagent.classifiers.presidio_bridge import SitRecognizer  # noqa: E402

CARD = "4111 1111 1111 1111"
SITS = (
    "Credit Card Number", "U.S. Social Security Number (SSN)", "E-mail Address",
    "International Banking Account Number (IBAN)",
)  # fmt: skip


@pytest.fixture(scope="module")
def recognizer() -> SitRecognizer:
    return SitRecognizer(sits=SITS)


@pytest.fixture(scope="module")
def engine(recognizer: SitRecognizer) -> Any:
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

    class NoModel(SpacyNlpEngine):  # type: ignore[misc]
        """Tokens and nothing else: the recognizer under test needs no model."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            import spacy

            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            pass

    assert NlpArtifacts is not None
    registry = presidio.RecognizerRegistry(recognizers=[recognizer], supported_languages=["en"])
    return presidio.AnalyzerEngine(
        registry=registry, nlp_engine=NoModel(), supported_languages=["en"]
    )


def test_findings_come_out_of_the_engine_under_presidios_names(engine: Any) -> None:
    text = f"My credit card number is {CARD}, expiry 11/29, mail jo@example.org"
    found = {item.entity_type: item for item in engine.analyze(text, "en")}
    assert set(found) == {"CREDIT_CARD", "EMAIL_ADDRESS"}
    card = found["CREDIT_CARD"]
    assert text[card.start : card.end] == CARD
    assert card.score == 0.85


def test_the_score_is_the_confidence_and_the_explanation_names_what_held(engine: Any) -> None:
    (found,) = engine.analyze(
        f"credit card {CARD}", "en", entities=["CREDIT_CARD"], return_decision_process=True
    )
    why = found.analysis_explanation
    assert why.recognizer == "dlpagent"
    assert why.original_score == found.score
    assert "Credit Card Number: confidence" in why.textual_explanation
    assert "4111" not in str(why)
    assert found.recognition_metadata["sit_name"] == "Credit Card Number"


def test_only_what_is_asked_for_is_given_and_thresholds_hold(engine: Any) -> None:
    text = f"credit card {CARD}, mail jo@example.org"
    assert {
        item.entity_type for item in engine.analyze(text, "en", entities=["EMAIL_ADDRESS"])
    } == {"EMAIL_ADDRESS"}
    assert engine.analyze(text, "en", score_threshold=0.99) == []


def test_offsets_are_code_points_of_the_text_given(engine: Any) -> None:
    text = f"💳💳 credit card\u200b {CARD}"
    (found,) = engine.analyze(text, "en", entities=["CREDIT_CARD"])
    assert text[found.start : found.end] == CARD


def test_the_engine_offers_the_names(engine: Any) -> None:
    assert {"CREDIT_CARD", "US_SSN", "IBAN_CODE"} <= set(engine.get_supported_entities("en"))


def test_a_minimum_confidence_leaves_out_what_lies_below() -> None:
    assert SitRecognizer(sits=SITS, min_confidence=99).supported_entities == []


def test_types_that_need_a_model_are_left_out_unless_asked_for() -> None:
    assert "PERSON" not in SitRecognizer(sits=["All Full Names"]).supported_entities
    assert SitRecognizer(sits=["All Full Names"], models=True).supported_entities == ["PERSON"]


def test_every_type_of_the_table_is_in_the_pack() -> None:
    from dlpagent.classifiers.presidio_names import _known

    assert set(_known()) <= set(builtin_pack().sit_names.values())


def test_every_type_has_an_entity_name_of_capitals() -> None:
    names = entity_names(builtin_pack())
    assert len(names) == sum(bool(sit.patterns) for sit in builtin_pack().sits.values())
    assert all(name.replace("_", "").isalnum() and name == name.upper() for name in names.values())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("U.K. Electoral Roll", "UK_ELECTORAL_ROLL"), ("Café's (X) Numéro", "CAFES_X_NUMERO")],
)
def test_a_name_becomes_an_entity_name(name: str, wanted: str) -> None:
    assert plain_name(name) == wanted


def test_findings_are_the_same_with_a_cache(tmp_path: Path) -> None:
    recognizer = SitRecognizer(sits=["Credit Card Number"], cache=tmp_path)
    for _ in range(2):
        assert len(recognizer.analyze(f"credit card {CARD}", [])) == 1
