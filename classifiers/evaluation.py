"""What a classifier finds, held against what people labelled: counts, rates, intervals.

Pure: documents, predictions and a type map go in, figures come out. Matching is one-to-one inside a
document and type (evaluation_matching). The rules in words: docs/eval.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from dlpagent.classifiers.evaluation_matching import Place, TypeMap, exactly, one_to_one, shared

Z_95 = 1.959963984540054
"""The standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled or predicted place in a text: code points, half-open. type: as its author says.

    confidence: 1–100 of a prediction; 100 for labels.
    """

    start: int
    end: int
    type: str
    confidence: int = 100


@dataclass(frozen=True, slots=True)
class Document:
    """A labelled text. decoys: look-alikes that are false. where: file:line.

    is_negative: it holds nothing sensitive but what `allowed` names. is_whole: labels say what the
    text holds, not where. part_of: a further division of its source ("" for none). is_judged: only
    the places labelled or named as decoys were looked at; what is found elsewhere is unjudged.
    is_labelled False: nobody looked. context: words beside the text, as of a record's part.
    """

    id: str
    source: str
    text: str = field(repr=False)
    spans: tuple[Span, ...] = ()
    decoys: tuple[Span, ...] = ()
    is_negative: bool = False
    allowed: frozenset[str] = frozenset()
    is_whole: bool = False
    part_of: str = ""
    where: str = ""
    is_judged: bool = False
    is_labelled: bool = True
    context: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was labelled and what was found. overlapping and exact count pairs."""

    gold: int = 0
    found: int = 0
    overlapping: int = 0
    exact: int = 0
    decoys: int = 0
    decoys_hit: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            *(getattr(self, item.name) + getattr(other, item.name) for item in fields(self))
        )

    @property
    def precision(self) -> float:
        return _rate(self.overlapping, self.found)

    @property
    def recall(self) -> float:
        return _rate(self.overlapping, self.gold)

    @property
    def exact_precision(self) -> float:
        return _rate(self.exact, self.found)

    @property
    def exact_recall(self) -> float:
        return _rate(self.exact, self.gold)

    def f(self, beta: float) -> float:
        """The weighted mean of precision and recall; recall counts beta times as much."""
        return f_measure(self.precision, self.recall, beta)


@dataclass(frozen=True, slots=True)
class SitCounts:
    """What one SIT found: on labels of its type, elsewhere, on look-alikes, in negative documents.

    unjudged: in sources where nobody labelled its type.
    """

    right: int = 0
    wrong: int = 0
    unjudged: int = 0
    decoys_hit: int = 0
    negatives: int = 0

    def __add__(self, other: SitCounts) -> SitCounts:
        return SitCounts(
            *(getattr(self, item.name) + getattr(other, item.name) for item in fields(self))
        )


@dataclass(slots=True)
class Negatives:
    """Documents that hold nothing, and what was found in them. size_bytes: UTF-8."""

    documents: int = 0
    size_bytes: int = 0
    documents_hit: int = 0
    by_type: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_source: dict[str, tuple[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: (0, 0))
    )
    """source → (false positives, bytes)"""

    @property
    def false(self) -> int:
        return sum(self.by_type.values())

    @property
    def false_per_mb(self) -> float | None:
        """False positives per 10^6 bytes; None without negative documents."""
        return per_mb(self.false, self.size_bytes)


@dataclass(frozen=True, slots=True)
class Judged:
    """One document at one confidence floor: places by canonical type, and how they answer."""

    document: Document
    gold: tuple[Place, ...]
    found: tuple[Place, ...]
    decoys_hit: tuple[Place, ...]
    missed: tuple[Place, ...]
    false: tuple[Place, ...]
    counts: Mapping[str, Counts]
    any_type: Counts
    sits: Mapping[str, SitCounts]


@dataclass(slots=True)
class Figures:
    """Everything counted at one confidence floor. Keys: canonical types, groups, sources, parts."""

    floor: int
    documents: int = 0
    total: Counts = field(default_factory=Counts)
    any_type: Counts = field(default_factory=Counts)
    types: dict[str, Counts] = field(default_factory=dict)
    groups: dict[str, Counts] = field(default_factory=dict)
    sources: dict[str, Counts] = field(default_factory=dict)
    parts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    in_source: dict[tuple[str, str], Counts] = field(default_factory=dict)
    """(source, canonical type) → counts"""
    sits: dict[str, SitCounts] = field(default_factory=dict)
    negatives: Negatives = field(default_factory=Negatives)

    def named(self, name: str) -> Counts | None:
        """The counts of a type or group; None when neither was met."""
        return self.types.get(name) or self.groups.get(name)


