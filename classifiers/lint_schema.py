"""What may stand where in a rule package: children, attributes, those that must be there.

Our own table: Purview's published schema has a wrong namespace and lacks validators and filters.
Source: docs/rule-packages.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.xml_nodes import Node


@dataclass(frozen=True, slots=True)
class Shape:
    """An element: its children, the children it needs, attributes that are required, usual, optional."""

    children: str = ""
    needs: str = ""
    required: str = ""
    usual: str = ""
    optional: str = ""


_RULE_ENTITIES = "Entity Affinity ExactMatch"
_MATCHES = "Match Any match any"

SHAPES = {
    "RulePackage": Shape("RulePack Rules", "RulePack Rules"),
    "RulePack": Shape("Version Publisher Details Encryption", "Version Publisher Details", "id"),
    "Version": Shape(f"Pattern Evidence {_RULE_ENTITIES}", optional="minEngineVersion"),
    "Publisher": Shape(required="id"),
    "Details": Shape("LocalizedDetails", "LocalizedDetails", "defaultLangCode"),
    "LocalizedDetails": Shape(
        "PublisherName Name Description", "PublisherName Name Description", "langcode"
    ),
    "Encryption": Shape("Key IV"),
    "Key": Shape(),
    "IV": Shape(),
    "Rules": Shape(
        f"{_RULE_ENTITIES} Version Regex Keyword Fingerprint ExtendedKeyword Validators Filters "
        "LocalizedStrings"
    ),
    "Entity": Shape(
        "Pattern Version", "Pattern", "id patternsProximity", "recommendedConfidence",
        "workload relaxProximity filters lastModifiedTime",
    ),
    "ExactMatch": Shape(
        "Pattern Version", "Pattern", "id patternsProximity dataStore", "recommendedConfidence",
        "workload relaxProximity filters lastModifiedTime",
    ),
    "Affinity": Shape(
        "Evidence Version", "Evidence", "id evidencesProximity thresholdConfidenceLevel", "",
        "workload lastModifiedTime",
    ),
    "Pattern": Shape(f"IdMatch idMatch {_MATCHES}", "", "confidenceLevel", "", "proximity filters"),
    "Evidence": Shape(_MATCHES, "", "confidenceLevel"),
    "IdMatch": Shape(required="idRef"),
    "Match": Shape(required="idRef", optional="minCount uniqueResults proximity"),
    "idMatch": Shape(required="matches classification"),
    "match": Shape(required="matches", optional="minCount uniqueResults"),
    "Any": Shape(_MATCHES, "", "", "", "minMatches maxMatches"),
    "any": Shape(_MATCHES, "", "", "", "minMatches maxMatches"),
    "Regex": Shape(required="id", optional="validators"),
    "Keyword": Shape("Group", "", "id"),
    "Group": Shape("Term", "", "", "matchStyle"),
    "Term": Shape(optional="caseSensitive"),
    "Fingerprint": Shape(required="id threshold shingleCount", optional="description"),
    "ExtendedKeyword": Shape(required="id"),
    "Validators": Shape("Validator", "Validator", "id"),
    "Validator": Shape("Param", "", "type"),
    "Param": Shape(required="name"),
    "Filters": Shape("Filter", "Filter", "id"),
    "Filter": Shape("", "", "type", "", "direction logic textProcessorId"),
    "LocalizedStrings": Shape("Resource"),
    "Resource": Shape("Name Description", "Name", "idRef"),
    "Name": Shape(optional="default langcode"),
    "PublisherName": Shape(),
    "Description": Shape(optional="default langcode"),
}  # fmt: skip

_VERSION_OF_PACK = ("major", "minor", "build", "revision")
_HOMES = {child: tag for tag, shape in reversed(SHAPES.items()) for child in shape.children.split()}
# What guides on the web write, and what it is called.
_MEANT = {
    "resources": "LocalizedStrings",
    "resource": "Resource",
    "entities": "Entity",
    "keywords": "Keyword",
    "regexes": "Regex",
    "terms": "Term",
    "localizedstring": "LocalizedStrings",
    "minmatches": "minMatches",
}


def shape_notes(item: Node, parent: Node | None) -> Iterator[Note]:
    """What is wrong with an element's place, children and attributes, whatever they say."""
    shape = SHAPES.get(item.tag)
    if shape is None:
        meant = _meant(item.tag)
        yield Note("unknown-element", f"there is no element {item.tag}",
                   f"Did you mean {meant}?" if meant else "Remove it.")  # fmt: skip
        return
    if parent is not None and parent.tag in SHAPES and item.tag not in _children_of(parent.tag):
        home = _HOMES.get(item.tag, "RulePackage")
        yield Note("misplaced-element", f"{item.tag} may not stand in {parent.tag}",
                   f"Move it into {home}.")  # fmt: skip
    yield from _children(item, shape)
    yield from _attributes(item, shape, parent)


@functools.cache
def _children_of(tag: str) -> frozenset[str]:
    return frozenset(SHAPES[tag].children.split())


def _children(item: Node, shape: Shape) -> Iterator[Note]:
    tags = {child.tag for child in item.children}
    # patterns may be wrapped in a Version
    inner = {
        grand.tag for child in item.children if child.tag == "Version" for grand in child.children
    }
    for needed in shape.needs.split():
        if needed not in tags | inner:
            yield Note("missing-element", f"{item.tag} has no {needed}", f"Add a {needed}.")


def _attributes(item: Node, shape: Shape, parent: Node | None) -> Iterator[Note]:
    required, usual, optional = shape.required.split(), shape.usual.split(), shape.optional.split()
    inside = parent.tag if parent else ""
    if item.tag == "Version":
        required, optional = (
            (list(_VERSION_OF_PACK), []) if inside == "RulePack" else (["minEngineVersion"], [])
        )
    if item.tag in ("Name", "Description") and inside == "Resource":
        required, usual = ["langcode"], ["default"]
    for name in required:
        if name not in item.attributes:
            yield Note("missing-attribute", f"{item.tag} has no {name}", f'Add {name}="…".')
    for name in usual:
        if name not in item.attributes:
            yield Note("missing-default", f"{item.tag} has no {name}", f'Write {name}="…" out.')
    yield from _unpublished(item, {*required, *usual, *optional})


def _unpublished(item: Node, known: set[str]) -> Iterator[Note]:
    """Attributes that the published schema does not have, those that are honoured all the same too."""
    for name in item.attributes:
        if name not in known:
            near = [other for other in known if other.lower() == name.lower()]
            fix = f"Did you mean {near[0]}?" if near else "Remove it."
            yield Note("unknown-attribute", f"{item.tag} has no attribute {name}", fix)
    for name in ("proximity", "relaxProximity"):
        if name in item.attributes and name in known:
            yield Note("unknown-attribute", f"{name} on {item.tag} is not in the published schema",
                       "Remove it if the upload is refused.")  # fmt: skip


def _meant(tag: str) -> str:
    lowered = tag.lower()
    same = [known for known in SHAPES if known.lower() == lowered]
    return same[0] if same else _MEANT.get(lowered, "")
