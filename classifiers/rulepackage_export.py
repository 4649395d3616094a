"""A pack written as the rule package XML that Purview takes; what it cannot say is a warning.

Functions and keyword lists of Purview are referred to by their id, everything else is written out.
What an import kept (publisher, languages, engine versions, elements that are not evaluated) is
written back. Source of structure and order: docs/rule-packages.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from dlpagent.classifiers.rulepackage_draft import EDM_NAMESPACE, NAMESPACE
from dlpagent.classifiers.rulepackage_edm import data_store, exact_nodes, is_exact
from dlpagent.classifiers.rulepackage_export_elements import ElementWriter
from dlpagent.classifiers.rulepackage_export_filters import filter_nodes, filters_attribute
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Detector,
    Match,
    Pack,
    Pattern,
    Sit,
    pattern_refs,
)
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.xml_nodes import Node, parse_xml
from dlpagent.classifiers.xml_writing import COMMENT, comment, document, encoded, node
from dlpagent.errors import ConfigurationError, Problem

Part = Literal["major", "minor", "build", "revision"]
PARTS: tuple[Part, ...] = get_args(Part)

# Ids made from names, so that the same pack always gives the same package.
_IDS = uuid.UUID("0b6a5e1c-52c4-5f0e-9d43-6f1a7c2b9e10")
_OF_HEADER = ("LocalizedDetails", "Encryption")
# Attributes of a Sit that are not attributes of its XML element.
_NOT_XML = ("element", "xml", "minEngineVersion", "engine:", "classification:")


@dataclass(frozen=True, slots=True)
class Exported:
    """A rule package. data is what goes to the file (UTF-16 with its mark), text the same to read.

    warnings name what Purview cannot express, at the file and line of the SIT.
    """

    text: str
    version: str
    sits: int
    warnings: tuple[Problem, ...]

    @property
    def data(self) -> bytes:
        return encoded(self.text)


@dataclass(slots=True)
class _Draft:
    pack: Pack
    base: Pack | None
    sit: Sit | None = None
    line: int = 0
    warnings: list[Problem] = field(default_factory=list)
    elements: ElementWriter = field(init=False)

    def __post_init__(self) -> None:
        self.elements = ElementWriter(self.pack, self.base, self.warn)

    def warn(self, what: str, remedy: str = "") -> None:
        file = self.sit.file if self.sit else self.pack.name
        name = f"{self.sit.name}: " if self.sit else ""
        problem = Problem(file, self.line, name + what, remedy=remedy, severity="warning")
        if problem not in self.warnings:
            self.warnings.append(problem)


def export_rule_package(
    pack: Pack,
    base: Pack | None = None,
    *,
    version: str = "",
    publisher: str = "",
    only_used: bool = False,
) -> Exported:
    """Write a pack as a rule package.

    base: the pack whose Func_* and Keyword_* stand for Purview's. version: default the pack's, which
    the service ignores when it has that version already (see bumped). publisher: its name, if not
    the pack's. only_used: leave out elements that no SIT names.
    """
    draft = _Draft(pack, base)
    number = version or pack.ref.version
    entities = [item for sit in pack.sits.values() for item in _sit_nodes(sit, draft)]
    draft.sit, draft.line = None, 0
    if not only_used:
        _write_unused(draft)
    filters = list(filter_nodes(pack, _filters_wanted(pack, only_used), draft.elements, draft.warn))
    _warn_of_forms(draft)
    rules = node(
        "Rules",
        {},
        *entities,
        *draft.elements.nodes,
        *filters,
        *_kept(pack, lambda tag: tag not in _OF_HEADER),
        *_localized_strings(pack, entities),
    )
    root = node("RulePackage", {}, _header(draft, number, publisher), rules)
    is_edm = any(item.tag == "ExactMatch" for item in entities)
    text = document(root, EDM_NAMESPACE if is_edm else NAMESPACE)
    many = sum(item.tag in ("Entity", "ExactMatch", "Affinity", "Version") for item in entities)
    return Exported(text, number, many, tuple(sorted(draft.warnings)))


def bumped(version: str, part: Part) -> str:
    """The next version: that part one higher, the parts after it zero. Raises ConfigurationError."""
    pieces = version.split(".")
    if len(pieces) > len(PARTS) or not all(piece.isdigit() for piece in pieces):
        raise ConfigurationError(
            "the version of the pack cannot be counted up",
            where="pack.yaml",
            expected="major.minor.build.revision, whole numbers",
            found=version,
        )
    numbers = [*map(int, pieces), 0, 0, 0][: len(PARTS)]
    place = PARTS.index(part)
    return ".".join(map(str, [*numbers[:place], numbers[place] + 1, *[0] * (3 - place)]))


def version_of(root: Node) -> tuple[str, str]:
    """Id and version of a rule package that was written before."""
    pack = root.first("RulePack") or node("RulePack")
    version = pack.first("Version") or node("Version")
    numbers = [version.attributes.get(part, "0") for part in PARTS]
    ident = pack.attributes.get("id", "").strip("{} ").lower()
    return ident, ".".join(one if one.isdigit() else "0" for one in numbers)


# --- header -----------------------------------------------------------------------------------


def _header(draft: _Draft, version: str, publisher: str) -> Node:
    pack = draft.pack
    ident = pack.ref.id
    if not GUID.match(ident):
        ident = str(uuid.uuid5(_IDS, pack.name))
        draft.warn(f"the pack has no GUID; the package gets {ident}", "Write it into pack.yaml.")
    language = pack.attributes.get("language", "en-us")
    details = node(
        "LocalizedDetails",
        {"langcode": language},
        node("PublisherName", text=publisher or pack.publisher or pack.name),
        node("Name", text=pack.name),
        node("Description", text=pack.description),
    )
    return node(
        "RulePack",
        {"id": ident},
        node("Version", dict(zip(PARTS, _version_parts(version), strict=True))),
        node("Publisher", {"id": _publisher_id(pack, publisher)}),
        node(
            "Details",
            {"defaultLangCode": language},
            details,
            *_kept(pack, lambda tag: tag == "LocalizedDetails"),
        ),
        *_kept(pack, lambda tag: tag == "Encryption"),
    )


def _version_parts(version: str) -> list[str]:
    """The four numbers of a version."""
    return [*version.split("."), "0", "0", "0"][: len(PARTS)]


def _publisher_id(pack: Pack, publisher: str) -> str:
    known = pack.attributes.get("publisher_id", "")
    if known and publisher in ("", pack.publisher):
        return known
    return str(uuid.uuid5(_IDS, publisher or pack.publisher or pack.name))


def _kept(pack: Pack, wanted: Callable[[str], bool]) -> Iterator[Node]:
    """Elements that the import did not evaluate, as they were."""
    for key, text in pack.attributes.items():
        kind, _, tag = key.partition(":")
        if kind == "xml" and wanted(tag.partition(":")[0]):
            yield parse_xml(text, Path(key))


# --- SITs -------------------------------------------------------------------------------------


def _sit_nodes(sit: Sit, draft: _Draft) -> Iterator[Node]:
    """The Entity of a SIT, in its Version where it came in one; nothing when it has no pattern."""
    draft.sit, draft.line = sit, sit.line
    if "xml" in sit.attributes:
        kept = parse_xml(sit.attributes["xml"], Path(sit.file))
        for item in kept.within("Match", "IdMatch"):
            if item.attributes.get("idRef") in draft.pack.elements:
                draft.elements.ids(item.attributes["idRef"])
        yield kept
        return
    if sit.parity != "own":
        draft.warn(
            "this is Purview's own type; a tenant has its GUID already and refuses another with it",
            "Give your version a GUID of its own, or export only your types with --sit.",
        )
    if any(item.context for item in sit.examples):
        draft.warn("some examples need the column heading beside them, which Purview does not read")
    patterns = [item for index, pattern in enumerate(sit.patterns)
                for item in _pattern_nodes(sit, index, pattern, draft)]  # fmt: skip
    if not patterns:
        draft.warn("it has no pattern that Purview can hold; it is not written")
        return
    tag = "ExactMatch" if _has_exact(sit, draft.pack) else sit.attributes.get("element", "Entity")
    entity = node(tag, _entity_attributes(sit, draft), *patterns)
    engine = sit.attributes.get("minEngineVersion", "")
    yield node("Version", {"minEngineVersion": engine}, entity) if engine else entity


def _entity_attributes(sit: Sit, draft: _Draft) -> dict[str, str]:
    attributes = {
        "id": sit.id,
        "patternsProximity": _proximity(sit.proximity),
        "recommendedConfidence": str(sit.recommended_confidence),
    }
    if sit.filters:
        attributes["filters"] = filters_attribute(draft.pack, sit.filters, draft.warn)
    kept = {key: text for key, text in sit.attributes.items() if not key.startswith(_NOT_XML)}
    if _has_exact(sit, draft.pack):
        kept["dataStore"] = data_store(sit, draft.pack.elements)
    return {**attributes, **kept}


def _has_exact(sit: Sit, pack: Pack) -> bool:
    return any(is_exact(pack.elements.get(item.primary)) for item in sit.patterns)


def _proximity(value: int) -> str:
    return "unlimited" if value == UNLIMITED else str(value)


def _pattern_nodes(sit: Sit, index: int, pattern: Pattern, draft: _Draft) -> Iterator[Node]:
    """A pattern, once for every id that stands for its primary element."""
    draft.line = pattern.line or sit.line
    if _has_exact(sit, draft.pack):
        yield from _exact_pattern(sit, pattern, draft)
        return
    primaries = draft.elements.ids(pattern.primary)
    conditions = _conditions(pattern.conditions, draft)
    if conditions is None or not primaries:
        draft.warn(f"the pattern of confidence {pattern.confidence} cannot be written; it is gone")
        return
    if len(primaries) > 1:
        draft.warn(
            f"the pattern of confidence {pattern.confidence} is written {len(primaries)} times, as "
            f"{pattern.primary} is written as {len(primaries)} elements"
        )
    attributes = {"confidenceLevel": str(pattern.confidence)}
    if pattern.proximity is not None:
        draft.warn("proximity on a pattern is not in the published schema; a tenant may refuse it")
        attributes["proximity"] = _proximity(pattern.proximity)
    if pattern.filters:
        attributes["filters"] = filters_attribute(draft.pack, pattern.filters, draft.warn)
    for primary in primaries:
        if pattern.origin == "ours":
            yield comment("added by dlpagent")
        written = node("Pattern", attributes, _id_match(sit, primary), *conditions)
        engine = sit.attributes.get(f"engine:{index}", "")
        yield node("Version", {"minEngineVersion": engine}, written) if engine else written


def _exact_pattern(sit: Sit, pattern: Pattern, draft: _Draft) -> Iterator[Node]:
    """A pattern of an ExactMatch: fields of a store and nothing else."""
    element = draft.pack.elements[pattern.primary]
    if not isinstance(element, Detector) or not is_exact(element) or pattern.conditions:
        draft.warn(
            f"the pattern of confidence {pattern.confidence} asks for more than fields of a store, "
            "which a type of exact data match cannot; it is gone",
            "Write a type of its own for it.",
        )
        return
    known = {**(draft.base.sits if draft.base else {}), **draft.pack.sits}
    fields, fault = exact_nodes(element, sit, known)
    if fault:
        draft.warn(fault)
    attributes = {"confidenceLevel": str(pattern.confidence)}
    if pattern.proximity is not None:
        attributes["proximity"] = _proximity(pattern.proximity)
    if pattern.filters:
        attributes["filters"] = filters_attribute(draft.pack, pattern.filters, draft.warn)
    yield node("Pattern", attributes, *fields)


def _id_match(sit: Sit, ref: str) -> Node:
    if not ref.startswith("EDM:"):
        return node("IdMatch", {"idRef": ref})
    name = ref.partition("/")[2]
    attributes = {"matches": name}
    if f"classification:{name}" in sit.attributes:
        attributes["classification"] = sit.attributes[f"classification:{name}"]
    return node("idMatch", attributes)


def _conditions(items: Iterable[Condition], draft: _Draft) -> list[Node] | None:
    """Conditions of a pattern, all of which must hold; None when one of them never can."""
    found = []
    for item in items:
        nodes = (
            _any(item, draft) if isinstance(item, AnyOf) else _match(item, draft, is_spliced=False)
        )
        if nodes is None:
            return None
        found += nodes
    return found


def _any(group: AnyOf, draft: _Draft) -> list[Node] | None:
    spliced = (group.min_matches, group.max_matches) in ((1, None), (0, 0))
    children: list[Node] = []
    for child in group.children:
        nodes = _any(child, draft) if isinstance(child, AnyOf) else _match(child, draft, spliced)
        children += nodes or []
    if not children and group.min_matches == 0:
        return []
    if sum(child.tag != COMMENT for child in children) < group.min_matches:
        return None
    attributes = {"minMatches": str(group.min_matches)}
    if group.max_matches is not None:
        attributes["maxMatches"] = str(group.max_matches)
    return [node("Any", attributes, *children)]


def _match(match: Match, draft: _Draft, is_spliced: bool) -> list[Node] | None:
    """A Match; an Any of several when several ids stand for its element. None: it can never hold."""
    ids = draft.elements.ids(match.ref)
    if not ids:
        draft.warn(f"a condition on {match.ref} cannot be written; it counts as not met")
        return None
    if len(ids) > 1 and (match.min_count != 1 or match.unique):
        draft.warn(
            f"{match.ref} is written as {len(ids)} elements, whose hits Purview counts apart; "
            "minCount holds for each of them"
        )
    attributes = {}
    if match.min_count != 1:
        attributes["minCount"] = str(match.min_count)
    if match.unique:
        attributes["uniqueResults"] = "true"
    if match.proximity is not None:
        draft.warn("proximity on a match is not in the published schema; a tenant may refuse it")
        attributes["proximity"] = _proximity(match.proximity)
    nodes = [_match_node(ref, attributes, draft.sit) for ref in ids]
    if len(nodes) > 1 and not is_spliced:
        nodes = [node("Any", {"minMatches": "1"}, *nodes)]
    return [comment("added by dlpagent"), *nodes] if match.origin == "ours" else nodes


def _match_node(ref: str, attributes: dict[str, str], sit: Sit | None) -> Node:
    if ref.startswith("EDM:"):
        name = ref.partition("/")[2]
        classification = sit.attributes.get(f"classification:{name}", "") if sit else ""
        kept = {"classification": classification} if classification else {}
        return node("match", {"matches": name, **kept, **attributes})
    return node("Match", {"idRef": ref, **attributes})


def _write_unused(draft: _Draft) -> None:
    """Elements that no SIT names are the author's all the same, unless the base pack brought them."""
    named = {
        ref
        for sit in draft.pack.sits.values()
        for item in sit.patterns
        for ref in pattern_refs(item)
    }
    inherited = draft.base.elements if draft.base else {}
    for name, element in draft.pack.elements.items():
        if name not in named and inherited.get(name) != element and not is_exact(element):
            draft.elements.ids(name)


