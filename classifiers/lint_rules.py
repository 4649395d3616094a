"""The rules of the lint, by id: severity and what each finds. docs/lint.md explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]

MAX_FINDINGS_PER_RULE = 100
"""Findings of one rule shown for one file; how many more there are is said in the last."""


@dataclass(frozen=True, slots=True)
class Note:
    """A finding before its place is known."""

    rule: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """One thing a file should not hold. line from 1. fix: what to do."""

    file: str
    line: int
    rule: str
    severity: Severity
    message: str
    fix: str = ""

    def __str__(self) -> str:
        tail = f"\n  {self.fix}" if self.fix else ""
        return f"{self.file}:{self.line}: {self.severity}: {self.message} [{self.rule}]{tail}"


RULES: Final[dict[str, tuple[Severity, str]]] = {
    # the file
    "unreadable": ("error", "the file cannot be read"),
    "encoding": ("error", "bytes that are neither UTF-8 nor UTF-16"),
    "prolog": ("warning", "the prolog names another encoding than the file has"),
    "too-large": ("error", "more than Purview takes, about 770 KB"),
    "crossed-tags": ("error", "an element is closed by another's end tag"),
    "not-well-formed": ("error", "not XML: an unclosed quote, a bare & or <, a missing end"),
    "entities": ("error", "a document type or entity declaration"),
    "nested-too-deep": ("error", "elements nested more than 100 deep"),
    "not-a-rule-package": ("error", "another kind of document: an EDM schema, a Priva package"),
    "namespace": ("error", "the namespace is missing or written with https"),
    # structure
    "unknown-element": ("error", "an element Purview does not know, such as Resources"),
    "misplaced-element": ("error", "an element where it may not stand"),
    "missing-element": ("error", "an element that must be there is not"),
    "missing-attribute": ("error", "an attribute that must be there is not"),
    "missing-default": ("warning", "an attribute left to its default, better written out"),
    "unknown-attribute": ("warning", "an attribute outside the published schema"),
    "wrong-value": ("error", "an attribute or parameter with a value it cannot have"),
    "empty-proximity": ("error", "a proximity that is empty or not a positive number"),
    "duplicate-id": ("error", "two elements or SITs with one id"),
    "id-blank": ("error", "an id with a blank in it"),
    "id-unsafe": ("warning", "an id with characters other than letters, digits, _ . - '"),
    "not-a-guid": ("error", "the id of a RulePack, Publisher or SIT is not a GUID"),
    "reserved-id": ("error", "a RulePack id that begins with 00000000"),
    "builtin-guid": ("warning", "the GUID of one of Purview's own types"),
    "no-name": ("warning", "a SIT without a default name in LocalizedStrings"),
    "name-too-long": ("error", "a package name of more than 64 characters"),
    # SITs
    "id-match": ("error", "a Pattern without exactly one IdMatch"),
    "unknown-reference": ("error", "a reference to something nothing defines"),
    "unused-element": ("warning", "an element that no SIT names"),
    "duplicate-confidence": ("warning", "two Patterns of a SIT with the same confidence"),
    "recommended-unreached": ("warning", "a recommended confidence above every Pattern's"),
    "any-impossible": ("error", "an Any that can never hold"),
    "any-always": ("warning", "an Any that always holds"),
    "window-too-short": ("warning", "a proximity in which the supporting terms do not fit"),
    "too-many-sits": ("error", "more than 500 SITs"),
    "too-many-regexes": ("error", "more than 20 distinct regexes in a SIT"),
    # keywords
    "term-empty": ("error", "a Term without text"),
    "term-too-long": ("warning", "a term of more than 50 characters"),
    "term-duplicate": ("warning", "a term twice in a list"),
    "term-ampersand": ("warning", "a term with & and no second form with blanks around it"),
    "word-match-script": ("warning", "word match on a script written without blanks"),
    "list-empty": ("error", "a keyword list without terms"),
    "list-too-long": ("error", "more than 2,048 terms in a list"),
    # validators and filters
    "unknown-validator": ("error", "a validator type Purview does not know, such as Luhn"),
    "wrong-validator": ("error", "a validator without the parameters it needs"),
    "wrong-filter": ("error", "a filter of unknown type, direction or logic"),
    # regexes
    "regex-empty": ("error", "a Regex without text"),
    "regex-invalid": ("error", "a regex that cannot be compiled"),
    "regex-too-long": ("error", "a regex of more than 1,024 characters"),
    "regex-python-syntax": ("error", "Python syntax that Boost does not know"),
    "regex-empty-choice": ("error", "a regex whose first or last choice is empty"),
    "regex-open-dot": ("error", "a regex that begins or ends with .* or .{0,n}"),
    "regex-dot-in-group": ("error", ".* or .{0,n} in a group"),
    "regex-repeat-in-group": ("warning", "another repeat from 0 or 1 on in a group"),
    "regex-group-unbounded": ("error", "a group repeated without end"),
    "regex-lookaround": ("warning", "a lookaround, which some tenants refuse"),
    "regex-anchored": ("error", "a regex between ^ and $"),
    "regex-half-anchored": ("warning", "a regex with ^ or $ at one end"),
    "regex-matches-empty": ("error", "a regex that also matches the empty text"),
    "regex-catastrophic": ("error", "repeats inside repeats that take exponential time"),
    "regex-rival-repeats": ("warning", "two repeats after each other that take the same characters"),
    "regex-unbounded-tail": ("warning", "a regex that ends in a repeat without end"),
    # packs
    "pack": ("error", "the pack cannot be loaded: what rules check says of it"),
    "slow-regex": ("warning", "a regex that RE2 cannot take and that runs in a process of its own"),
}  # fmt: skip

# What matters at an upload only: a warning in a pack folder, which may never be uploaded.
UPLOAD_RULES: Final = frozenset(
    rule
    for rule in RULES
    if rule.startswith(("regex-", "term-", "list-", "too-", "id-"))
    and rule not in ("regex-invalid", "regex-empty", "regex-matches-empty")
)
