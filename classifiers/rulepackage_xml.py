"""Purview rule packages (XML) read into a pack, GUIDs kept.

What the published schema does not know but real packages hold (proximity on Pattern and Match,
relaxProximity, lower-case tags, the https namespace) is read with a warning; references to tenant
dictionaries become stubs that find nothing, with a warning; what is not evaluated is named.
Source: docs/rule-packages.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dlpagent.classifiers.detectors import THROUGH, placed, problems_of, with_inner
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.regexes import regex_problem
from dlpagent.classifiers.rulepackage_draft import (
    EDM_NAMESPACE,
    NAMESPACE,
    PRIVA_NAMESPACE,
    Draft,
    guid_of,
)
from dlpagent.classifiers.rulepackage_parts import (
    keyword_of,
    read_filters,
    read_validators,
)
from dlpagent.classifiers.rulepackage_sits import add_sit
from dlpagent.classifiers.sit import (
    Detector,
    Element,
    Expression,
    Keyword,
    Pack,
    Regex,
    ValidatorSpec,
)
from dlpagent.classifiers.validators.purview import FUNCTIONS
from dlpagent.classifiers.xml_nodes import Node, read_xml
from dlpagent.errors import Problem, ProblemsError
from dlpagent.findings import PackRef


@dataclass(frozen=True, slots=True)
class Imported:
    """A rule package as a pack, and what a person should know of it.

    inherited: ids of the elements that the base pack defines, not the package.
    """

    pack: Pack
    warnings: tuple[Problem, ...]
    inherited: frozenset[str] = frozenset()


def read_rule_package(
    path: Path,
    base: Pack | None = None,
    dictionaries: Mapping[str, Path] | None = None,
    stores: Mapping[str, Path] | None = None,
) -> Imported:
    """Read a rule package file.

    base: the pack whose Func_* and Keyword_* the package may refer to. dictionaries: GUID (lower
    case) → file of terms, one a line. stores: name of an exact data match store → where it was built
    here; what refers to others is a stub. Raises ProblemsError with every problem at its line, and for
    files that are no rule package, saying what they are.
    """
    root = read_xml(path)
    draft = Draft(str(path), base, dictionaries or {}, stores or {})
    _check_root(root, draft)
    header = _header(root, draft)
    rules = root.first("Rules")
    if rules is None:
        draft.problem(root, "the package has no Rules", "a Rules element", "none")
    else:
        _read_rules(rules, draft)
        _fill_in(rules, draft)
    _check(draft)
    pack = replace(
        header,
        sits=draft.sits,
        elements=draft.elements,
        filters=draft.filters,
        attributes={**header.attributes, **draft.kept},
    )
    return Imported(with_hash(pack), tuple(sorted(draft.warnings)), frozenset(draft.inherited))


def _check(draft: Draft) -> None:
    if draft.problems:
        many = len(draft.problems)
        raise ProblemsError(
            draft.problems, f"The rule package {draft.file} cannot be imported: {many} problem(s)."
        )


def _check_root(root: Node, draft: Draft) -> None:
    namespace = root.namespace.replace("https://", "http://")
    if namespace == PRIVA_NAMESPACE:
        draft.problem(
            root,
            "this is a Priva personal data match package",
            "a sensitive information type rule package",
            "namespace " + root.namespace,
            "It matches data subjects against a Priva store that exists in the tenant only; "
            "there is nothing in it that can be evaluated here.",
        )
    elif root.tag == "EdmSchema":
        draft.problem(
            root,
            "this is the schema of an exact data match store",
            "a rule package",
            "an EdmSchema",
            "Build a store of it: dlpagent edm build SCHEMA DATA -o STORE; then import the rule "
            "package that refers to it.",
        )
    elif root.tag != "RulePackage":
        draft.problem(
            root, "this is not a rule package", "the root element RulePackage", f"<{root.tag}>"
        )
    elif namespace not in (NAMESPACE, EDM_NAMESPACE):
        draft.warn(root, f"unknown namespace {root.namespace or '(none)'}; read as {NAMESPACE}")
    elif root.namespace != namespace:
        draft.warn(root, f"the namespace is written {root.namespace}; it is {namespace}")
    _check(draft)


# --- header -----------------------------------------------------------------------------------


def _header(root: Node, draft: Draft) -> Pack:
    pack = root.first("RulePack")
    if pack is None:
        draft.problem(root, "the package has no RulePack", "a RulePack element with an id", "none")
        pack = Node("RulePack", "", {}, root.line)
    ident = guid_of(pack, "id", draft)
    version = pack.first("Version")
    numbers = [
        (version.attributes.get(part, "0") if version else "0")
        for part in ("major", "minor", "build", "revision")
    ]
    details = pack.first("Details")
    localized = list(details.all("LocalizedDetails")) if details else []
    default = (details.attributes.get("defaultLangCode", "") if details else "").lower()
    chosen = next(
        (node for node in localized if node.attributes.get("langcode", "").lower() == default),
        localized[0] if localized else None,
    )
    for node in [*pack.all("Encryption"), *(node for node in localized if node is not chosen)]:
        draft.keep(node)

    def text(tag: str) -> str:
        node = chosen.first(tag) if chosen else None
        return node.text if node else ""

    attributes = {}
    publisher = pack.first("Publisher")
    if publisher is not None:
        attributes["publisher_id"] = publisher.attributes.get("id", "")
    if default:
        attributes["language"] = default
    return Pack(
        ref=PackRef(ident, ".".join(numbers), ""),
        name=text("Name") or Path(draft.file).stem,
        publisher=text("PublisherName"),
        profile="extended",
        sits={},
        elements={},
        description=text("Description"),
        attributes=attributes,
    )


# --- rules ------------------------------------------------------------------------------------


def _read_rules(rules: Node, draft: Draft) -> None:
    _read_strings(rules, draft)
    for node in rules.all("Validators"):
        draft.validators[node.attributes.get("id", "")] = read_validators(node, draft.problem)
    for node in rules.all("Filters"):
        draft.filters.update(read_filters(node, draft.problem))
    for node in rules.all("Keyword"):
        _add(draft, node, keyword_of(node, draft.problem))
    for node in rules.all("Regex"):
        _add(draft, node, _regex(node, draft))
    for node in rules.all("Fingerprint", "ExtendedKeyword"):
        draft.warn(
            node, f"{node.tag} {node.attributes.get('id', '')} is not evaluated; it finds nothing"
        )
        draft.keep(node)
        _add(draft, node, Keyword(node.attributes.get("id", "?"), (), stub=True))
    for node, engine in _entities(rules):
        add_sit(draft, node, engine)
    known = {
        "Entity", "Affinity", "Version", "Regex", "Keyword", "Fingerprint", "ExtendedKeyword",
        "Validators", "Filters", "LocalizedStrings", "ExactMatch",
    }  # fmt: skip
    for node in rules.children:
        if node.tag not in known:
            draft.keep(node)
            draft.warn(node, f"the element {node.tag} is not known and not evaluated")


def _entities(rules: Node) -> Iterator[tuple[Node, str]]:
    """Every Entity, Affinity and ExactMatch, those inside a Version element with its engine."""
    for node in rules.children:
        if node.tag in ("Entity", "Affinity", "ExactMatch"):
            yield node, ""
        elif node.tag == "Version":
            for inner in node.all("Entity", "Affinity", "ExactMatch"):
                yield inner, node.attributes.get("minEngineVersion", "")


def _add(draft: Draft, node: Node, element: Element) -> None:
    if not element.id.strip():
        draft.problem(node, f"{node.tag} has no id", "an id", "none")
    elif element.id in draft.elements:
        draft.problem(node, f"two elements have the id {element.id}", "an id of its own")
    else:
        if element.id != element.id.strip() or " " in element.id:
            draft.warn(node, f"the id {element.id!r} holds blanks, which Purview may refuse")
        draft.elements[element.id] = element


def _regex(node: Node, draft: Draft) -> Regex:
    pattern = node.text
    problem = regex_problem(pattern) if pattern else "it is empty"
    if problem:
        draft.problem(
            node,
            f"the regex {node.attributes.get('id', '')} cannot be used: {problem}",
            "a regex in Boost syntax that can be translated",
            "one that cannot",
        )
    specs: list[ValidatorSpec] = []
    for name in node.attributes.get("validators", "").replace(",", " ").split():
        specs += _validators_named(name, node, draft)
    return Regex(node.attributes.get("id", ""), (Expression(pattern),), tuple(specs))


def _validators_named(name: str, node: Node, draft: Draft) -> tuple[ValidatorSpec, ...]:
    """A Validators group of the package, or the check of a function of Purview."""
    if name in draft.validators:
        return draft.validators[name]
    if name in FUNCTIONS:
        return (ValidatorSpec(FUNCTIONS[name]),)
    draft.warn(node, f"the validator {name} is not known; the regex is used without it")
    key = f"validators:{node.attributes.get('id', '')}"
    draft.kept[key] = f"{draft.kept.get(key, '')} {name}".strip()
    return ()


def _read_strings(rules: Node, draft: Draft) -> None:
    for resource in rules.within("Resource"):
        ident = resource.attributes.get("idRef", "").strip().lower()
        for tag, target in (("Name", draft.names), ("Description", draft.descriptions)):
            for node in resource.all(tag):
                language = node.attributes.get("langcode", "").lower()
                mapping = target.setdefault(ident, {})
                if node.attributes.get("default", "").lower() == "true":
                    mapping[""] = node.text
                mapping.setdefault(language, node.text)


def _fill_in(rules: Node, draft: Draft) -> None:
    """Give detectors what they go through and the state of their store, and check them."""
    base = draft.base
    own = ({**(base.elements if base else {}), **draft.elements}, draft.sits)
    scopes = [own, (base.elements, base.sits)] if base else [own]
    for name, element in list(draft.elements.items()):
        if not isinstance(element, Detector) or name in draft.inherited:
            continue
        (here,) = placed({name: element}, Path()).values()
        assert isinstance(here, Detector)
        filled = with_inner(here, scopes)
        if filled is None:
            draft.warn(
                rules,
                f"{element.param(THROUGH)}, the classification of {name}, has no patterns here; "
                "its values are looked for word by word, which is slower",
                "Import the type it names into the same pack.",
            )
            params = tuple(item for item in here.params if item[0] != THROUGH)
            filled = replace(here, params=params)
        draft.elements[name] = filled
        draft.problems.extend(problems_of(filled, draft.file, rules.line))
