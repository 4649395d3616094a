"""The text as it is matched: compatibility characters folded, invisible ones removed, offsets kept.

A Subject holds the original text's shadow and maps shadow offsets back. Folding is one code point to
one (full-width and other decimal digits → ASCII, exotic spaces, dashes and quotes → plain ones);
only the removal of invisible characters shifts offsets, and only then is a map kept. ASCII text is
its own shadow.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_SPACES = "\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u207b\u208b\u2212\ufe31\ufe32\ufe58\ufe63\uff0d"
_QUOTES = {
    0x2018: "'",
    0x2019: "'",
    0x201B: "'",
    0x02BC: "'",
    0x201C: '"',
    0x201D: '"',
    0xFF07: "'",
}

# Characters that show nothing and are used to break up a value: soft hyphen, zero-width characters,
# joiners, bidirectional controls, byte-order mark, variation selectors, Hangul fillers, annotation
# anchors, and the tag characters that carry hidden text in prompts.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
_SPACE = re.compile(f"[{_SPACES}]")
_DASH = re.compile(f"[{_DASHES}]")


class _Folding(dict[int, str]):
    """Code point → the code point it is matched as; worked out once per code point, when first met."""

    def __missing__(self, code: int) -> str:
        char = self[code] = _folded(chr(code))
        return char


def _folded(char: str) -> str:
    if char.isascii():
        return char
    if ord(char) in _QUOTES:
        return _QUOTES[ord(char)]
    if _SPACE.match(char):
        return " "
    if _DASH.match(char):
        return "-"
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "No":  # superscripts, fractions, circled numbers: a footnote is not a digit
        return char
    folded = unicodedata.normalize("NFKC", char)
    return folded if len(folded) == 1 else char


_FOLDING = _Folding()
_LOWER: dict[int, str] = {}


class _Lowering(dict[int, str]):
    def __missing__(self, code: int) -> str:
        lower = chr(code).lower()
        char = self[code] = lower if len(lower) == 1 else chr(code)
        return char


_LOWERING = _Lowering()


def lowered(text: str) -> str:
    """Lower case, code point by code point, so that offsets hold."""
    return text.lower() if text.isascii() else text.translate(_LOWERING)


def shadow_of(text: str) -> str:
    """The text as matched, without the map back: for keywords, terms and single values."""
    return text if text.isascii() else _INVISIBLE.sub("", text).translate(_FOLDING)


def invisible_in(text: str) -> list[tuple[int, int]]:
    """The runs of invisible characters, which are not matched: half-open, in code points."""
    return [match.span() for match in _INVISIBLE.finditer(text)]


@dataclass(slots=True)
class Subject:
    """One text, ready to be matched. Offsets of methods are code points of the shadow."""

    text: str
    is_ascii: bool
    _origin: npt.NDArray[np.int64] | None
    _data: bytes | None = field(default=None, init=False)
    _starts: npt.NDArray[np.int64] | None = field(default=None, init=False)
    _low: str | None = field(default=None, init=False)

    @classmethod
    def of(cls, text: str) -> Subject:
        """The subject of an original text."""
        if text.isascii():
            return cls(text, True, None)
        origin = None
        if _INVISIBLE.search(text):
            text, origin = _without_invisible(text)
        shadow = text.translate(_FOLDING)
        return cls(shadow, shadow.isascii(), origin)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original text of a half-open range of the shadow."""
        if self._origin is None or end <= start:
            return start, end
        return int(self._origin[start]), int(self._origin[end - 1]) + 1

    @property
    def low(self) -> str:
        """The shadow in lower case, same offsets."""
        if self._low is None:
            self._low = lowered(self.text)
        return self._low

    @property
    def data(self) -> bytes:
        """The shadow in UTF-8."""
        if self._data is None:
            self._data = self.text.encode("utf-8", "replace")
        return self._data

    def to_bytes(self, char: int) -> int:
        """Byte offset of a code point offset."""
        if self.is_ascii:
            return char
        starts = self._char_starts()
        return int(starts[char]) if char < len(starts) else len(self.data)

    def to_chars(self, byte: int) -> int:
        """Code point offset of a byte offset at a character border."""
        return byte if self.is_ascii else int(np.searchsorted(self._char_starts(), byte))

    def _char_starts(self) -> npt.NDArray[np.int64]:
        if self._starts is None:
            octets = np.frombuffer(self.data, dtype=np.uint8)
            self._starts = np.flatnonzero((octets & 0xC0) != 0x80)
        return self._starts


def _without_invisible(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    keep = np.ones(len(text), dtype=bool)
    for match in _INVISIBLE.finditer(text):
        keep[match.start() : match.end()] = False
    return _INVISIBLE.sub("", text), np.flatnonzero(keep)
