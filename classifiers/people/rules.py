"""Names of persons by rules: runs of capitalised words, what they are made of and what stands beside.

A candidate's score is between 0 and 1; joining.py weighs it against what a model says. The numbers
were chosen on development corpora (docs/named-entities.md), not learned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlpagent.classifiers.people.lexicon import Lexicon, lexicon
from dlpagent.classifiers.people.runs import WORD, Word, are_joined, runs, words_of
from dlpagent.classifiers.people.surroundings import CUES, Place, is_glued, is_in_address, is_thing

TITLED = 0.9
HIGHEST = 0.9
LONGEST_NAME = 4

_ACRONYMS = frozenset(
    ("I", "A", "OK", "UK", "US", "USA", "PO", "ID", "PIN", "SMS", "APP", "AI", "IT")
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run of words that may be a name. why: what spoke for it, for traces; no part of the text."""

    start: int
    end: int
    score: float
    why: str


def candidates(text: str) -> Iterator[Candidate]:
    """Every run of words in a text that may be a person's name, with its score."""
    words = lexicon()
    for run in runs(text):
        titled, rest = _without_edges(run, words)
        if rest:
            yield from _judged(Place(text, rest, words), titled=titled)
    yield from _small(text, words)


def _without_edges(run: list[Word], words: Lexicon) -> tuple[bool, list[Word]]:
    """Whether a title stands before a run, and the run without titles and words that begin no name."""
    titled = False
    while run:
        if words.is_title(run[0].text):
            titled = True
        elif titled or not (words.is_common(run[0].text) or run[0].text in _ACRONYMS):
            break
        run = run[1:]
    while run and words.is_common(run[-1].text):
        run = run[:-1]
    if len(run) > 2 and words.may_be_given(run[0].text) and not words.is_given(run[0].text):
        run = run[1:] if words.is_given(run[1].text) else run
    return titled, [] if all(word.is_initial for word in run) else run


def _judged(place: Place, *, titled: bool) -> Iterator[Candidate]:
    score, why = _by_make(place.run, place.words)
    if is_glued(place):
        return
    if titled:
        score, why = TITLED, "title"
    elif is_thing(place) or is_in_address(place):
        score, why = min(score - 0.5, 0.1), "part of an address or a thing"
    else:
        cue = next((cue for cue in CUES if cue.holds(place)), None)
        if cue is not None:
            score = max(min(score + cue.gain, HIGHEST), cue.least)
            why = f"{cue.name}, {why}"
    if score > 0:
        yield Candidate(place.start, place.end, round(score, 2), why)


# --- what a run is made of ----------------------------------------------------------------------


def _by_make(run: Sequence[Word], words: Lexicon) -> tuple[float, str]:
    """How much a run looks like a name by its words alone."""
    names = [
        word for word in run
        if not (word.is_initial or words.is_particle(word.text) or words.is_suffix(word.text))
    ]  # fmt: skip
    if not names:
        return 0.0, ""
    first, last = names[0].text, names[-1].text
    if len(run) == 1:
        return _single(first, words)
    if len(names) == 1:  # J. Smith, Smith J.
        known = words.may_be_family(last) or words.may_be_given(last)
        return (0.75, "initial and name") if known else (0.4, "initial")
    if len(names) > LONGEST_NAME:
        return 0.2, "long"
    middle = any(word.is_initial for word in run[1:-1])
    return _given_first(names, words, middle=middle) or _family_known(names, words, middle=middle)


def _single(word: str, words: Lexicon) -> tuple[float, str]:
    if word.isupper():
        return (0.35, "given name") if words.is_given(word) else (0.1, "capitals")
    if words.is_place(word):
        return (0.3 if words.may_be_given(word) else 0.1), "place"
    if words.is_given(word):
        return 0.65, "given name"
    if words.has_family_ending(word):
        return 0.55, "ending of a family name"
    if words.is_family(word):
        return 0.4, "family name"
    return (0.25, "word and name") if words.may_be_given(word) else (0.2, "capitalised")