def _filters_wanted(pack: Pack, only_used: bool) -> set[str]:
    if not only_used:
        return set(pack.filters)
    return {
        name
        for sit in pack.sits.values()
        for name in (*sit.filters, *(name for item in sit.patterns for name in item.filters))
    }


def _warn_of_forms(draft: _Draft) -> None:
    many = sum(sit.value != "number" for sit in draft.pack.sits.values())
    if many:
        draft.warn(
            f"{many} SIT(s) say that their values are text or secrets, for evidence here; a package "
            "has no place for it and reads back as numbers"
        )


# --- names ------------------------------------------------------------------------------------


def _localized_strings(pack: Pack, entities: Iterable[Node]) -> Iterator[Node]:
    """Name and description of every SIT written."""
    written = {
        item.attributes.get("id", "").strip("{}").lower()
        for top in entities
        for item in (top, *top.within("Entity", "Affinity", "ExactMatch"))
    }
    resources = [_resource(sit, pack) for sit in pack.sits.values() if sit.id in written]
    if resources:
        yield node("LocalizedStrings", {}, *resources)


def _resource(sit: Sit, pack: Pack) -> Node:
    language = pack.attributes.get("language", "en-us")
    strings = [
        *_strings("Name", sit.name, sit.names, language),
        *_strings("Description", sit.description or sit.name, sit.descriptions, language),
    ]
    return node("Resource", {"idRef": sit.id}, *strings)


def _strings(tag: str, default: str, localized: Mapping[str, str], language: str) -> Iterator[Node]:
    """The default text in the language it is known in, then the other languages."""
    same = [code for code, text in localized.items() if " ".join(text.split()) == default]
    own = language if language in same or not same else same[0]
    text = localized[own] if own in same else default
    yield node(tag, {"default": "true", "langcode": own}, text=text)
    for code, text in localized.items():
        if code != own:
            yield node(tag, {"default": "false", "langcode": code}, text=text)
