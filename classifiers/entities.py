"""Detectors of kind `entity`: persons, places, organisations and nationalities in running text.

Persons are found by rules of our own (people/rules.py) joined with a language model that looks only
around the places the rules are not sure of; the other entities are the model's alone. Texts without a
cue are not looked at: docs/named-entities.md says what a cue is. The model may use a budget of CPU
seconds per process; what it could not look at for that reason is reported as skipped.

    elements: {person: {detector: {kind: entity, entity: PERSON, score: 0.55}}}
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dlpagent.classifiers.detectors import Sightings
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.people import language_model
from dlpagent.classifiers.people.joining import ACCEPTED, Name, Seen, names
from dlpagent.classifiers.people.rules import Candidate, candidates
from dlpagent.classifiers.sit import Detector
from dlpagent.errors import Problem

ENTITIES: Final = ("PERSON", "LOCATION", "ORGANIZATION", "NRP")
PARAMS: Final = ("entity", "score", "model")
DEFAULT_BUDGET_S: Final = 600.0
WINDOW_CHARS: Final = 150
UNSURE: Final = (0.1, 0.8)
"""Scores of candidates about which the model is asked: below it changes nothing, above neither."""

# A capital letter followed by a small one, or words that announce a name in texts without capitals.
_CUE = re.compile(
    r"[^\W\d_a-z][^\W\d_A-Z]|[A-Z]{2,} [A-Z]{2,}|\b(?:name|named|called?|calls|mrs?|ms|dr|i'm)\b"
    r"|[a-z]+, [a-z]+, [a-z]+"
)

Span = tuple[int, int]


def problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with the parameters; no model is loaded."""
    entity = element.param("entity")
    if entity not in ENTITIES:
        yield Problem(
            file,
            line,
            f"{element.id} names no entity",
            f"entity: {', '.join(ENTITIES)}",
            str(entity),
        )
    for name, _ in element.params:
        if name not in PARAMS:
            yield Problem(
                file, line, f"{element.id} has a parameter that entities do not take",
                ", ".join(PARAMS), name,
            )  # fmt: skip
    score = element.param("score", ACCEPTED)
    if not isinstance(score, int | float) or not 0 < score <= 1:
        yield Problem(file, line, f"the score of {element.id} is no share", "0 to 1", str(score))


def unavailable(element: Detector) -> str:
    """Why this cannot be looked for here; empty when it can. Nothing is imported."""
    model = model_of(element)
    return "" if language_model.is_installed(model) else f"needs {language_model.extra_of(model)}"


def open_detector(element: Detector) -> EntityLooker:
    """The looker of an element. Raises ConfigurationError when its model is not installed."""
    return EntityLooker(
        str(element.param("entity")),
        float(str(element.param("score", ACCEPTED))),
        engine_of(model_of(element)),
    )


def model_of(element: Detector) -> str:
    """The model an element asks: a package, or a folder beside its file."""
    name = str(element.param("model", language_model.ENGLISH))
    folder = Path(element.folder) / name
    return str(folder) if folder.is_dir() else name


@dataclass(slots=True)
class Budget:
    """CPU seconds of this process that models may still use. What is used is not given back."""

    seconds: float = DEFAULT_BUDGET_S
    used: float = 0.0

    @property
    def is_spent(self) -> bool:
        return self.used >= self.seconds

    @property
    def reason(self) -> str:
        """Why a text was not looked at, when it was not."""
        return f"the budget of {self.seconds:g} CPU seconds for named entities is used up (--ner-budget)"


BUDGET = Budget(float(os.environ.get("DLPAGENT_NER_BUDGET") or DEFAULT_BUDGET_S))


def set_budget(seconds: float) -> None:
    """Give models a budget in this process, and begin to count anew."""
    BUDGET.seconds, BUDGET.used = seconds, 0.0


@dataclass(slots=True)
class Figures:
    """What was looked at: texts, those with a cue, those the model saw, and their characters."""

    texts: int = 0
    chars: int = 0
    gated_texts: int = 0
    model_texts: int = 0
    model_chars: int = 0