def _given_first(names: list[Word], words: Lexicon, *, middle: bool) -> tuple[float, str] | None:
    first, last = names[0].text, names[-1].text
    if words.is_given(first):
        if words.may_be_family(last) or middle:
            return 0.9, "given and family name"
        return (0.45 if all(word.is_shouted for word in names) else 0.75), "given name"
    if len(names) == 2 and words.is_chinese(first, last) and not words.is_place(last):
        return 0.65, "family name first"
    if words.may_be_given(first) and words.is_family(last) and not words.is_place(last):
        return 0.8, "given and family name"
    return None


def _family_known(names: list[Word], words: Lexicon, *, middle: bool) -> tuple[float, str]:
    first, last = names[0].text, names[-1].text
    if words.is_family(last) and words.is_family(first):
        return 0.65, "family names"
    if middle:
        return 0.75, "initial inside"
    if words.may_be_given(first) and words.may_be_family(last):
        return 0.5, "words that are names, too"
    if words.is_family(last) and not words.is_thing(first):
        strong = 0.6 if words.has_family_ending(last) else 0.55
        return (0.35 if words.may_be_given(first) else strong), "family name"
    if words.is_given(last) and words.may_be_family(first):
        return 0.7, "family and given name"
    return 0.2, "capitalised"


# --- names without capitals ---------------------------------------------------------------------

_ANNOUNCED = re.compile(
    r"\b(?:my name is|name's|call me|calls me|leave me|named|je m'appelle|me llamo)\s+"
    r"([^\W\d_]{2,}(?: [^\W\d_]{2,})?)",
    re.IGNORECASE,
)
_ROW = re.compile(r"\b[a-zß-ÿ]+(?:, [a-zß-ÿ]+){2,}(?:,? and [a-zß-ÿ]+)?")


def _small(text: str, words: Lexicon) -> Iterator[Candidate]:
    """Names written small: announced, in a row of them, in a text that knows no capitals."""
    yield from _announced(text, words)
    yield from _in_rows(text, words)
    if not any(char.isupper() for char in text):
        yield from _in_small_text(text, words)


def _announced(text: str, words: Lexicon) -> Iterator[Candidate]:
    for match in _ANNOUNCED.finditer(text):
        first, _, last = match.group(1).partition(" ")
        if not first[0].islower() or words.is_thing(first) or words.is_common(first):
            continue
        known_last = bool(last) and (words.is_family(last) or words.is_given(last))
        end = match.start(1) + (len(match.group(1)) if known_last else len(first))
        if known_last or words.may_be_given(first) or words.may_be_family(first):
            yield Candidate(match.start(1), end, 0.75, "announced")


def _in_rows(text: str, words: Lexicon) -> Iterator[Candidate]:
    for match in _ROW.finditer(text):
        inside = [word for word in WORD.finditer(text, *match.span()) if word.group() != "and"]
        known = [word for word in inside if words.is_given(word.group())]
        if len(known) * 2 > len(inside):
            for word in inside:
                yield Candidate(word.start(), word.end(), 0.6, "row of names")


def _in_small_text(text: str, words: Lexicon) -> Iterator[Candidate]:
    found = list(words_of(text))
    taken = -1
    for place, word in enumerate(found):
        if place <= taken or len(word.text) < 3 or words.is_thing(word.text):
            continue
        titled = (
            place > 0 and len(found[place - 1].text) < 5 and words.is_title(found[place - 1].text)
        )
        if titled and not words.is_common(word.text) and not words.is_given(word.text):
            yield Candidate(word.start, word.end, 0.7, "title, small")
        if words.is_given(word.text):
            taken = _end_of_name(text, found, place, words)
            score = 0.8 if taken > place else 0.55
            yield Candidate(word.start, found[taken].end, score, "written small")


def _end_of_name(text: str, found: list[Word], place: int, words: Lexicon) -> int:
    """The place of the last word of a name written small that begins with a given name."""
    last = place
    for other in found[place + 1 : place + 4]:
        if not are_joined(text, found[last], other):
            break
        if len(other.text) > 1 and not words.is_family(other.text):
            break
        last += 1
    return last
