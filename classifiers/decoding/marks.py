"""Typographic marks inside and around values: emphasis, underscores, a hyphen at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlpagent.classifiers.decoding.layers import BIT, Edit

_MARK = re.compile(
    # emphasis that begins or ends inside a word
    r"(?P<inside>(?<=[0-9A-Za-z@.-])(?:\*\*\*?|~~|\|\||`|__)(?=[0-9A-Za-z@.-]))"
    # underscores at the edge of an identifier: a regex takes them for part of the word
    r"|(?P<edge>(?<![0-9A-Za-z_])_+(?=[A-Z0-9]{4}|\w{1,60}[0-9]|[^\s@_]{1,64}@)"
    r"|(?<=[0-9A-Za-z])_+(?![0-9A-Za-z_])"
    # and between a number and plain words: card_4111111111111111_old
    r"|(?<=[A-Za-z])_+(?=(?:[A-Z]{2})?[0-9]{7,30}(?:_+[A-Za-z]{1,12})?(?![0-9A-Za-z_]))"
    r"|(?<=[0-9]{7})_+(?=[A-Za-z]{1,12}(?![0-9A-Za-z])))"
    # a word broken at the end of a line
    r"|(?P<broken>(?<=[a-z])-[ \t]*\r?\n[ \t]*(?=[a-z]))"
)


def marks_around(text: str) -> Iterator[Edit]:
    """The edits that take typographic marks away, in order."""
    for match in _MARK.finditer(text):
        kind = match.lastgroup
        now = " " * (match.end() - match.start()) if kind == "edge" else ""
        bit = BIT["line break"] if kind == "broken" else BIT["markdown"]
        yield match.start(), match.end(), now, bit
