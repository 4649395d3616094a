"""What two packs find in the same texts, held against each other: new, lost, another level, same.

Pure. Findings of one SIT in one document are paired as labels and predictions are (one to one, equal
places first); what has no partner is new or lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from dlpagent.classifiers.diff import Change, diff_packs
from dlpagent.classifiers.evaluation import Document, Span
from dlpagent.classifiers.evaluation_matching import Place, TypeMap, one_to_one, shared
from dlpagent.classifiers.sit import Pack
from dlpagent.classifiers.sub_pack import only
from dlpagent.findings import level_of

# incomparable: on one side the SIT could not be looked for there.
Kind = Literal["new", "lost", "level changed", "same", "incomparable"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finding in one or both. before, after: confidences, 0 where it was not found.

    right: whether a label of its type lies there; None when nobody labelled such a type there.
    """

    kind: Kind
    sit_id: str
    source: str
    document: str
    where: str
    start: int
    end: int
    before: int
    after: int
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of each kind; the right and wrong ones of those new and lost, where it is known."""

    new: int = 0
    lost: int = 0
    level_changed: int = 0
    same: int = 0
    incomparable: int = 0
    new_right: int = 0
    new_wrong: int = 0
    lost_right: int = 0
    lost_wrong: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            *(getattr(self, item.name) + getattr(other, item.name) for item in fields(self))
        )

    @property
    def changes(self) -> int:
        """New, lost and of another level."""
        return self.new + self.lost + self.level_changed


def tally_of(outcome: Outcome) -> Tally:
    """One outcome, counted."""
    counts = {outcome.kind.replace(" ", "_"): 1}
    if outcome.kind in ("new", "lost") and outcome.right is not None:
        counts[f"{outcome.kind}_{'right' if outcome.right else 'wrong'}"] = 1
    return Tally(**counts)


def tallies(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Tally]:
    """(SIT id, source) → counts."""
    found: dict[tuple[str, str], Tally] = {}
    for item in outcomes:
        name = (item.sit_id, item.source)
        found[name] = found.get(name, Tally()) + tally_of(item)
    return found


def compare(
    documents: Iterable[Document],
    before: Mapping[str, Sequence[Span]],
    after: Mapping[str, Sequence[Span]],
    names: Mapping[str, str],
    types: TypeMap,
    *,
    labelled: Mapping[str, Iterable[str] | None] | None = None,
    unsure: Collection[tuple[str, str]] = (),
) -> Iterator[Outcome]:
    """The findings of two packs, document by document. The spans' types are SIT ids.

    names: SIT id → name. unsure: (document id, SIT id, or "" for every SIT) that could not be looked
    for in one of them.
    """
    known = {
        source: {types.gold.of(name) for name in given}
        for source, given in (labelled or {}).items()
        if given is not None
    }
    for document in documents:
        old = _by_sit(before.get(document.id, ()))
        new = _by_sit(after.get(document.id, ()))
        for sit in sorted(old.keys() | new.keys()):
            is_sure = (document.id, sit) not in unsure and (document.id, "") not in unsure
            kind = types.pred.of(sit if sit in types.pred.table else names.get(sit, sit))
            judged = known.get(document.source)
            for left, right in _pairs(old.get(sit, []), new.get(sit, [])):
                verdict = _is_right(document, left or right, kind, judged, types)
                yield _outcome(document, sit, left, right, verdict, is_sure=is_sure)


def _by_sit(spans: Iterable[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for item in sorted(spans, key=lambda item: (item.start, item.end)):
        found.setdefault(item.type, []).append(item)
    return found


def _pairs(old: Sequence[Span], new: Sequence[Span]) -> Iterator[tuple[Span | None, Span | None]]:
    left, right = [*map(_place, old)], [*map(_place, new)]
    equal = {place: number for number, place in enumerate(right)}
    taken: set[int] = set()
    rest = []
    for number, place in enumerate(left):
        partner = equal.get(place)
        if partner is None or partner in taken:
            rest.append(number)
            continue
        taken.add(partner)
        yield old[number], new[partner]
    free = [number for number in range(len(new)) if number not in taken]
    yield from _overlapping([old[n] for n in rest], [new[n] for n in free])


def _overlapping(old: list[Span], new: list[Span]) -> Iterator[tuple[Span | None, Span | None]]:
    """Those left over: paired while they overlap, one at a time, else alone."""
    while old and new:
        gold, found = one_to_one([_place(old[0])], [*map(_place, new)])
        if not gold:
            yield old.pop(0), None
            continue
        yield old.pop(0), new.pop(next(iter(found)))
    yield from ((item, None) for item in old)
    yield from ((None, item) for item in new)


def _place(item: Span) -> Place:
    return item.start, item.end, ""


def _is_right(
    document: Document, span: Span | None, kind: str | None, judged: set[str | None] | None,
    types: TypeMap,
) -> bool | None:  # fmt: skip
    """Whether a label of its type lies under a finding; None when that was not looked at."""
    if span is None or kind is None or not document.is_labelled:
        return None
    if document.is_negative:
        return any(kind in (name, types.gold.of(name)) for name in document.allowed)
    if judged is not None and kind not in judged:
        return None

    def hit(labels: Iterable[Span]) -> bool:
        here = (span.start, span.end, "")
        return any(
            types.gold.of(item.type) == kind and shared(here, (item.start, item.end, "")) > 0
            for item in labels
        )

    if document.is_judged and not hit((*document.spans, *document.decoys)):
        return None
    return hit(document.spans)


def _outcome(
    document: Document, sit: str, old: Span | None, new: Span | None, right: bool | None,
    *, is_sure: bool,
) -> Outcome:  # fmt: skip
    there = new or old
    assert there is not None
    before, after = old.confidence if old else 0, new.confidence if new else 0
    kind: Kind
    if not is_sure:
        kind = "incomparable"
    elif not before or not after:
        kind = "new" if after else "lost"
    else:
        kind = "same" if level_of(before) == level_of(after) else "level changed"
    return Outcome(
        kind, sit, document.source, document.id, document.where, there.start, there.end, before,
        after, right,
    )  # fmt: skip


def causes(before: Pack, after: Pack, sit_ids: Iterable[str]) -> dict[str, tuple[Change, ...]]:
    """SIT id → the changes of rules that can have changed its findings."""
    return {
        ident: diff_packs(only(before, {ident}), only(after, {ident})).changes for ident in sit_ids
    }
