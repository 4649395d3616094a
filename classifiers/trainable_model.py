"""A trained class as data: weights of hashed words, the levels, and the figures it was measured by.

A text is looked at in windows. A window's features are its distinct words, pairs of neighbouring words
and stems, hashed to 18 bits; its score is bias + sum of their weights / square root of their number.
Nothing is needed to score but numpy, and the same text always has the same score. A model is a folder:
manifest.json (readable, with the hash of the weights) and weights.npz (arrays, never objects).
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.detectors import MANIFEST
from dlpagent.classifiers.words import I64, U32, Words
from dlpagent.errors import RuleError

FORMAT = 1
KIND = "trainable"
WEIGHTS = "weights.npz"

FEATURE_BITS = 18
WINDOW_WORDS, STEP_WORDS = 300, 150
"""A page of text, moved by half a page. A text up to a window and a half is one window."""

LEVELS = ("high", "medium", "low")

_GROUP = 1 << (32 - FEATURE_BITS - 3)
"""Windows whose features are sorted together: keys of 32 bits, some ten megabytes."""

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over the words of texts: [first, last) words, and the text each is of; ascending."""

    first: I64
    last: I64
    owners: I64

    def __len__(self) -> int:
        return len(self.first)


def windows_of(words: Words, min_words: int) -> Windows:
    """The windows of every text with at least min_words words."""
    if not len(words):
        none = np.zeros(0, dtype=np.int64)
        return Windows(none, none, none)
    cuts = np.flatnonzero(np.diff(words.owners)) + 1
    begins = np.concatenate([[0], cuts])
    many = np.diff(np.concatenate([begins, [len(words)]]))
    kept = many >= min_words
    begins, many = begins[kept], many[kept]
    over = np.maximum(0, many - WINDOW_WORDS)
    count = np.where(many <= WINDOW_WORDS * 3 // 2, 1, 1 + -(-over // STEP_WORDS))
    step = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    length = np.where(count == 1, many, WINDOW_WORDS)
    ends = np.repeat(begins + many, count)
    width = np.repeat(length, count)
    first = np.minimum(np.repeat(begins, count) + step * STEP_WORDS, ends - width)
    return Windows(first, first + width, words.owners[first].astype(np.int64))


def features_of(words: Words, windows: Windows) -> Iterator[tuple[int, I64, U32]]:
    """Distinct features, some windows at a time: (first window, rows from it on, features)."""
    singles, pairs, stems = _hashed(words)
    for start in range(0, len(windows), _GROUP):
        first = windows.first[start : start + _GROUP]
        last = windows.last[start : start + _GROUP]
        rows = np.repeat(np.arange(len(first)), last - first)
        at = np.arange(len(rows)) - np.repeat(
            np.cumsum(last - first) - (last - first), last - first
        )
        at += first[rows]
        inner = at < last[rows] - 1  # a pair must end in its window
        base = (rows << FEATURE_BITS).astype(np.uint32)
        keys = np.concatenate(
            [base | singles[at], base | stems[at], base[inner] | pairs[at[inner]]]
        )
        keys.sort()
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        mask = np.uint32((1 << FEATURE_BITS) - 1)
        yield start, (keys >> np.uint32(FEATURE_BITS)).astype(np.int64), keys & mask


def _hashed(words: Words) -> tuple[U32, U32, U32]:
    """Features that begin at each word: the word, the pair, the stem (apart from words like it)."""
    shift = np.uint64(64 - FEATURE_BITS)
    pairs = np.zeros(len(words), dtype=np.uint32)
    pairs[: max(0, len(words) - 1)] = words.runs(2) >> shift
    stems = (words.stems ^ np.uint32(0x5BD1E995)) >> np.uint32(32 - FEATURE_BITS)
    return (words.hashes >> shift).astype(np.uint32), pairs, stems


# --- the model --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Level:
    """A cut and what it gave on samples that neither the weights nor the cut were made from."""

    score: float
    precision: float
    recall: float
    f1: float
    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def probability(self) -> float:
        """The cut as a probability, if the class were as frequent as everything else."""
        return probability(self.score)


def probability(score: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, score))))


