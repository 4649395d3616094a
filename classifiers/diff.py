"""What two packs differ in, by meaning: types, tiers, conditions, keywords, regexes, checks, filters.

Ids of elements, order, wording and whose addition something is do not count. Changes that cannot
change a finding (names, versions, elements that no SIT names) are notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dlpagent.classifiers.pack_values import condition_meaning
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Detector,
    Element,
    Filter,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Union,
    ValidatorSpec,
    elements_of,
    filter_refs,
)

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. what: sit, tier, condition, keyword, regex, validator, filter, proximity, …

    sit: the SIT's name; for an element the names of all that use it, sit_id then only if it is one.
    at: the tier or the element.
    """

    kind: Kind
    what: str
    sit_id: str = ""
    sit: str = ""
    at: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        mark = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        place = " › ".join(part for part in (self.sit, self.at) if part)
        value = {
            "added": self.after,
            "removed": self.before,
            "changed": f"{self.before} → {self.after}",
        }[self.kind]
        return f"{mark} {self.what}: " + ": ".join(part for part in (place, value) if part)


@dataclass(frozen=True, slots=True)
class Difference:
    """changes can change a finding, or what a policy makes of it; notes cannot."""

    changes: tuple[Change, ...]
    notes: tuple[Change, ...] = field(default=())

    @property
    def is_equal(self) -> bool:
        """Whether the packs mean the same."""
        return not self.changes


def diff_packs(before: Pack, after: Pack) -> Difference:
    """What changed from one pack to another."""
    renamed = _renamed(before, after)
    before = _with_names(before, renamed)
    shared = [*_elements(before, after), *_filters(before, after)]
    changes = [*_sits(before, after), *_with_users(shared, before, after)]
    notes = [
        *(Change("changed", "id", at=old, before=old, after=new) for old, new in renamed.items()),
        *_notes(before, after),
    ]
    unused = _unused(before, after)
    # what is gone was named by a condition or tier that is gone too, and that is said already
    gone = (before.elements.keys() | before.filters.keys()) - _reached(after)

    def is_note(item: Change) -> bool:
        return item.at in unused or (item.kind == "removed" and item.at in gone)

    return Difference(
        tuple(item for item in changes if not is_note(item)),
        (*notes, *filter(is_note, changes)),
    )


# --- names of elements ------------------------------------------------------------------------


def _renamed(before: Pack, after: Pack) -> dict[str, str]:
    """Old id → new id of elements and filters with the same content under another id."""
    gone = {name: item for name, item in before.elements.items() if name not in after.elements}
    new = {name: item for name, item in after.elements.items() if name not in before.elements}
    found: dict[str, str] = {}
    for old, element in gone.items():
        same = next((name for name, item in new.items() if _same(item, element)), None)
        if same is not None:
            found[old] = same
            del new[same]
    return found


def _same(left: Element, right: Element) -> bool:
    return element_content(left) == element_content(right) and not _is_stub(left)


def _is_stub(element: Element) -> bool:
    return isinstance(element, Regex | Keyword) and element.stub


def _with_names(pack: Pack, names: Mapping[str, str]) -> Pack:
    """The pack with its elements under other ids."""

    def named(name: str) -> str:
        return names.get(name, name)

    def condition(item: Condition) -> Condition:
        if isinstance(item, Match):
            return replace(item, ref=named(item.ref))
        return replace(item, children=tuple(map(condition, item.children)))

    def pattern(item: Pattern) -> Pattern:
        conditions = tuple(map(condition, item.conditions))
        return replace(item, primary=named(item.primary), conditions=conditions)

    def element(item: Element) -> Element:
        if isinstance(item, Union):
            return replace(item, id=named(item.id), of=tuple(map(named, item.of)))
        return replace(item, id=named(item.id))

    if not names:
        return pack
    return replace(
        pack,
        sits={ident: replace(sit, patterns=tuple(map(pattern, sit.patterns)))
              for ident, sit in pack.sits.items()},
        elements={named(name): element(item) for name, item in pack.elements.items()},
        filters={name: replace(item, processor=named(item.processor))
                 for name, item in pack.filters.items()},
    )  # fmt: skip


def _with_users(changes: Iterable[Change], before: Pack, after: Pack) -> Iterator[Change]:
    """Changes of elements and filters, each with the SITs it concerns."""
    users: dict[str, dict[str, str]] = {}
    for pack in (before, after):
        for sit in pack.sits.values():
            for name in _reached(replace(pack, sits={sit.id: sit})):
                users.setdefault(name, {})[sit.id] = sit.name
    kept = before.sits.keys() & after.sits.keys()
    for change in changes:
        sits = users.get(change.at, {})
        if sits and not sits.keys() & kept and change.kind != "changed":
            continue  # it came or went with its SITs, which says it all
        ident = next(iter(sits)) if len(sits) == 1 else ""
        yield replace(change, sit_id=ident, sit=", ".join(sits.values()))


