"""The language model: pieces, places, and what happens without it."""

from __future__ import annotations

import importlib.util
from itertools import pairwise

import pytest

from dlpagent.classifiers.people import language_model
from dlpagent.classifiers.people.language_model import (
    ENGLISH,
    OVERLAP_CHARS,
    PIECE_CHARS,
    entities,
    reads_as_english,
    split,
)
from dlpagent.errors import ConfigurationError

SENTENCE = "Yesterday Angela Merkel met Barack Obama in Berlin. "


def test_pieces_cover_the_text_and_end_at_borders() -> None:
    text = SENTENCE * 400
    pieces = list(split(text))
    assert pieces[0][0] == 0
    assert pieces[-1][1] == len(text)
    for (_, end), (start, _) in pairwise(pieces):
        assert end - start == OVERLAP_CHARS
        assert text[end - 2 : end] == ". "
    assert max(end - start for start, end in pieces) <= PIECE_CHARS


def test_a_text_without_borders_is_cut_all_the_same() -> None:
    assert next(end - start for start, end in split("x" * (PIECE_CHARS + 1))) == PIECE_CHARS


def test_a_long_text_gives_every_entity_once_at_its_place() -> None:
    text = SENTENCE * 120
    (found,) = entities(ENGLISH, [text])
    persons = [text[item.start : item.end] for item in found if item.label == "PERSON"]
    assert persons.count("Barack Obama") == 120
    assert len({(item.start, item.end) for item in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The meeting with Angela is on Monday.", True),
        ("Das Treffen mit Angela ist am Montag und nicht im Büro.", False),
        ("La reunión con Angela es el lunes en la oficina.", False),
        ("Angela Merkel", True),
        ("I said: das ist ja gut, and they laughed at it for an hour.", True),
    ],
)
def test_a_text_in_another_language_does_not_read_as_english(text: str, wanted: bool) -> None:
    assert reads_as_english(text) is wanted


def test_a_model_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    language_model.load.cache_clear()
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == ENGLISH else plain(name)
    )
    with pytest.raises(ConfigurationError, match=r"pip install 'dlpagent\[ner\]'"):
        language_model.load(ENGLISH)


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    language_model.load.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert not language_model.is_installed(ENGLISH)
    with pytest.raises(ConfigurationError, match=r"pip install 'dlpagent\[ner\]'"):
        language_model.load(ENGLISH)


def test_an_unknown_model_is_never_downloaded() -> None:
    assert not language_model.is_installed("xx_no_such_model")
    with pytest.raises(ConfigurationError, match="never downloaded"):
        language_model.load("xx_no_such_model")
