"""The lint of a rule package's elements: regexes, keyword lists, validators, filters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlpagent.classifiers.lint_regex import regex_notes
from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.lint_terms import list_notes, term_notes
from dlpagent.classifiers.lint_values import Known, Placed, boolean_notes, is_number, missing_names
from dlpagent.classifiers.purview_ids import VALIDATOR_FUNCTIONS
from dlpagent.classifiers.rulepackage_parts import DIRECTIONS
from dlpagent.classifiers.xml_nodes import Node

_DATE = re.compile(r"(?:DDMM|MMDD)(?:YY){1,2}|(?:YY){1,2}(?:DDMM|MMDD)")


def element_notes(node: Node, package: Known) -> Iterator[Placed]:
    """Findings on a Regex or a Keyword."""
    if node.tag == "Regex":
        if not node.text:
            yield node.line, Note("regex-empty", "the Regex has no text", "Write the regex.")
        yield from ((node.line, note) for note in (regex_notes(node.text) if node.text else ()))
        yield from missing_names(
            node, "validators", package.validators | VALIDATOR_FUNCTIONS, "validator"
        )
    elif node.tag == "Keyword":
        yield from _keyword(node)


def _keyword(node: Node) -> Iterator[Placed]:
    ident = node.attributes.get("id", "")
    terms = list(node.within("Term"))
    yield from ((node.line, note) for note in list_notes([term.text for term in terms], ident))
    texts = frozenset(term.text for term in terms)
    seen: set[tuple[str, str, str]] = set()
    for group in node.all("Group"):
        style = group.attributes.get("matchStyle", "word").strip()
        if style not in ("word", "string"):
            yield group.line, Note("wrong-value", f"matchStyle is {style[:20]!r}",
                                   "Write word or string.")  # fmt: skip
        for term in group.all("Term"):
            yield from ((term.line, note) for note in term_notes(term.text, style, texts))
            yield from ((term.line, note) for note in boolean_notes(term, "caseSensitive"))
            sensitive = term.attributes.get("caseSensitive", "").lower() == "true"
            key = (style, str(sensitive), term.text if sensitive else term.text.casefold())
            if term.text and key in seen:
                yield term.line, Note("term-duplicate", "the term stands in the list already",
                                      "Remove one of the two.")  # fmt: skip
            seen.add(key)


def validator_notes(group: Node) -> Iterator[Placed]:
    """Findings on a Validators group."""
    for node in group.all("Validator"):
        kind = node.attributes.get("type", "")
        params = {child.attributes.get("name", ""): child.text for child in node.all("Param")}
        if kind == "Checksum":
            yield from ((node.line, note) for note in _checksum(params))
        elif kind == "DateSimple":
            if not _DATE.fullmatch(params.get("Pattern", "").strip()):
                yield node.line, Note("wrong-validator", "DateSimple needs a Pattern",
                                      "Write one such as DDMMYYYY.")  # fmt: skip
        elif kind:
            fix = (
                'Write validators="Func_credit_card" on the Regex, which checks Luhn.'
                if kind.lower() == "luhn"
                else "Use Checksum, DateSimple or a function of Purview."
            )
            yield node.line, Note("unknown-validator", f"there is no validator of type {kind}", fix)


def _checksum(params: dict[str, str]) -> Iterator[Note]:
    weights = params.get("Weights", "").replace(",", " ").split()
    numbers = [params.get("Mod", ""), params.get("CheckDigit", "")]
    if not weights or not all(re.fullmatch(r"-?[0-9]{1,9}", one) for one in weights):
        yield Note("wrong-validator", "Checksum needs Weights", "Write whole numbers and commas.")
    if not all(is_number(one) for one in numbers):
        yield Note("wrong-validator", "Checksum needs Mod and CheckDigit", "Write whole numbers.")


def filter_notes(group: Node, package: Known) -> Iterator[Placed]:
    """Findings on a Filters group."""
    for node in group.all("Filter"):
        kind = node.attributes.get("type", "")
        if kind == "AllDigitsSameFilter" or not kind:
            continue
        if kind != "TextMatchFilter":
            yield node.line, Note("wrong-filter", f"there is no filter of type {kind}",
                                  "Use AllDigitsSameFilter or TextMatchFilter.")  # fmt: skip
            continue
        direction, logic = node.attributes.get("direction", ""), node.attributes.get("logic", "")
        if direction not in DIRECTIONS or logic not in ("Include", "Exclude"):
            yield (
                node.line,
                Note(
                    "wrong-filter",
                    "the TextMatchFilter needs a direction and a logic",
                    f"Write direction as one of {', '.join(DIRECTIONS)}, logic as Include or Exclude.",
                ),
            )
        ref = node.attributes.get("textProcessorId", "")
        package.used.add(ref)
        if not package.knows(ref):
            yield node.line, Note("unknown-reference", f"the filter names {ref or 'nothing'}, which "
                                  "nothing defines", "Name a Regex or a Keyword.")  # fmt: skip
