"""Keyword terms as byte patterns that match wherever the reference finds the term, or more.

They are looked for in flattened text, in which whatever a blank of a term may stand for
(compiled.GAP), and any longer run of that, is one space: so terms are literals, which are cheap.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from dlpagent.classifiers.cascade.database import CASELESS, Ints, Wanted
from dlpagent.classifiers.normalise import lowered, shadow_of
from dlpagent.classifiers.sit import Keyword

_BLANKS = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f_-"
_FLAT = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))

# Blanks beyond ASCII that folding leaves alone. They are rare: their rows may hold any term.
STRANGE = re.compile("\x85|\u2028|\u2029".encode())

_RUN = re.compile(b"  +")
_FEED = 10
_BORDER = b"[^0-9A-Za-z]"


def flattened(text: bytes, separators: Ints) -> tuple[bytes, Ints]:
    """The text with one space for a run of blanks; separators (offsets of LFs between rows) stay.

    Also gives where the separators are then.
    """
    octets = np.frombuffer(text.translate(_FLAT), dtype=np.uint8).copy()
    octets[separators] = _FEED
    flat = octets.tobytes()
    if b"  " in flat:
        flat = _RUN.sub(b" ", flat)
        separators = np.flatnonzero(np.frombuffer(flat, dtype=np.uint8) == _FEED)
    return flat, separators


def patterns_of(element: Keyword) -> set[Wanted]:
    """The patterns of all terms."""
    return {
        pattern
        for group in element.groups
        for term in group.terms
        if (pattern := term_pattern(term.text, word=group.match == "word")) is not None
    }


def term_pattern(text: str, *, word: bool) -> Wanted | None:
    """A term in flattened text, in any case. word: no ASCII letter or digit touches one of its own."""
    pieces = lowered(shadow_of(text)).split()
    if not pieces:
        return None
    before = _BORDER if word and _joins(pieces[0][0]) else b""
    after = _BORDER if word and _joins(pieces[-1][-1]) else b""
    flat = _RUN.sub(b" ", " ".join(pieces).encode("utf-8", "replace").translate(_FLAT)).decode()
    return before + b"".join(map(_char, flat)) + after, CASELESS


def _joins(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _char(char: str) -> bytes:
    if char.isascii():
        return re.escape(char).encode()
    forms = _written(char)
    if len(forms) == 1:
        return _bytes(forms[0])
    return b"(?:" + b"|".join(_bytes(form) for form in forms) + b")"


def _bytes(char: str) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in char.encode("utf-8", "replace"))


def _written(low: str) -> list[str]:
    """Every character that is matched as a lower-case one, itself first."""
    return [low, *_capitals().get(low, ())]


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
