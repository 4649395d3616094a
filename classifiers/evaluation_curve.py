"""Precision and recall at every confidence a pack gives: what each threshold finds, misses, alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dlpagent.classifiers.evaluation import (
    Counts,
    Document,
    Figures,
    Judged,
    Span,
    evaluate_corpus,
    per_mb,
)
from dlpagent.classifiers.evaluation_matching import TypeMap

ALERTS_PER = 10_000
"""Records that alerts are counted per."""


@dataclass(frozen=True, slots=True)
class Point:
    """What counting findings from one confidence on gives. records_hit: those with a finding.

    negatives: findings in documents that hold nothing, of size_bytes (UTF-8) together.
    """

    threshold: int
    counts: Counts
    records: int
    records_hit: int
    negatives: int
    size_bytes: int

    @property
    def alerts(self) -> float:
        """Records with a finding, per 10,000 records."""
        return self.records_hit * ALERTS_PER / self.records if self.records else 0.0

    @property
    def false_per_mb(self) -> float | None:
        """Findings per 10^6 bytes of documents that hold nothing; None without such documents."""
        return per_mb(self.negatives, self.size_bytes)


Curve = tuple[Point, ...]
"""Points by ascending threshold: precision mostly rises along it, recall never does."""


@dataclass(frozen=True, slots=True)
class Curves:
    """total: all types together; types: canonical type → its curve."""

    total: Curve
    types: Mapping[str, Curve]


def curves(
    documents: Sequence[Document],
    predictions: Mapping[str, Sequence[Span]],
    types: TypeMap,
    *,
    labelled: Mapping[str, Iterable[str] | None] | None = None,
    min_iou: float = 0.0,
) -> Curves:
    """The curves of every type that was labelled or found, with a point per confidence it was given.

    The same rules as evaluate_corpus: a point's counts are its figures with that floor.
    """
    given = thresholds_of(predictions, types)
    everything = sorted({1, *(one for many in given.values() for one in many)})
    total: list[Point] = []
    by_type: dict[str, list[Point]] = {}
    for floor in everything:
        figures, judged = evaluate_corpus(
            documents, predictions, types, labelled=labelled, floor=floor, min_iou=min_iou
        )
        hit, hit_any = _records_hit(judged)
        total.append(_point(figures, None, hit_any))
        # before a type's own lowest confidence nothing changes for it
        for name in {*figures.types, *figures.negatives.by_type, *by_type}:
            if floor == 1 or floor in given.get(name, ()):
                by_type.setdefault(name, []).append(_point(figures, name, hit[name]))
    return Curves(tuple(total), {name: tuple(by_type[name]) for name in sorted(by_type)})


def thresholds_of(predictions: Mapping[str, Sequence[Span]], types: TypeMap) -> dict[str, set[int]]:
    """Canonical type → the confidences it was found with."""
    found: dict[str, set[int]] = {}
    for spans in predictions.values():
        for item in spans:
            name = types.pred.of(item.type)
            if name is not None:
                found.setdefault(name, set()).add(item.confidence)
    return found


def _records_hit(judged: Iterable[Judged]) -> tuple[Counter[str], int]:
    """Type → documents with a finding of it, and documents with any; those unjudged aside."""
    by_type: Counter[str] = Counter()
    some = 0
    for one in judged:
        names = {place[2] for place in (one.false if one.document.is_negative else one.found)}
        by_type.update(names)
        some += bool(names)
    return by_type, some


def _point(figures: Figures, name: str | None, hit: int) -> Point:
    negatives = figures.negatives
    if name is None:
        counts, false = figures.total, negatives.false
    else:
        counts, false = figures.types.get(name, Counts()), negatives.by_type.get(name, 0)
    return Point(figures.floor, counts, figures.documents, hit, false, negatives.size_bytes)
