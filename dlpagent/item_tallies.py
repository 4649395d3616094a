"""Tallies of an asset that is one item, however many findings it has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dlpagent.pairs import (
    DistinctPairs,
    Ints,
    dictionary_of,
    digest_text,
    int_array,
    modular_sums,
    pairs_of,
)
from dlpagent.places import PlaceChoice
from dlpagent.violations import Tally

_CONFIDENCES = 128  # room for 0–100 in a combined code


class ItemTallies:
    """Tallies, digest and choice of places of one item whose findings come in parts.

    Memory does not grow with their number; see DistinctPairs. Close it, or use it in a with block.
    """

    def __init__(self, pairs_in_memory: int = 1_000_000) -> None:
        self._pairs = DistinctPairs(pairs_in_memory)
        self._names: dict[str, int] = {}
        self._hits = np.zeros(0, dtype=np.int64)
        self._chosen = PlaceChoice()
        self.total = 0

    def __enter__(self) -> ItemTallies:
        return self

    def __exit__(self, *_: object) -> None:
        self._pairs.close()

    def add(self, findings: pa.RecordBatch) -> None:
        """Take in findings; only sit_id, key and confidence are needed."""
        if not findings.num_rows:
            return
        sits = dictionary_of(findings.column("sit_id"))
        local = [
            self._names.setdefault(name, len(self._names)) for name in sits.dictionary.to_pylist()
        ]
        codes = np.array(local, dtype=np.int64)[int_array(sits.indices)]
        confidences = int_array(findings.column("confidence"))
        pairs = pairs_of(sits, findings.column("key"), confidences)
        pairs["sit"] = codes
        self._pairs.add(pairs)
        hits = np.bincount(
            codes * _CONFIDENCES + confidences, minlength=len(self._names) * _CONFIDENCES
        )
        hits[: len(self._hits)] += self._hits
        self._hits = hits
        self._chosen.add(codes, confidences, self.total)
        self.total += findings.num_rows

    def result(self) -> tuple[tuple[Tally, ...], str]:
        """Tallies in the order of their SIT ids, and the evidence digest."""
        unique = np.zeros(len(self._hits), dtype=np.int64)
        total = 0
        for part in self._pairs.parts():
            found = part["sit"].astype(np.int64) * _CONFIDENCES + part["confidence"]
            unique += np.bincount(found, minlength=len(unique))
            total += modular_sums(part["a"], part["b"], np.zeros(1, dtype=np.intp))[0]
        tallies = [
            Tally(name, _counts(self._hits, unique, code * _CONFIDENCES))
            for name, code in sorted(self._names.items())
        ]
        return tuple(tallies), digest_text(total % (1 << 128))

    def places(self) -> list[int]:
        """Which findings to show as places: their numbers from 0, in reading order."""
        return self._chosen.result()


def _counts(hits: Ints, unique: Ints, base: int) -> tuple[tuple[int, int, int], ...]:
    found = np.flatnonzero(hits[base : base + _CONFIDENCES])[::-1].tolist()
    return tuple((conf, int(hits[base + conf]), int(unique[base + conf])) for conf in found)