def _unused(before: Pack, after: Pack) -> set[str]:
    """Elements and filters that no SIT reaches, in neither pack."""
    everything = {name for pack in (before, after) for name in (*pack.elements, *pack.filters)}
    return everything - _reached(before) - _reached(after)


def _reached(pack: Pack) -> set[str]:
    """Elements and filters that some SIT leads to."""
    sits = pack.sits.values()
    return {name for sit in sits for name in (*filter_refs(sit), *elements_of(pack, sit))}


# --- SITs -------------------------------------------------------------------------------------


def _sits(before: Pack, after: Pack) -> Iterator[Change]:
    for ident, sit in before.sits.items():
        if ident not in after.sits:
            yield Change("removed", "sit", ident, sit.name)
    for ident, sit in after.sits.items():
        if ident not in before.sits:
            yield Change("added", "sit", ident, sit.name)
        else:
            yield from _sit(before.sits[ident], sit)


def _sit(before: Sit, after: Sit) -> Iterator[Change]:
    for what, left, right in (
        ("proximity", _window(before.proximity), _window(after.proximity)),
        ("recommended confidence", str(before.recommended_confidence),
         str(after.recommended_confidence)),
        ("value", before.value, after.value),
        ("filters", ", ".join(sorted(before.filters)), ", ".join(sorted(after.filters))),
    ):  # fmt: skip
        if left != right:
            yield Change("changed", what, after.id, after.name, "", left or "none", right or "none")
    yield from _tiers(before, after)


def _window(value: int | None) -> str:
    return "the SIT's" if value is None else "unlimited" if value == UNLIMITED else str(value)


def _tiers(before: Sit, after: Sit) -> Iterator[Change]:
    """Patterns: those equal drop out, the rest are paired by confidence and primary, then either."""
    left, right = _without_equal(before.patterns, after.patterns)
    pairs = []
    for key in (_tier_and_primary, _tier, _primary):
        for old in list(left):
            new = next((item for item in right if key(item) == key(old)), None)
            if new is not None:
                pairs.append((old, new))
                left.remove(old)
                right.remove(new)
    for old, new in pairs:
        yield from _pattern(old, new, after)
    for old in left:
        yield Change("removed", "tier", after.id, after.name, "", _pattern_text(old))
    for new in right:
        yield Change("added", "tier", after.id, after.name, "", "", _pattern_text(new))


def _without_equal(
    before: Iterable[Pattern], after: Iterable[Pattern]
) -> tuple[list[Pattern], list[Pattern]]:
    left, right = list(before), list(after)
    for old in list(left):
        new = next((item for item in right if _meaning(item) == _meaning(old)), None)
        if new is not None:
            left.remove(old)
            right.remove(new)
    return left, right


def _meaning(pattern: Pattern) -> object:
    conditions = sorted((condition_meaning(item) for item in pattern.conditions), key=repr)
    return (_tier_and_primary(pattern), pattern.proximity, sorted(pattern.filters), conditions)


def _tier_and_primary(pattern: Pattern) -> object:
    return (pattern.confidence, pattern.primary)


def _tier(pattern: Pattern) -> object:
    return pattern.confidence


def _primary(pattern: Pattern) -> object:
    return pattern.primary


def _pattern(before: Pattern, after: Pattern, sit: Sit) -> Iterator[Change]:
    at = f"confidence {after.confidence}"
    for what, left, right in (
        ("confidence", str(before.confidence), str(after.confidence)),
        ("primary element", before.primary, after.primary),
        ("proximity", _window(before.proximity), _window(after.proximity)),
        ("filters", ", ".join(sorted(before.filters)), ", ".join(sorted(after.filters))),
    ):
        if left != right:
            yield Change("changed", what, sit.id, sit.name, at, left or "none", right or "none")
    old = Counter(_condition_text(item) for item in before.conditions)
    new = Counter(_condition_text(item) for item in after.conditions)
    for text in (old - new).elements():
        yield Change("removed", "condition", sit.id, sit.name, at, text)
    for text in (new - old).elements():
        yield Change("added", "condition", sit.id, sit.name, at, "", text)


def _pattern_text(pattern: Pattern) -> str:
    parts = [f"confidence {pattern.confidence}, primary {pattern.primary}"]
    if pattern.proximity is not None:
        parts.append(f"proximity {_window(pattern.proximity)}")
    if pattern.filters:
        parts.append("filters " + ", ".join(sorted(pattern.filters)))
    return "; ".join([*parts, *sorted(map(_condition_text, pattern.conditions))])


