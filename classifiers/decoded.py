"""A classifier that also reads what is encoded, escaped or disguised; and the same for one text.

The variants of a text (dlpagent.classifiers.decoding) are matched as texts of their own, beside it.
What is found in one counts where something was changed and the plain text shows nothing as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoding.layers import Span
from dlpagent.classifiers.decoding.variants import Variant, has_cue, variants_of, variants_of_cued
from dlpagent.classifiers.detectors import NEED_MODEL, sits_with_detectors
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.reference import Evaluation, Hit, evaluate
from dlpagent.classifiers.sit import Sit
from dlpagent.contents import Keyed
from dlpagent.evidence import Evidence
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, PackRef
from dlpagent.ports import Classifier


@dataclass(frozen=True, slots=True)
class Claim:
    """A SIT at a place of the original text. variant: which reading says so, 0 the plain one.

    number: of the match, among all matches of its batch.
    """

    sit: str
    span: Span
    confidence: int
    variant: int
    number: int


def upheld(claims: Iterable[Claim]) -> list[Claim]:
    """The claims about one text that hold: of those that overlap, the surest, then the plainest.

    Claims of one reading never rule each other out: two values of one encoded stretch share its span.
    """
    kept: dict[str, list[Claim]] = {}
    order = sorted(claims, key=lambda claim: (-claim.confidence, claim.variant, claim.span))
    for claim in order:
        rivals = kept.setdefault(claim.sit, [])
        if not any(_overlap(claim, rival) for rival in rivals):
            rivals.append(claim)
    return [claim for rivals in kept.values() for claim in rivals]


def _overlap(one: Claim, other: Claim) -> bool:
    return (
        one.variant != other.variant and one.span[0] < other.span[1] and other.span[0] < one.span[1]
    )


@dataclass(slots=True)
class DecodingClassifier:
    """What `inner` finds in each text, and in what each text can be read as."""

    inner: Classifier

    @property
    def pack(self) -> PackRef:
        return self.inner.pack

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self.inner.sit_names

    @property
    def evidence(self) -> Evidence:
        """That of `inner`. Raises AttributeError where it has none."""
        return cast("Keyed", self.inner).evidence

    def warm_up(self) -> None:
        """Make `inner` ready, if it can be."""
        warm_up = getattr(self.inner, "warm_up", None)
        if warm_up is not None:
            warm_up()

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA. See dlpagent.ports.Classifier."""
        readings, incomplete = _readings(batch.column("text"))
        if not readings:
            plain = self.inner.classify(batch)
            return replace(plain, incomplete=(*plain.incomplete, *incomplete))
        found = self.inner.classify(_with_rows(batch, readings))
        count = batch.num_rows
        told = [
            item if item.row < count else replace(item, row=readings[item.row - count][0])
            for item in found.incomplete
        ]
        matches = _merged(found.matches, count, readings)
        return Classified(matches, tuple(dict.fromkeys([*told, *incomplete])))


Reading = tuple[int, Variant]
"""A variant, and the row of the text it is one of."""


def _readings(texts: pa.Array) -> tuple[list[Reading], list[Incomplete]]:
    cued = has_cue(texts).to_numpy(zero_copy_only=False)
    readings: list[Reading] = []
    incomplete: list[Incomplete] = []
    for row in np.flatnonzero(cued == True).tolist():  # noqa: E712 - null is neither
        variants = variants_of_cued(texts[row].as_py())
        readings.extend((row, variant) for variant in variants.found)
        if variants.incomplete:
            incomplete.append(Incomplete(row, None, variants.incomplete))
    return readings, incomplete


def _with_rows(batch: pa.RecordBatch, readings: Sequence[Reading]) -> pa.RecordBatch:
    """The batch, and behind it a row for each variant: that of its text, but for the text."""
    more = batch.take(pa.array([row for row, _ in readings], type=pa.int64()))
    place = batch.schema.get_field_index("text")
    texts = pa.array([variant.text for _, variant in readings], type=batch.column("text").type)
    both = pa.concat_batches([batch, more.set_column(place, batch.schema.field(place), texts)])
    return both.replace_schema_metadata(
        {**(batch.schema.metadata or {}), _FIRST: str(batch.num_rows)}
    )


_FIRST = b"dlpagent.first_reading"


def first_reading(batch: pa.RecordBatch) -> int:
    """The row from which on rows are variants of those before; the number of rows when none is."""
    return int((batch.schema.metadata or {}).get(_FIRST, batch.num_rows))


def _merged(matches: pa.RecordBatch, count: int, readings: Sequence[Reading]) -> pa.RecordBatch:
    """Matches of all rows as matches of the first `count`, those of variants led back."""
    rows = matches.column("row").to_numpy()
    plain = int(np.searchsorted(rows, count))
    claims = _claims(matches, plain, count, readings)
    if not claims:
        return matches.slice(0, plain)
    touched = set(claims)
    for number in np.flatnonzero(np.isin(rows[:plain], sorted(touched))).tolist():
        claims[int(rows[number])].append(_claim(matches, number, 0, None))
    kept = np.ones(plain, dtype=bool)
    kept[np.isin(rows[:plain], sorted(touched))] = False
    chosen = [(row, claim) for row, those in claims.items() for claim in upheld(those)]
    return _joined(matches, np.flatnonzero(kept).tolist(), chosen)


