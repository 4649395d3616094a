"""Findings of chunks as one batch of MATCH_SCHEMA; values become evidence here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.ragged import NONE
from dlpagent.classifiers.reference import Hit
from dlpagent.classifiers.sit import Sit
from dlpagent.evidence import Evidence, masked
from dlpagent.findings import MATCH_SCHEMA, Incomplete


@dataclass(slots=True)
class Findings:
    """Findings of a chunk in the order of MATCH_SCHEMA; rows are those of the batch.

    sits: numbers. values: the matched texts after folding, for evidence only.
    """

    rows: Ints = field(default_factory=lambda: NONE)
    starts: Ints = field(default_factory=lambda: NONE)
    ends: Ints = field(default_factory=lambda: NONE)
    sits: Ints = field(default_factory=lambda: NONE)
    patterns: Ints = field(default_factory=lambda: NONE)
    values: list[str] = field(default_factory=list, repr=False)
    incomplete: list[Incomplete] = field(default_factory=list)

    def with_hits(self, hits: Sequence[tuple[int, Hit]], numbers: Mapping[str, int]) -> Findings:
        """These and the reference evaluator's hits in rows of the batch. numbers: SIT id → number."""
        if not hits:
            return self
        more = [(row, hit.start, hit.end, numbers[hit.sit_id], hit.pattern) for row, hit in hits]
        mine = (self.rows, self.starts, self.ends, self.sits, self.patterns)
        both = [
            np.concatenate([one, other])
            for one, other in zip(mine, np.array(more, dtype=np.int64).T, strict=True)
        ]
        order = np.lexsort((both[3], both[2], both[1], both[0]))
        values = [*self.values, *(hit.value for _, hit in hits)]
        rows, starts, ends, sits, patterns = (one[order] for one in both)
        kept = [values[place] for place in order.tolist()]
        return Findings(rows, starts, ends, sits, patterns, kept, self.incomplete)


def matches_of(
    sits: Sequence[Sit], found: Sequence[Findings], evidence: Evidence
) -> pa.RecordBatch:
    """The findings of all chunks."""
    parts = [one for one in found if len(one.rows)]
    if not parts:
        return _empty()
    rows, starts, ends, numbers, patterns = (
        np.concatenate([getattr(one, name) for one in parts])
        for name in ("rows", "starts", "ends", "sits", "patterns")
    )
    known: dict[tuple[str, str], tuple[str, str]] = {}
    shown: list[str] = []
    keys: list[str] = []
    values = (value for one in parts for value in one.values)
    for value, number in zip(values, numbers.tolist(), strict=True):
        form = sits[number].value
        pair = known.get((value, form))
        if pair is None:
            pair = known[value, form] = masked(value, form), evidence.key(value, form)
        shown.append(pair[0])
        keys.append(pair[1])
    confidences = [
        sits[number].patterns[pattern].confidence
        for number, pattern in zip(numbers.tolist(), patterns.tolist(), strict=True)
    ]
    columns = [
        pa.array(rows.astype(np.uint32)),
        pa.array(starts),
        pa.array(ends),
        _names(sits, numbers),
        pa.array(confidences, pa.uint8()),
        pa.array(patterns.astype(np.int16)),
        pa.array(shown, pa.string()),
        pa.array(keys, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=MATCH_SCHEMA)


@functools.cache
def _empty() -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([], item.type) for item in MATCH_SCHEMA], schema=MATCH_SCHEMA
    )


def _names(sits: Sequence[Sit], numbers: Ints) -> pa.DictionaryArray:
    """SIT ids, the dictionary in the order of first use."""
    used, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order))
    names = pa.array([sits[number].id for number in used[order].tolist()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places[inverse].astype(np.int32)), names)
