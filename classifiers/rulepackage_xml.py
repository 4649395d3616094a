"""Purview rule packages (XML) read into a pack, GUIDs kept.

What the published schema does not know but real packages hold (proximity on Pattern and Match,
relaxProximity, lower-case tags, the https namespace) is read with a warning; references to tenant
dictionaries become stubs that find nothing, with a warning; what is not evaluated is named.
Source: docs/rule-packages.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlpagent.classifiers.detectors import THROUGH, placed, problems_of, with_inner
from dlpagent.classifiers.dictionary import (
    MAX_COMPRESSED_BYTES,
    compressed_bytes,
    read_dictionary,
)
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.regexes import regex_problem
from dlpagent.classifiers.rulepackage_edm import exact_element
from dlpagent.classifiers.rulepackage_parts import (
    keyword_of,
    proximity_of,
    read_filters,
    read_validators,
    whole_number,
)
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Detector,
    Element,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
    pattern_refs,
)
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.validators.purview import FUNCTIONS
from dlpagent.classifiers.xml_nodes import Node, read_xml
from dlpagent.classifiers.xml_writing import fragment
from dlpagent.errors import Problem, ProblemsError
from dlpagent.findings import PackRef

NAMESPACE = "http://schemas.microsoft.com/office/2011/mce"
EDM_NAMESPACE = "http://schemas.microsoft.com/office/2018/edm"
PRIVA_NAMESPACE = "http://schemas.microsoft.com/office/2020/pdm"

_ENTITY_ATTRIBUTES = {"id", "patternsProximity", "recommendedConfidence", "filters"}


@dataclass(frozen=True, slots=True)
class Imported:
    """A rule package as a pack, and what a person should know of it.

    inherited: ids of the elements that the base pack defines, not the package.
    """

    pack: Pack
    warnings: tuple[Problem, ...]
    inherited: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Draft:
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
    draft = _Draft(str(path), base, dictionaries or {}, stores or {})
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


def _check(draft: _Draft) -> None:
    if draft.problems:
        many = len(draft.problems)
        raise ProblemsError(
            draft.problems, f"The rule package {draft.file} cannot be imported: {many} problem(s)."
        )


def _check_root(root: Node, draft: _Draft) -> None:
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


def _header(root: Node, draft: _Draft) -> Pack:
    pack = root.first("RulePack")
    if pack is None:
        draft.problem(root, "the package has no RulePack", "a RulePack element with an id", "none")
        pack = Node("RulePack", "", {}, root.line)
    ident = _guid(pack, "id", draft)
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


def _guid(node: Node, name: str, draft: _Draft) -> str:
    value = node.attributes.get(name, "").strip().strip("{}").lower()
    if not GUID.match(value):
        draft.problem(node, f"{node.tag} has no usable {name}", "a GUID", value or "none")
    return value


# --- rules ------------------------------------------------------------------------------------


def _read_rules(rules: Node, draft: _Draft) -> None:
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
        _add_sit(draft, node, engine)
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


def _add(draft: _Draft, node: Node, element: Element) -> None:
    if not element.id.strip():
        draft.problem(node, f"{node.tag} has no id", "an id", "none")
    elif element.id in draft.elements:
        draft.problem(node, f"two elements have the id {element.id}", "an id of its own")
    else:
        if element.id != element.id.strip() or " " in element.id:
            draft.warn(node, f"the id {element.id!r} holds blanks, which Purview may refuse")
        draft.elements[element.id] = element


def _regex(node: Node, draft: _Draft) -> Regex:
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


def _validators_named(name: str, node: Node, draft: _Draft) -> tuple[ValidatorSpec, ...]:
    """A Validators group of the package, or the check of a function of Purview."""
    if name in draft.validators:
        return draft.validators[name]
    if name in FUNCTIONS:
        return (ValidatorSpec(FUNCTIONS[name]),)
    draft.warn(node, f"the validator {name} is not known; the regex is used without it")
    key = f"validators:{node.attributes.get('id', '')}"
    draft.kept[key] = f"{draft.kept.get(key, '')} {name}".strip()
    return ()


def _read_strings(rules: Node, draft: _Draft) -> None:
    for resource in rules.within("Resource"):
        ident = resource.attributes.get("idRef", "").strip().lower()
        for tag, target in (("Name", draft.names), ("Description", draft.descriptions)):
            for node in resource.all(tag):
                language = node.attributes.get("langcode", "").lower()
                mapping = target.setdefault(ident, {})
                if node.attributes.get("default", "").lower() == "true":
                    mapping[""] = node.text
                mapping.setdefault(language, node.text)


# --- SITs -------------------------------------------------------------------------------------


def _add_sit(draft: _Draft, node: Node, engine: str) -> None:
    ident = _guid(node, "id", draft)
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


def _bring_all(sit: Sit, node: Node, draft: _Draft) -> None:
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


def _filters_named(node: Node, draft: _Draft) -> tuple[str, ...]:
    """The filters a `filters` attribute names; a group of several stands for all of them."""
    names = node.attributes.get("filters", "").replace(",", " ").split()
    more = [other for name in names for other in draft.filters if other.startswith(f"{name}#")]
    return (*names, *more)


def _confidence(node: Node, name: str, draft: _Draft, default: int) -> int:
    text = node.attributes.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None or not 1 <= number <= 100:
        draft.problem(node, f"{name} is wrong", "a whole number from 1 to 100", text[:40])
        return default
    return number


def _patterns(entity: Node, draft: _Draft) -> Iterator[Pattern]:
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


def _exact(node: Node, entity: Node, draft: _Draft) -> Pattern | None:
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


def _fill_in(rules: Node, draft: _Draft) -> None:
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


def _conditions(node: Node, entity: Node, draft: _Draft) -> Iterator[Condition]:
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


def _number(node: Node, name: str, draft: _Draft, default: int | None) -> int | None:
    text = node.attributes.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None:
        draft.problem(node, f"{name} of {node.tag} is wrong", "a whole number", text[:40])
        return default
    return number


def _ref(node: Node, entity: Node, draft: _Draft) -> str:
    """What a match refers to; in an exact data match package a field of its store."""
    ref = node.attributes.get("idRef", "").strip()
    if not ref and "matches" in node.attributes:
        return f"EDM:{entity.attributes.get('dataStore', '?')}/{node.attributes['matches']}"
    if not ref:
        draft.problem(node, f"{node.tag} refers to nothing", "an idRef", "none")
    return ref or "?"


def _bring(ref: str, sit: Sit, node: Node, draft: _Draft) -> None:
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
