"""Adaptive Cards, as Copilot answers carry them: a card as its texts, each read once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dlpagent.connectors.sources._log_fields import without
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

CARD_TYPE = "application/vnd.microsoft.card.adaptive"

# Layout, not content: constants of the card format.
_LAYOUT = frozenset({
    "type", "version", "$schema", "wrap", "size", "weight", "color", "spacing", "style",
    "horizontalAlignment", "verticalAlignment", "width", "height", "isVisible", "separator",
    "isSubtle", "maxLines", "id", "fontType", "bleed", "verticalContentAlignment",
})  # fmt: skip
_MAX_LAYOUT_CHARS = 64
# Citations ([1](url), [^2^], [3]) and the targets of links.
_CITATION = re.compile(r"\[\^?\d{1,3}\^?\](?:\([^)\s]*\))?")
_TARGET = re.compile(r"(?<=\])\([^)\s]*\)")
_LINK = re.compile(r"\]\(([^)\s]*)\)")
_WORD = re.compile(r"\w+")


def card_parts(card: Any, name: str, role: str | None) -> Iterator[ShapePart]:
    """The texts of a card under their paths in it. A text that another one repeats with other links
    or citations is left out: Copilot writes its answer twice, and the longer one says more.
    """
    found = [
        part._replace(part=_joined(name, part.part), role=role, context=None)
        for part in parts_of({"$card": without(card, _is_layout)})
    ]
    longest: dict[str, str] = {}
    for part in found:
        key = plain_words(part.text or "")
        if part.text and key and len(part.text) > len(longest.get(key, "")):
            longest[key] = part.text
    given: set[str] = set()
    for part in found:
        key = plain_words(part.text or "")
        if not key or part.text is None:
            yield part
        elif part.text == longest[key]:
            if key not in given:
                yield part
            given.add(key)
        elif not _targets(part.text) <= _targets(longest[key]):
            yield part


def plain_words(text: str) -> str:
    """The words of a text without citations, targets of links and marks."""
    return " ".join(_WORD.findall(_TARGET.sub("", _CITATION.sub("", text))))


def _targets(text: str) -> frozenset[str]:
    return frozenset(_LINK.findall(text))


def _is_layout(key: str, value: Any) -> bool:
    if isinstance(value, (bool, int, float)) or value is None:
        return key in _LAYOUT
    return key in _LAYOUT and isinstance(value, str) and len(value) <= _MAX_LAYOUT_CHARS


def _joined(name: str, path: str) -> str:
    # The key "$card" only makes an object of any value.
    return name + path.removeprefix("$card")
