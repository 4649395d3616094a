"""Keyword terms as byte patterns that match wherever the reference finds the term, or more.

They are looked for in flattened text, in which whatever a blank of a term may stand for
(compiled.GAP), and any longer run of that, is one space: so terms are literals, which are cheap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dlpagent.classifiers.cascade.database import CASELESS, Ints, Wanted
from dlpagent.classifiers.cascade.literals import MIN_BYTES, rate
from dlpagent.classifiers.compiled import GAP, is_word, term_finder
from dlpagent.classifiers.normalise import Subject, lowered, shadow_of
from dlpagent.classifiers.sit import Group, Keyword, Term

_BLANKS = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f_-"
_FLAT = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))
# Blanks of flattened text that no blank of a term stands for.
ODD_BLANKS = b"\x1c\x1d\x1e\x1f"

_RUN = re.compile(b"  +")
_FEED = 10
# Of several blanks at an edge of a term the first one stands in flattened text.
_EDGES = re.compile("^[-_]([-_ ]|$)|[-_ ][-_]$")
_BORDER = b"[^0-9A-Za-z]"

# How sure it is that a hit in flattened text is one of the term. SURE: it is. SPACED: if it is as long
# in the text. LOOK, LOOK_CASE: what stands there decides. ABOUT: only a search about it does.
SURE, SPACED, LOOK, LOOK_CASE, ABOUT = range(5)


@dataclass(frozen=True, slots=True)
class Written:
    """A term of a keyword list in flattened text, matched without regard to case.

    number: of the list. size: bytes of the term. before, after: bytes around it that the pattern takes.
    word: no letter or digit may touch it. sure: see above. text: the term.
    """

    number: int
    pattern: int
    wanted: Wanted
    size: int
    before: int
    after: int
    word: int
    case_sensitive: int
    sure: int
    text: str


@dataclass(frozen=True, slots=True)
class Flat:
    """Flattened text. separators: offsets of the LFs between rows; dropped: see places()."""

    data: bytes
    separators: Ints
    dropped: Ints

    def places(self, offsets: Ints) -> Ints:
        """Offsets in the text before it was flattened, of characters in it."""
        if not len(self.dropped):
            return offsets
        return offsets + np.searchsorted(self.dropped, offsets, side="right")


def flattened(text: bytes, separators: Ints) -> Flat:
    """The text with one space for a run of blanks; separators (offsets of LFs between rows) stay."""
    octets = np.frombuffer(text.translate(_FLAT), dtype=np.uint8).copy()
    octets[separators] = _FEED
    flat = octets.tobytes()
    if b"  " not in flat:
        return Flat(flat, separators, separators[:0])
    runs = [(match.start() + 1, match.end()) for match in _RUN.finditer(flat)]
    starts, ends = np.array(runs, dtype=np.int64).T
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    # a dropped blank, less those dropped before it, is the offset of the first character behind
    dropped = np.repeat(starts - before, lengths)
    flat = _RUN.sub(b" ", flat)
    return Flat(flat, np.flatnonzero(np.frombuffer(flat, dtype=np.uint8) == _FEED), dropped)


def written_of(element: Keyword, number: int) -> Iterator[Written]:
    """All terms of a list, those that cannot match left out."""
    for group in element.groups:
        for term in group.terms:
            written = _written_as(group, term, number)
            if written is not None:
                yield written


def pieces_of(element: Keyword) -> set[str] | None:
    """Literals of which a text holds one wherever it holds a term of a list, in any case of ASCII
    letters; None when a term has none that is long enough."""
    found: set[str] = set()
    for group in element.groups:
        for term in group.terms:
            pieces = [
                piece for piece in lowered(shadow_of(term.text)).split() if _has_one_form(piece)
            ]
            pieces = [piece for piece in pieces if len(piece.encode()) >= MIN_BYTES]
            if pieces:
                found.add(min(pieces, key=lambda piece: (rate(piece), -len(piece))))
            elif shadow_of(term.text).strip():
                return None
    return found


def _has_one_form(piece: str) -> bool:
    return all(char.isascii() or len(_forms(char)) == 1 for char in piece)


def _written_as(group: Group, term: Term, number: int) -> Written | None:
    """A term in flattened text. word: no ASCII letter or digit touches one of its own."""
    shown = shadow_of(term.text).strip()
    pieces = lowered(shown).split()
    if not pieces:
        return None
    word = group.match == "word"
    before = _BORDER if word and _joins(pieces[0][0]) else b""
    after = _BORDER if word and _joins(pieces[-1][-1]) else b""
    flat = _RUN.sub(b" ", " ".join(pieces).encode("utf-8", "replace").translate(_FLAT)).decode()
    wanted = before + b"".join(map(_char, flat)) + after, CASELESS
    size = len(flat.encode())
    sure = _sureness(pieces, term)
    return Written(
        number,
        0,
        wanted,
        size,
        len(before) > 0,
        len(after) > 0,
        word,
        term.case_sensitive,
        sure,
        shown,
    )


def _sureness(pieces: list[str], term: Term) -> int:
    text = " ".join(pieces)
    if _EDGES.search(text) or any(_is_uneven(char) for char in text if not char.isascii()):
        return ABOUT
    if term.case_sensitive:
        return LOOK_CASE
    if not text.isascii() or any(char in "-_" or char < " " for char in text):
        return LOOK
    return SPACED if len(pieces) > 1 else SURE


def stands(written: Written, data: bytes, start: int, end: int) -> bool:
    """Whether data[start:end] is the term."""
    exact = written.sure == LOOK_CASE
    found = data[start:end].decode("utf-8", "replace")
    if not exact:
        found = lowered(found)
    if _comparison(written.text, exact).fullmatch(found) is None:
        return False
    if not written.word:
        return True
    before = data[max(0, start - 4) : start].decode("utf-8", "ignore")[-1:]
    after = data[end : end + 4].decode("utf-8", "ignore")[:1]
    return is_word(before + found + after, len(before), len(before) + len(found))


@functools.lru_cache(maxsize=16_384)
def finder_of(written: Written) -> Callable[[Subject], list[tuple[int, int]]]:
    """Finds a term as the reference does."""
    group = Group("word" if written.word else "string", ())
    return term_finder(group, written.text, bool(written.case_sensitive))


@functools.lru_cache(maxsize=16_384)
def _comparison(text: str, case_sensitive: bool) -> re.Pattern[str]:
    """What a term is, its blanks spelled out; in lower case unless it is case-sensitive."""
    pieces = (text if case_sensitive else lowered(text)).split()
    return re.compile(GAP.join(map(re.escape, pieces)))


def _joins(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _char(char: str) -> bytes:
    if char.isascii():
        return re.escape(char).encode()
    forms = _forms(char)
    if len(forms) == 1:
        return _bytes(forms[0])
    return b"(?:" + b"|".join(_bytes(form) for form in forms) + b")"


def _bytes(char: str) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in char.encode("utf-8", "replace"))


def _forms(char: str) -> list[str]:
    """Every character that is matched as a lower-case one, itself first."""
    return [char, *_capitals().get(char, ())]


def _is_uneven(char: str) -> bool:
    """Whether a character and its capitals differ in bytes, so that a hit's start is not known."""
    return len({len(form.encode("utf-8", "replace")) for form in _forms(char)}) > 1


@functools.cache
def _capitals() -> dict[str, list[str]]:
    """Lower-case character → those that normalise.lowered() turns into it. Cased scripts end below."""
    found: dict[str, list[str]] = {}
    for code in range(128, 0x1F000):
        char = chr(code)
        low = char.lower()
        if low != char and len(low) == 1:
            found.setdefault(low, []).append(char)
    return found
