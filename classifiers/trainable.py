"""Detector kind `trainable`: texts of a class that was learned from samples.

Parameters: model (a folder written by `dlpagent rules train`), at_least (a level of the model: high,
medium, low; or a probability between 0 and 1). A part of up to a window and a half is judged whole;
of longer ones the stretch of the windows that reach the level is found. Texts with fewer words than
the model has learned from are not of the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dlpagent.classifiers.detectors import Sightings, content_path
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.sit import Detector
from dlpagent.classifiers.trainable_model import (
    F64,
    LEVELS,
    Model,
    Windows,
    probability,
    read_model,
    windows_of,
)
from dlpagent.classifiers.words import Words, words_of
from dlpagent.errors import Problem, RuleError

DEFAULT_LEVEL = "medium"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring windows that reach a level: [start, end) code points of the shadow, best score."""

    owner: int
    start: int
    end: int
    score: float


def stretches(words: Words, windows: Windows, scores: F64, at_least: float) -> Iterator[Stretch]:
    """Where windows reach a score; windows that touch are one stretch."""
    owner, first, last, best = -1, 0, 0, -math.inf
    for place in (scores >= at_least).nonzero()[0].tolist():
        text = int(windows.owners[place])
        begin, end, score = (
            int(windows.first[place]),
            int(windows.last[place]),
            float(scores[place]),
        )
        if text == owner and begin <= last:
            last, best = end, max(best, score)
            continue
        if owner >= 0:
            yield _stretch(words, owner, first, last, best)
        owner, first, last, best = text, begin, end, score
    if owner >= 0:
        yield _stretch(words, owner, first, last, best)


def _stretch(words: Words, owner: int, first: int, last: int, score: float) -> Stretch:
    return Stretch(owner, int(words.starts[first]), int(words.ends[last - 1]), score)


# --- the detector -----------------------------------------------------------------------------


def problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with the parameters or the model's manifest; weights are not read."""
    for name, _ in element.params:
        if name not in ("model", "at_least"):
            yield Problem(
                file, line, f"{element.id}: a trained class takes no {name}",
                "model and at_least", name, "Remove it.",
            )  # fmt: skip
    if not element.param("model"):
        yield Problem(
            file, line, f"{element.id}: a trained class needs a model", "model: FOLDER", "none",
            "Train one: dlpagent rules train SAMPLES -o PACKDIR --name NAME",
        )  # fmt: skip
        return
    try:
        model = read_model(content_path(element, "model"), with_weights=False)
    except RuleError as error:
        yield Problem(
            file, line, f"{element.id}: {error.what}", error.expected, error.found, error.remedy
        )
        return
    if _cut(element, model) is None:
        yield Problem(
            file, line, f"{element.id}: at_least is no level of this model",
            f"one of {', '.join(model.levels)}, or a probability above 0 and below 1",
            str(element.param("at_least")),
            f"Levels that no cut could give are missing; see: dlpagent rules show {model.name!r}",
        )  # fmt: skip


def _cut(element: Detector, model: Model) -> float | None:
    """The score that a window must reach; None when at_least says nothing."""
    at_least = element.param("at_least", DEFAULT_LEVEL)
    if isinstance(at_least, str):
        return model.levels[at_least].score if at_least in model.levels else None
    if isinstance(at_least, bool) or not isinstance(at_least, int | float) or not 0 < at_least < 1:
        return None
    return math.log(at_least / (1 - at_least))


def open_detector(element: Detector) -> TrainableLooker:
    """Raises RuleError when the model cannot be read."""
    finder = _finder(content_path(element, "model"), element.digest)
    cut = _cut(element, finder.model)
    return TrainableLooker(finder, math.inf if cut is None else cut)


def describe(element: Detector) -> Iterator[str]:
    """What `rules show` says of the model: samples, figures of its levels, warnings."""
    model = read_model(content_path(element, "model"), with_weights=False)
    counts = model.samples
    yield (
        f"learned from {counts.get('positive', 0)} positive and {counts.get('negative', 0)} negative "
        f"samples; {model.folds}-fold cross-validation: average precision "
        f"{model.average_precision:.3f}"
    )
    for name in LEVELS:
        if name in model.levels:
            item = model.levels[name]
            yield (
                f"{name:<6} from {item.probability:.2f}: precision {item.precision:.3f}, recall "
                f"{item.recall:.3f}, F1 {item.f1:.3f} ({item.true_positives} found, "
                f"{item.false_positives} wrong, {item.false_negatives} missed)"
            )
    yield from (f"warning: {item}" for item in model.warnings)


@lru_cache(maxsize=64)
def _finder(path: Path, digest: str) -> ModelFinder:  # noqa: ARG001 - another digest, another model
    return ModelFinder(read_model(path))


class ModelFinder:
    """Scores texts by one model; the elements of its levels share it, and what it scored last."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._last: tuple[Sequence[Subject], Windows, F64] | None = None

    def scored(self, subjects: Sequence[Subject]) -> tuple[Words, Windows, F64]:
        """Words, windows and the score of each window."""
        words = words_of(subjects)
        last = self._last
        if last is None or last[0] is not subjects:
            windows = windows_of(words, self.model.min_words)
            last = self._last = (subjects, windows, self.model.scores(words, windows))
        return words, last[1], last[2]


@dataclass(frozen=True, slots=True)
class TrainableLooker:
    """A class at one level."""

    finder: ModelFinder
    at_least: float

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """Stretches of each text that are of the class. See detectors.Looker."""
        notes: list[dict[tuple[int, int], str]] = [{} for _ in subjects]
        for item in stretches(*self.finder.scored(subjects), self.at_least):
            notes[item.owner][item.start, item.end] = (
                f"{probability(item.score):.2f} of 1 for “{self.finder.model.name}”, "
                f"from {probability(self.at_least):.2f} on"
            )
        return [Sightings(tuple(sorted(note)), notes=note) for note in notes]
