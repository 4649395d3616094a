"""The default classifier: the cascade says where, the reference evaluator says what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.cascade.plan import Plan
from dlpagent.classifiers.cascade.plan_cache import databases_of, is_known, known_plan
from dlpagent.classifiers.cascade.rows import rows_of_texts
from dlpagent.classifiers.cascade.scanner import context_bits, possible_sits
from dlpagent.classifiers.classify import ReferenceClassifier, match_batch
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.normalise import shadow_of
from dlpagent.classifiers.reference import Hit, evaluate
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence, ValueForm
from dlpagent.findings import Classified, Incomplete, PackRef

MAX_CONTEXTS = 4_096

COLD_CHARS = 150_000
"""Texts up to here are evaluated one by one when the plan of the pack is not in the cache yet."""


@dataclass(slots=True)
class CascadeClassifier:
    """Gives what ReferenceClassifier gives, without looking for every SIT in every text.

    cache: a folder for compiled databases; None compiles them anew in every process.
    """

    compiled: CompiledPack
    evidence: Evidence
    cache: Path | None = None
    _read_chars: int = field(init=False, default=0, repr=False)
    _plan: Plan | None = field(init=False, default=None, repr=False)
    _forms: dict[str, ValueForm] = field(init=False, repr=False)
    _contexts: dict[str, int] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._forms = {sit.id: sit.value for sit in self.compiled.sits}

    def __reduce__(self) -> tuple[object, ...]:
        return (CascadeClassifier, (self.compiled, self.evidence, self.cache))

    @classmethod
    def of(cls, pack: Pack, evidence: Evidence, cache: Path | None = None) -> CascadeClassifier:
        """The classifier of a loaded pack."""
        return cls(CompiledPack(pack), evidence, cache)

    @property
    def pack(self) -> PackRef:
        return self.compiled.ref

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self.compiled.pack.sit_names

    @property
    def plan(self) -> Plan:
        """How the pack is scanned; made when first asked."""
        if self._plan is None:
            self._plan = known_plan(self.compiled.pack, self.compiled.sits, self.cache)
        return self._plan

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that a scan needs. Otherwise done when first needed."""
        for database in databases_of(self.plan):
            database.ready()

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA. See dlpagent.ports.Classifier."""
        if self._is_cold(batch):
            return ReferenceClassifier(self.compiled, self.evidence).classify(batch)
        return self._scanned(batch)

    def _is_cold(self, batch: pa.RecordBatch) -> bool:
        """Whether compiling the plan would take longer than evaluating what has come so far.

        The engines give the same findings, so nothing depends on when the change is made.
        """
        if self._plan is not None or self._read_chars >= COLD_CHARS:
            return False
        if is_known(self.compiled.pack, self.cache):
            return False
        self._read_chars += pc.sum(pc.utf8_length(batch.column("text"))).as_py() or 0
        return self.cache is not None and self._read_chars < COLD_CHARS

    def _scanned(self, batch: pa.RecordBatch) -> Classified:
        hits: list[tuple[int, Hit]] = []
        incomplete: list[Incomplete] = []
        texts, contexts = batch.column("text"), batch.column("context")
        bits = self._context_bits(contexts)
        for rows in rows_of_texts(texts):
            here = {row - rows.first: mask for row, mask in bits.items() if row >= rows.first}
            found = possible_sits(self.plan, rows, here)
            for place in sorted(found):
                row = rows.first + place
                sits = [self.compiled.sits[number] for number in sorted(found[place].sits)]
                result = evaluate(
                    self.compiled,
                    texts[row].as_py(),
                    contexts[row].as_py() or "",
                    sits,
                    found[place].primaries,
                )
                hits.extend((row, hit) for hit in result.hits)
                incomplete.extend(Incomplete(row, sit, why) for sit, why in result.incomplete)
        return Classified(match_batch(hits, self._forms, self.evidence), tuple(incomplete))

    def _context_bits(self, contexts: pa.Array) -> dict[int, int]:
        """Row → keyword bits of its context, for rows whose context holds any."""
        if contexts.null_count == len(contexts):
            return {}
        encoded = pc.fill_null(contexts, "").dictionary_encode()
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.clear()
        bits = [self._bits_of(text) for text in encoded.dictionary.to_pylist()]
        if not any(bits):
            return {}
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(np.isin(codes, [code for code, mask in enumerate(bits) if mask]))
        return {row: bits[codes[row]] for row in rows.tolist()}

    def _bits_of(self, text: str) -> int:
        known = self._contexts.get(text)
        if known is None:
            data = shadow_of(text).encode("utf-8", "replace")
            known = self._contexts[text] = context_bits(self.plan, data) if data else 0
        return known
