"""Texts to measure on: the same for a seed, of the size asked for, with what is planted where it says."""

from __future__ import annotations

import csv
import functools
import random

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Pack
from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.service.bench.corpora import Corpus, Planter, corpora, customer, luhn, prose
from dlpagent.service.ner import choose


@functools.cache
def pack() -> Pack:
    return choose(builtin_pack(), "off").pack


@functools.cache
def all_corpora() -> tuple[Corpus, ...]:
    return tuple(corpora(pack()))


@pytest.mark.parametrize("corpus", all_corpora(), ids=lambda corpus: corpus.name)
def test_a_seed_gives_the_same_texts_of_the_size_asked_for(corpus: Corpus) -> None:
    texts = corpus.texts(3_000, seed=5)
    assert texts == corpus.texts(3_000, seed=5)
    size = sum(len(item.text.encode()) for item in texts)
    assert size >= 3_000
    assert size - len(texts[-1].text.encode()) < 3_000
    for item in texts:
        assert all(0 <= start < end <= len(item.text) for _, start, end in item.planted)


def test_names_of_corpora_are_their_own() -> None:
    names = [corpus.name for corpus in all_corpora()]
    assert len(names) == len(set(names))


def test_what_is_planted_is_found_under_its_own_sit() -> None:
    compiled, planter = CompiledPack(pack()), Planter(pack())
    chance = random.Random(11)
    for _ in range(8):
        text = planter.planted(chance, 500, 5)
        assert len(text.planted) == 5
        for sit, start, end in text.planted:
            found = evaluate(compiled, text.text, sits=[pack().sits[sit]]).hits
            assert any(hit.start < end and start < hit.end for hit in found), pack().sits[sit].name


def test_what_somebody_pastes_into_a_chat_is_found_where_it_was_pasted() -> None:
    compiled, planter = CompiledPack(pack()), Planter(pack())
    chance = random.Random(12)
    planted = [text for _ in range(24) if (text := planter.chat(chance)).planted]
    assert len(planted) >= 4
    for text in planted:
        ((sit, start, end),) = text.planted
        found = evaluate(compiled, text.text, sits=[pack().sits[sit]]).hits
        assert any(hit.start < end and start < hit.end for hit in found), pack().sits[sit].name


def test_prose_has_the_length_asked_for() -> None:
    assert [len(prose(random.Random(1), size)) for size in (1, 40, 1_000)] == [1, 40, 1_000]


def test_customer_rows_have_ten_fields_and_a_card_with_its_check_digit() -> None:
    for seed in range(50):
        (row,) = csv.reader([customer(random.Random(seed))])
        assert len(row) == 10
        assert VALIDATORS["luhn"](row[3])


def test_hostile_rows_that_differ_hold_no_piece_twice_and_no_true_card() -> None:
    for name, least in (("hostile-cards", 400), ("hostile-ibans", 200), ("hostile-tokens", 200)):
        (corpus,) = (one for one in all_corpora() if one.name == name)
        rows = [item.text for item in corpus.texts(10_000)]
        pieces = [
            piece for row in rows for piece in row.split("GB" if name == "hostile-ibans" else " ")
        ]
        held = [piece for piece in pieces if piece]
        assert len(set(held)) == len(held) > least
        if name == "hostile-cards":
            assert not any(VALIDATORS["luhn"](piece) for piece in held)


def test_luhn_gives_the_published_number() -> None:
    assert luhn("411111111111111") == "4111111111111111"
