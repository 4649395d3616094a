"""Tuning a SIT on labelled texts: edits tried, each with its gain on texts it was not chosen by.

Texts go into folds by what they are but for their values, so that copies of a template never stand
on both sides. In each fold an edit is thought of, and chosen, on the other folds alone, and counted
on this one. Nothing is applied.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.evaluation import Counts, Document, Span, judge, wilson
from dlpagent.classifiers.evaluation_matching import Names, TypeMap, shared
from dlpagent.classifiers.pack_yaml import sit_document
from dlpagent.classifiers.sit import Keyword, Pack, Sit
from dlpagent.classifiers.sub_pack import only, reached
from dlpagent.classifiers.tuning import (
    Edit,
    EditKind,
    Sighting,
    exclusion_edits,
    fixed_edits,
    folds_of,
    group_of,
    keyword_edits,
    primaries_only,
    removal_edits,
    telling_words,
    words_near,
)
from dlpagent.errors import ConfigurationError
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.ports import Classifier
from dlpagent.service.comparing import detect

Objective = Literal["f1", "f2", "precision", "recall"]
OBJECTIVES: Final[tuple[Objective, ...]] = ("f1", "f2", "precision", "recall")

WORDS_PER_FOLD = 10
# The reference evaluator needs no compiling; beyond so much text the cascade is faster all the same.
REFERENCE_CHARS = 2_000_000

EXCLUSION_WORDS = 6


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An edit worth making. before, after: counts on the held-back folds in which it was chosen.

    gain: of the objective, over those folds together; fold_gains: in each. patch: operations on the
    SIT's YAML (docs/tune.md).
    """

    kind: EditKind
    text: str
    before: Counts
    after: Counts
    gain: float
    fold_gains: tuple[float, ...]
    concerns: tuple[str, ...]
    patch: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What came of tuning. base: the SIT as it is, on all texts. tried: edits that were measured."""

    sit: Sit
    type: str
    documents: int
    groups: int
    folds: int
    seed: int
    floor: int
    objective: Objective
    base: Counts
    tried: int
    suggestions: Sequence[Suggestion] = field(default_factory=list)


def score(counts: Counts, objective: Objective) -> float:
    """The figure that is to rise."""
    if objective == "precision":
        return counts.precision
    if objective == "recall":
        return counts.recall
    return counts.f(1 if objective == "f1" else 2)


def tune(
    pack: Pack, sit: Sit, documents: Sequence[Document], types: TypeMap, *,
    labelled: Mapping[str, Iterable[str] | None] | None = None,
    floor: int = 66, objective: Objective = "f1", folds: int = 5, seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Tuning:  # fmt: skip
    """Try edits of a SIT and give those that help on held-back folds, the most helpful first.

    documents must be labelled. floor: findings below do not count. progress: (edits done, all).
    Raises ConfigurationError when the texts say nothing about the SIT's type, or too little to
    divide.
    """
    bench = _Bench.of(pack, sit, documents, types, labelled, floor, folds, seed)
    edits = {(edit.kind, edit.text): edit for edit in _edits(bench)}
    whole = bench.measured(bench.part)
    base = _summed(whole, range(len(whole)))
    found = []
    for number, edit in enumerate(edits.values()):
        changed = bench.measured(edit.apply(bench.part))
        suggestion = _suggestion(bench, edit, whole, changed, objective)
        if suggestion is not None:
            found.append(suggestion)
        progress(number + 1, len(edits))
    found = _without_twins(found)
    found.sort(key=lambda item: (-item.gain, item.kind, item.text))
    return Tuning(
        sit, bench.type, len(bench.documents), len(set(bench.groups)), folds, seed, floor,
        objective, base, len(edits), found,
    )  # fmt: skip


# --- the texts, and how a pack does on them --------------------------------------------------------


@dataclass(slots=True)
class _Bench:
    """The texts that say something about a SIT, divided into folds.

    part: the pack with the SIT alone (and what it shares lists with). fold: of each text.
    """

    pack: Pack
    part: Pack
    sit: Sit
    type: str
    documents: list[Document]
    matched: list[Document]
    sightings: dict[str, list[Sighting]]
    groups: list[str]
    fold: list[int]
    folds: int
    types: TypeMap
    labelled: Mapping[str, set[str | None]]
    floor: int

    @classmethod
    def of(
        cls, pack: Pack, sit: Sit, documents: Sequence[Document], types: TypeMap,
        labelled: Mapping[str, Iterable[str] | None] | None, floor: int, folds: int, seed: int,
    ) -> _Bench:  # fmt: skip
        """The bench of a SIT. Raises ConfigurationError."""
        kind = types.pred.of(sit.id if sit.id in types.pred.table else sit.name)
        if kind is None:
            raise ConfigurationError("the type map drops this SIT", where=sit.name)
        known = {source: {types.gold.of(name) for name in names}
                 for source, names in (labelled or {}).items() if names is not None}  # fmt: skip
        looked_at = [
            item for item in documents
            if item.is_labelled and not item.is_whole
            and (item.is_negative or kind in known.get(item.source, {kind}))
        ]  # fmt: skip
        part = only(pack, {sit.id})
        places = detect(looked_at, _classifier(primaries_only(part, sit), looked_at)).found
        kept, matched, groups = [], [], []
        sightings: dict[str, list[Sighting]] = {}
        for document in looked_at:
            labels = [item for item in document.spans if types.gold.of(item.type) == kind]
            spans = places[document.id]
            if not spans and not labels:
                continue
            values = [(item.start, item.end)
                      for item in (*document.spans, *document.decoys, *spans)]  # fmt: skip
            group = group_of(document, values)
            kept.append(document)
            groups.append(group)
            if spans:
                matched.append(document)
                sightings[document.id] = [*_sightings(document, spans, labels, values, group)]
        bench = cls(pack, part, sit, kind, kept, matched, sightings, groups, [], folds, types,
                    known, floor)  # fmt: skip
        bench._check(folds)
        fold_of = folds_of(groups, folds, seed)
        bench.fold = [fold_of[group] for group in groups]
        return bench

    def _check(self, folds: int) -> None:
        right = sum(item.right for many in self.sightings.values() for item in many)
        if not right:
            raise ConfigurationError(
                "these texts say nothing about the SIT",
                where=self.sit.name,
                expected=f"texts with labels of type {self.type} on what its patterns match",
                found="none",
                remedy="Name the labels' types with --map, as for dlpagent eval.",
            )
        if len(set(self.groups)) < 2 * folds:
            raise ConfigurationError(
                "there are too few different texts to hold some back",
                where=self.sit.name,
                expected=f"{2 * folds} texts that differ in more than their values",
                found=str(len(set(self.groups))),
                remedy="Give more texts, or fewer --folds.",
            )

    def measured(self, pack: Pack) -> list[Counts]:
        """How a pack does on each text."""
        found = detect(self.matched, _classifier(only(pack, {self.sit.id}), self.matched)).found
        return [self._counts(document, found.get(document.id, ())) for document in self.documents]

    def _counts(self, document: Document, spans: Sequence[Span]) -> Counts:
        here = [
            Span(item.start, item.end, self.sit.name, item.confidence)
            for item in spans
            if item.confidence >= self.floor
        ]
        alone = Names({self.sit.name: self.type, "*": None})
        named = TypeMap(self.types.gold, alone)
        judged = judge(document, here, named, self.labelled.get(document.source))
        if document.is_negative:
            return Counts(found=len(judged.false))
        return judged.counts.get(self.type, Counts())

    @property
    def share_right(self) -> float:
        """How many matches of primary elements are right, of all."""
        seen = [item.right for many in self.sightings.values() for item in many]
        return sum(seen) / len(seen)

    def train_sightings(self, fold: int) -> list[Sighting]:
        """What stands in the texts of the other folds."""
        return [
            item
            for document, here in zip(self.documents, self.fold, strict=True)
            if here != fold
            for item in self.sightings.get(document.id, ())
        ]


def _sightings(
    document: Document, spans: Iterable[Span], labels: Sequence[Span],
    values: Sequence[tuple[int, int]], group: str,
) -> Iterator[Sighting]:  # fmt: skip
    looked_at = (*document.spans, *document.decoys)
    for item in spans:
        place = (item.start, item.end, "")
        right = any(shared(place, (label.start, label.end, "")) for label in labels)
        judged = not document.is_judged or any(
            shared(place, (label.start, label.end, "")) for label in looked_at
        )
        if judged:
            yield Sighting(group, right, words_near(document, item.start, item.end, values))


def _classifier(pack: Pack, documents: Sequence[Document]) -> Classifier:
    evidence = Evidence(secrets.token_bytes(KEY_BYTES))
    compiled = CompiledPack(pack)
    if compiled.detected or sum(len(item.text) for item in documents) > REFERENCE_CHARS:
        return classifier_of(pack, evidence)
    return DecodingClassifier(ReferenceClassifier(compiled, evidence))


# --- edits and what they bring -----------------------------------------------------------------


def _edits(bench: _Bench) -> Iterator[Edit]:
    """Every edit that some fold's training texts call for."""
    yield from fixed_edits(bench.sit)
    for fold in range(bench.folds):
        seen = bench.train_sightings(fold)
        good = telling_words(seen, by_right=True, limit=WORDS_PER_FOLD)
        bad = telling_words(seen, by_right=False, limit=WORDS_PER_FOLD)
        yield from keyword_edits(bench.pack, bench.sit, good)
        yield from removal_edits(bench.pack, bench.sit, bad)
        yield from exclusion_edits(bench.sit, bad[:EXCLUSION_WORDS])


