"""The small parts of a rule package: keyword lists, validators, filters, proximities."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, cast

from dlpagent.classifiers.normalise import shadow_of
from dlpagent.classifiers.sit import (
    UNLIMITED,
    Direction,
    Filter,
    Group,
    Keyword,
    Term,
    ValidatorSpec,
)
from dlpagent.classifiers.validators.parametric import DATE_PATTERNS, checksum
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.errors import RuleError

Report = Callable[..., None]


def whole_number(text: str) -> int | None:
    """A number in plain digits, of a size any limit here can have; None for everything else."""
    return int(text) if re.fullmatch(r"\s*[0-9]{1,9}\s*", text) else None


DIRECTIONS: dict[str, Direction] = {
    "StartsWith": "starts_with",
    "EndsWith": "ends_with",
    "Full": "full",
    "Prefix": "prefix",
    "Suffix": "suffix",
}


def proximity_of(node: Node, name: str, report: Report) -> int | None:
    """A positive number of characters, or `unlimited`."""
    text = node.attributes.get(name, "").strip()
    if not text:
        return None
    if text.lower() == "unlimited":
        return UNLIMITED
    number = whole_number(text)
    if not number:
        report(node, f"{name} is wrong", "a positive whole number or unlimited", text[:40])
        return None
    return number


def keyword_of(node: Node, report: Report) -> Keyword:
    """A Keyword with its groups; a group of mixed case sensitivity stays one group."""
    groups = []
    for group in node.all("Group"):
        style = group.attributes.get("matchStyle", "word").strip().lower()
        if style not in ("word", "string"):
            report(group, "matchStyle is wrong", "word or string", style)
            style = "word"
        terms = []
        for term in group.all("Term"):
            if not shadow_of(term.text).strip():
                report(term, "a Term has no text", "a term", "none")
                continue
            sensitive = term.attributes.get("caseSensitive", "").lower() == "true"
            terms.append(Term(term.text, sensitive))
        groups.append(Group(cast("Literal['word', 'string']", style), tuple(terms)))
    if not any(group.terms for group in groups):
        report(
            node, f"the keyword list {node.attributes.get('id', '')} has no terms", "a term", "none"
        )
    return Keyword(node.attributes.get("id", ""), tuple(groups))


def read_validators(node: Node, report: Report) -> tuple[ValidatorSpec, ...]:
    """The validators of a Validators group."""
    return tuple(_validator(child, report) for child in node.all("Validator"))


def _validator(node: Node, report: Report) -> ValidatorSpec:
    kind = node.attributes.get("type", "")
    params = {child.attributes.get("name", ""): child.text for child in node.all("Param")}
    if kind == "Checksum":
        return _checksum(node, params, report)
    if kind == "DateSimple":
        pattern = params.get("Pattern", "").strip()
        text = params.get("StartOffset", params.get("Offset", "")).strip()
        offset = whole_number(text or "0")
        if pattern not in DATE_PATTERNS:
            wanted = "one of " + ", ".join(DATE_PATTERNS)
            report(node, "the Pattern of DateSimple is wrong", wanted, pattern[:40] or "none")
            return ValidatorSpec("?")
        if offset is None:
            report(node, "the offset of DateSimple is wrong", "a whole number", text[:40])
        return ValidatorSpec("date", (("pattern", pattern), ("offset", offset or 0)))
    report(node, "the validator type is not known", "Checksum or DateSimple", kind or "none")
    return ValidatorSpec("?")


def _checksum(node: Node, params: dict[str, str], report: Report) -> ValidatorSpec:
    try:
        weights = tuple(int(part) for part in params["Weights"].replace(",", " ").split())
        mod, position = int(params["Mod"]), int(params["CheckDigit"])
    except (KeyError, ValueError):
        report(
            node,
            "the Checksum is not complete",
            "whole numbers in Weights, Mod and CheckDigit",
            ", ".join(sorted(params)) or "no Param",
        )
        return ValidatorSpec("?")
    try:
        checksum(weights, mod, position)
    except RuleError as error:
        report(node, "the Checksum cannot work", error.expected, error.found)
        return ValidatorSpec("?")
    letters = params.get("AllowAlphabets", "").strip().lower() in ("1", "true")
    return ValidatorSpec(
        "checksum",
        (
            ("weights", weights),
            ("mod", mod),
            ("check_digit", position),
            ("allow_alphabets", letters),
        ),
    )


def read_filters(node: Node, report: Report) -> dict[str, Filter]:
    """A Filters group under its id; one with several Filters gives id, id#2, id#3."""
    ident = node.attributes.get("id", "")
    found: dict[str, Filter] = {}
    for child in node.all("Filter"):
        name = ident if not found else f"{ident}#{len(found) + 1}"
        kind = child.attributes.get("type", "")
        if kind == "AllDigitsSameFilter":
            found[name] = Filter(name, "all_digits_same")
        elif kind == "TextMatchFilter":
            direction = child.attributes.get("direction", "")
            logic = child.attributes.get("logic", "Exclude").lower()
            if direction not in DIRECTIONS or logic not in ("include", "exclude"):
                report(
                    child,
                    "the TextMatchFilter is wrong",
                    f"direction {', '.join(DIRECTIONS)} and logic Include or Exclude",
                    f"{direction or 'none'}, {logic}",
                )
                continue
            if not child.attributes.get("textProcessorId", "").strip():
                report(
                    child, "the TextMatchFilter compares with nothing", "a textProcessorId", "none"
                )
                continue
            found[name] = Filter(
                name,
                "text_match",
                DIRECTIONS[direction],
                cast("Literal['include', 'exclude']", logic),
                child.attributes["textProcessorId"].strip(),
            )
        else:
            report(
                child,
                "the filter type is not known",
                "AllDigitsSameFilter or TextMatchFilter",
                kind,
            )
    return found
