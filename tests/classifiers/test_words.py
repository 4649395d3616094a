"""Words as numbers: the same word the same number wherever it stands, places as in the text."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers import words as module
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.words import Words, hashed_words, words_of

TEXTS = st.lists(st.text(st.sampled_from("ab zé9_-\n契ไ\u0301\U0001f600"), max_size=30), max_size=6)


def shown(texts: list[str], words: Words) -> list[tuple[int, str]]:
    return [
        (owner, texts[owner][start:end])
        for owner, start, end in zip(
            words.owners.tolist(), words.starts.tolist(), words.ends.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n-_", []),
        ("date of birth:", ["date", "of", "birth"]),
        ("a_b-c'd", ["a", "b", "c", "d"]),
        ("größe 12½", ["größe", "12½"]),
        ("जन्म तिथि", ["जन्म", "तिथि"]),
        ("契約書 no7", ["契", "約", "書", "no7"]),
        ("生年月日1987", ["生", "年", "月", "日", "1987"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("\ud800x", ["x"]),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert [word for _, word in shown([text], hashed_words([text]))] == words


@given(TEXTS)
def test_equal_words_have_equal_hashes_and_others_do_not(texts: list[str]) -> None:
    words = hashed_words(texts)
    found = shown(texts, words)
    by_hash = {code: word for code, (_, word) in zip(words.hashes.tolist(), found, strict=True)}
    assert len(by_hash) == len({word for _, word in found})
    assert [by_hash[code] for code in words.hashes.tolist()] == [word for _, word in found]


@given(TEXTS)
def test_a_batch_gives_what_its_texts_give_alone(texts: list[str]) -> None:
    together = hashed_words(texts)
    for owner, text in enumerate(texts):
        alone = hashed_words([text])
        part = together.of(owner)
        assert together.hashes[part].tolist() == alone.hashes.tolist()
        assert together.starts[part].tolist() == alone.starts.tolist()


def test_long_texts_are_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"word{number % 97} 契" for number in range(2_000))
    whole = hashed_words([text])
    monkeypatch.setattr(module, "BLOCK_CHARS", 1_500)
    pieces = hashed_words(["before", text, "after"])
    part = pieces.of(1)
    assert pieces.hashes[part].tolist() == whole.hashes.tolist()
    assert pieces.ends[part].tolist() == whole.ends.tolist()
    assert shown(["before", text, "after"], pieces)[-1] == (2, "after")


def test_a_run_is_the_same_wherever_it_stands() -> None:
    words = hashed_words(["one two three", "zero one two three four"])
    runs = words.runs(3)
    assert runs[0] == runs[4]
    assert len(runs) == len(words) - 2
    assert len(set(runs.tolist())) == len(runs) - 1
    assert not len(hashed_words(["one"]).runs(3))


def test_the_stem_joins_forms_of_a_word() -> None:
    words = hashed_words(["contract contracts contractual control"])
    assert len(set(words.stems.tolist())) == 1
    assert len(set(words.hashes.tolist())) == 4
    near = hashed_words(["contract contact contest"])
    assert len(set(near.stems.tolist())) == 3
    assert near.stems[0] == words.stems[0]


def test_a_batch_is_hashed_once_for_all_who_look_at_it() -> None:
    batch = [Subject.of("One two")]
    assert words_of(batch) is words_of(batch)
    again = [Subject.of("One two")]
    assert words_of(again) is not words_of(batch)
    assert np.array_equal(words_of(again).hashes, words_of(batch).hashes)


def test_words_keep_to_what_regexes_call_words_in_plain_text() -> None:
    text = "The quick brown fox, aged 12, jumped over (two) lazy dogs."
    found = [word for _, word in shown([text.lower()], hashed_words([text.lower()]))]
    assert found == re.findall(r"[a-z0-9]+", text.lower())
