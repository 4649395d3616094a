"""Attribute values of a rule package checked: numbers, windows, booleans, GUIDs, names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.purview_ids import PURVIEW_IDS
from dlpagent.classifiers.sit_yaml import GUID, MAX_PROXIMITY
from dlpagent.classifiers.xml_nodes import Node

Placed = tuple[int, Note]


@dataclass(slots=True)
class Known:
    """What a package defines, and which of it is referred to."""

    root: Node
    builtin_ids: frozenset[str]
    elements: dict[str, Node] = field(default_factory=dict)
    validators: set[str] = field(default_factory=set)
    filters: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    def knows(self, ref: str) -> bool:
        return ref in self.elements or ref in PURVIEW_IDS or is_guid(ref)


def is_guid(text: str) -> bool:
    """Whether a text is a GUID, braces allowed."""
    return GUID.match(text.strip().strip("{}").lower()) is not None


def whole_notes(node: Node, name: str, low: int, high: int) -> Iterator[Note]:
    """Whether an attribute, if there, is a whole number in the range (ends included)."""
    text = node.attributes.get(name)
    if text is None:
        return
    if not is_number(text) or not low <= int(text) <= high:
        yield Note(
            "wrong-value",
            f"{name} of {node.tag} is {text[:20]!r}",
            f"Write a whole number from {low} to {high}.",
        )


def is_number(text: str) -> bool:
    """Whether a text is a whole number of ordinary size."""
    return re.fullmatch(r"\s*[0-9]{1,9}\s*", text) is not None


def window_notes(node: Node, name: str) -> Iterator[Note]:
    """Whether a proximity, if there, is a number of characters or unlimited."""
    text = node.attributes.get(name)
    if text is None or text.strip().lower() == "unlimited":
        return
    if not is_number(text) or not 1 <= int(text) <= MAX_PROXIMITY:
        yield Note(
            "empty-proximity",
            f"{name} is {text[:20]!r}" if text.strip() else f"{name} is empty",
            "Write a number of characters, such as 300, or unlimited.",
        )


def boolean_notes(node: Node, name: str) -> Iterator[Note]:
    """Whether an attribute, if there, is true or false."""
    text = node.attributes.get(name)
    if text is not None and text.strip().lower() not in ("true", "false", "0", "1"):
        yield Note("wrong-value", f"{name} of {node.tag} is {text[:20]!r}", "Write true or false.")


def missing_names(node: Node, name: str, known: Set[str], kind: str) -> Iterator[Placed]:
    """Names in an attribute (parted by blanks or commas) that nothing defines."""
    for ref in node.attributes.get(name, "").replace(",", " ").split():
        if ref not in known:
            yield node.line, Note("unknown-reference", f"there is no {kind} {ref}", "Define it.")
