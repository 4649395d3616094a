"""The values a sensitive information type (SIT, Purview's "Entity") is made of.

Semantics: docs/sits.md; classifiers/reference.py is the same in code. Nothing here evaluates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from dlpagent.evidence import ValueForm
from dlpagent.findings import PackRef

# What is known of Purview's own definition. structure: GUID, patterns, tiers, proximity and keyword
# lists are Purview's, regex and checksum ours; format: GUID and published format only; name: GUID
# and name only, it finds nothing; own: ours, not in Purview.
Parity = Literal["structure", "format", "name", "own"]

# strict holds exactly what Purview publishes; extended (the default) adds what is marked as ours.
Profile = Literal["strict", "extended"]
Origin = Literal["purview", "ours"]
MatchStyle = Literal["word", "string"]

UNLIMITED: Final = -1
"""A proximity that reaches the whole part."""


@dataclass(frozen=True, slots=True)
class Term:
    """A keyword. A blank in it stands for one to three blanks, hyphens or underscores."""

    text: str
    case_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Terms matched alike. word: neighbours must not be letters or digits; string: anywhere."""

    match: MatchStyle
    terms: tuple[Term, ...]
    origin: Origin = "purview"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword list. stub: an external dictionary whose terms are not at hand; it finds nothing."""

    id: str
    groups: tuple[Group, ...]
    stub: bool = False


@dataclass(frozen=True, slots=True)
class ValidatorSpec:
    """A named validator (no params) or a parametric one: checksum, date, with their params."""

    name: str
    params: tuple[tuple[str, str | int | bool | tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """One regular expression, in the syntax documented in docs/sits.md."""

    pattern: str
    origin: Origin = "purview"


@dataclass(frozen=True, slots=True)
class Regex:
    """Expressions and what their matches must pass. function: it stands for Purview's Func_<id>.

    All expressions' matches count; every validator must accept a match.
    """

    id: str
    expressions: tuple[Expression, ...]
    validators: tuple[ValidatorSpec, ...] = ()
    function: bool = False
    stub: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """Everything that any of the named elements finds (the EU umbrella types)."""

    id: str
    of: tuple[str, ...]


DetectorParam: TypeAlias = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Detector:
    """What a model or a store finds, not a pattern: names, EDM rows, filled-in forms, trained classes.

    kind names the row of classifiers/detectors.py that knows the params. folder: where relative paths
    in params start. digest: of the content behind it (model, store), so that another content is
    another pack. inner: elements of the pack that it works with, those its `through` names.
    """

    id: str
    kind: str
    params: tuple[tuple[str, DetectorParam], ...] = ()
    origin: Origin = "ours"
    digest: str = ""
    folder: str = field(default="", compare=False)
    inner: tuple[Element, ...] = ()

    def param(self, name: str, default: DetectorParam = "") -> DetectorParam:
        """One parameter."""
        return dict(self.params).get(name, default)


Element: TypeAlias = Regex | Keyword | Union | Detector


@dataclass(frozen=True, slots=True)
class Match:
    """A supporting element: at least min_count hits (distinct texts if unique) near the primary."""

    ref: str
    min_count: int = 1
    unique: bool = False
    proximity: int | None = None
    origin: Origin = "purview"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Counts satisfied children, not hits. max_matches None: no upper bound; 0/0: none may hold."""

    children: tuple[Match | AnyOf, ...]
    min_matches: int = 1
    max_matches: int | None = None


Condition: TypeAlias = Match | AnyOf


@dataclass(frozen=True, slots=True)
class Pattern:
    """Exactly one primary element and every condition. proximity None: the SIT's."""

    confidence: int
    primary: str
    conditions: tuple[Condition, ...] = ()
    proximity: int | None = None
    filters: tuple[str, ...] = ()
    origin: Origin = "purview"
    line: int = field(default=0, compare=False)


FilterKind = Literal["all_digits_same", "text_match"]
Direction = Literal["starts_with", "ends_with", "full", "prefix", "suffix"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Decides whether a primary match stands.

    all_digits_same drops a match whose digits are all equal. text_match compares with an element
    (processor): starts_with, ends_with, full look at the matched text; prefix and suffix at the text
    just before and after it. include: it must agree; exclude: it must not.
    """

    id: str
    kind: FilterKind
    direction: Direction = "full"
    logic: Literal["include", "exclude"] = "exclude"
    processor: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the confidence this SIT must find in it; matched: the exact text it must find."""

    text: str
    confidence: int
    matched: str = ""
    context: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A text in which this SIT must stay at or below max_confidence (0: must find nothing)."""

    text: str
    max_confidence: int = 0
    context: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Sit:
    """A sensitive information type. proximity: code points to each side of the primary match."""

    id: str
    name: str
    version: int
    parity: Parity
    patterns: tuple[Pattern, ...]
    proximity: int = 300
    recommended_confidence: int = 75
    description: str = ""
    value: ValueForm = "number"
    filters: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    references: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class Pack:
    """A rule package: SITs by id (lower-case GUID), elements and filters by id.

    attributes keep what a rule package XML says and we do not evaluate, so that it can be written
    back. names and descriptions are localised, by language code.
    """

    ref: PackRef
    name: str
    publisher: str
    profile: Profile
    sits: Mapping[str, Sit]
    elements: Mapping[str, Element]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def sit_names(self) -> dict[str, str]:
        """SIT id → name."""
        return {sit.id: sit.name for sit in self.sits.values()}


def refs_of(condition: Condition) -> list[str]:
    """Every element a condition names, in order."""
    if isinstance(condition, Match):
        return [condition.ref]
    return [ref for child in condition.children for ref in refs_of(child)]


def pattern_refs(pattern: Pattern) -> list[str]:
    """Every element a pattern names: the primary first."""
    return [pattern.primary, *(ref for cond in pattern.conditions for ref in refs_of(cond))]


def filter_refs(sit: Sit) -> list[str]:
    """Every filter a SIT names, once: its own, then those of its patterns."""
    of_patterns = (name for pattern in sit.patterns for name in pattern.filters)
    return list(dict.fromkeys((*sit.filters, *of_patterns)))


def elements_of(pack: Pack, sit: Sit) -> list[str]:
    """The ids of all elements a SIT leads to: named by its patterns, inside unions, in filters.

    Each once, in the order they are named, the parts of a union behind it. Ids that the pack lacks
    are among them, since what a missing name would have found is missing too.
    """
    processors = (pack.filters[name].processor for name in filter_refs(sit) if name in pack.filters)
    named = (ref for pattern in sit.patterns for ref in pattern_refs(pattern))
    return with_parts(pack, [*named, *filter(None, processors)])


def with_parts(pack: Pack, names: Iterable[str]) -> list[str]:
    """Ids of elements with the parts of the unions among them, at any depth, behind each."""
    found: dict[str, None] = {}
    waiting = list(names)[::-1]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            element = pack.elements.get(name)
            if isinstance(element, Union):
                waiting += element.of[::-1]
    return list(found)
