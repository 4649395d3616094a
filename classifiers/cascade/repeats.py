"""Texts that come again and again, as cells of tables and copied lines do: each is read once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.findings import Classified, Incomplete

FEW_ROWS = 64
SAMPLE_ROWS = 512
MOST_DISTINCT = 0.7
"""Where more of the rows than this differ, finding the repeats costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """The different texts of a batch, with their contexts, in the order in which they come first.

    codes: row of the batch → row here.
    """

    texts: pa.Array
    contexts: pa.Array
    codes: Ints

    def spread(self, once: Classified) -> Classified:
        """What was found in the different texts, for every row that holds one."""
        counts = np.bincount(self.codes, minlength=len(self.texts))
        firsts = np.cumsum(counts) - counts
        order = np.argsort(self.codes, kind="stable")
        found = once.matches.column("row").to_numpy().astype(np.int64)
        lengths = counts[found]
        places = np.repeat(np.arange(len(found)), lengths)
        within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = order[firsts[found][places] + within]
        by_row = np.argsort(rows, kind="stable")
        matches = once.matches.take(pa.array(places[by_row]))
        matches = matches.set_column(
            0, matches.schema.field(0), pa.array(rows[by_row].astype(np.uint32))
        )
        incomplete: list[Incomplete] = [
            replace(one, row=row)
            for one in once.incomplete
            for row in order[firsts[one.row] : firsts[one.row] + counts[one.row]].tolist()
        ]
        incomplete.sort(key=lambda one: one.row)
        return Classified(matches, tuple(incomplete))


def repeats_of(texts: pa.Array, contexts: pa.Array) -> Repeats | None:
    """The repeats of a batch, if there are many."""
    rows = len(texts)
    sample = texts.slice(0, SAMPLE_ROWS)
    if rows < FEW_ROWS or pc.count_distinct(sample).as_py() > MOST_DISTINCT * len(sample):
        return None
    numbers = _codes(texts), _codes(contexts)
    pairs = numbers[0] * (int(numbers[1].max()) + 1) + numbers[1]
    _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    if len(first) > MOST_DISTINCT * rows:
        return None
    order = np.argsort(first)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    chosen = pa.array(first[order])
    return Repeats(texts.take(chosen), contexts.take(chosen), ranks[inverse])


def _codes(texts: pa.Array) -> Ints:
    """The same number for the same text; 0 for null."""
    indices = texts.dictionary_encode().indices
    found = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False)
    return np.asarray(found.astype(np.int64) + 1)
