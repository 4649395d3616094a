"""Typographic marks inside and around values: emphasis, underscores, a hyphen at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlpagent.classifiers.decoding.layers import BIT, Edit

# Each mark begins with one of six signs: a class at the start lets the search run to the next.
_MARK = re.compile(
    r"[*~|`_-](?:"
    # emphasis that begins or ends inside a word; three asterisks or more mask what was there
    r"(?P<inside>(?<=[0-9A-Za-z@.-][*`~_|])(?:(?<=\*)\*(?!\*)|(?<=~)~|(?<=\|)\||(?<=_)_|(?<=`))"
    r"(?=[0-9A-Za-z@.-]))"
    # underscores at the edge of an identifier: a regex takes them for part of the word
    r"|(?<=_)(?P<edge>(?<![0-9A-Za-z_]_)_*(?=[A-Z0-9]{4}|\w{0,60}[0-9]{4}|\w{15,60}[0-9]|\w{0,15}[0-9]\w{15}|[^\s@_]{1,64}@)"
    r"|(?<=[0-9A-Za-z]_)_*(?![0-9A-Za-z_])"
    # and between a number and plain words: card_4111111111111111_old
    r"|(?<=[A-Za-z]_)_*(?=(?:[A-Z]{2})?[0-9]{7,30}(?:_+[A-Za-z]{1,12})?(?![0-9A-Za-z_]))"
    r"|(?<=[0-9]{7}_)_*(?=[A-Za-z]{1,12}(?![0-9A-Za-z])))"
    # a word broken at the end of a line
    r"|(?P<broken>(?<=[a-z]-)[ \t]*\r?\n[ \t]*(?=[a-z])))"
)
_VALUE = re.compile(r"[0-9]\w{0,60}\Z|@\S{1,64}\Z")


def marks_around(text: str) -> Iterator[Edit]:
    """The edits that take typographic marks away, in order."""
    for match in _MARK.finditer(text):
        kind = match.lastgroup
        now = " " * (match.end() - match.start()) if kind == "edge" else ""
        bit = BIT["line break"] if kind == "broken" else BIT["markdown"]
        if kind == "edge" and not _is_at_value(text, *match.span()):
            bit = 0
        yield match.start(), match.end(), now, bit


def _is_at_value(text: str, start: int, end: int) -> bool:
    """Whether digits or an @ are in the word beside: names in programs end in underscores, too."""
    return not text[start - 1 : start].isalnum() or bool(
        _VALUE.search(text[max(0, start - 66) : start]) or text[end : end + 1].isalnum()
    )
