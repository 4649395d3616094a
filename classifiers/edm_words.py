"""How values of an EDM store and words of a text are made comparable.

A value is compared as a whole: compatibility characters folded, ignored delimiters left out, blanks
in a row counted as one, nothing but letters, digits and what stands between them; case as the field
says. In a text it is looked for as one to so many words in a row, so it never begins inside a word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from dlpagent.classifiers.edm_schema import Field
from dlpagent.classifiers.normalise import Subject, shadow_of

# Scripts written without blanks between words: each sign is a word, a name is several.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_ASCII_WORD = re.compile("[A-Za-z0-9]+")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[\u0300-\u036f])*")
_DIGIT = re.compile(r"\d")
# and what compatibility folding turns into digits: superscripts, fractions, circled numbers
_DIGITS = re.compile(
    "[\\d\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u218b\u2460-\u24ff\u2776-\u2793"
    "\u3220-\u33ff\U0001d7ce-\U0001d7ff\U0001f100-\U0001f10a]+"
)
_EDGE = re.compile(r"\A[\W_]+|[\W_]+\Z")

MAX_PIECES = 16
"""Words that ignored delimiters may break a value into, at most."""

Span = tuple[int, int]


def words_of(text: str) -> list[Span]:
    """The words of a shadow text."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return [match.span() for match in pattern.finditer(text)]


def word_list(text: str) -> list[str]:
    """The words of a shadow text, as they are written."""
    if text.isascii():
        return [text] if text.isalnum() else _ASCII_WORD.findall(text)
    return _WORD.findall(text)


def normal(text: str, column: Field) -> str:
    """A value, or a piece of shadow text, as it is compared; empty when it holds no letter or digit."""
    if column.ignored_delimiters:
        text = text.translate(_without(column.ignored_delimiters))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = " ".join(text.split())
    if text and not (text[0].isalnum() and text[-1].isalnum()):
        text = _EDGE.sub("", text)
    return text.casefold() if column.case_insensitive else text


@lru_cache(maxsize=256)
def _without(delimiters: str) -> dict[int, None]:
    if " " in delimiters:
        delimiters += "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85"  # a line may be broken where a blank stands
    return dict.fromkeys(map(ord, delimiters))


def folded(word: str, column: Field) -> str:
    """A word as it is compared when a value begins with it."""
    if not word.isascii():
        word = unicodedata.normalize("NFKC", word)
    return word.casefold() if column.case_insensitive else word


def kind_of(word: str) -> str:
    """d: digits only; a: letters only; x: everything else."""
    if word.isdigit():
        return "d"
    return "a" if word.isalpha() else "x"


@dataclass(slots=True)
class Extent:
    """What is known of a column's values without knowing them: it spares most of the looking up.

    chars: length as compared; words: number of words as written; first: length of the first word by
    kind_of(); digits_only, has_digit: every value is only digits, holds one, as compared.
    """

    filled: int = 0
    min_chars: int = 0
    max_chars: int = 0
    max_words: int = 0
    digits_only: bool = True
    has_digit: bool = True
    first: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, compared: Sequence[str], words: Sequence[list[str]], column: Field) -> Extent:
        """The extent of values, none of them empty: as compared, and their words as written."""
        sizes = [len(value) for value in compared]
        if not sizes:
            return cls()
        counts = [len(found) for found in words]
        extent = cls(0, min(sizes), max(sizes), max(counts))
        extent.digits_only = all(map(str.isdigit, compared))
        extent.has_digit = extent.digits_only or all(map(_DIGIT.search, compared))
        if not column.ignored_delimiters:  # with them, a text may write the first word another way
            firsts = [folded(found[0], column) for found in words if found]
            for kind in "dax":
                lengths = {len(word) for word in firsts if kind_of(word) == kind}
                if lengths:
                    extent.first[kind] = [min(lengths), max(lengths)]
        return extent

    def join(self, other: Extent) -> None:
        """Add what is known of more values of the same column."""
        if not other.max_chars:
            self.filled += other.filled
            return
        self.min_chars = min(self.min_chars or other.min_chars, other.min_chars)
        self.max_chars = max(self.max_chars, other.max_chars)
        self.max_words = max(self.max_words, other.max_words)
        self.digits_only = self.digits_only and other.digits_only
        self.has_digit = self.has_digit and other.has_digit
        self.filled += other.filled
        for kind, (low, high) in other.first.items():
            span = self.first.setdefault(kind, [low, high])
            span[0], span[1] = min(span[0], low), max(span[1], high)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Column:
    """A column and the extent of its values: which words of a text can be one."""

    field: Field
    extent: Extent

    def begins(self, word: str) -> str:
        """The word as compared when a value may begin with it, else empty."""
        extent = self.extent
        if not extent.max_chars:
            return ""
        word = folded(word, self.field)
        if self.field.ignored_delimiters:
            return word if not extent.digits_only or word.isdigit() else ""
        span = extent.first.get(kind_of(word))
        return word if span is not None and span[0] <= len(word) <= span[1] else ""

    def values(self, text: str, words: list[Span], first: int) -> Iterator[tuple[int, str]]:
        """What a value beginning at a word could be: the end in the text, and it as compared."""
        extent = self.extent
        start = words[first][0]
        for last in range(first, min(first + self._most_words, len(words))):
            end = words[last][1]
            value = normal(text[start:end], self.field)
            if len(value) > extent.max_chars:
                return
            if extent.digits_only and not value.isdigit():
                return
            if len(value) >= extent.min_chars and (not extent.has_digit or _DIGIT.search(value)):
                yield end, value

    @property
    def _most_words(self) -> int:
        least = MAX_PIECES if self.field.ignored_delimiters else 0
        return max(least, self.extent.max_words)

    def starts(self, words: Words) -> Iterable[int]:
        """The words of a text at which a value could begin: those before a digit if all hold one."""
        if not self.extent.has_digit:
            return range(len(words.spans))
        found: set[int] = set()
        for last in words.with_digits():
            size = 0
            for index in range(last, max(-1, last - self._most_words), -1):
                found.add(index)
                start, end = words.spans[index]
                size += end - start
                if size > 2 * self.extent.max_chars:  # twice: folding may join two signs to one
                    break
        return sorted(found)


@dataclass(slots=True)
class Words:
    """The words of one subject, found when first asked for."""

    subject: Subject
    _spans: list[Span] | None = None
    _starts: list[int] | None = None

    @property
    def spans(self) -> list[Span]:
        if self._spans is None:
            self._spans = words_of(self.subject.text)
        return self._spans

    def with_digits(self) -> Iterator[int]:
        """The words that hold a digit."""
        last = -1
        for match in _DIGITS.finditer(self.subject.text):
            index = bisect_right(self._begins(), match.start()) - 1
            if index > last:
                last = index
                yield index

    def from_(self, low: int) -> int:
        """The first word that begins at or after an offset."""
        return bisect_left(self._begins(), low)

    def _begins(self) -> list[int]:
        if self._starts is None:
            self._starts = [start for start, _ in self.spans]
        return self._starts


def written(value: str) -> str:
    """A value of the data as a text would show it: folded as texts are."""
    return value.strip() if value.isascii() else shadow_of(value).strip()
