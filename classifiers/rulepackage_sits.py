"""The SITs of a rule package: entities with their patterns, and all that they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dlpagent.classifiers.dictionary import (
    MAX_COMPRESSED_BYTES,
    compressed_bytes,
    read_dictionary,
)
from dlpagent.classifiers.rulepackage_draft import Draft, guid_of
from dlpagent.classifiers.rulepackage_edm import exact_element
from dlpagent.classifiers.rulepackage_parts import proximity_of, whole_number
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Group,
    Keyword,
    Match,
    Pattern,
    Sit,
    Term,
    Union,
    pattern_refs,
)
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.classifiers.xml_writing import fragment

_ENTITY_ATTRIBUTES = {"id", "patternsProximity", "recommendedConfidence", "filters"}


def add_sit(draft: Draft, node: Node, engine: str) -> None:
    """Read an Entity, Affinity or ExactMatch into the draft, with all it refers to."""
    ident = guid_of(node, "id", draft)
    if ident in draft.sits:
        draft.problem(
            node, f"two SITs have the id {ident}", "an id of its own", draft.sits[ident].name
        )
        return
    attributes = {
        name: value for name, value in node.attributes.items() if name not in _ENTITY_ATTRIBUTES
    }
    honoured = {"workload", "relaxProximity", "lastModifiedTime"}
    if node.tag == "ExactMatch":
        honoured.add("dataStore")
    for name in sorted(set(attributes) - honoured):
        draft.warn(node, f"the attribute {name} of {node.tag} is kept and not evaluated")
    if engine:
        attributes["minEngineVersion"] = engine
    attributes.update(_kept_of_sit(node))
    names = dict(draft.names.get(ident, {}))
    descriptions = dict(draft.descriptions.get(ident, {}))
    if not names:
        draft.warn(node, f"{ident} has no name in LocalizedStrings")
    patterns = tuple(_patterns(node, draft))
    name = names.pop("", "") or next((text for text in names.values() if text), ident)
    sit = Sit(
        id=ident,
        name=name,
        version=1,
        parity="own" if patterns else "name",
        patterns=patterns,
        proximity=proximity_of(node, "patternsProximity", draft.problem) or 300,
        recommended_confidence=_confidence(node, "recommendedConfidence", draft, 75),
        description=" ".join(descriptions.pop("", "").split()),
        filters=_filters_named(node, draft),
        attributes=attributes,
        names=names,
        descriptions=descriptions,
        file=draft.file,
        line=node.line,
    )
    draft.sits[ident] = sit
    _bring_all(sit, node, draft)


def _bring_all(sit: Sit, node: Node, draft: Draft) -> None:
    """Make sure that all a SIT refers to exists, and say what of it is not evaluated."""
    if not sit.patterns and node.tag != "Affinity":
        draft.warn(node, f"{sit.name} has no Pattern; it finds nothing")
    if node.tag == "Affinity":
        draft.warn(node, f"{sit.name} is an Affinity (document level), which is not evaluated")
    for pattern in sit.patterns:
        for ref in pattern_refs(pattern):
            _bring(ref, sit, node, draft)
    for name in [*sit.filters, *(name for item in sit.patterns for name in item.filters)]:
        if name not in draft.filters:
            draft.problem(node, f"{sit.name} names the filter {name}, which nothing defines")
        elif draft.filters[name].processor:
            _bring(draft.filters[name].processor, sit, node, draft)


def _kept_of_sit(node: Node) -> Iterator[tuple[str, str]]:
    """What is not evaluated of a SIT and must come back in an export."""
    if node.tag != "Entity":
        yield "element", node.tag
    if node.tag == "Affinity":
        yield "xml", fragment(node)
    for match in node.within("idMatch", "IdMatch", "match"):
        if "classification" in match.attributes:
            field_name = match.attributes.get("matches", "")
            yield f"classification:{field_name}", match.attributes["classification"]
    engines = [
        version.attributes.get("minEngineVersion", "") if version.tag == "Version" else ""
        for version in node.children
        for _ in ([version] if version.tag == "Pattern" else version.within("Pattern"))
    ]
    yield from ((f"engine:{index}", engine) for index, engine in enumerate(engines) if engine)


def _filters_named(node: Node, draft: Draft) -> tuple[str, ...]:
    """The filters a `filters` attribute names; a group of several stands for all of them."""
    names = node.attributes.get("filters", "").replace(",", " ").split()
    more = [other for name in names for other in draft.filters if other.startswith(f"{name}#")]
    return (*names, *more)


def _confidence(node: Node, name: str, draft: Draft, default: int) -> int:
    text = node.attributes.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None or not 1 <= number <= 100:
        draft.problem(node, f"{name} is wrong", "a whole number from 1 to 100", text[:40])
        return default
    return number


def _patterns(entity: Node, draft: Draft) -> Iterator[Pattern]:
    for node in entity.within("Pattern"):
        primaries = list(node.all("IdMatch", "idMatch"))
        if len(primaries) != 1:
            draft.problem(node, "a Pattern needs exactly one IdMatch", "one", f"{len(primaries)}")
            continue
        if "confidenceLevel" not in node.attributes:
            draft.problem(node, "the Pattern has no confidenceLevel", "1 to 100", "none")
        if "proximity" in node.attributes:
            draft.warn(node, "proximity on Pattern is outside the published schema; it is honoured")
        exact = _exact(node, entity, draft) if entity.tag == "ExactMatch" else None
        if exact is not None:
            yield exact
            continue
        yield Pattern(
            confidence=_confidence(node, "confidenceLevel", draft, 75),
            primary=_ref(primaries[0], entity, draft),
            conditions=tuple(_conditions(node, entity, draft)),
            proximity=proximity_of(node, "proximity", draft.problem),
            filters=_filters_named(node, draft),
            line=node.line,
        )


def _exact(node: Node, entity: Node, draft: Draft) -> Pattern | None:
    """A Pattern of an ExactMatch whose store is here; None when it is not, or asks for too much."""
    name = entity.attributes.get("dataStore", "")
    store = draft.stores.get(name)
    if store is None:
        return None
    width = proximity_of(node, "proximity", draft.problem)
    around = width or proximity_of(entity, "patternsProximity", draft.problem) or 300
    element = exact_element(node, name, store, around)
    if element is None:
        draft.warn(node, "the Pattern asks for more than fields of one row; it stays a stub")
        return None
    while draft.elements.get(element.id, element) != element:
        element = replace(element, id=f"{element.id}'")
    draft.elements[element.id] = element
    return Pattern(
        confidence=_confidence(node, "confidenceLevel", draft, 75),
        primary=element.id,
        proximity=width,
        filters=_filters_named(node, draft),
        line=node.line,
    )


def _conditions(node: Node, entity: Node, draft: Draft) -> Iterator[Condition]:
    for child in node.children:
        if child.tag in ("Match", "match"):
            yield Match(
                ref=_ref(child, entity, draft),
                min_count=_number(child, "minCount", draft, 1) or 0,
                unique=child.attributes.get("uniqueResults", "").lower() == "true",
                proximity=proximity_of(child, "proximity", draft.problem),
            )
        elif child.tag in ("Any", "any"):
            children = tuple(_conditions(child, entity, draft))
            least = _number(child, "minMatches", draft, 1)
            most = _number(child, "maxMatches", draft, None)
            if least is not None and most is not None and most < least:
                draft.problem(
                    child, "maxMatches is below minMatches", f"at least {least}", str(most)
                )
            if least is not None and least > len(children):
                draft.problem(
                    child,
                    "minMatches asks for more than there is",
                    f"at most {len(children)}",
                    str(least),
                )
            yield AnyOf(children, 1 if least is None else least, most)
        elif child.tag not in ("IdMatch", "idMatch"):
            draft.warn(
                child, f"the element {child.tag} in {node.tag} is not known and not evaluated"
            )


def _number(node: Node, name: str, draft: Draft, default: int | None) -> int | None:
    text = node.attributes.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None:
        draft.problem(node, f"{name} of {node.tag} is wrong", "a whole number", text[:40])
        return default
    return number


def _ref(node: Node, entity: Node, draft: Draft) -> str:
    """What a match refers to; in an exact data match package a field of its store."""
    ref = node.attributes.get("idRef", "").strip()
    if not ref and "matches" in node.attributes:
        return f"EDM:{entity.attributes.get('dataStore', '?')}/{node.attributes['matches']}"
    if not ref:
        draft.problem(node, f"{node.tag} refers to nothing", "an idRef", "none")
    return ref or "?"


def _bring(ref: str, sit: Sit, node: Node, draft: Draft) -> None:
    """Make sure an element exists: the package's, the base pack's, a dictionary, else a stub."""
    if ref in draft.elements or ref == "?":
        return
    found = draft.base.elements.get(ref) if draft.base else None
    if found is not None:
        draft.elements[ref] = found
        draft.inherited.add(ref)
        for part in found.of if isinstance(found, Union) else ():
            _bring(part, sit, node, draft)
        return
    dictionary = draft.dictionaries.get(ref.strip("{}").lower())
    if dictionary is not None:
        terms = tuple(Term(term) for term in read_dictionary(dictionary, ref))
        size = compressed_bytes(term.text for term in terms)
        if size > MAX_COMPRESSED_BYTES:
            draft.warn(
                node, f"the dictionary {ref} has {size:,} bytes after compression; a tenant takes "
                f"{MAX_COMPRESSED_BYTES:,}", "Split it.",
            )  # fmt: skip
        draft.elements[ref] = Keyword(ref, (Group("word", terms),))
        return
    what = "a field of an exact data match store" if ref.startswith("EDM:") else (
        "a keyword dictionary of the tenant" if GUID.match(ref.lower()) else "nothing known here"
    )  # fmt: skip
    remedy = f"Give its terms: --dictionary {ref}=FILE" if GUID.match(ref.lower()) else ""
    draft.warn(node, f"{sit.name} refers to {ref} ({what}); it is a stub and finds nothing", remedy)
    draft.elements[ref] = Keyword(ref, (), stub=True)
