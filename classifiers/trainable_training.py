"""Training of a class: logistic regression over hashed words, measured on samples it has not seen.

The regression is solved exactly (Newton's method on the samples' inner products), so the same samples
give the same model. Levels are cut on held-out scores: of every fold, the cuts of the other folds are
what its figures are measured at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.trainable_model import (
    FEATURE_BITS,
    LEVELS,
    Level,
    Model,
    features_of,
    windows_of,
)
from dlpagent.classifiers.trainable_samples import Cleaned, Sample, cleaned
from dlpagent.classifiers.words import hashed_words
from dlpagent.errors import ConfigurationError

LEAST_POSITIVE, LEAST_NEGATIVE = 20, 20
"""Fewer cannot be measured: one sample more or less would move recall by more than five points."""

ADVISED = "Purview asks for 50 to 500 positive and 150 to 1,500 negative samples"
ADVISED_POSITIVE, ADVISED_NEGATIVE = 50, 150

MAX_SAMPLES = 2_000
"""What Purview takes at most of both sides together; more are thinned out evenly."""

MAX_WINDOWS = 1_000
"""Windows trained on at most: the time of training grows with the cube of their number."""

STRENGTHS = (0.03, 0.01, 0.003)
"""Weights of the penalty, tried from the strongest on until one is not better than the one before."""

MAX_STEPS = 15
"""Of Newton's method; six or seven are enough for a thousandth."""

RARE = 3
"""A feature in fewer samples gets no weight: it says nothing of the class, and only of a sample."""

HIGH_PRECISION = LOW_RECALL = 0.97
"""What the levels high and low are cut for; medium is cut for the best F1."""

MARGIN = 0.1
"""How far, as a score, a level lies at least above text of which no word is known."""

MIN_WORDS = 8
"""Of a sample, and of a text that is judged: less says nothing of a kind of document."""

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Table:
    """Windows of all samples, as rows of features. Rows of a sample stand together."""

    rows: Ints
    features: Ints
    many: F64
    samples: Ints
    trained: Bools

    def products(self, scale: F64) -> F64:
        """Inner products of all trained rows, some columns at a time."""
        place = np.cumsum(self.trained) - 1
        used = self.trained[self.rows] & (scale[self.features] > 0)
        columns, column = np.unique(self.features[used], return_inverse=True)
        row = place[self.rows[used]]
        value = (scale[self.features[used]] / np.sqrt(self.many[self.rows[used]])).astype("f4")
        size = int(self.trained.sum())
        total = np.zeros((size, size))
        order = np.argsort(column, kind="stable")
        edges = np.searchsorted(column[order], np.arange(0, len(columns) + 4096, 4096))
        for low, high, first in zip(
            edges[:-1], edges[1:], range(0, len(columns), 4096), strict=False
        ):
            part = order[low:high]
            dense = np.zeros((size, 4096), dtype="f4")
            dense[row[part], column[part] - first] = value[part]
            total += dense @ dense.T
        return total

    def weights(self, scale: F64, alpha: F64) -> F64:
        """Weights of features, from those of the trained rows."""
        each = np.zeros(len(self.many))
        each[self.trained] = alpha
        per_row = each / np.sqrt(self.many)
        summed = np.bincount(self.features, per_row[self.rows], minlength=len(scale))
        return summed * scale * scale

    def scores(self, weights: F64) -> F64:
        """Of each sample the highest score of its windows, without the bias."""
        total = np.bincount(self.rows, weights[self.features], minlength=len(self.many))
        best = np.full(int(self.samples.max()) + 1, -np.inf)
        np.maximum.at(best, self.samples, total / np.sqrt(self.many))
        return best


