"""The lint of what a rule package says: ids, references, SITs, lists, regexes, checks, names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from dlpagent.classifiers.lint_elements import element_notes, filter_notes, validator_notes
from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.lint_values import (
    Known,
    Placed,
    boolean_notes,
    is_guid,
    is_number,
    missing_names,
    whole_notes,
    window_notes,
)
from dlpagent.classifiers.xml_nodes import Node

MAX_SITS = 500
MAX_REGEXES_PER_SIT = 20
MAX_NAME_CHARS = 64
SHORT_WINDOW = 10
"""A window of fewer characters holds hardly a word on either side."""

_ENTITIES = ("Entity", "Affinity", "ExactMatch")
_ELEMENTS = ("Regex", "Keyword", "Fingerprint", "ExtendedKeyword")


def package_notes(root: Node, builtin_ids: frozenset[str]) -> Iterator[Placed]:
    """Every finding on the content of a package, with its line."""
    package = Known(root, builtin_ids)
    yield from _definitions(package)
    yield from _header(root)
    sits = list(root.within(*_ENTITIES))
    for sit in sits:
        yield from _sit(sit, package)
    if len(sits) > MAX_SITS:
        yield root.line, Note("too-many-sits", f"{len(sits)} SITs, {MAX_SITS} are allowed",
                              "Split the package.")  # fmt: skip
    for element in package.elements.values():
        yield from element_notes(element, package)
    for node in root.within("Validators"):
        yield from validator_notes(node)
    for node in root.within("Filters"):
        yield from filter_notes(node, package)
    yield from _strings(root, sits)
    for name, node in package.elements.items():
        if name not in package.used:
            yield node.line, Note("unused-element", f"nothing refers to {name}", "Remove it.")


# --- ids --------------------------------------------------------------------------------------


def _definitions(package: Known) -> Iterator[Placed]:
    seen: set[str] = set()
    for node in package.root.within(*_ELEMENTS, *_ENTITIES, "Validators", "Filters"):
        ident = node.attributes.get("id", "")
        if node.tag in _ELEMENTS:
            package.elements.setdefault(ident, node)
        elif node.tag == "Validators":
            package.validators.add(ident)
        elif node.tag == "Filters":
            package.filters.add(ident)
        key = ident.lower() if node.tag in _ENTITIES else ident
        if ident and key in seen:
            yield node.line, Note("duplicate-id", f"the id {ident} is taken", "Give it another id.")
        seen.add(key)
        yield from ((node.line, note) for note in _id_notes(node, ident))


def _id_notes(node: Node, ident: str) -> Iterator[Note]:
    if "id" in node.attributes and not ident.strip():
        yield Note("wrong-value", f"the id of {node.tag} is empty", "Give it an id.")
    elif node.tag in _ENTITIES:
        if not is_guid(ident) and "id" in node.attributes:
            yield Note("not-a-guid", f"the id of {node.tag} is not a GUID", "Make a new GUID.")
    elif re.search(r"\s", ident):
        yield Note("id-blank", f"the id {ident!r} holds a blank", "Write _ instead.")
    elif re.search(r"[^A-Za-z0-9_.'-]", ident):
        yield Note("id-unsafe", f"the id {ident!r} holds unusual characters",
                   "Use letters, digits and _.")  # fmt: skip


def _header(root: Node) -> Iterator[Placed]:
    for pack in root.all("RulePack"):
        ident = pack.attributes.get("id", "").strip("{} ")
        if "id" in pack.attributes and not is_guid(ident):
            yield (
                pack.line,
                Note("not-a-guid", "the id of RulePack is not a GUID", "Make a new GUID."),
            )
        if ident.startswith("00000000"):
            yield pack.line, Note("reserved-id", "RulePack ids that begin with 00000000 are Purview's",
                                  "Make a new GUID.")  # fmt: skip
        for publisher in pack.all("Publisher"):
            if not is_guid(publisher.attributes.get("id", "")) and "id" in publisher.attributes:
                yield publisher.line, Note("not-a-guid", "the id of Publisher is not a GUID",
                                           "Make a new GUID.")  # fmt: skip
        for version in pack.all("Version"):
            yield from ((version.line, note) for part in ("major", "minor", "build", "revision")
                        for note in whole_notes(version, part, 0, 65535))  # fmt: skip
        for name in pack.within("Name"):
            if len(name.text) > MAX_NAME_CHARS:
                yield (
                    name.line,
                    Note(
                        "name-too-long",
                        f"the name has {len(name.text)} characters, {MAX_NAME_CHARS} are allowed",
                        "Shorten it.",
                    ),
                )


# --- SITs -------------------------------------------------------------------------------------


def _sit(sit: Node, package: Known) -> Iterator[Placed]:
    ident = sit.attributes.get("id", "").strip("{} ").lower()
    if ident in package.builtin_ids:
        yield sit.line, Note("builtin-guid", "the GUID is that of one of Purview's own types",
                             "Give your version a GUID of its own.")  # fmt: skip
    for name in ("patternsProximity", "evidencesProximity"):
        yield from ((sit.line, note) for note in window_notes(sit, name))
    yield from ((sit.line, note) for note in whole_notes(sit, "recommendedConfidence", 1, 100))
    yield from missing_names(sit, "filters", package.filters, "filter")
    patterns = list(sit.within("Pattern", "Evidence"))
    for pattern in patterns:
        yield from _pattern(pattern, sit, package)
    yield from _tiers(sit, patterns)
    regexes = {ref for node in sit.within("IdMatch", "Match")
               if (ref := node.attributes.get("idRef", "")) in package.elements
               and package.elements[ref].tag == "Regex"}  # fmt: skip
    if len(regexes) > MAX_REGEXES_PER_SIT:
        yield (
            sit.line,
            Note(
                "too-many-regexes",
                f"the SIT names {len(regexes)} regexes, {MAX_REGEXES_PER_SIT} are allowed",
                "Join some with |.",
            ),
        )


def _tiers(sit: Node, patterns: list[Node]) -> Iterator[Placed]:
    levels = [text.strip() for node in patterns
              if is_number(text := node.attributes.get("confidenceLevel", ""))]  # fmt: skip
    for level, many in Counter(levels).items():
        if many > 1:
            yield (
                sit.line,
                Note(
                    "duplicate-confidence",
                    f"{many} Patterns have the confidence {level}",
                    "Give each a confidence of its own.",
                ),
            )
    recommended = sit.attributes.get("recommendedConfidence", "")
    if levels and is_number(recommended) and int(recommended) > max(map(int, levels)):
        yield (
            sit.line,
            Note(
                "recommended-unreached",
                f"recommendedConfidence is {recommended}, the highest Pattern has {max(map(int, levels))}",
                "Recommend a confidence that a Pattern reaches.",
            ),
        )


def _pattern(pattern: Node, sit: Node, package: Known) -> Iterator[Placed]:
    yield from ((pattern.line, note) for note in whole_notes(pattern, "confidenceLevel", 1, 100))
    yield from ((pattern.line, note) for note in window_notes(pattern, "proximity"))
    yield from missing_names(pattern, "filters", package.filters, "filter")
    primaries = list(pattern.all("IdMatch", "idMatch"))
    if pattern.tag == "Pattern" and len(primaries) != 1:
        yield pattern.line, Note("id-match", f"the Pattern has {len(primaries)} IdMatch",
                                 "Write exactly one.")  # fmt: skip
    for node in pattern.within("IdMatch", "Match"):
        yield from _reference(node, package)
        yield from ((node.line, note) for note in whole_notes(node, "minCount", 0, 100_000))
        yield from ((node.line, note) for note in window_notes(node, "proximity"))
        yield from ((node.line, note) for note in boolean_notes(node, "uniqueResults"))
    for node in pattern.within("Any", "any"):
        yield from ((node.line, note) for note in _any(node))
    yield from _fits(pattern, sit, package)


def _reference(node: Node, package: Known) -> Iterator[Placed]:
    ref = node.attributes.get("idRef")
    if ref is None:
        return
    package.used.add(ref)
    if not package.knows(ref):
        yield (
            node.line,
            Note(
                "unknown-reference",
                f"{node.tag} refers to {ref or 'nothing'}, which nothing defines",
                "Define it, or refer to a function or list of Purview or to the GUID of a dictionary.",
            ),
        )


def _any(node: Node) -> Iterator[Note]:
    for name in ("minMatches", "maxMatches"):
        yield from whole_notes(node, name, 0, 100_000)
    children = len(node.children)
    low, high = node.attributes.get("minMatches", "1"), node.attributes.get("maxMatches")
    if not is_number(low) or (high is not None and not is_number(high)):
        return
    if int(low) > children or (high is not None and int(high) < int(low)):
        yield Note(
            "any-impossible",
            f"the Any asks for {low} to {high or 'any number'} of {children}",
            "Ask for no more than it holds; for exclusion write both minMatches and maxMatches as 0.",
        )
    elif int(low) == 0 and (high is None or int(high) >= children):
        yield Note("any-always", "the Any always holds: it asks for none or more",
                   'To exclude its elements write maxMatches="0".')  # fmt: skip


def _fits(pattern: Node, sit: Node, package: Known) -> Iterator[Placed]:
    """Whether the supporting terms have room in the window."""
    for node in pattern.within("Match"):
        text = (
            node.attributes.get("proximity")
            or pattern.attributes.get("proximity")
            or sit.attributes.get("patternsProximity", "")
        )
        if not is_number(text):
            continue
        width, ref = int(text), node.attributes.get("idRef", "")
        element = package.elements.get(ref)
        terms = [len(term.text) for term in element.within("Term")] if element else []
        if 0 < width < max(SHORT_WINDOW, max(terms, default=0)):
            yield (
                node.line,
                Note(
                    "window-too-short",
                    f"within {width} characters {ref} does not fit",
                    "Widen the proximity; 300 is usual.",
                ),
            )


# --- names ------------------------------------------------------------------------------------


def _strings(root: Node, sits: list[Node]) -> Iterator[Placed]:
    named: set[str] = set()
    known = {sit.attributes.get("id", "").strip("{} ").lower() for sit in sits}
    for resource in root.within("Resource"):
        ident = resource.attributes.get("idRef", "").strip("{} ").lower()
        defaults = [
            node for node in resource.all("Name")
            if node.attributes.get("default", "").lower() == "true" and node.text
        ]  # fmt: skip
        named |= {ident} if defaults else set()
        if ident not in known:
            yield (
                resource.line,
                Note(
                    "unknown-reference",
                    f"the Resource names {ident or 'nothing'}, which is no SIT of the package",
                    "Give it the id of an Entity.",
                ),
            )
        for node in resource.all("Name", "Description"):
            yield from ((node.line, note) for note in boolean_notes(node, "default"))
    for sit in sits:
        if sit.attributes.get("id", "").strip("{} ").lower() not in named:
            yield sit.line, Note("no-name", "the SIT has no default name in LocalizedStrings",
                                 'Add a Resource with <Name default="true" langcode="en-us">.')  # fmt: skip
