"""Learning: what can be told apart is, what cannot be is said, and nothing of the samples is kept."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.trainable_model import Model, windows_of
from dlpagent.classifiers.trainable_samples import Sample
from dlpagent.classifiers.trainable_training import average_precision, measured_levels, train
from dlpagent.classifiers.words import hashed_words
from dlpagent.errors import ConfigurationError
from tests.classifiers.forms import filled, template
from tests.classifiers.letters import KINDS, letter, others, resignations

DOCS = Path(__file__).resolve().parents[2] / "docs"


def sides(positive: list[str], negative: list[str]) -> list[Sample]:
    return [
        *(Sample(text, True, f"p{place}") for place, text in enumerate(positive)),
        *(Sample(text, False, f"n{place}") for place, text in enumerate(negative)),
    ]


@cache
def model() -> Model:
    return train(sides(resignations(50), others(100)), "resignation")


def scores(model: Model, texts: list[str]) -> list[float]:
    """The best score of each text; the lowest there is for texts that are not judged."""
    words = hashed_words([Subject.of(text).low for text in texts])
    windows = windows_of(words, model.min_words)
    best = np.full(len(texts), -99.0)
    np.maximum.at(best, windows.owners, model.scores(words, windows))
    return best.tolist()


def test_letters_never_seen_are_told_apart() -> None:
    high = model().levels["high"].score
    low = model().levels["low"].score
    assert np.mean([score >= high for score in scores(model(), resignations(100, 5_000))]) >= 0.97
    assert np.mean([score >= low for score in scores(model(), others(200, 5_000))]) <= 0.02


def test_near_misses_of_the_same_people_and_dates_are_not_of_the_class() -> None:
    texts = [
        letter(kind, seed) for kind in ("offer", "leave", "reference") for seed in range(900, 940)
    ]
    medium = model().levels["medium"].score
    assert np.mean([score >= medium for score in scores(model(), texts)]) <= 0.03


def test_text_unlike_any_sample_is_below_every_level() -> None:
    unlike = [
        "Les comptes de l'exercice ont été approuvés par l'assemblée générale ordinaire. " * 4,
        "xk qv zzrt plmf owkd njhg bvcx yuio qwer asdf ghjk " * 9,
        "本日は晴天なり。会議の資料を添付します。ご確認のほどよろしくお願いいたします。" * 4,
        "0 1 2 3 4 5 6 7 8 9 " * 30,
    ]
    lowest = min(level.score for level in model().levels.values())
    assert max(scores(model(), unlike)) < lowest


def test_few_samples_do_not_make_all_other_text_be_of_the_class() -> None:
    """With few samples the bias lies far up; levels must lie above it all the same."""
    found = train(sides(resignations(25), others(40)), "few")
    assert min(level.score for level in found.levels.values()) > found.bias
    pages = "\n\n".join(path.read_text("utf-8") for path in sorted(DOCS.glob("s*.md")))
    paragraphs = [text for text in pages.split("\n\n") if len(text) > 300]
    lowest = min(level.score for level in found.levels.values())
    assert len(paragraphs) > 20
    assert np.mean([score >= lowest for score in scores(found, paragraphs)]) <= 0.05


def test_levels_are_in_order_and_their_figures_add_up() -> None:
    levels = model().levels
    assert levels["high"].score >= levels["medium"].score >= levels["low"].score
    for level in levels.values():
        assert level.true_positives + level.false_negatives == model().samples["positive"]
        said = level.true_positives + level.false_positives
        assert level.precision == pytest.approx(level.true_positives / said, abs=1e-4)
    assert levels["low"].recall >= levels["high"].recall


def test_the_same_samples_give_the_same_model() -> None:
    again = train(sides(resignations(50), others(100)), "resignation")
    assert np.array_equal(again.weights, model().weights)
    assert (again.bias, again.levels) == (model().bias, model().levels)


def test_what_cannot_be_told_apart_is_measured_as_such() -> None:
    texts = [letter(kind, seed) for seed in range(20) for kind in KINDS]
    random.Random(2).shuffle(texts)
    found = train(sides(texts[:60], texts[60:]), "nothing")
    assert found.average_precision < 0.6
    assert "high" not in found.levels
    assert all(level.score > found.bias for level in found.levels.values())
    assert any("no level high" in warning for warning in found.warnings)
    assert max((level.precision for level in found.levels.values()), default=0) < 0.7


def test_both_sides_count_alike_however_many_samples_they_have() -> None:
    """Of texts that cannot be told apart the larger side is not the likelier one."""
    texts = [letter(kind, seed) for seed in range(25) for kind in KINDS]
    random.Random(2).shuffle(texts)
    found = train(sides(texts[:30], texts[30:]), "nothing")
    each = scores(found, texts)
    assert abs(np.mean(each[:30]) + np.mean(each[30:])) / 2 < 0.5


def test_figures_are_of_texts_that_were_not_learned_from() -> None:
    """A tenth of wrong labels cannot be foreseen: figures that hide them would be of known texts."""
    positive, negative = resignations(60), others(120)
    positive[:12], negative[:12] = negative[:12], positive[:12]
    found = train(sides(positive, negative), "partly wrong")
    medium = found.levels["medium"]
    assert medium.precision < 0.95
    assert medium.recall < 0.95


def test_the_figures_of_a_fold_are_taken_at_cuts_of_the_other_folds() -> None:
    """A fold whose positive samples score lower is missed by what the other folds say."""
    fold = np.repeat(np.arange(5), 20)
    labels = np.tile(np.arange(20) < 10, 5)
    held_out = np.where(labels, 3.0, -3.0)
    held_out[(fold == 0) & labels] = -0.5
    medium = measured_levels(held_out, labels, fold, -9.0)["medium"]
    assert medium.score == pytest.approx(-1.75)  # of all folds, as the model has it
    assert (medium.recall, medium.precision) == (0.8, 1.0)


def test_weights_stand_only_for_what_several_samples_share() -> None:
    secret = "the vault code of Penelope Quartermaine is heliotrope seventeen"
    positive = [
        f"{text}\n{secret}" if place == 7 else text for place, text in enumerate(resignations(50))
    ]
    found = train(sides(positive, others(100)), "x")
    words = hashed_words(["penelope quartermaine heliotrope vault"])
    singles = (words.hashes >> np.uint64(64 - 18)).astype(np.int64)
    assert not found.weights[singles].any()
    assert np.count_nonzero(found.weights) < 5_000


@pytest.mark.parametrize(
    ("positive", "negative", "said"),
    [
        (resignations(5), others(100), "too few samples"),
        (resignations(30), others(10), "150 to 1,500 negative"),
        (resignations(1) * 60, others(100), "1 positive"),
        (["too short a text"] * 50, others(100), "0 positive"),
        ([], [], "0 positive and 0 negative"),
        (resignations(30), [*others(60), resignations(1)[0]], "p0 and n60"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    positive: list[str], negative: list[str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        train(sides(positive, negative), "x")
    assert said in str(caught.value)


@pytest.mark.parametrize("folds", [1, 21])
def test_folds_out_of_range_are_refused(folds: int) -> None:
    with pytest.raises(ConfigurationError, match="folds"):
        train(sides(resignations(30), others(40)), "x", folds=folds)


def test_copies_of_one_form_are_too_much_alike_to_be_measured() -> None:
    copies = [filled(template("nda"), seed, longest=2) for seed in range(30)]
    with pytest.raises(ConfigurationError, match="by its fingerprint"):
        train(sides(copies, others(60)), "x")


def test_near_copies_stay_in_one_fold_and_are_told() -> None:
    copies = [f"{letter('resignation', 1)}\nPS: {seed} {seed * 7}" for seed in range(12)]
    found = train(sides([*resignations(30, 100), *copies], others(60)), "x")
    assert any("11 positive" in warning for warning in found.warnings)
    assert found.samples["near_copies"] >= 11


def test_doubles_and_short_texts_are_left_out_and_counted() -> None:
    found = train(sides([*resignations(30), *resignations(4)], [*others(40), "yes"]), "x")
    assert (found.samples["positive"], found.samples["negative"]) == (30, 40)
    assert (found.samples["doubles_left_out"], found.samples["too_short"]) == (4, 1)
    assert any("4 double(s)" in warning for warning in found.warnings)


def test_too_many_samples_are_thinned_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlpagent.classifiers.trainable_training.MAX_SAMPLES", 100)
    found = train(sides(resignations(120), others(60)), "x")
    assert found.samples["thinned_out"] == 80
    assert found.samples["positive"] == 40
    assert found.samples["negative"] == 60


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=12))
def test_average_precision_is_what_counting_gives(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    labels = np.array([label for _, label in pairs])
    each = [
        sum(label for other, label in pairs if other >= score)
        / sum(other >= score for other, _ in pairs)
        for score, label in pairs
        if label
    ]
    wanted = sum(each) / len(each) if each else 0.0
    assert average_precision(scores, labels) == pytest.approx(wanted)
