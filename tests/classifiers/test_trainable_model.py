"""Models as files, windows over words, and scores that depend on nothing but the text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.trainable_model import (
    STEP_WORDS,
    WINDOW_WORDS,
    Level,
    Model,
    features_of,
    probability,
    read_model,
    windows_of,
    write_model,
)
from dlpagent.classifiers.words import Words, hashed_words
from dlpagent.errors import RuleError


def words_in(*texts: str) -> Words:
    return hashed_words([Subject.of(text).low for text in texts])


def random_model() -> Model:
    rng = np.random.default_rng(7)
    weights = rng.normal(size=1 << 18).astype(np.float32)
    weights[rng.random(len(weights)) < 0.9] = 0
    level = Level(0.5, 0.9, 0.8, 0.85, 8, 1, 2)
    return Model("x", -0.25, weights, 4, {"medium": level}, 0.9, 5, 0.01, {"positive": 10}, ("w",))


MODEL = random_model()


@pytest.mark.parametrize(
    ("many", "windows"),
    [
        (3, []),
        (4, [(0, 4)]),
        (WINDOW_WORDS, [(0, WINDOW_WORDS)]),
        (450, [(0, 450)]),
        (451, [(0, 300), (150, 450), (151, 451)]),
        (600, [(0, 300), (150, 450), (300, 600)]),
        (700, [(0, 300), (150, 450), (300, 600), (400, 700)]),
    ],
)
def test_windows_overlap_by_half_and_end_with_the_text(
    many: int, windows: list[tuple[int, int]]
) -> None:
    found = windows_of(words_in("before and after it", "w " * many), 4)
    assert found.owners.tolist() == [0] + [1] * len(windows)
    assert list(zip(found.first - 4, found.last - 4, strict=True))[1:] == windows


@given(st.lists(st.integers(0, 1500), max_size=5))
def test_every_word_of_a_text_that_is_judged_lies_in_a_window(lengths: list[int]) -> None:
    words = words_in(*("a " * many for many in lengths))
    windows = windows_of(words, 8)
    covered = np.zeros(len(words), dtype=bool)
    for first, last, owner in zip(windows.first, windows.last, windows.owners, strict=True):
        assert set(words.owners[first:last]) == {owner}
        assert last - first <= WINDOW_WORDS * 3 // 2
        covered[first:last] = True
    for owner, many in enumerate(lengths):
        assert covered[words.of(owner)].all() == (many >= 8) or many == 0
    assert STEP_WORDS < WINDOW_WORDS


def test_features_are_distinct_words_pairs_and_stems() -> None:
    words = words_in("one two one two one")
    ((_, rows, features),) = features_of(words, windows_of(words, 1))
    assert len(features) == len(set(features.tolist())) == 2 + 2 + 2  # words, stems, two pairs
    assert not rows.any()
    words = words_in("one two")
    ((_, _, fewer),) = features_of(words, windows_of(words, 1))
    assert set(fewer.tolist()) < set(features.tolist())  # the pair (two, one) is missing


@given(st.lists(st.text(st.sampled_from("ab cé契\n"), max_size=60), min_size=1, max_size=6))
@settings(max_examples=40)
def test_a_text_scores_the_same_alone_and_in_any_batch(texts: list[str]) -> None:
    words = words_in(*texts)
    windows = windows_of(words, 1)
    together = MODEL.scores(words, windows)
    for owner, text in enumerate(texts):
        alone = words_in(text)
        expected = MODEL.scores(alone, windows_of(alone, 1))
        assert together[windows.owners == owner].tolist() == expected.tolist()


def test_many_windows_score_as_few_do() -> None:
    texts = [f"alpha {number} beta {number % 7}" for number in range(5_000)]
    words = words_in(*texts)
    scores = MODEL.scores(words, windows_of(words, 1))
    few = words_in(*texts[4_990:])
    assert scores[4_990:].tolist() == MODEL.scores(few, windows_of(few, 1)).tolist()


def test_unknown_words_score_the_bias() -> None:
    empty = Model("x", -0.25, np.zeros(1 << 18, "f4"), 1, {}, 0.0, 5, 0.1, {})
    words = words_in("whatever this says")
    assert empty.scores(words, windows_of(words, 1)).tolist() == [-0.25]


def test_a_model_written_is_the_model_read(tmp_path: Path) -> None:
    write_model(MODEL, tmp_path / "m")
    again = read_model(tmp_path / "m")
    assert np.array_equal(again.weights, MODEL.weights)
    assert (again.bias, again.levels, again.samples, again.warnings, again.min_words) == (
        MODEL.bias, MODEL.levels, MODEL.samples, MODEL.warnings, MODEL.min_words,
    )  # fmt: skip
    first = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    write_model(MODEL, tmp_path / "n")
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "n").iterdir()}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"v": 2}, "version 2"),
        ({"kind": "fingerprint"}, "version 1"),
        ({"weights_sha256": "00"}, "not those of the manifest"),
        ({"window_words": 100}, "another size"),
        ({"levels": {"low": {}}}, "other files"),
        ({"samples": None}, "other files"),
        ({"bias": "x"}, "other files"),
    ],
)
def test_a_manifest_that_does_not_fit_is_an_error(
    changes: dict[str, object], found: str, tmp_path: Path
) -> None:
    write_model(MODEL, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    with pytest.raises(RuleError) as caught:
        read_model(tmp_path)
    assert found in str(caught.value)
    assert "Train it anew" in str(caught.value)


def resealed(folder: Path, **arrays: object) -> None:
    """Other weights, with a manifest that names them."""
    import hashlib

    with (folder / "weights.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["weights_sha256"] = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "arrays",
    [
        {"index": np.array([1 << 18], "u4"), "value": np.array([1.0], "f4")},
        {"index": np.array([1, 2], "u4"), "value": np.array([1.0], "f4")},
        {"index": np.array([1], "u4"), "value": np.array([np.nan], "f4")},
        {"index": np.array([1], "u4"), "value": np.array([{"an": "object"}], object)},
        {"index": np.array([1], "u4")},
    ],
)
def test_weights_that_do_not_fit_are_an_error_and_objects_are_never_built(
    arrays: dict[str, object], tmp_path: Path
) -> None:
    write_model(MODEL, tmp_path)
    resealed(tmp_path, **arrays)
    with pytest.raises(RuleError, match="cannot be used"):
        read_model(tmp_path)


def test_a_missing_model_and_a_torn_one_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="No such file"):
        read_model(tmp_path)
    write_model(MODEL, tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"PK")
    with pytest.raises(RuleError, match="belong together"):
        read_model(tmp_path)


@pytest.mark.parametrize(("score", "chance"), [(0, 0.5), (-1e9, 0.0), (1e9, 1.0), (2.0, 0.8808)])
def test_scores_are_probabilities_by_the_logistic_function(score: float, chance: float) -> None:
    assert probability(score) == pytest.approx(chance, abs=1e-4)
