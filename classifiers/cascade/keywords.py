"""Keyword terms as byte patterns that match wherever the reference finds the term, or more."""

from __future__ import annotations

import functools
import re

from dlpagent.classifiers.cascade.database import CASELESS, Wanted
from dlpagent.classifiers.normalise import lowered, shadow_of
from dlpagent.classifiers.sit import Keyword

# What a blank in a term stands for (compiled.GAP), in bytes; beyond ASCII any blank counts.
_GAP = rb"(?:[\x09-\x0d\x1c-\x20_-]|[\x80-\xff]{2,3}){1,3}"


def patterns_of(element: Keyword) -> set[Wanted]:
    """One pattern a term; word borders are not looked at."""
    return {
        term_pattern(term.text) for group in element.groups for term in group.terms
    } - {(b"", CASELESS)}


def term_pattern(text: str) -> Wanted:
    """A term in the shadow of a text, in any case."""
    pieces = lowered(shadow_of(text)).split()
    return _GAP.join(b"".join(_char(char) for char in piece) for piece in pieces), CASELESS


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
