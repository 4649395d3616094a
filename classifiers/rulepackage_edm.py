"""Patterns of an ExactMatch ⇄ detectors of kind edm.

A Pattern of an ExactMatch is one primary field, all of some supporting fields and so many of others,
all of one row; so it becomes one detector, not a primary element and conditions of their own.
Source: Purview, "Create a rule package for exact data match".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlpagent.classifiers.edm import DEFAULT_PROXIMITY, Wanted
from dlpagent.classifiers.edm_store import read_manifest
from dlpagent.classifiers.rulepackage_parts import whole_number
from dlpagent.classifiers.sit import UNLIMITED, Detector, DetectorParam, Element, Sit
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.classifiers.xml_writing import node
from dlpagent.errors import ConfigurationError

_MATCH_ATTRIBUTES = {"matches", "classification"}
_ANY_ATTRIBUTES = {"minMatches", "maxMatches"}


def is_exact(element: Element | None) -> bool:
    """Whether an element is a detector of exact data matches."""
    return isinstance(element, Detector) and element.kind == "edm"


def exact_element(pattern: Node, store_name: str, store: Path, proximity: int) -> Detector | None:
    """The detector a Pattern of an ExactMatch stands for; None when it asks for something else.

    That is: several Any, one in another, or counts of hits.
    """
    primaries = list(pattern.all("idMatch", "IdMatch"))
    groups = list(pattern.all("Any", "any"))
    matches = list(pattern.all("match", "Match"))
    inner = [item for group in groups for item in group.children]
    known = len(primaries) + len(groups) + len(matches)
    fields = [*primaries, *matches, *inner]
    if (
        len(primaries) != 1
        or len(groups) > 1
        or known != len(pattern.children)
        or any(set(item.attributes) - _MATCH_ATTRIBUTES for item in fields)
        or any(item.tag not in ("match", "Match") or item.children for item in inner)
        or any(set(group.attributes) - _ANY_ATTRIBUTES for group in groups)
        or not all(item.attributes.get("matches") for item in fields)
    ):
        return None
    (primary,) = primaries
    params: dict[str, DetectorParam] = {
        "store": str(store.resolve()),
        "primary": primary.attributes["matches"],
    }
    if primary.attributes.get("classification"):
        params["through"] = primary.attributes["classification"]
    if matches:
        params["all"] = tuple(item.attributes["matches"] for item in matches)
    for group in groups:
        least = whole_number(group.attributes.get("minMatches", "1"))
        most = whole_number(group.attributes.get("maxMatches", "0"))
        if least is None or most is None:
            return None
        params["any"] = tuple(item.attributes["matches"] for item in group.children)
        params["min"] = least
        if "maxMatches" in group.attributes:
            params["max"] = most
    if proximity != DEFAULT_PROXIMITY:
        params["proximity"] = "unlimited" if proximity == UNLIMITED else proximity
    name = f"EDM:{store_name}/{params['primary']}@{pattern.attributes.get('confidenceLevel', '')}"
    return Detector(name, "edm", tuple(params.items()))


def exact_nodes(element: Detector, sit: Sit, sits: Mapping[str, Sit]) -> tuple[list[Node], str]:
    """What stands in the Pattern of a detector, and what of it Purview would not understand."""
    wanted = Wanted.of(element)
    primary = str(element.param("primary"))
    through = str(element.param("through"))
    classification = sit.attributes.get(f"classification:{primary}") or through
    known = {sit.id for sit in sits.values()} | {sit.name.casefold() for sit in sits.values()}
    fault = ""
    if not classification:
        fault = f"{primary} has no classification: a tenant needs the type that finds its values"
    elif classification == through and through.strip("{} ").casefold() not in known:
        fault = f"{through} is an element, not a type; a tenant needs a type as classification"
    nodes = [node("idMatch", _attributes(primary, classification))]
    nodes += [_match(name, sit) for name in wanted.all_of]
    if wanted.any_of:
        attributes = {"minMatches": str(wanted.least)}
        if wanted.most is not None:
            attributes["maxMatches"] = str(wanted.most)
        nodes.append(node("Any", attributes, *(_match(name, sit) for name in wanted.any_of)))
    if wanted.proximity != sit.proximity:
        fault = fault or "its proximity is not that of the SIT, which is the one Purview uses"
    return nodes, fault


def _match(name: str, sit: Sit) -> Node:
    return node("match", _attributes(name, sit.attributes.get(f"classification:{name}", "")))


def _attributes(name: str, classification: str) -> dict[str, str]:
    found = {"matches": name}
    if classification:
        found["classification"] = classification
    return found


def data_store(sit: Sit, elements: Mapping[str, Element]) -> str:
    """The name a tenant knows the store of a SIT by: as it was imported, else of the store's schema."""
    if "dataStore" in sit.attributes:
        return sit.attributes["dataStore"]
    for pattern in sit.patterns:
        element = elements.get(pattern.primary)
        if isinstance(element, Detector):
            place = Path(element.folder) / str(element.param("store"))
            try:
                return read_manifest(place)[0].schema.name
            except ConfigurationError:
                return place.stem
    return ""
