"""Keyword terms as byte patterns that match wherever the reference finds the term, or more.

They are looked for in flattened text, in which whatever a blank of a term may stand for
(compiled.GAP), and any longer run of that, is one space: so terms are literals, which are cheap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlpagent.classifiers.cascade.database import CASELESS, Ints, Wanted
from dlpagent.classifiers.compiled import GAP
from dlpagent.classifiers.normalise import lowered, shadow_of
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

# How sure it is that a hit in flattened text is one of the term. LOOK: what stands there decides;
# ROW: only a search through the row does.
SURE, SPACED, LOOK, LOOK_CASE, ROW = range(5)


@dataclass(frozen=True, slots=True)
class Written:
    """A term of a keyword list in flattened text, matched without regard to case.

    number: of the list. size: bytes of the term. before, after: bytes around it that the pattern takes.
    sure: SURE: a hit is the term's; SPACED: if it is as long in the text; see LOOK and ROW above.
    text: the term, if it may have to be compared.
    """

    number: int
    pattern: int
    wanted: Wanted
    size: int
    before: int
    after: int
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
    sure = _sureness(pieces, term)
    text = shown if sure in (SPACED, LOOK, LOOK_CASE) else ""
    return Written(number, 0, wanted, len(flat.encode()), bool(before), bool(after), sure, text)


def _sureness(pieces: list[str], term: Term) -> int:
    text = " ".join(pieces)
    if not text.isascii() or _EDGES.search(text):
        return ROW
    if term.case_sensitive:
        return LOOK_CASE
    if any(char in "-_" or char < " " for char in text):
        return LOOK
    return SPACED if len(pieces) > 1 else SURE


@functools.lru_cache(maxsize=4096)
def comparison(text: str, *, case_sensitive: bool) -> re.Pattern[str]:
    """What a term is, its blanks spelled out; to be compared with text in lower case unless it is
    case-sensitive."""
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
