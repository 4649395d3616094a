"""The classifier port: a pack applied to Arrow batches of record parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.reference import Hit, evaluate
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence, ValueForm, masked
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, PackRef


@dataclass(slots=True)
class ReferenceClassifier:
    """Applies the reference evaluator to every text, one by one: slow, and right by definition."""

    compiled: CompiledPack
    evidence: Evidence
    _forms: dict[str, ValueForm] = field(init=False)
    _names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._forms = {sit.id: sit.value for sit in self.compiled.sits}
        self._names = self.compiled.pack.sit_names

    @classmethod
    def of(cls, pack: Pack, evidence: Evidence) -> ReferenceClassifier:
        """The classifier of a loaded pack."""
        return cls(CompiledPack(pack), evidence)

    @property
    def pack(self) -> PackRef:
        return self.compiled.ref

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self._names

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA. See dlpagent.ports.Classifier."""
        hits: list[tuple[int, Hit]] = []
        incomplete: list[Incomplete] = []
        texts = batch.column("text").to_pylist()
        contexts = batch.column("context").to_pylist()
        for row, (text, context) in enumerate(zip(texts, contexts, strict=True)):
            if not text:
                continue
            found = evaluate(self.compiled, text, context or "")
            hits.extend((row, hit) for hit in found.hits)
            incomplete.extend(Incomplete(row, sit, reason) for sit, reason in found.incomplete)
        return Classified(match_batch(hits, self._forms, self.evidence), tuple(incomplete))


def match_batch(
    hits: Iterable[tuple[int, Hit]], forms: Mapping[str, ValueForm], evidence: Evidence
) -> pa.RecordBatch:
    """Hits with their rows as a batch of MATCH_SCHEMA; values are turned into evidence here."""
    columns: dict[str, list[object]] = {name: [] for name in MATCH_SCHEMA.names}
    for row, hit in hits:
        form = forms[hit.sit_id]
        for name, value in (
            ("row", row),
            ("start", hit.start),
            ("end", hit.end),
            ("sit_id", hit.sit_id),
            ("confidence", hit.confidence),
            ("pattern", hit.pattern),
            ("masked", masked(hit.value, form)),
            ("key", evidence.key(hit.value, form)),
        ):
            columns[name].append(value)
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[item.name], type=item.type) for item in MATCH_SCHEMA], schema=MATCH_SCHEMA
    )