def train(samples: Sequence[Sample], name: str, *, folds: int = 5) -> Model:
    """Train a class and measure it by cross-validation.

    Raises ConfigurationError when there are too few samples, or a text stands on both sides.
    """
    sound = _sound(cleaned(_thinned(_long_enough(samples))), name, folds)
    labels = np.array([sample.is_positive for sample in sound.samples])
    table, min_words = _table(sound.samples, labels)
    scale = _scale(table)
    fold = _folds(labels, sound.groups, folds, name)
    products = table.products(scale)
    strength, held_out = _best_strength(table, scale, labels, fold, products)
    everyone = np.ones(len(labels), dtype=bool)
    weights, bias = _fit(table, scale, labels, everyone, strength, products)
    levels = measured_levels(held_out, labels, fold, bias)
    return Model(
        name=name,
        bias=bias,
        weights=weights.astype(np.float32),
        min_words=min_words,
        levels=levels,
        average_precision=round(average_precision(held_out, labels), 4),
        folds=folds,
        strength=strength,
        samples={
            "positive": int(labels.sum()),
            "negative": int((~labels).sum()),
            "doubles_left_out": sound.doubles,
            "near_copies": len(sound.groups) - len(set(sound.groups)),
            "too_short": len(samples) - len(_long_enough(samples)),
            "thinned_out": len(_long_enough(samples)) - len(_thinned(_long_enough(samples))),
        },
        warnings=tuple(_warnings(sound, labels, levels)),
    )


# --- samples ----------------------------------------------------------------------------------


def _long_enough(samples: Sequence[Sample]) -> list[Sample]:
    words = hashed_words([Subject.of(sample.text).low for sample in samples])
    many = np.bincount(words.owners, minlength=len(samples))
    return [sample for sample, count in zip(samples, many, strict=True) if count >= MIN_WORDS]