def evaluate_corpus(
    documents: Iterable[Document],
    predictions: Mapping[str, Sequence[Span]],
    types: TypeMap,
    *,
    labelled: Mapping[str, Iterable[str] | None] | None = None,
    floor: int = 1,
    min_iou: float = 0.0,
) -> tuple[Figures, list[Judged]]:
    """Count predictions of at least a confidence against labels.

    predictions: by document id. labelled: source → the types labelled there; a prediction of another
    type in that source is unjudged, not wrong. A source that is not named, or with None, is labelled
    for everything.
    """
    figures = Figures(floor)
    judged = []
    known = {
        source: {types.gold.of(name) for name in names} - {None}
        for source, names in (labelled or {}).items()
        if names is not None
    }
    for document in documents:
        found = [item for item in predictions.get(document.id, ()) if item.confidence >= floor]
        one = judge(document, found, types, known.get(document.source), min_iou)
        _add(figures, one, types.groups)
        judged.append(one)
    return figures, judged


def judge(
    document: Document,
    predictions: Sequence[Span],
    types: TypeMap,
    labelled: set[str | None] | None = None,
    min_iou: float = 0.0,
) -> Judged:
    """One document's labels and predictions, matched. labelled None: for every type."""
    everything = _places(predictions, types.pred.of)
    if document.is_negative:
        return _judge_negative(document, predictions, everything, types)
    gold = _places(document.spans, types.gold.of)
    found = [place for place in everything if labelled is None or place[2] in labelled]
    decoys = _places(document.decoys, types.gold.of)
    if document.is_judged:
        looked_at = [*gold, *decoys]
        found = [place for place in found if _is_looked_at(place, looked_at)]
        predictions = [
            item
            for item in predictions
            if _is_looked_at((item.start, item.end, types.pred.of(item.type) or ""), looked_at)
        ]
    hit = [item for item in decoys if _is_hit(item, everything, gold)]
    counts: dict[str, Counts] = {}
    missed: list[Place] = []
    false: list[Place] = []
    for name in sorted({place[2] for place in (*gold, *found, *decoys)}):
        mine, theirs, lures, hits = (
            [place for place in items if place[2] == name] for items in (gold, found, decoys, hit)
        )
        paired, answering = one_to_one(mine, theirs, min_iou)
        missed += [place for i, place in enumerate(mine) if i not in paired]
        false += [place for j, place in enumerate(theirs) if j not in answering]
        counts[name] = Counts(
            len(mine), len(theirs), len(paired), exactly(mine, theirs), len(lures), len(hits)
        )
    paired, _ = one_to_one(gold, found, min_iou)
    any_type = Counts(len(gold), len(found), len(paired), exactly(gold, found))
    sits = dict(_by_sit(predictions, types, labelled, gold, hit))
    return Judged(
        document, tuple(gold), tuple(found), tuple(hit), tuple(missed), tuple(false), counts,
        any_type, sits,
    )  # fmt: skip


def _is_looked_at(place: Place, looked_at: Iterable[Place]) -> bool:
    return any(place[2] == item[2] and shared(place, item) for item in looked_at)


def _judge_negative(
    document: Document, predictions: Sequence[Span], everything: list[Place], types: TypeMap
) -> Judged:
    """All that is found in a negative document is false, but for the types it may hold."""
    allowed = {
        name
        for given in document.allowed
        for name in (given, types.gold.of(given), types.pred.of(given))
    }
    false = tuple(place for place in everything if place[2] not in allowed)
    sits: dict[str, SitCounts] = {}
    for name, place in _by_name(predictions, types):
        if place in false:
            sits[name] = sits.get(name, SitCounts()) + SitCounts(negatives=1)
    return Judged(document, (), false, (), (), false, {}, Counts(), sits)


def _places(spans: Iterable[Span], name_of: Callable[[str], str | None]) -> list[Place]:
    """Distinct non-empty places by canonical type, sorted; dropped types left out."""
    places = set()
    for item in spans:
        name = name_of(item.type)
        if name is not None and item.start < item.end:
            places.add((item.start, item.end, name))
    return sorted(places)


