"""The pack inside Presidio: a recognizer for its AnalyzerEngine.

    from presidio_analyzer import AnalyzerEngine
    from dlpagent.classifiers.presidio_bridge import SitRecognizer

    engine = AnalyzerEngine(...)
    engine.registry.add_recognizer(SitRecognizer())

A score is the confidence divided by 100. Names of entities: classifiers/presidio_entities.yaml. This
module needs presidio-analyzer (extra ner) when it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.detectors import NEED_MODEL, sits_with_detectors
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.presidio_names import entity_names, explained
from dlpagent.classifiers.presidio_recognizers import import_presidio
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.ports import Classifier
from dlpagent.records import batch_of_columns

_presidio = import_presidio()
_Recognizer: Any = _presidio.EntityRecognizer  # typed in some versions, not in others
_log = logging.getLogger(__name__)

NAME = "dlpagent"
_NO_KEY = Evidence(bytes(KEY_BYTES))  # evidence is made on the way and thrown away here


class SitRecognizer(_Recognizer):  # type: ignore[misc]
    """Finds a pack's sensitive information types; the built-in pack when none is given.

    sits: only these types (id or name). min_confidence: findings below are not given. cache: a folder
    for compiled patterns; without one they are compiled in every process, which takes half a minute.
    Types that need a language model are left out unless `models` is set: Presidio has its own.
    """

    def __init__(
        self,
        pack: Pack | None = None,
        *,
        sits: Iterable[str] = (),
        min_confidence: int = 1,
        models: bool = False,
        language: str = "en",
        cache: Path | None = None,
    ) -> None:
        self.pack = _chosen(pack or builtin_pack(), frozenset(sits), min_confidence, models=models)
        self.names = entity_names(self.pack)
        self.cache = cache
        self._classifier: Classifier | None = None
        super().__init__(
            supported_entities=sorted(set(self.names.values())),
            name=NAME,
            supported_language=language,
            version=self.pack.ref.version,
        )

    def load(self) -> None:
        """Presidio calls this when a recognizer is made; patterns are compiled when first used."""

    def analyze(
        self,
        text: str,
        entities: Collection[str],
        nlp_artifacts: object = None,  # noqa: ARG002 - Presidio hands it to every recognizer
    ) -> list[Any]:
        """RecognizerResults by place, each with an explanation; offsets are code points.

        Presidio knows no incomplete result: what a rule could not look for is logged as a warning.
        """
        if not text:
            return []
        if self._classifier is None:
            self._classifier = classifier_of(self.pack, _NO_KEY, self.cache)
        batch = batch_of_columns("presidio:", 1, {
            "record_id": pa.array(["0"]), "part": pa.array(["text"]),
            "text": pa.array([text], pa.large_string()),
        })  # fmt: skip
        found = self._classifier.classify(batch)
        for item in found.incomplete:
            sit = self.pack.sits.get(item.sit_id or "")
            _log.warning("not looked for: %s: %s", sit.name if sit else "?", item.reason)
        wanted = frozenset(entities or self.supported_entities)
        return [
            self._result(row)
            for row in found.matches.to_pylist()
            if self.names[row["sit_id"]] in wanted
        ]

    def _result(self, row: dict[str, Any]) -> Any:
        sit = self.pack.sits[row["sit_id"]]
        score = row["confidence"] / 100
        explanation = _presidio.AnalysisExplanation(
            recognizer=NAME,
            original_score=score,
            pattern_name=sit.patterns[row["pattern"]].primary,
            textual_explanation=explained(sit, row["pattern"]),
        )
        return _presidio.RecognizerResult(
            entity_type=self.names[sit.id],
            start=row["start"],
            end=row["end"],
            score=score,
            analysis_explanation=explanation,
            recognition_metadata={
                _presidio.RecognizerResult.RECOGNIZER_NAME_KEY: NAME,
                _presidio.RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                "sit_id": sit.id,
                "sit_name": sit.name,
            },
        )


def _chosen(pack: Pack, sits: frozenset[str], min_confidence: int, *, models: bool) -> Pack:
    """The pack with what is to be looked for; patterns of everything else are taken out."""
    out = frozenset() if models else sits_with_detectors(pack, NEED_MODEL)
    kept = {
        ident: replace(
            sit,
            patterns=tuple(
                item for item in sit.patterns
                if item.confidence >= min_confidence and ident not in out
                and (not sits or ident in sits or sit.name in sits)
            ),
        )
        for ident, sit in pack.sits.items()
    }  # fmt: skip
    return with_hash(replace(pack, sits=kept))