def _thinned(samples: list[Sample]) -> list[Sample]:
    """At most MAX_SAMPLES, every so many-th of each side, so that no part of a folder is preferred."""
    if len(samples) <= MAX_SAMPLES:
        return samples
    found: list[Sample] = []
    positive = [sample for sample in samples if sample.is_positive]
    negative = [sample for sample in samples if not sample.is_positive]
    few = min(len(positive), max(MAX_SAMPLES // 4, MAX_SAMPLES - len(negative)))
    for side, most in ((positive, few), (negative, MAX_SAMPLES - few)):
        places = np.unique(np.linspace(0, len(side) - 1, min(most, len(side))).astype(int))
        found += [side[place] for place in places.tolist()]
    return found


def _sound(clean: Cleaned, name: str, folds: int) -> Cleaned:
    if clean.both:
        one, two = clean.both[0]
        raise ConfigurationError(
            f"{len(clean.both)} text(s) stand among the positive and the negative samples",
            where=name, expected="every text on one side", found=f"{one} and {two}, among others",
            remedy="Decide which side they belong to, and remove the other copy.",
        )  # fmt: skip
    positive = sum(sample.is_positive for sample in clean.samples)
    negative = len(clean.samples) - positive
    if not 2 <= folds <= 20:
        raise ConfigurationError("the number of folds is out of range", where="--folds",
                                 expected="2 to 20", found=str(folds))  # fmt: skip
    if positive < LEAST_POSITIVE or negative < LEAST_NEGATIVE:
        raise ConfigurationError(
            "there are too few samples to learn from", where=name,
            expected=f"at least {LEAST_POSITIVE} positive and {LEAST_NEGATIVE} negative texts of "
            f"{MIN_WORDS} words or more, doubles left out ({ADVISED})",
            found=f"{positive} positive and {negative} negative",
            remedy="Collect more; negative samples should look like what will be scanned.",
        )  # fmt: skip
    return clean


def _warnings(clean: Cleaned, labels: Bools, levels: Mapping[str, Level]) -> Iterable[str]:
    positive, negative = int(labels.sum()), int((~labels).sum())
    if positive < ADVISED_POSITIVE or negative < ADVISED_NEGATIVE:
        yield f"few samples ({positive} positive, {negative} negative): {ADVISED}"
    if clean.doubles:
        yield f"{clean.doubles} double(s) of other samples were left out"
    copies = [
        sum(
            len(members) - 1
            for members in _members(clean.groups)
            if clean.samples[members[0]].is_positive is side
        )
        for side in (True, False)
    ]
    if sum(copies):
        yield (
            f"{copies[0]} positive and {copies[1]} negative sample(s) are near copies of others; "
            "they were kept in one fold"
        )
    if copies[0] > positive / 2:
        yield "most positive samples are near copies: a document fingerprint may fit better"
    for name in LEVELS:
        if name not in levels:
            yield f"no level {name}: no cut gives what it stands for"


def _members(groups: Sequence[int]) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for place, group in enumerate(groups):
        found.setdefault(group, []).append(place)
    return list(found.values())


def _table(samples: Sequence[Sample], labels: Bools) -> tuple[_Table, int]:
    words = hashed_words([Subject.of(sample.text).low for sample in samples])
    many = np.bincount(words.owners, minlength=len(samples))
    min_words = max(MIN_WORDS, int(np.percentile(many[labels], 5)) // 2)
    min_words = min(min_words, int(many.min()), 40)
    windows = windows_of(words, min_words)
    rows, features = [], []
    for start, row, feature in features_of(words, windows):
        rows.append(row + start)
        features.append(feature.astype(np.int64))
    row = np.concatenate(rows)
    table = _Table(
        rows=row,
        features=np.concatenate(features),
        many=np.bincount(row, minlength=len(windows)).astype(float),
        samples=windows.owners,
        trained=_trained(windows.owners, len(samples)),
    )
    return table, min_words


def _trained(owners: Ints, samples: int) -> Bools:
    """The windows to train on: of long samples a few, evenly spread."""
    many = np.bincount(owners, minlength=samples)
    most = 1
    while np.minimum(many, most + 1).sum() <= MAX_WINDOWS and most < many.max():
        most += 1
    place = np.arange(len(owners)) - np.repeat(np.cumsum(many) - many, many)
    total = np.repeat(many, many)
    kept = np.minimum(total, most)
    spread = (place * kept) // total
    before = np.where(place > 0, ((place - 1) * kept) // total, -1)
    found: Bools = spread != before
    return found


def _scale(table: _Table) -> F64:
    """By feature: how rare it is among the samples (inverse document frequency); 0 if too rare."""
    size = 1 << FEATURE_BITS
    pairs = np.unique(table.samples[table.rows] * size + table.features)
    seen = np.bincount(pairs % size, minlength=size)
    samples = int(table.samples.max()) + 1
    scale = np.log((1 + samples) / (1 + seen)) + 0.1
    return np.where(seen >= RARE, scale / math.log(1 + samples), 0.0)


def _folds(labels: Bools, groups: Sequence[int], folds: int, name: str) -> Ints:
    """The fold of each sample: groups whole, both sides spread evenly, largest groups first."""
    members = _members(groups)
    for side in (True, False):
        if sum(bool(labels[group[0]]) is side for group in members) < folds:
            raise ConfigurationError(
                f"the {'positive' if side else 'negative'} samples are too much alike", where=name,
                expected=f"texts of at least {folds} kinds that are no near copies of each other",
                found=f"{len(members)} kinds in all",
                remedy="Give samples that vary, or find a form by its fingerprint.",
            )  # fmt: skip
    fold = np.zeros(len(labels), dtype=np.int64)
    load = np.zeros((2, folds))
    for group in sorted(members, key=lambda group: (-len(group), group[0])):
        row = int(labels[group[0]])
        to = int(np.argmin(load[row]))
        fold[group] = to
        load[row, to] += len(group)
    return fold


# --- fitting ----------------------------------------------------------------------------------


def _best_strength(
    table: _Table, scale: F64, labels: Bools, fold: Ints, products: F64
) -> tuple[float, F64]:
    """The penalty with the least loss on held-out samples, and their scores."""
    best: tuple[float, float, F64] | None = None
    for strength in STRENGTHS:
        held_out = np.zeros(len(labels))
        for number in range(int(fold.max()) + 1):
            weights, bias = _fit(table, scale, labels, fold != number, strength, products)
            here = fold == number
            held_out[here] = (table.scores(weights) + bias)[here]
        loss = _loss(held_out, labels)
        if best is not None and loss > best[0] * 0.98:
            break
        best = (loss, strength, held_out)
    assert best is not None
    return best[1], best[2]


def _loss(scores: F64, labels: Bools) -> float:
    each = np.logaddexp(0, np.where(labels, -scores, scores))
    return float(each[labels].mean() + each[~labels].mean())


def _fit(
    table: _Table,
    scale: F64,
    labels: Bools,
    chosen: Bools,
    strength: float,
    products: F64,
) -> tuple[F64, float]:
    """Weights and bias of the regression over the chosen samples.

    Every sample counts alike, however many windows it has; both sides together count alike.
    """
    owners = table.samples[table.trained]
    inside = chosen[owners]
    truth = labels[owners][inside]
    share = 1 / np.bincount(owners)[owners][inside]
    for side in (True, False):
        share[truth == side] *= chosen.sum() / 2 / share[truth == side].sum()
    alpha, bias = _solved(products[np.ix_(inside, inside)], truth, share, strength)
    every = np.zeros(len(owners))
    every[inside] = alpha
    return table.weights(scale, every), bias


def _solved(products: F64, truth: Bools, share: F64, strength: float) -> tuple[F64, float]:
    """Newton's method for penalised logistic regression in terms of inner products."""
    size = len(truth)
    alpha, bias = np.zeros(size), 0.0
    system = np.zeros((size + 1, size + 1))
    for _ in range(MAX_STEPS):
        score = products @ alpha + bias
        chance = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
        curve = np.maximum(share * chance * (1 - chance), 1e-6)
        target = score + share * (truth - chance) / curve
        system[:size, :size] = products
        system[np.arange(size), np.arange(size)] += strength / curve
        system[:size, size] = system[size, :size] = 1
        solution = np.linalg.solve(system, np.concatenate([target, [0.0]]))
        step = float(np.max(np.abs(solution[:size] - alpha)))
        alpha, bias = solution[:size], float(solution[size])
        if step < 1e-3 * (1 + float(np.max(np.abs(alpha)))):
            break
    return alpha, bias


# --- levels and figures -----------------------------------------------------------------------


def average_precision(scores: F64, labels: Bools) -> float:
    """Area under the precision-recall curve, as the mean precision at every positive sample."""
    order = np.argsort(-scores, kind="stable")
    hit = labels[order]
    # equal scores stand or fall together: each takes the precision at the last of them
    last = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    precision = np.cumsum(hit)[last] / (last + 1)
    return float(precision[hit].mean()) if hit.any() else 0.0


def _cuts(scores: F64, labels: Bools, nothing: float) -> dict[str, float]:
    """Level → score from which it holds; a level that no cut can give is missing.

    A cut lies between two neighbouring scores: for high nearer to the upper, for low to the lower.
    nothing: the score of a text of which the model knows no word. Every cut lies above it: else all
    text unlike any sample, most of what is ever scanned, would be of the class.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hit = scores[order], labels[order]
    ends = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True))
    found = np.cumsum(hit)[ends]
    precision, recall = found / (ends + 1), found / max(1, int(hit.sum()))
    f1 = 2 * found / (ends + 1 + hit.sum())
    upper = ranked[ends]
    lower = np.maximum(np.append(ranked[1:], ranked[-1] - 2)[ends], nothing)

    def between(place: int, share: float) -> float:
        gap = max(0.0, float(upper[place] - lower[place]))
        return max(float(lower[place]) + share * gap, nothing + MARGIN)

    best = int(np.argmax(f1))
    cuts = {"medium": between(best, 0.5)}
    pure = [place for place in range(best + 1) if precision[place] >= HIGH_PRECISION]
    if pure:
        cuts["high"] = max(between(pure[-1], 0.75), cuts["medium"])
    whole = [
        place for place in range(best, len(ends))
        if recall[place] >= LOW_RECALL and precision[place] >= 0.5
    ]  # fmt: skip
    if whole:
        cuts["low"] = min(between(whole[0], 0.25), cuts["medium"])
    return cuts


def measured_levels(scores: F64, labels: Bools, fold: Ints, nothing: float) -> dict[str, Level]:
    """The levels, with what they give on every fold when cut on the other folds.

    scores: of samples, each by a model that has not seen its fold. nothing: see _cuts.
    """
    cuts = _cuts(scores, labels, nothing)
    said = {name: np.zeros(len(labels), dtype=bool) for name in cuts}
    for number in range(int(fold.max()) + 1):
        here = fold == number
        others = _cuts(scores[~here], labels[~here], nothing)
        for name in cuts:
            said[name][here] = scores[here] >= others.get(name, np.inf)
    return {name: _level(cuts[name], said[name], labels) for name in LEVELS if name in cuts}


def _level(score: float, said: Bools, labels: Bools) -> Level:
    hits, wrong, missed = (
        int((said & labels).sum()), int((said & ~labels).sum()), int((~said & labels).sum()),
    )  # fmt: skip
    return Level(
        score=score,
        precision=round(hits / max(1, hits + wrong), 4),
        recall=round(hits / max(1, hits + missed), 4),
        f1=round(2 * hits / max(1, 2 * hits + wrong + missed), 4),
        true_positives=hits,
        false_positives=wrong,
        false_negatives=missed,
    )
