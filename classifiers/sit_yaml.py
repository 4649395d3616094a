"""One YAML file ⇄ one SIT: reading, with every problem of the file noted at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

from dlpagent.classifiers.normalise import shadow_of
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Detector,
    DetectorParam,
    Direction,
    Element,
    Example,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    NearMiss,
    Origin,
    Parity,
    Pattern,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
)
from dlpagent.classifiers.terms_file import read_terms
from dlpagent.errors import DlpAgentError
from dlpagent.yaml_reader import Reader

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
MAX_PROXIMITY = 999_999_999

_SIT_KEYS = (
    "id", "name", "version", "parity", "description", "proximity", "recommended_confidence", "value",
    "elements", "patterns", "filters", "examples", "near_misses", "references", "attributes",
    "names", "descriptions",
)  # fmt: skip
_ELEMENT_KEYS = ("regex", "validators", "function", "keywords", "ours", "union", "stub", "detector")
_ONLY_FOR_REGEX = ("validators", "function")


Lines = dict[str, int]


def read_sit(root: Reader) -> tuple[Sit, dict[str, Element], Lines, dict[str, Filter]]:
    """A SIT with the elements (and their lines) and filters its file defines.

    Problems are noted in the reader.
    """
    keys = root.mapping(_SIT_KEYS, required=("id", "name", "version", "parity", "patterns"))
    elements, lines = read_elements(keys["elements"]) if "elements" in keys else ({}, {})
    filters, filter_ids = _read_filters(keys.get("filters"))
    sit = Sit(
        id=_guid(keys.get("id")),
        name=keys["name"].text() if "name" in keys else "?",
        version=keys["version"].integer(1, low=1) if "version" in keys else 1,
        parity=cast("Parity", keys["parity"].choice(get_args(Parity), "own"))
        if "parity" in keys
        else "own",
        patterns=tuple(_patterns(keys.get("patterns"))),
        proximity=_proximity(keys.get("proximity")) or 300,
        recommended_confidence=_confidence(keys.get("recommended_confidence"), 75),
        description=keys["description"].text().strip() if "description" in keys else "",
        value=keys["value"].choice(("number", "text", "secret"), "number")  # type: ignore[arg-type]
        if "value" in keys
        else "number",
        filters=filter_ids,
        examples=tuple(_examples(keys.get("examples"))),
        near_misses=tuple(_near_misses(keys.get("near_misses"))),
        references=keys["references"].texts() if "references" in keys else (),
        attributes=_strings(keys.get("attributes")),
        names=_strings(keys.get("names")),
        descriptions=_strings(keys.get("descriptions")),
        file=root.file,
        line=root.line,
    )
    _check_tiers(sit, keys.get("patterns"))
    return sit, elements, lines, filters


def _guid(reader: Reader | None) -> str:
    if reader is None:
        return ""
    value = reader.text().lower().strip("{}")
    if value and not GUID.match(value):
        reader.problem("not a GUID", "8-4-4-4-12 hexadecimal digits", value)
    return value


def _confidence(reader: Reader | None, default: int) -> int:
    return reader.integer(default, low=1, high=100) if reader else default


def _proximity(reader: Reader | None) -> int | None:
    if reader is None:
        return None
    if reader.is_scalar() and reader.node.value == "unlimited":
        return UNLIMITED
    return reader.integer(300, low=1, high=MAX_PROXIMITY)


def _strings(reader: Reader | None) -> dict[str, str]:
    if reader is None:
        return {}
    return {key: child.text(allow_empty=True) for key, child in reader.mapping().items()}


def _check_tiers(sit: Sit, reader: Reader | None) -> None:
    if reader is not None and not sit.patterns and sit.parity != "name":
        reader.problem("the SIT has no pattern", "at least one", "none")


# --- elements ---------------------------------------------------------------------------------


def read_elements(reader: Reader) -> tuple[dict[str, Element], Lines]:
    """The mapping `elements:` of a SIT or of a shared file, and the line of each."""
    found = reader.mapping()
    elements = {name: _element(name, child) for name, child in found.items()}
    return elements, {name: child.line for name, child in found.items()}


def _element(name: str, reader: Reader) -> Element:
    keys = reader.mapping(_ELEMENT_KEYS)
    kinds = [kind for kind in ("regex", "keywords", "union", "detector") if kind in keys]
    stub = keys["stub"].boolean() if "stub" in keys else False
    if len(kinds) != 1 and not (stub and not kinds):
        reader.problem(
            "an element needs exactly one kind",
            "regex, keywords, union or detector",
            ", ".join(kinds) or "none",
        )
    if kinds and kinds != ["regex"]:
        for key in (*_ONLY_FOR_REGEX, *(() if kinds == ["keywords"] else ("ours", "stub"))):
            if key in keys:
                keys[key].problem(f"{kinds[0]} takes no {key}", remedy="Remove it.")
    if "union" in keys:
        return Union(name, keys["union"].texts())
    if "detector" in keys:
        return _detector(name, keys["detector"])
    if "keywords" in keys or (stub and "regex" not in keys):
        groups = [*_groups(keys.get("keywords"), "purview"), *_groups(keys.get("ours"), "ours")]
        if not groups and not stub:
            reader.problem("the keyword list has no terms", "at least one term", "none")
        return Keyword(name, tuple(groups), stub)
    return Regex(
        id=name,
        expressions=tuple(_expressions(keys.get("regex"), keys.get("ours"))),
        validators=tuple(_validator(item) for item in keys["validators"].items())
        if "validators" in keys
        else (),
        function=keys["function"].boolean() if "function" in keys else False,
        stub=stub,
    )


def _detector(name: str, reader: Reader) -> Detector:
    """{kind: …, and what that kind takes}: checked by detectors.problems_of when the pack is loaded."""
    keys = reader.mapping()
    if "kind" not in keys:
        reader.problem("a detector needs a kind", "kind: entity, edm, fingerprint, …", "none")
        return Detector(name, "?")
    params = tuple((key, _param(item)) for key, item in keys.items() if key != "kind")
    return Detector(name, keys["kind"].text(), params)


def _param(reader: Reader) -> DetectorParam:
    if reader.is_list():
        return reader.texts()
    text = reader.text()
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _expressions(purview: Reader | None, ours: Reader | None) -> Iterator[Expression]:
    for reader, origin in ((purview, "purview"), (ours, "ours")):
        if reader is None:
            continue
        for item in reader.items() if reader.is_list() else (reader,):
            text = item.text()
            if text:
                yield Expression(text, cast("Origin", origin))


def _groups(reader: Reader | None, origin: Origin) -> Iterator[Group]:
    """Terms as a plain list (word match) or as groups.

    A group: {match: word|string, case_sensitive, and terms or dictionary: a text file of terms}.
    """
    if reader is None:
        return
    plain: list[Term] = []
    for item in reader.items():
        if not item.is_mapping():
            plain.append(Term(_term(item)))
            continue
        keys = item.mapping(("match", "case_sensitive", "terms", "dictionary"))
        case = keys["case_sensitive"].boolean() if "case_sensitive" in keys else False
        style = keys["match"].choice(("word", "string"), "word") if "match" in keys else "word"
        if "terms" not in keys and "dictionary" not in keys:
            item.problem("terms is missing", "terms, or a dictionary", "neither")
        elif len({"terms", "dictionary"} & keys.keys()) == 2:
            item.problem("a group has terms or a dictionary", "one of them", "both")
        texts = [_term(term) for term in keys["terms"].items()] if "terms" in keys else []
        if "dictionary" in keys:
            texts += _of_dictionary(keys["dictionary"])
        terms = tuple(Term(text, case) for text in texts)
        yield Group(style, terms, origin)  # type: ignore[arg-type]
    if plain:
        yield Group("word", tuple(plain), origin)


def _of_dictionary(reader: Reader) -> list[str]:
    """The terms of a text file, named relative to the YAML file."""
    try:
        return read_terms(reader.folder / reader.text())
    except DlpAgentError as error:
        reader.problem("the dictionary cannot be used", found=" ".join(str(error).split()))
        return []


def _term(reader: Reader) -> str:
    text = reader.text()
    if text and not shadow_of(text).strip():
        reader.problem("the term shows nothing", "a term that can be seen", "invisible characters")
    return text


def _validator(reader: Reader) -> ValidatorSpec:
    if not reader.is_mapping():
        return ValidatorSpec(reader.text())
    keys = reader.mapping(("checksum", "date"))
    if "checksum" in keys:
        return _checksum(keys["checksum"])
    if "date" in keys:
        inner = keys["date"].mapping(("pattern", "offset"), required=("pattern",))
        pattern = inner["pattern"].text() if "pattern" in inner else ""
        offset = inner["offset"].integer(0, low=0) if "offset" in inner else 0
        return ValidatorSpec("date", (("pattern", pattern), ("offset", offset)))
    reader.problem("unknown validator", "a name, checksum: or date:", "neither")
    return ValidatorSpec("?")


def _checksum(reader: Reader) -> ValidatorSpec:
    keys = reader.mapping(
        ("weights", "mod", "check_digit", "allow_alphabets"),
        required=("weights", "mod", "check_digit"),
    )
    weights = tuple(item.integer() for item in keys["weights"].items()) if "weights" in keys else ()
    return ValidatorSpec(
        "checksum",
        (
            ("weights", weights),
            ("mod", keys["mod"].integer(10, low=2) if "mod" in keys else 10),
            ("check_digit", keys["check_digit"].integer(1, low=1) if "check_digit" in keys else 1),
            ("allow_alphabets", "allow_alphabets" in keys and keys["allow_alphabets"].boolean()),
        ),
    )


# --- patterns ---------------------------------------------------------------------------------


def _patterns(reader: Reader | None) -> Iterator[Pattern]:
    if reader is None:
        return
    for item in reader.items():
        keys = item.mapping(
            ("confidence", "primary", "match", "any", "proximity", "filters", "ours"),
            required=("confidence", "primary"),
        )
        confidence = _confidence(keys.get("confidence"), 75)
        ours = "ours" in keys and keys["ours"].boolean()
        yield Pattern(
            confidence=confidence,
            primary=keys["primary"].text() if "primary" in keys else "?",
            conditions=(*_matches(keys.get("match")), *_any_groups(keys.get("any"))),
            proximity=_proximity(keys.get("proximity")),
            filters=keys["filters"].texts() if "filters" in keys else (),
            origin="ours" if ours else "purview",
            line=item.line,
        )


def _matches(reader: Reader | None) -> Iterator[Condition]:
    if reader is None:
        return
    for item in reader.items() if reader.is_list() else (reader,):
        yield _condition(item)


def _any_groups(reader: Reader | None) -> Iterator[Condition]:
    if reader is None:
        return
    for item in reader.items() if reader.is_list() else (reader,):
        yield _any(item)


def _any(reader: Reader) -> AnyOf:
    keys = reader.mapping(("min", "max", "of"), required=("of",))
    children = tuple(_condition(item) for item in keys["of"].items()) if "of" in keys else ()
    least = keys["min"].integer(1, low=0) if "min" in keys else 1
    most = keys["max"].integer(0, low=0) if "max" in keys else None
    if most is not None and most < least:
        reader.problem("max is below min", f"at least {least}", str(most))
    if least > len(children):
        reader.problem("min asks for more than there is", f"at most {len(children)}", str(least))
    return AnyOf(children, least, most)


def _condition(reader: Reader) -> Condition:
    if not reader.is_mapping():
        return Match(reader.text())
    if any(key.value == "any" for key, _ in reader.node.value):
        inner = reader.mapping(("any",)).get("any")
        return _any(inner) if inner else AnyOf(())
    keys = reader.mapping(("id", "min_count", "unique", "proximity", "ours"), required=("id",))
    return Match(
        ref=keys["id"].text() if "id" in keys else "?",
        min_count=keys["min_count"].integer(1, low=0) if "min_count" in keys else 1,
        unique="unique" in keys and keys["unique"].boolean(),
        proximity=_proximity(keys.get("proximity")),
        origin="ours" if "ours" in keys and keys["ours"].boolean() else "purview",
    )


def _read_filters(reader: Reader | None) -> tuple[dict[str, Filter], tuple[str, ...]]:
    """The SIT's filters: a list of ids defined elsewhere, or a mapping that defines them here."""
    if reader is None:
        return {}, ()
    if reader.is_list():
        return {}, reader.texts()
    filters = read_filters(reader)
    return filters, tuple(filters)