def _suggestion(
    bench: _Bench, edit: Edit, whole: Sequence[Counts], changed: Sequence[Counts],
    objective: Objective,
) -> Suggestion | None:  # fmt: skip
    """The edit with its gain on held-back folds; None when it does not help in most of them."""
    if list(whole) == list(changed):
        return None
    chosen, gains = [], []
    for fold in range(bench.folds):
        train = [n for n, here in enumerate(bench.fold) if here != fold]
        if _gain(whole, changed, train, objective) <= 0:
            continue
        held = [n for n, here in enumerate(bench.fold) if here == fold]
        chosen += held
        gains.append(_gain(whole, changed, held, objective))
    gain = _gain(whole, changed, chosen, objective) if chosen else 0.0
    if 2 * len(gains) <= bench.folds or gain <= 0 or 2 * sum(g >= 0 for g in gains) <= len(gains):
        return None
    before, after = _summed(whole, chosen), _summed(changed, chosen)
    if edit.kind in _BY_WORDS and not _is_telling(before, after, bench.share_right):
        return None
    return Suggestion(
        edit.kind, edit.text, before, after, gain, tuple(gains),
        edit.concerns, tuple(patch_of(bench.pack, edit.apply(bench.pack), bench.sit.id)),
    )  # fmt: skip


