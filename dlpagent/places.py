"""Places of evidence: findings as places, and which of many to show."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlpagent.pairs import Ints, dictionary_of, int_array, run_starts
from dlpagent.violations import MAX_PLACES, Place

_LOCATOR = ("file", "offset", "row_group", "row")
_PLACE = ("record_id", "part", "start", "end", "sit_id", "confidence", "masked", "key")


class PlaceChoice:
    """Chooses at most MAX_PLACES findings: each SIT in turn gives its surest, the earliest first.

    So every SIT shows at least one place (up to that number of SITs), and a rule that asks for high
    confidence finds its evidence among the places even after thousands of weaker findings.
    """

    def __init__(self, most: int = MAX_PLACES) -> None:
        self._most = most
        self._best: dict[int, list[tuple[int, int]]] = {}
        # Per SIT, the confidence a later finding must exceed to be chosen at all.
        self._floor = np.full(16, -1, dtype=np.int64)

    def add(self, sits: Ints, confidences: Ints, first: int) -> None:
        """Take in the findings number first, first + 1, … of the item."""
        highest = int(sits.max())
        if highest >= len(self._floor):
            grown = np.full(2 * highest + 1, -1, dtype=np.int64)
            grown[: len(self._floor)] = self._floor
            self._floor = grown
        candidates = np.flatnonzero(confidences > self._floor[sits])
        if not len(candidates):
            return
        sits, confidences = sits[candidates], confidences[candidates]
        order = np.lexsort((candidates, -confidences, sits))
        starts = run_starts(sits[order])
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start : min(end, start + self._most)]
            fresh = zip(
                (-confidences[rows]).tolist(), (candidates[rows] + first).tolist(), strict=True
            )
            sit = int(sits[rows[0]])
            best = sorted([*self._best.get(sit, []), *fresh])[: self._most]
            self._best[sit] = best
            if len(best) == self._most:
                self._floor[sit] = -best[-1][0]

    def result(self) -> list[int]:
        """Numbers of the chosen findings, rising."""
        turns = sorted(
            (turn, number) for best in self._best.values() for turn, (_, number) in enumerate(best)
        )
        return sorted(number for _, number in turns[: self._most])


def places_from(findings: pa.RecordBatch) -> list[Place]:
    """Every finding of a batch (FINDING_SCHEMA) as a place."""
    columns = [findings.column(name).to_pylist() for name in _PLACE]
    locators = {name: findings.column(f"locator_{name}") for name in _LOCATOR}
    known = [name for name, column in locators.items() if column.null_count < len(column)]
    wheres: Iterable[tuple[Any, ...]] = repeat((), findings.num_rows)
    if known:
        wheres = zip(*(locators[name].to_pylist() for name in known), strict=True)
    return [
        Place(
            record_id=record_id,
            part=part,
            start=start,
            end=end,
            sit_id=sit_id,
            confidence=confidence,
            masked=masked,
            key=key,
            locator={name: at for name, at in zip(known, where, strict=True) if at is not None},
        )
        for record_id, part, start, end, sit_id, confidence, masked, key, where in zip(
            *columns, wheres, strict=True
        )
    ]


def grouped_places(groups: Ints, findings: pa.RecordBatch) -> dict[int, tuple[Place, ...]]:
    """Per group (record): its places, chosen as PlaceChoice does."""
    if not len(groups):
        return {}
    rows = np.arange(len(groups))
    if np.bincount(groups).max() > MAX_PLACES:
        rows = _chosen_rows(groups, findings)
    order = rows[np.argsort(groups[rows], kind="stable")]
    chosen = places_from(findings.take(pa.array(order)))
    starts = run_starts(groups[order])
    return {
        int(groups[order[start]]): tuple(chosen[start:end])
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True)
    }


def _chosen_rows(groups: Ints, findings: pa.RecordBatch) -> Ints:
    sits = int_array(dictionary_of(findings.column("sit_id")).indices)
    confidences = int_array(findings.column("confidence"))
    rows = np.arange(len(groups))
    order = np.lexsort((rows, -confidences, sits, groups))
    turns = np.empty(len(rows), dtype=np.int64)
    turns[order] = _rank_in_run(run_starts(groups[order], sits[order]), len(rows))
    order = np.lexsort((rows, turns, groups))
    kept = order[_rank_in_run(run_starts(groups[order]), len(rows)) < MAX_PLACES]
    return np.sort(kept)


def _rank_in_run(starts: npt.NDArray[np.intp], many: int) -> Ints:
    lengths = np.diff(np.append(starts, many))
    return np.arange(many) - np.repeat(starts, lengths)