def _claims(
    matches: pa.RecordBatch, first: int, count: int, readings: Sequence[Reading]
) -> dict[int, list[Claim]]:
    """Row → what its variants say of places where something was changed."""
    claims: dict[int, list[Claim]] = {}
    rows = matches.column("row").to_pylist()
    starts, ends = matches.column("start").to_pylist(), matches.column("end").to_pylist()
    for number in range(first, matches.num_rows):
        place = rows[number] - count
        row, variant = readings[place]
        if variant.counts(starts[number], ends[number]):
            claims.setdefault(row, []).append(_claim(matches, number, place + 1, variant))
    return claims


def _claim(matches: pa.RecordBatch, number: int, place: int, variant: Variant | None) -> Claim:
    span = matches.column("start")[number].as_py(), matches.column("end")[number].as_py()
    return Claim(
        matches.column("sit_id")[number].as_py(),
        variant.original(*span) if variant else span,
        matches.column("confidence")[number].as_py(),
        place,
        number,
    )


def _joined(
    matches: pa.RecordBatch, kept: Sequence[int], chosen: Sequence[tuple[int, Claim]]
) -> pa.RecordBatch:
    """Matches that stay as they are, and claims that are upheld, in the order of rows and texts."""
    both = matches.take(pa.array([*kept, *(claim.number for _, claim in chosen)], type=pa.int64()))
    columns = {name: both.column(name) for name in MATCH_SCHEMA.names}
    for name, values in (
        ("row", [row for row, _ in chosen]),
        ("start", [claim.span[0] for _, claim in chosen]),
        ("end", [claim.span[1] for _, claim in chosen]),
    ):
        column = columns[name].to_numpy().copy()
        column[len(kept) :] = values
        columns[name] = pa.array(column)
    ids = np.array(columns["sit_id"].to_pylist(), dtype=object)
    places = [columns[name].to_numpy() for name in ("end", "start", "row")]
    order = np.lexsort((np.unique(ids, return_inverse=True)[1], *places))
    return pa.RecordBatch.from_arrays(
        [columns[item.name].take(pa.array(order)) for item in MATCH_SCHEMA], schema=MATCH_SCHEMA
    )


# --- one text, by the reference evaluator ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of a text and what it alone, or it best, shows; hits lie in `subject`'s original."""

    subject: Subject
    hits: tuple[Hit, ...]
    variant: Variant | None = None

    def decoded(self, span: Span) -> tuple[str, ...]:
        """What was undone in, or else near, a span of the subject; a place that owes it nothing: ()."""
        if self.variant is None:
            return ()
        start, end = Subject.original(self.subject, *span)
        return self.variant.transforms(start, end) if self.variant.counts(start, end) else ()


@dataclass(slots=True)
class VariantSubject(Subject):
    """The subject of a variant: its spans lead back to the text the variant was made from."""

    variant: Variant | None = None

    @classmethod
    def of_variant(cls, variant: Variant) -> VariantSubject:
        """A variant, ready to be matched."""
        plain = Subject.of(variant.text)
        return cls(plain.text, plain.is_ascii, plain._origin, variant=variant)

    def original(self, start: int, end: int) -> Span:
        """Offsets in the original text of a half-open range, not empty, of the shadow."""
        assert self.variant is not None
        return self.variant.original(*Subject.original(self, start, end))


def not_by_model(pack: CompiledPack, sits: Sequence[Sit]) -> list[Sit]:
    """The SITs that are looked for in variants: those no language model decides.

    A model reads prose, which is not what is hidden in encodings, and would read all of it twice.
    """
    by_model = sits_with_detectors(pack.pack, NEED_MODEL)
    return [sit for sit in sits if sit.id not in by_model]


def read_all(
    pack: CompiledPack, text: str, context: str = "", sits: Sequence[Sit] | None = None
) -> tuple[list[Read], list[tuple[str, str]]]:
    """All readings of a text, the plain one first, and what could not be looked for.

    An empty SIT id stands for all of them: a limit of decoding was reached.
    """
    variants = variants_of(text)
    incomplete = [("", variants.incomplete)] if variants.incomplete else []
    subjects = [Subject.of(text), *(VariantSubject.of_variant(one) for one in variants.found)]
    hits: list[Hit] = []
    claims: list[Claim] = []
    wanted = pack.sits if sits is None else sits
    again = not_by_model(pack, wanted) if variants.found else []
    for place, variant in enumerate([None, *variants.found]):
        found = (
            evaluate(pack, variant.text, context, again)
            if variant
            else evaluate(pack, text, context, wanted)
        )
        incomplete += [item for item in found.incomplete if item not in incomplete]
        for hit in found.hits:
            if variant is not None:
                if not variant.counts(hit.start, hit.end):
                    continue
                start, end = variant.original(hit.start, hit.end)
                hit = replace(hit, start=start, end=end)  # noqa: PLW2901 - led back
            span = hit.start, hit.end
            claims.append(Claim(hit.sit_id, span, hit.confidence, place, len(hits)))
            hits.append(hit)
    kept: list[list[Hit]] = [[] for _ in subjects]
    for claim in sorted(upheld(claims), key=lambda claim: claim.number):
        kept[claim.variant].append(hits[claim.number])
    return [
        Read(
            subject, tuple(those), subject.variant if isinstance(subject, VariantSubject) else None
        )
        for subject, those in zip(subjects, kept, strict=True)
    ], incomplete


def evaluate_all(
    pack: CompiledPack, text: str, context: str = "", sits: Sequence[Sit] | None = None
) -> Evaluation:
    """As reference.evaluate(), in a text and in all it can be read as."""
    reads, incomplete = read_all(pack, text, context, sits)
    hits = [hit for read in reads for hit in read.hits]
    hits.sort(key=lambda hit: (hit.start, hit.end, hit.sit_id))
    return Evaluation(hits, incomplete)