_BY_WORDS: Final = ("keyword", "remove keyword", "exclusion")


def _is_telling(before: Counts, after: Counts, share_right: float) -> bool:
    """Whether what a word adds is righter, or what it takes away wronger, than matches are anyway.

    By the 95 % interval of the share: any word at all would add right matches where few are found.
    """
    right = after.overlapping - before.overlapping
    false = (after.found - after.overlapping) - (before.found - before.overlapping)
    if right + false > 0:
        return wilson(max(right, 0), max(right, 0) + max(false, 0))[0] > share_right
    gone = max(-false, 0)
    return wilson(gone, gone + max(-right, 0))[0] > 1 - share_right


def _without_twins(found: Iterable[Suggestion]) -> list[Suggestion]:
    """Of several tiers, or several proximities, that bring the same, the first."""
    kept: dict[object, Suggestion] = {}
    for item in found:
        what = item.text.split(":")[0] if item.kind == "tier" else item.kind
        name = (what, item.before, item.after)
        kept.setdefault(name if item.kind in ("tier", "proximity") else item.text, item)
    return list(kept.values())


def _gain(
    whole: Sequence[Counts], changed: Sequence[Counts], numbers: Iterable[int], objective: Objective
) -> float:
    chosen = list(numbers)
    return score(_summed(changed, chosen), objective) - score(_summed(whole, chosen), objective)


def _summed(counts: Sequence[Counts], numbers: Iterable[int]) -> Counts:
    return sum((counts[number] for number in numbers), Counts())


# --- the edit as operations on YAML --------------------------------------------------------------

_TUNED = ("proximity", "patterns", "elements", "filters")


def patch_of(before: Pack, after: Pack, sit_id: str) -> Iterator[dict[str, Any]]:
    """An edit as operations add, remove and replace on the SIT's YAML document.

    Paths are as in RFC 6902, but that a word taken out of a list is named by its value.
    """
    left, right = _document(before, sit_id), _document(after, sit_id)
    for key in _TUNED:
        yield from _operations(f"/{key}", left.get(key), right.get(key))


def _document(pack: Pack, sit_id: str) -> dict[str, Any]:
    sit = pack.sits[sit_id]
    names = reached(pack, sit)
    elements = {name: item for name, item in pack.elements.items() if name in names}
    document = sit_document(sit, elements)
    for name, element in elements.items():
        if isinstance(element, Keyword):
            document["elements"][name] = _lists(element)
    if sit.filters:
        document["filters"] = {name: {"kind": pack.filters[name].kind} for name in sit.filters}
    return document


def _lists(keyword: Keyword) -> dict[str, list[str]]:
    """The terms under the headings they stand under, however they are grouped there."""
    found: dict[str, list[str]] = {}
    for group in keyword.groups:
        heading = "ours" if group.origin == "ours" else "keywords"
        found.setdefault(heading, []).extend(term.text for term in group.terms)
    return found


def _operations(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    if before == after:
        return
    if before is None:
        yield {"op": "add", "path": path, "value": after}
    elif after is None:
        yield {"op": "remove", "path": path}
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            name = str(key).replace("~", "~0").replace("/", "~1")
            yield from _operations(f"{path}/{name}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and _are_words(before + after):
        yield from ({"op": "remove", "path": path, "value": item} for item in before
                    if item not in after)  # fmt: skip
        yield from ({"op": "add", "path": f"{path}/-", "value": item} for item in after
                    if item not in before)  # fmt: skip
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _operations(f"{path}/{number}", one, other)
    else:
        yield {"op": "replace", "path": path, "value": after}


def _are_words(items: Iterable[Any]) -> bool:
    return all(isinstance(item, str) for item in items)
