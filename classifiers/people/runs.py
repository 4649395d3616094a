"""Words and runs of words: capitalised words with blanks, initials and particles between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dlpagent.classifiers.people.lexicon import lexicon

WORD = re.compile(r"[^\W\d_]+(?:['-](?!s\b)[^\W\d_]+)*")
_JOINS = re.compile(r"[ \t]{1,2}|\.[ ]?|-")
LONGEST_RUN = 12
_ABBREVIATED = ("St", "Chr", "Jos")


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its place."""

    text: str
    start: int
    end: int

    @property
    def is_initial(self) -> bool:
        return len(self.text) == 1 and self.text.isupper()

    @property
    def is_capital(self) -> bool:
        return self.text[0].isupper() and len(self.text) > 1

    @property
    def is_shouted(self) -> bool:
        return len(self.text) > 1 and self.text.isupper()


def words_of(text: str) -> Iterator[Word]:
    """Every word of a text. A possessive s is no part of one."""
    for match in WORD.finditer(text):
        yield Word(match.group(), match.start(), match.end())


def runs(text: str) -> Iterator[list[Word]]:
    """The longest runs of capitalised words of a text."""
    words = lexicon()
    run: list[Word] = []
    pending: list[Word] = []  # particles: part of the run if a capitalised word follows
    for word in words_of(text):
        last = (pending or run or [None])[-1]  # type: ignore[list-item]
        if run and last is not None and not are_joined(text, last, word):
            yield run
            run, pending = [], []
        if len(run) >= LONGEST_RUN:
            yield run
            run, pending = [], []
        if word.is_capital or word.is_initial:
            run += [*pending, word]
            pending = []
        elif run and words.is_particle(word.text) and len(pending) < 2:
            pending.append(word)
        elif run:
            yield run
            run, pending = [], []
    if run:
        yield run


def are_joined(text: str, left: Word, right: Word) -> bool:
    """Whether nothing but a blank, or the dot of an abbreviation, stands between two words."""
    if _JOINS.fullmatch(text, left.end, right.start) is None:
        return False
    return text[left.end] != "." or _may_end_in_dot(left)


def _may_end_in_dot(word: Word) -> bool:
    words = lexicon()
    return (
        word.is_initial
        or words.is_title(word.text)
        or words.is_suffix(word.text)
        or word.text in _ABBREVIATED
    )