@dataclass(slots=True)
class Engine:
    """One model with what it saw last: the elements of a SIT ask the same texts one after another."""

    model: str
    figures: Figures = field(default_factory=Figures)
    _texts: list[str] = field(default_factory=list)
    _names: list[tuple[list[Name], str]] = field(default_factory=list)
    _seen: list[tuple[list[Seen], str]] = field(default_factory=list)

    def persons(self, texts: list[str]) -> list[tuple[list[Name], str]]:
        """The names in each text, and why the model did not look at it, if it did not."""
        self._turn_to(texts)
        if not self._names:
            asked = [list(candidates(text)) if _CUE.search(text) else [] for text in texts]
            places = [
                windows(text, found) if found and self._can_read(text) else []
                for text, found in zip(texts, asked, strict=True)
            ]
            seen = self._look(texts, places)
            self._count(texts, asked, places)
            self._names = [
                (names(text, labels) if found else [], why)
                for text, found, (labels, why) in zip(texts, asked, seen, strict=True)
            ]
        return self._names

    def labelled(self, texts: list[str]) -> list[tuple[list[Seen], str]]:
        """What the model sees in each text that has a cue."""
        self._turn_to(texts)
        if not self._seen:
            places: list[list[Span]] = [
                [(0, len(text))] if _CUE.search(text) else [] for text in texts
            ]
            self._seen = self._look(texts, places)
        return self._seen

    def _can_read(self, text: str) -> bool:
        """Whether the model knows the language; the rules work in any."""
        return self.model != language_model.ENGLISH or language_model.reads_as_english(text)

    def _turn_to(self, texts: list[str]) -> None:
        if texts != self._texts:
            self._texts, self._names, self._seen = texts, [], []

    def _look(
        self, texts: Sequence[str], places: Sequence[Sequence[Span]]
    ) -> list[tuple[list[Seen], str]]:
        """The model's entities at the places of each text. Equal pieces of text are looked at once."""
        found: list[tuple[list[Seen], str]] = [([], "") for _ in texts]
        order = [(row, place) for row, spans in enumerate(places) for place in spans]
        known: dict[str, list[Seen]] = {}
        for first in range(0, len(order), language_model.BATCH):
            batch = order[first : first + language_model.BATCH]
            if BUDGET.is_spent:
                for row, _ in batch:
                    found[row] = (found[row][0], BUDGET.reason)
                continue
            began = time.process_time()
            self._read(texts, batch, known)
            BUDGET.used += time.process_time() - began
            for row, (start, end) in batch:
                found[row][0].extend(
                    Seen(item.start + start, item.end + start, item.label)
                    for item in known[texts[row][start:end]]
                )
        return found

    def _read(
        self, texts: Sequence[str], batch: Sequence[tuple[int, Span]], known: dict[str, list[Seen]]
    ) -> None:
        pieces = dict.fromkeys(texts[row][start:end] for row, (start, end) in batch)
        new = [piece for piece in pieces if piece not in known]
        known.update(zip(new, language_model.entities(self.model, new), strict=True))

    def _count(
        self, texts: Sequence[str], asked: Sequence[list[Candidate]], places: Sequence[list[Span]]
    ) -> None:
        figures = self.figures
        figures.texts += len(texts)
        figures.chars += sum(map(len, texts))
        figures.gated_texts += sum(bool(found) for found in asked)
        figures.model_texts += sum(bool(found) for found in places)
        figures.model_chars += sum(end - start for found in places for start, end in found)


_ENGINES: dict[str, Engine] = {}


def engine_of(model: str) -> Engine:
    """The engine of a model, one per process. Raises ConfigurationError when it is not installed."""
    if model not in _ENGINES:
        language_model.load(model)
        _ENGINES[model] = Engine(model)
    return _ENGINES[model]


def windows(text: str, found: Sequence[Candidate]) -> list[Span]:
    """The places the model is asked about: around candidates that are not sure, at word borders."""
    places: list[Span] = []
    low, high = UNSURE
    for item in found:
        if not low <= item.score < high:
            continue
        start = _border(text, max(0, item.start - WINDOW_CHARS), item.start)
        end = min(len(text), item.end + WINDOW_CHARS)
        end = len(text) if end == len(text) else max(text.rfind(" ", item.end, end), item.end)
        if places and start <= places[-1][1]:
            places[-1] = (places[-1][0], max(end, places[-1][1]))
        else:
            places.append((start, end))
    return places


def _border(text: str, start: int, end: int) -> int:
    """The first place after a blank or line break in a range; its end when there is none."""
    if start == 0:
        return 0
    match = re.compile(r"\s").search(text, start, end)
    return match.end() if match else end


@dataclass(slots=True)
class EntityLooker:
    """Looks for one entity with at least a score."""

    entity: str
    score: float
    engine: Engine

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """See detectors.Looker."""
        texts = [subject.text for subject in subjects]
        if self.entity == "PERSON":
            return [self._names(found, why) for found, why in self.engine.persons(texts)]
        return [self._labels(found, why) for found, why in self.engine.labelled(texts)]

    def _names(self, found: Sequence[Name], why: str) -> Sightings:
        kept = [item for item in found if item.score >= self.score]
        notes = {(item.start, item.end): f"score {item.score:.2f}: {item.why}" for item in kept}
        return Sightings(tuple(notes), why, notes)

    def _labels(self, found: Sequence[Seen], why: str) -> Sightings:
        spans = sorted({(item.start, item.end) for item in found if item.label == self.entity})
        return Sightings(tuple(spans), why, dict.fromkeys(spans, "the model's label"))
