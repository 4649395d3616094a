"""Two packs on the same texts: what changes, which rule change did it, and only that re-evaluated."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.classifiers.comparison import Outcome, Tally, causes, compare, tallies
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.diff import Change, Difference, diff_packs
from dlpagent.classifiers.evaluation import Document, Span
from dlpagent.classifiers.evaluation_matching import Names, TypeMap
from dlpagent.classifiers.sit import Pack
from dlpagent.classifiers.sub_pack import differing, only
from dlpagent.evidence import KEY_BYTES, Evidence, masked
from dlpagent.findings import PackRef
from dlpagent.ports import Classifier
from dlpagent.service.evaluating import predict

NO_NAMES = TypeMap(Names({}), Names({}))
Found = Mapping[str, tuple[Span, ...]]
"""Document id → findings; types are SIT ids."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What a pack finds in documents. unsure: (document id, SIT id or "") that it could not look for."""

    found: Found
    unsure: frozenset[tuple[str, str]]
    seconds: float


@dataclass(frozen=True, slots=True)
class Saved:
    """What re-evaluation was spared: SITs evaluated of all there are; seconds it took."""

    evaluated: int
    sits: int
    seconds: float


@dataclass(slots=True)
class Comparison:
    """Two packs compared on texts.

    difference: of the rules. changed: SITs whose findings may differ; only those were evaluated, the
    findings of all others are the same. causes: SIT id → the rule changes behind its differences.
    outcomes: every finding of the changed SITs. names: SIT id → name. shapes: outcome → masked value.
    """

    before: PackRef
    after: PackRef
    documents: int
    difference: Difference
    changed: frozenset[str]
    causes: Mapping[str, tuple[Change, ...]]
    outcomes: Sequence[Outcome]
    names: Mapping[str, str]
    saved: Saved
    texts: Mapping[str, Document] = field(default_factory=dict, repr=False)
    forms: Mapping[str, str] = field(default_factory=dict)

    @property
    def tallies(self) -> dict[tuple[str, str], Tally]:
        """(SIT id, source) → counts."""
        return tallies(self.outcomes)

    @property
    def total(self) -> Tally:
        """Everything together."""
        return sum(self.tallies.values(), Tally())

    def shape(self, outcome: Outcome) -> str:
        """The masked value of a finding."""
        text = self.texts[outcome.document].text[outcome.start : outcome.end]
        return masked(text, self.forms.get(outcome.sit_id, "secret"))  # type: ignore[arg-type]


def detect(documents: Sequence[Document], classifier: Classifier,
           progress: Callable[[int], None] = lambda _done: None) -> Detected:  # fmt: skip
    """What a classifier finds, by SIT id."""
    found = predict(documents, classifier, {}, NO_NAMES, progress)
    places: dict[str, list[str]] = {}
    for document in documents if found.incomplete else ():
        places.setdefault(document.where, []).append(document.id)
    unsure = frozenset(
        (ident, "" if sit == "every SIT" else sit)
        for where, sit, _ in found.incomplete
        for ident in places[where]
    )
    return Detected(dict(found.spans), unsure, found.seconds)


def classifier_for(pack: Pack, cache: Path | None = None) -> Classifier:
    """A classifier whose evidence is thrown away: a key of this moment will do."""
    return classifier_of(pack, Evidence(secrets.token_bytes(KEY_BYTES)), cache)


def reevaluated(
    documents: Sequence[Document], known: Detected, before: Pack, after: Pack,
    cache: Path | None = None,
) -> tuple[Detected, Saved]:  # fmt: skip
    """What `after` finds, given what `before` found: only SITs that differ are looked for again."""
    changed = differing(before, after)
    part = only(after, changed)
    began = time.monotonic()
    fresh = (
        detect(documents, classifier_for(part, cache))
        if part.sits
        else Detected({}, frozenset(), 0.0)
    )
    kept = {
        document.id: tuple(
            item for item in known.found.get(document.id, ()) if item.type not in changed
        )
        for document in documents
    }
    found = {ident: (*spans, *fresh.found.get(ident, ())) for ident, spans in kept.items()}
    unsure = {item for item in known.unsure if item[1] not in changed} | fresh.unsure
    seconds = time.monotonic() - began
    saved = Saved(len(part.sits), len(after.sits), seconds)
    return Detected(found, frozenset(unsure), seconds), saved


def compare_packs(
    before: Pack, after: Pack, documents: Sequence[Document], types: TypeMap = NO_NAMES, *,
    labelled: Mapping[str, Iterable[str] | None] | None = None, cache: Path | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Comparison:  # fmt: skip
    """Compare two packs on texts. Only SITs whose findings a change can affect are evaluated."""
    changed = differing(before, after)
    old, new = only(before, changed), only(after, changed)
    left = _detected(documents, old, cache, progress)
    right = _detected(documents, new, cache, progress)
    names = {**before.sit_names, **after.sit_names}
    outcomes = compare(
        documents, left.found, right.found, names, types, labelled=labelled,
        unsure=left.unsure | right.unsure,
    )  # fmt: skip
    everything = before.sits.keys() | after.sits.keys()
    return Comparison(
        before.ref, after.ref, len(documents), diff_packs(before, after), changed,
        causes(before, after, changed), list(outcomes), names,
        Saved(len(changed), len(everything), left.seconds + right.seconds),
        {document.id: document for document in documents},
        {sit.id: sit.value for pack in (before, after) for sit in pack.sits.values()},
    )  # fmt: skip


def _detected(
    documents: Sequence[Document], pack: Pack, cache: Path | None, progress: Callable[[int], None]
) -> Detected:
    if not pack.sits:
        return Detected({}, frozenset(), 0.0)
    return detect(documents, classifier_for(pack, cache), progress)