def _is_hit(decoy: Place, found: Iterable[Place], gold: Iterable[Place]) -> bool:
    """Whether a look-alike was taken for the real thing; never where a label lies on it."""
    return any(place[2] == decoy[2] and shared(place, decoy) for place in found) and not any(
        shared(place, decoy) for place in gold
    )


def _by_name(predictions: Iterable[Span], types: TypeMap) -> Iterator[tuple[str, Place]]:
    """Distinct predictions under their own names, with the canonical place."""
    for name, start, end in sorted({(item.type, item.start, item.end) for item in predictions}):
        kind = types.pred.of(name)
        if kind is not None:
            yield name, (start, end, kind)


def _by_sit(
    predictions: Iterable[Span], types: TypeMap, labelled: set[str | None] | None,
    gold: Sequence[Place], decoys_hit: Sequence[Place],
) -> Iterator[tuple[str, SitCounts]]:  # fmt: skip
    totals: dict[str, SitCounts] = {}
    for name, place in _by_name(predictions, types):
        lured = sum(place[2] == item[2] and shared(place, item) > 0 for item in decoys_hit)
        if labelled is not None and place[2] not in labelled:
            one = SitCounts(unjudged=1, decoys_hit=lured)
        elif any(place[2] == item[2] and shared(place, item) for item in gold):
            one = SitCounts(right=1, decoys_hit=lured)
        else:
            one = SitCounts(wrong=1, decoys_hit=lured)
        totals[name] = totals.get(name, SitCounts()) + one
    yield from totals.items()


def _add(figures: Figures, one: Judged, groups: Mapping[str, str]) -> None:
    """Add one document to the figures."""
    document = one.document
    figures.documents += 1
    for sit, found in one.sits.items():
        figures.sits[sit] = figures.sits.get(sit, SitCounts()) + found
    if document.is_negative:
        _add_negative(figures.negatives, one)
        return
    figures.any_type += one.any_type
    part = (document.source, document.part_of)
    for name, counts in one.counts.items():
        figures.total += counts
        _sum(figures.types, name, counts)
        if name in groups:
            _sum(figures.groups, groups[name], counts)
        _sum(figures.sources, document.source, counts)
        pair = (document.source, name)
        figures.in_source[pair] = figures.in_source.get(pair, Counts()) + counts
        if document.part_of:
            figures.parts[part] = figures.parts.get(part, Counts()) + counts


def _sum(table: dict[str, Counts], name: str, counts: Counts) -> None:
    table[name] = table.get(name, Counts()) + counts


def _add_negative(negatives: Negatives, one: Judged) -> None:
    size = len(one.document.text.encode("utf-8", "replace"))
    negatives.documents += 1
    negatives.size_bytes += size
    negatives.documents_hit += bool(one.false)
    for _, _, kind in one.false:
        negatives.by_type[kind] += 1
    false, total = negatives.by_source[one.document.source]
    negatives.by_source[one.document.source] = (false + len(one.false), total + size)


def widened(document: Document, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Predictions as far as a document's labels reach: its whole text when they say no place."""
    if not document.is_whole:
        return tuple(spans)
    best: dict[str, int] = {}
    for item in spans:
        best[item.type] = max(best.get(item.type, 0), item.confidence)
    return tuple(Span(0, len(document.text), name, value) for name, value in sorted(best.items()))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share (E. B. Wilson, 1927); (0, 1) when nothing was tried."""
    if not trials:
        return 0.0, 1.0
    share = hits / trials
    scale = 1 + Z_95**2 / trials
    middle = share + Z_95**2 / (2 * trials)
    reach = Z_95 * math.sqrt(share * (1 - share) / trials + Z_95**2 / (4 * trials**2))
    # the ends are exact when nothing or everything was hit; rounding must not pass them
    low = 0.0 if hits == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if hits == trials else min(1.0, (middle + reach) / scale)
    return low, high


def f_measure(precision: float, recall: float, beta: float) -> float:
    """F-beta; 0 when both are 0."""
    if not precision + recall:
        return 0.0
    return (1 + beta * beta) * precision * recall / (beta * beta * precision + recall)


def per_mb(count: int, size_bytes: int) -> float | None:
    """A count per 10^6 bytes."""
    return count / (size_bytes / 1e6) if size_bytes else None


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
