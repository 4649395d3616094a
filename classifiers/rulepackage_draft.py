"""A rule package while it is read: what was found so far, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.classifiers.sit import Element, Filter, Pack, Sit, ValidatorSpec
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.classifiers.xml_writing import fragment
from dlpagent.errors import Problem

NAMESPACE = "http://schemas.microsoft.com/office/2011/mce"
EDM_NAMESPACE = "http://schemas.microsoft.com/office/2018/edm"
PRIVA_NAMESPACE = "http://schemas.microsoft.com/office/2020/pdm"


@dataclass(slots=True)
class Draft:
    """A rule package while it is read."""

    file: str
    base: Pack | None
    dictionaries: Mapping[str, Path]
    stores: Mapping[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    elements: dict[str, Element] = field(default_factory=dict)
    filters: dict[str, Filter] = field(default_factory=dict)
    validators: dict[str, tuple[ValidatorSpec, ...]] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    descriptions: dict[str, dict[str, str]] = field(default_factory=dict)
    sits: dict[str, Sit] = field(default_factory=dict)
    inherited: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)  # what is not evaluated, to be written back

    def problem(
        self, node: Node, what: str, expected: str = "", found: str = "", remedy: str = ""
    ) -> None:
        self.problems.append(Problem(self.file, node.line, what, expected, found, remedy))

    def warn(self, node: Node, what: str, remedy: str = "") -> None:
        self.warnings.append(Problem(self.file, node.line, what, remedy=remedy, severity="warning"))

    def keep(self, node: Node) -> None:
        """Keep an element as it is written, so that the export can write it back."""
        ident = node.attributes.get("id") or node.attributes.get("langcode", "")
        self.kept[f"xml:{node.tag}:{ident}"] = fragment(node)


def guid_of(node: Node, name: str, draft: Draft) -> str:
    """The GUID in an attribute, in lower case without braces; anything else is a problem."""
    value = node.attributes.get(name, "").strip().strip("{}").lower()
    if not GUID.match(value):
        draft.problem(node, f"{node.tag} has no usable {name}", "a GUID", value or "none")
    return value
