"""The default classifier: the cascade says where, the reference evaluator says what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.cascade.engine import Engine, Reader
from dlpagent.classifiers.cascade.found import matches_of
from dlpagent.classifiers.cascade.frozen import uncollected
from dlpagent.classifiers.cascade.plan import Plan
from dlpagent.classifiers.cascade.plan_cache import databases_of, is_known, known_plan
from dlpagent.classifiers.cascade.repeats import repeats_of
from dlpagent.classifiers.cascade.rows import rows_of_texts
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence
from dlpagent.findings import Classified, PackRef

COLD_CHARS = 150_000
"""Texts up to here are evaluated one by one when the plan of the pack is not in the cache yet."""

ROW_CHARS = 60
"""A row evaluated by itself costs as much as so many characters, however short it is."""


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
    _ready: Engine | None = field(init=False, default=None, repr=False)

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
        if not batch.num_rows:
            return Classified(matches_of(self.compiled.sits, (), self.evidence))
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
        chars = pc.sum(pc.utf8_length(batch.column("text"))).as_py() or 0
        self._read_chars += chars + ROW_CHARS * batch.num_rows
        return self.cache is not None and self._read_chars < COLD_CHARS

    def _scanned(self, batch: pa.RecordBatch) -> Classified:
        with uncollected():
            return self._read(batch)

    def _read(self, batch: pa.RecordBatch) -> Classified:
        texts, contexts = batch.column("text"), batch.column("context")
        repeats = repeats_of(texts, contexts)
        if repeats is None:
            return self._read_all(texts, contexts)
        return repeats.spread(self._read_all(repeats.texts, repeats.contexts))

    def _read_all(self, texts: pa.Array, contexts: pa.Array) -> Classified:
        reader = Reader(self._engine(), texts, contexts)
        found = [reader.read(rows) for rows in rows_of_texts(texts)]
        return Classified(
            matches_of(self.compiled.sits, found, self.evidence),
            tuple(one for part in found for one in part.incomplete),
        )

    def _engine(self) -> Engine:
        if self._ready is None:
            self._ready = Engine(self.compiled, self.plan)
        return self._ready
