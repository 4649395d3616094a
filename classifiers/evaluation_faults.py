"""The faults behind the figures: what was missed or found falsely, and what was taken for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from dlpagent.classifiers.evaluation import Document, Judged, Span
from dlpagent.classifiers.evaluation_matching import Place, TypeMap, shared
from dlpagent.evidence import ValueForm, masked

# missed: labelled, not found; false: found, not labelled; decoy: a look-alike was found; negative:
# found in a document that holds nothing.
FaultKind = Literal["missed", "false", "decoy", "negative"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

WORST = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where, and the masked shape of what stands there. sits: who found it."""

    kind: FaultKind
    type: str
    where: str
    document: str
    start: int
    end: int
    confidence: int
    sits: tuple[str, ...]
    masked: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labels of one type that another type was found on: instead of it, or as well as it."""

    gold: str
    found: str
    instead: int
    beside: int


def confusions(judged: Iterable[Judged]) -> list[Confusion]:
    """Types taken for others, the most frequent first."""
    counted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in judged:
        missed = set(one.missed)
        for place in one.gold:
            others = {item[2] for item in one.found if shared(item, place)} - {place[2]}
            for other in others:
                counted[place[2], other][place not in missed] += 1
    found = [Confusion(gold, other, *counts) for (gold, other), counts in counted.items()]
    return sorted(found, key=lambda item: (-item.instead, -item.beside, item.gold, item.found))


def worst_faults(
    judged: Iterable[Judged],
    predictions: Mapping[str, Iterable[Span]],
    types: TypeMap,
    forms: Mapping[str, ValueForm],
    *,
    floor: int = 1,
    limit: int = WORST,
) -> dict[FaultKind, list[Fault]]:
    """At most `limit` faults of each kind, spread over the types that have most of them.

    Within a type the most confident come first. forms: canonical type → how its values are masked;
    a type that is not named shows no character.
    """
    seen: dict[FaultKind, dict[str, list[tuple[int, int, Judged, Place]]]] = {
        kind: defaultdict(list) for kind in FAULT_KINDS
    }
    for number, one in enumerate(judged):
        for kind, place in _faults(one):
            confidence = _confidence(place, predictions.get(one.document.id, ()), types, floor)
            seen[kind][place[2]].append((-confidence, number, one, place))
    return {
        kind: [
            _fault(kind, one.document, place, -rank, predictions, types, forms, floor)
            for rank, _, one, place in _spread(by_type, limit)
        ]
        for kind, by_type in seen.items()
    }


def _faults(one: Judged) -> Iterator[tuple[FaultKind, Place]]:
    if one.document.is_negative:
        yield from (("negative", place) for place in one.false)
        return
    yield from (("missed", place) for place in one.missed)
    yield from (("false", place) for place in one.false)
    yield from (("decoy", place) for place in one.decoys_hit)


def _spread(
    by_type: Mapping[str, list[tuple[int, int, Judged, Place]]], limit: int
) -> list[tuple[int, int, Judged, Place]]:
    """One of each type in turn, the types with most faults first."""
    order = sorted(by_type.items(), key=lambda item: (-len(item[1]), item[0]))
    queues = [sorted(items, key=lambda item: (item[0], item[1], item[3])) for _, items in order]
    turns = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(turns) for queue in queues if turn < len(queue)][:limit]


def _on(place: Place, spans: Iterable[Span], types: TypeMap, floor: int) -> Iterator[Span]:
    """Predictions of the same canonical type that lie on a place."""
    for item in spans:
        here = (item.start, item.end, place[2])
        if (
            item.confidence >= floor
            and types.pred.of(item.type) == place[2]
            and shared(here, place)
        ):
            yield item


def _confidence(place: Place, spans: Iterable[Span], types: TypeMap, floor: int) -> int:
    return max((item.confidence for item in _on(place, spans, types, floor)), default=0)


def _fault(
    kind: FaultKind, document: Document, place: Place, confidence: int,
    predictions: Mapping[str, Iterable[Span]], types: TypeMap, forms: Mapping[str, ValueForm],
    floor: int,
) -> Fault:  # fmt: skip
    start, end, name = place
    found = _on(place, predictions.get(document.id, ()), types, floor)
    sits = tuple(sorted({item.type for item in found}))
    shape = masked(document.text[start:end], forms.get(name, "text"))
    return Fault(kind, name, document.where, document.id, start, end, confidence, sits, shape)