@dataclass(frozen=True)
class Model:
    """A trained class. weights: one per feature, 0 where none was learned."""

    name: str
    bias: float
    weights: npt.NDArray[np.float32]
    min_words: int
    levels: Mapping[str, Level]
    average_precision: float
    folds: int
    strength: float
    samples: Mapping[str, int]
    warnings: tuple[str, ...] = field(default=())

    def scores(self, words: Words, windows: Windows) -> F64:
        """The score of each window."""
        scores = np.zeros(len(windows))
        for start, rows, features in features_of(words, windows):
            size = int(rows[-1]) + 1 if len(rows) else 0
            total = np.bincount(rows, weights=self.weights[features], minlength=size)
            many = np.bincount(rows, minlength=size)
            scores[start : start + size] = total / np.sqrt(np.maximum(1, many))
        return scores + self.bias


def write_model(model: Model, folder: Path) -> None:
    """Write a model's two files; the manifest last, so that it never names weights that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    index = np.flatnonzero(model.weights).astype(np.uint32)
    with (folder / WEIGHTS).open("wb") as file:
        np.savez_compressed(file, index=index, value=model.weights[index])
    manifest = {
        "v": FORMAT,
        "kind": KIND,
        "name": model.name,
        "samples": dict(model.samples),
        "folds": model.folds,
        "average_precision": model.average_precision,
        "levels": {name: _level(item) for name, item in model.levels.items()},
        "warnings": list(model.warnings),
        "bias": model.bias,
        "strength": model.strength,
        "min_words": model.min_words,
        "window_words": WINDOW_WORDS,
        "feature_bits": FEATURE_BITS,
        "features": len(index),
        "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")


def _level(item: Level) -> dict[str, Any]:
    return {
        "score": item.score,
        "probability": round(item.probability, 4),
        "precision": item.precision,
        "recall": item.recall,
        "f1": item.f1,
        "true_positives": item.true_positives,
        "false_positives": item.false_positives,
        "false_negatives": item.false_negatives,
    }


def read_model(folder: Path, *, with_weights: bool = True) -> Model:
    """Read a model. Raises RuleError when it is missing, damaged or of another version.

    with_weights False reads the manifest only: enough to check and to show, not to score.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        weights = _weights(folder, manifest) if with_weights else np.zeros(0, dtype=np.float32)
        return _model(manifest, weights)
    except OSError as error:
        why = f"none that can be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        why = str(error) if isinstance(error, _UnfitError) else "other files"
    raise RuleError(
        "the model cannot be used", where=str(folder),
        expected=f"a model of version {FORMAT}: {MANIFEST} and {WEIGHTS} that belong together",
        found=why, remedy="Train it anew: dlpagent rules train SAMPLES -o PACKDIR --name NAME",
    )  # fmt: skip


class _UnfitError(ValueError):
    """Why a model that can be read is not one we can use."""


def _weights(folder: Path, manifest: dict[str, Any]) -> npt.NDArray[np.float32]:
    data = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["weights_sha256"]:
        raise _UnfitError("weights that are not those of the manifest")
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        index, value = arrays["index"], arrays["value"]
    weights = np.zeros(1 << FEATURE_BITS, dtype=np.float32)
    if index.shape != value.shape or (len(index) and int(index.max()) >= len(weights)):
        raise _UnfitError("weights of another size")
    weights[index] = value
    if not np.all(np.isfinite(weights)):
        raise _UnfitError("weights that are no numbers")
    return weights


def _model(manifest: dict[str, Any], weights: npt.NDArray[np.float32]) -> Model:
    if manifest["kind"] != KIND or manifest["v"] != FORMAT:
        raise _UnfitError(f"version {int(manifest['v'])}")
    if (manifest["window_words"], manifest["feature_bits"]) != (WINDOW_WORDS, FEATURE_BITS):
        raise _UnfitError("windows or features of another size")
    levels = {
        name: Level(
            score=float(item["score"]),
            precision=float(item["precision"]),
            recall=float(item["recall"]),
            f1=float(item["f1"]),
            true_positives=int(item["true_positives"]),
            false_positives=int(item["false_positives"]),
            false_negatives=int(item["false_negatives"]),
        )
        for name, item in manifest["levels"].items()
    }
    return Model(
        name=str(manifest["name"]),
        bias=float(manifest["bias"]),
        weights=weights,
        min_words=int(manifest["min_words"]),
        levels=levels,
        average_precision=float(manifest["average_precision"]),
        folds=int(manifest["folds"]),
        strength=float(manifest["strength"]),
        samples={str(key): int(value) for key, value in manifest["samples"].items()},
        warnings=tuple(str(item) for item in manifest["warnings"]),
    )
