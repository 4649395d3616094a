"""SITs that ask detectors, beside those that patterns decide: one classifier of both.

Detectors look at a whole batch at once (models are several times faster so); then the reference
evaluator joins what they saw with keywords, proximity and filters, as for every other SIT.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from dlpagent.classifiers.classify import match_batch
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import DecodingClassifier, first_reading, not_by_model
from dlpagent.classifiers.detectors import NEED_MODEL, Sightings, detector_of
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.reference import Evidences, Hit, evaluate_in
from dlpagent.classifiers.set_classifier import SetClassifier
from dlpagent.classifiers.sit import Detector, Pack, Sit, elements_of
from dlpagent.evidence import Evidence, ValueForm
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, PackRef
from dlpagent.ports import Classifier


def classifier_of(pack: Pack, evidence: Evidence, cache: Path | None = None) -> Classifier:
    """The classifier of a loaded pack: the cascade, with detectors beside it if the pack asks any.

    It reads texts as they are and as they read decoded (decoded.py).
    cache: a folder for compiled databases; None compiles them anew in every process.
    """
    compiled = CompiledPack(pack)
    patterns = pattern_classifier(compiled, evidence, cache)
    return DecodingClassifier(
        DetectingClassifier(compiled, evidence, patterns) if compiled.detected else patterns
    )


def pattern_classifier(
    compiled: CompiledPack, evidence: Evidence, cache: Path | None = None
) -> Classifier:
    """The cascade; where Hyperscan is not installed, or not wanted, sets of RE2 in its place.

    Both give the same findings. DLPAGENT_SCANNER=re2 asks for the sets.
    """
    if os.environ.get(SCANNER_VARIABLE) == "re2" or find_spec("hyperscan") is None:
        return SetClassifier(compiled, evidence)
    from dlpagent.classifiers.cascade.classifier import CascadeClassifier  # noqa: PLC0415

    return CascadeClassifier(compiled, evidence, cache)


SCANNER_VARIABLE = "DLPAGENT_SCANNER"


@dataclass(slots=True)
class DetectingClassifier:
    """What `inner` finds, and the SITs of the same pack that ask detectors."""

    compiled: CompiledPack
    evidence: Evidence
    inner: Classifier
    _forms: dict[str, ValueForm] = field(init=False)

    def __post_init__(self) -> None:
        self._forms = {sit.id: sit.value for sit in self.compiled.detected}

    @property
    def pack(self) -> PackRef:
        return self.compiled.ref

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self.compiled.pack.sit_names

    def warm_up(self) -> None:
        """Compile, or load from the cache, what the inner classifier needs."""
        warm_up = getattr(self.inner, "warm_up", None)
        if warm_up is not None:
            warm_up()

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA. See dlpagent.ports.Classifier."""
        plain = self.inner.classify(batch)
        if not self.compiled.detected:
            return plain
        seen, incomplete = self._detected(batch)
        matches = match_batch(seen, self._forms, self.evidence)
        return Classified(_joined(plain.matches, matches), (*plain.incomplete, *incomplete))

    def _detected(self, batch: pa.RecordBatch) -> tuple[list[tuple[int, Hit]], list[Incomplete]]:
        texts = batch.column("text").to_pylist()
        rows = [row for row, text in enumerate(texts) if text]
        subjects = [Subject.of(texts[row]) for row in rows]
        contexts = batch.column("context").to_pylist()
        first = first_reading(batch)
        plain = sum(row < first for row in rows)
        looked = {
            name: _look(element, subjects, plain) for name, element in self._detectors().items()
        }
        again = not_by_model(self.compiled, self.compiled.detected)
        hits: list[tuple[int, Hit]] = []
        incomplete: list[Incomplete] = []
        for place, row in enumerate(rows):
            seen = {name: sightings[place] for name, sightings in looked.items()}
            evidences = Evidences(self.compiled, subjects[place], Subject.of(contexts[row] or ""))
            for name, sighting in seen.items():
                evidences.give(name, list(sighting.spans))
            result = evaluate_in(evidences, self.compiled.detected if row < first else again)
            hits.extend((row, hit) for hit in result.hits)
            incomplete.extend(Incomplete(row, sit, why) for sit, why in result.incomplete)
            incomplete.extend(Incomplete(row, *item) for item in self._skipped(seen))
        return hits, incomplete

    def _skipped(self, seen: Mapping[str, Sightings]) -> list[tuple[str, str]]:
        """The SITs whose detectors did not look at a text, each once, with the reason."""
        reasons = {name: item.skipped for name, item in seen.items() if item.skipped}
        if not reasons:
            return []
        return [
            (sit.id, next(reasons[name] for name in names if name in reasons))
            for sit in self.compiled.detected
            if (names := detectors_of(self.compiled, sit)) & reasons.keys()
        ]

    def _detectors(self) -> dict[str, Detector]:
        found: dict[str, Detector] = {}
        for sit in self.compiled.detected:
            for name in detectors_of(self.compiled, sit):
                element = self.compiled.pack.elements[name]
                assert isinstance(element, Detector)
                found[name] = element
        return found


def _look(element: Detector, subjects: Sequence[Subject], plain: int) -> list[Sightings]:
    """What a detector sees in texts; a model looks at the first `plain` ones only (not_by_model)."""
    looked = subjects[:plain] if element.kind in NEED_MODEL else subjects
    seen = detector_of(element).look(looked)
    return [*seen, *(Sightings() for _ in subjects[len(looked) :])]


def _joined(left: pa.RecordBatch, right: pa.RecordBatch) -> pa.RecordBatch:
    """Two batches of MATCH_SCHEMA as one, in the order of rows and texts."""
    if not right.num_rows:
        return left
    both = pa.concat_batches([_plain(left), _plain(right)])
    both = both.sort_by([(name, "ascending") for name in ("row", "start", "end", "sit_id")])
    columns = [
        both.column(item.name).dictionary_encode() if item.name == "sit_id" else both.column(item.name)
        for item in MATCH_SCHEMA
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, schema=MATCH_SCHEMA)


def _plain(matches: pa.RecordBatch) -> pa.RecordBatch:
    """With ids as plain text: Arrow sorts no dictionaries."""
    ids = matches.column("sit_id").cast(pa.string())
    return matches.set_column(MATCH_SCHEMA.get_field_index("sit_id"), "sit_id", ids)


def detectors_of(compiled: CompiledPack, sit: Sit) -> set[str]:
    """The detector elements a SIT asks: by pattern, in unions, in filters."""
    elements = compiled.pack.elements
    named = elements_of(compiled.pack, sit)
    return {name for name in named if isinstance(elements[name], Detector)}
