"""Detectors of kind `presidio`: any recognizer of Presidio as an element of a SIT.

A recognizer of Presidio's own is named by its class; recognizers of yours stand in Presidio's YAML form
(`recognizers:` with patterns and deny lists). Confidence, keywords and proximity are the SIT's: what
Presidio calls context does not count. A pattern that runs out of Presidio's time is reported as not
looked at; Presidio itself would leave it out silently.

    elements: {account: {detector: {kind: presidio, recognizer: UsBankRecognizer, score: 0.05}}}
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from dlpagent.classifiers.detectors import Sightings, content_path
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.sit import Detector
from dlpagent.errors import ConfigurationError, Problem, RuleError, missing_extra

PARAMS: Final = ("recognizer", "form", "entity", "score", "language")
DEFAULT_SCORE: Final = 0.3
REGEX_TIMEOUT_S: Final = 5
_LOGGER: Final = "presidio-analyzer"

# They need a model's reading of the text; the kind `entity` is for that.
_MODEL_RECOGNIZERS = frozenset(
    ("SpacyRecognizer", "StanzaRecognizer", "TransformersRecognizer", "GLiNERRecognizer",
     "HuggingFaceNerRecognizer", "MedicalNERRecognizer")
)  # fmt: skip

Span = tuple[int, int]


def problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with the parameters; Presidio is not imported."""
    named = [name for name in ("recognizer", "form") if element.param(name)]
    if len(named) != 1:
        yield Problem(
            file, line, f"{element.id} must name a recognizer or a form of some",
            "recognizer: CLASS, or form: FILE.yaml", ", ".join(named) or "neither",
        )  # fmt: skip
    if element.param("recognizer") in _MODEL_RECOGNIZERS:
        yield Problem(
            file, line, f"{element.id} names a recognizer that needs a language model",
            "a recognizer of patterns", str(element.param("recognizer")), "Use kind: entity.",
        )  # fmt: skip
    if element.param("form") and not content_path(element, "form").is_file():
        yield Problem(file, line, f"the form of {element.id} is not there", "a file of recognizers")
    for name, _ in element.params:
        if name not in PARAMS:
            yield Problem(
                file, line, f"{element.id} has a parameter that recognizers do not take",
                ", ".join(PARAMS), name,
            )  # fmt: skip


def unavailable(element: Detector) -> str:  # noqa: ARG001 - the same for every element
    """Why this cannot be looked for here; empty when it can."""
    there = importlib.util.find_spec("presidio_analyzer") is not None
    return "" if there else "needs dlpagent[ner]"


def open_detector(element: Detector) -> RecognizerLooker:
    """The looker of an element. Raises ConfigurationError or RuleError."""
    import_presidio()
    recognizers = _from_form(element) if element.param("form") else [_of_class(element)]
    entity = str(element.param("entity"))
    return RecognizerLooker(
        recognizers, (entity,) if entity else (), float(str(element.param("score", DEFAULT_SCORE)))
    )


def import_presidio() -> Any:
    """The package presidio_analyzer, made to stay off the network. Raises ConfigurationError."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        raise missing_extra("presidio-analyzer", "ner", "A recognizer of Presidio")
    os.environ.setdefault("REGEX_TIMEOUT_SECONDS", str(REGEX_TIMEOUT_S))
    presidio = importlib.import_module("presidio_analyzer")
    _pin_suffix_list()
    return presidio


def _pin_suffix_list() -> None:
    """The recognizer of e-mail addresses would fetch the public suffix list when it first finds one."""
    extractor = importlib.import_module("tldextract.tldextract").TLD_EXTRACTOR
    extractor.suffix_list_urls = ()
    extractor.fallback_to_snapshot = True


def _of_class(element: Detector) -> Any:
    name = str(element.param("recognizer"))
    known = importlib.import_module("presidio_analyzer.predefined_recognizers")
    found = getattr(known, name, None)
    if not isinstance(found, type):
        raise ConfigurationError(
            "Presidio has no recognizer of this name",
            where=element.id,
            expected="a class such as " + ", ".join(sorted(known.__all__)[:3]),
            found=name,
        )
    language = str(element.param("language", "en"))
    return found(supported_language=language)


def _from_form(element: Detector) -> list[Any]:
    path = content_path(element, "form")
    registry = import_presidio().RecognizerRegistry()
    try:
        registry.add_recognizers_from_yaml(str(path))
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise RuleError(
            f"Presidio cannot read this form ({type(error).__name__})",
            where=path.name,
            expected="a list `recognizers:` in Presidio's YAML form",
        ) from None
    return list(registry.recognizers)


@dataclass(slots=True)
class RecognizerLooker:
    """Recognizers at work. entities: which of theirs count; none: all."""

    recognizers: Sequence[Any]
    entities: tuple[str, ...]
    score: float
    _timeouts: _Timeouts = field(init=False)

    def __post_init__(self) -> None:
        self._timeouts = _Timeouts()

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """See detectors.Looker."""
        with self._timeouts.heard():
            return [self._one(subject.text) for subject in subjects]

    def _one(self, text: str) -> Sightings:
        self._timeouts.seen = False
        notes: dict[Span, str] = {}
        for recognizer in self.recognizers:
            wanted = [
                name
                for name in recognizer.supported_entities
                if not self.entities or name in self.entities
            ]
            for found in recognizer.analyze(text, wanted, None) or []:
                if (
                    found.entity_type in wanted
                    and found.score >= self.score
                    and found.end > found.start
                ):
                    note = f"{recognizer.name}, {found.entity_type}, score {found.score:.2f}"
                    notes[found.start, found.end] = note
        why = "a pattern of Presidio ran out of time" if self._timeouts.seen else ""
        return Sightings(tuple(sorted(notes)), why, notes)


class _Timeouts(logging.Handler):
    """Hears Presidio's warning that a pattern was left out, which is all it says of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:
        self.seen |= "timed out" in record.msg

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while recognizers are at work."""
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
