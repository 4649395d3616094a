"""Whole stretches decoded: base64, base64url and hexadecimal, when what they hold is text."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from dlpagent.classifiers.decoding.layers import BIT, Edit

MIN_CHARS = 12
"""Nine characters, the shortest numbers worth hiding, are twelve in base64."""

MAX_SPLIT_CHARS = 4_096
"""Longer runs are not tried in pieces."""

_SIGN = "[A-Za-z0-9+/_-]"
# Lines of 60 to 76 signs that go on in the next one are one stretch, as mail and PEM write them.
_RUN = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{_SIGN}{{60,76}}+\r?\n[ \t]?)++{_SIGN}{{1,76}}+"
    rf"|{_SIGN}{{{MIN_CHARS},}}+)={{0,2}}"
)
_PIECE = re.compile(rf"[A-Za-z0-9]{{{MIN_CHARS},}}={{0,2}}")
_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){9,})")
_DUMP = re.compile(r"(?<![0-9A-Za-z:+/_=-])[0-9A-Fa-f]{2}(?:[ :][0-9A-Fa-f]{2}){8,}+")
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# The other 12 signs stand for 52 and more: octets that begin with them are beyond ASCII. So a row of
# digits and dashes, which is what numbers look like, is not tried.
_LETTER = re.compile("[A-Za-z]")
_SHORT_CHARS = 12
_URL_SAFE = str.maketrans("-_", "+/", "\r\n\t =")


def encodings_in(text: str) -> Iterator[Edit]:
    """The edits that decode stretches, in order. A stretch that holds no plain text stays as it is."""
    return iter(sorted([*_runs(text), *_dumps(text)]))


def _runs(text: str) -> Iterator[Edit]:
    for match in _RUN.finditer(text):
        run = match[0]
        has_letters = _LETTER.search(run) is not None
        if not has_letters and not run.isdigit():
            continue
        found = _decoded(run)
        if found is not None:
            yield match.start(), match.end(), *found
        elif has_letters and len(run) <= MAX_SPLIT_CHARS:
            yield from _pieces(run, match.start())


def _dumps(text: str) -> Iterator[Edit]:
    """Octets one by one: 34 31 31 31 or 34:31:31:31."""
    for match in _DUMP.finditer(text):
        behind = text[match.end() : match.end() + 1]
        if behind.isalnum() or (behind and behind in "+/_-"):
            continue
        found = _text(bytes.fromhex(match[0].replace(":", " ")))
        if found is not None:
            yield match.start(), match.end(), found, BIT["hexadecimal"]


def _pieces(run: str, offset: int) -> Iterator[Edit]:
    """Parts of a run between its dashes, slashes and underscores: path segments, prefixed names."""
    for piece in _PIECE.finditer(run):
        if len(piece[0]) < len(run) and (found := _decoded(piece[0])) is not None:
            yield offset + piece.start(), offset + piece.end(), *found


def _decoded(run: str) -> tuple[str, int] | None:
    hexadecimal = _HEX.fullmatch(run)
    if hexadecimal:
        text = _text(bytes.fromhex(hexadecimal[1]))
        if text is not None:
            return text, BIT["hexadecimal"]
    if not _LETTER.search(run):
        return None
    signs = run.translate(_URL_SAFE)
    # what binary content begins with is no text: a picture costs no more than this look
    if _text(_octets(signs[:64]), cut=True) is None:
        return None
    text = _text(_octets(signs))
    return None if text is None else (text, BIT["base64"])


def _octets(signs: str) -> bytes:
    if len(signs) % 4 == 1:
        return b""
    try:
        return binascii.a2b_base64(signs + "=" * (-len(signs) % 4))
    except binascii.Error:
        return b""


def _text(octets: bytes, *, cut: bool = False) -> str | None:
    """Octets as text, if they are text somebody could read. cut: the last character may be torn."""
    if len(octets) > 3 and octets[1] == octets[3] == 0 != octets[0]:
        octets = octets if len(octets) % 2 == 0 else octets[:-1]
        text = octets.decode("utf-16-le", "replace")
        return None if "\ufffd" in text or _HIDDEN.search(text) else text
    try:
        text = octets.decode("utf-8", "ignore" if cut else "strict")
    except UnicodeDecodeError:
        return None
    if cut:
        lost = len(octets) - len(text.encode())
        return text if lost <= 3 and not _HIDDEN.search(text) else None
    return text if _is_worth_it(text) and not _HIDDEN.search(text) else None


def _is_worth_it(text: str) -> bool:
    """Short strings decode to letters by chance now and then; four digits or an @ do not."""
    return len(text) >= _SHORT_CHARS or "@" in text or sum("0" <= char <= "9" for char in text) >= 4