def _condition_text(condition: Condition) -> str:
    if isinstance(condition, AnyOf):
        most = "" if condition.max_matches is None else f"..{condition.max_matches}"
        inner = ", ".join(sorted(map(_condition_text, condition.children)))
        return f"any {condition.min_matches}{most} of ({inner})"
    parts = [condition.ref]
    if condition.min_count != 1:
        parts.append(f"×{condition.min_count}")
    if condition.unique:
        parts.append("distinct")
    if condition.proximity is not None:
        parts.append(f"within {_window(condition.proximity)}")
    return " ".join(parts)


# --- elements ---------------------------------------------------------------------------------

Content = dict[str, Counter[str]]


def element_content(element: Element) -> Content:
    """What an element finds, as words under a heading; order and grouping do not matter."""
    if isinstance(element, Union):
        return {"part": Counter(element.of)}
    if isinstance(element, Keyword):
        terms = {
            _term_text(group.match, term.text, term.case_sensitive)
            for group in element.groups
            for term in group.terms
        }
        return {"keyword": Counter(terms)}
    if isinstance(element, Detector):
        params = [f"{name}: {value}" for name, value in element.params]
        digest = [f"content: {element.digest}"] if element.digest else []
        return {"detector": Counter([f"kind: {element.kind}", *params, *digest])}
    return {
        "regex": Counter(item.pattern for item in element.expressions),
        "validator": Counter(map(_validator_text, element.validators)),
    }


def _term_text(style: str, text: str, is_case_sensitive: bool) -> str:
    marks = [mark for mark, there in (("anywhere", style == "string"),
                                      ("case matters", is_case_sensitive)) if there]  # fmt: skip
    return f"{text} ({', '.join(marks)})" if marks else text


def _validator_text(spec: ValidatorSpec) -> str:
    params = ", ".join(f"{name}={value}" for name, value in spec.params)
    return f"{spec.name}({params})" if params else spec.name


def _elements(before: Pack, after: Pack) -> Iterator[Change]:
    for name, element in after.elements.items():
        old = before.elements.get(name)
        if old is None:
            yield Change("added", _kind(element), at=name, after=_size(element))
        elif type(old) is not type(element):
            yield Change("changed", "element", at=name, before=_kind(old), after=_kind(element))
        else:
            yield from _content(name, element_content(old), element_content(element))
    for name, element in before.elements.items():
        if name not in after.elements:
            yield Change("removed", _kind(element), at=name, before=_size(element))


def _content(name: str, before: Content, after: Content) -> Iterator[Change]:
    for what in before.keys() | after.keys():
        old, new = before.get(what, Counter()), after.get(what, Counter())
        gone, come = list((old - new).elements()), list((new - old).elements())
        if what == "regex" and len(gone) == len(come) == 1:
            yield Change("changed", what, at=name, before=gone[0], after=come[0])
            continue
        yield from (Change("removed", what, at=name, before=text) for text in sorted(gone))
        yield from (Change("added", what, at=name, after=text) for text in sorted(come))


def _kind(element: Element) -> str:
    names: dict[type, str] = {
        Regex: "regex element", Keyword: "keyword list", Union: "union", Detector: "detector",
    }  # fmt: skip
    return names[type(element)]


def _size(element: Element) -> str:
    many = sum(sum(one.values()) for one in element_content(element).values())
    return "no content here" if _is_stub(element) else f"{many} entries"


def _filters(before: Pack, after: Pack) -> Iterator[Change]:
    yield from _mapping(before.filters, after.filters, "filter", _filter_text)


def _filter_text(item: Filter) -> str:
    if item.kind == "all_digits_same":
        return "all digits the same"
    return f"{item.logic} {item.direction} {item.processor}"


def _mapping(
    before: Mapping[str, Filter],
    after: Mapping[str, Filter],
    what: str,
    text: Callable[[Filter], str],
) -> Iterator[Change]:
    for name in before.keys() | after.keys():
        left = text(before[name]) if name in before else ""
        right = text(after[name]) if name in after else ""
        if left != right:
            kind: Kind = "changed" if left and right else "removed" if left else "added"
            yield Change(kind, what, at=name, before=left, after=right)


# --- notes ------------------------------------------------------------------------------------


def _notes(before: Pack, after: Pack) -> Iterator[Change]:
    for what, left, right in (
        ("pack id", before.ref.id, after.ref.id),
        ("pack version", before.ref.version, after.ref.version),
        ("pack name", before.name, after.name),
        ("publisher", before.publisher, after.publisher),
    ):
        if left != right:
            yield Change("changed", what, before=left or "none", after=right or "none")
    for ident, sit in after.sits.items():
        old = before.sits.get(ident)
        if old is not None and old.name != sit.name:
            yield Change("changed", "name", ident, "", "", old.name, sit.name)
        if old is not None and old.description != sit.description:
            yield Change(
                "changed", "description", ident, sit.name, "", old.description, sit.description
            )