def read_filters(reader: Reader) -> dict[str, Filter]:
    """A mapping of filters: id → {kind, direction, logic, processor}."""
    found = {}
    for name, child in reader.mapping().items():
        keys = child.mapping(("kind", "direction", "logic", "processor"), required=("kind",))
        kind: Any = "all_digits_same"
        if "kind" in keys:
            kind = keys["kind"].choice(("all_digits_same", "text_match"), "all_digits_same")
        if kind == "text_match" and "processor" not in keys:
            child.problem("a text_match filter needs a processor", "the id of an element", "none")
        found[name] = Filter(
            id=name,
            kind=kind,
            direction=cast("Direction", keys["direction"].choice(get_args(Direction), "full"))
            if "direction" in keys
            else "full",
            logic="include"
            if "logic" in keys
            and keys["logic"].choice(("include", "exclude"), "exclude") == "include"
            else "exclude",
            processor=keys["processor"].text() if "processor" in keys else "",
        )
    return found


# --- proofs -----------------------------------------------------------------------------------


def _examples(reader: Reader | None) -> Iterator[Example]:
    if reader is None:
        return
    for item in reader.items():
        keys = item.mapping(
            ("text", "confidence", "matched", "context"), required=("text", "confidence")
        )
        yield Example(
            text=keys["text"].text() if "text" in keys else "",
            confidence=_confidence(keys.get("confidence"), 75),
            matched=keys["matched"].text() if "matched" in keys else "",
            context=keys["context"].text() if "context" in keys else "",
            line=item.line,
        )


def _near_misses(reader: Reader | None) -> Iterator[NearMiss]:
    if reader is None:
        return
    for item in reader.items():
        if not item.is_mapping():
            yield NearMiss(item.text(), line=item.line)
            continue
        keys = item.mapping(("text", "max_confidence", "context", "why"), required=("text",))
        yield NearMiss(
            text=keys["text"].text() if "text" in keys else "",
            max_confidence=keys["max_confidence"].integer(0, low=0, high=100)
            if "max_confidence" in keys
            else 0,
            context=keys["context"].text() if "context" in keys else "",
            line=item.line,
        )
