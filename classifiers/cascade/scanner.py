"""Which SITs are possible in which rows of a batch: shapes, keywords, then single expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.plan import Group, Needs, Plan
from dlpagent.classifiers.cascade.rows import Rows, gathered, windows_of

_NONE: Ints = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class _Words:
    """The keyword bits of rows, looked for when first asked, with those of their contexts."""

    plan: Plan
    rows: Rows
    contexts: Mapping[int, int]
    known: dict[int, int] = field(default_factory=dict)

    def look(self, wanted: Ints) -> None:
        """Find the keywords of some rows."""
        new = np.array([row for row in wanted.tolist() if row not in self.known], dtype=np.int64)
        if not len(new):
            return
        part = gathered(self.rows, new, self.rows.starts[new], self.rows.ends[new])
        numbers, ends = self.plan.keywords.scan(part.data)
        for row in new.tolist():
            self.known[row] = self.contexts.get(row, 0)
        if not len(numbers):
            return
        count = len(self.plan.keyword_bits)
        bits, known = self.plan.keyword_bits, self.known
        for pair in np.unique(part.rows_of(ends) * count + numbers).tolist():
            row, number = divmod(pair, count)
            known[row] |= bits[number]

    def allow(self, wanted: Ints, needs: int) -> Ints:
        """The rows that hold one of some keywords."""
        self.look(wanted)
        known = self.known
        return np.array([row for row in wanted.tolist() if known[row] & needs], dtype=np.int64)


def possible_sits(plan: Plan, rows: Rows, contexts: Mapping[int, int]) -> dict[int, set[int]]:
    """Row → SITs that may be found in it. contexts: row → keyword bits of its context."""
    words = _Words(plan, rows, contexts)
    confirmed: dict[int, set[int]] = {}
    _singles(plan, rows, confirmed)
    _shaped(plan, rows, words, confirmed)
    if plan.always:
        for row in np.flatnonzero(rows.ends > rows.starts).tolist():
            confirmed.setdefault(row, set()).update(plan.always)
    found: dict[int, set[int]] = {}
    unsure = [row for row, numbers in confirmed.items() if any(
        needs for number in numbers for _, needs in plan.possible[number])]  # fmt: skip
    words.look(np.array(sorted(unsure), dtype=np.int64))
    for row, numbers in confirmed.items():
        have = words.known.get(row, 0)
        sits = {
            sit
            for number in numbers
            for sit, needs in plan.possible[number]
            if meets(needs, have)
        }
        if sits:
            found[row] = sits
    return found


def meets(needs: Needs, have: int) -> bool:
    """Whether a row's keyword bits can satisfy a pattern."""
    return all(mask & have for mask in needs)


def context_bits(plan: Plan, low_shadow: bytes) -> int:
    """The keyword bits of a context."""
    numbers, _ = plan.keywords.scan(b"\n" + low_shadow + b"\n")
    bits = 0
    for number in set(numbers.tolist()):
        bits |= plan.keyword_bits[number]
    return bits


def _singles(plan: Plan, rows: Rows, confirmed: dict[int, set[int]]) -> None:
    numbers, ends = plan.singles.scan(rows.data)
    if not len(numbers):
        return
    count = len(plan.single_expressions)
    for pair in np.unique(rows.rows_of(ends) * count + numbers).tolist():
        row, number = divmod(pair, count)
        confirmed.setdefault(row, set()).update(plan.single_expressions[number])


def _shaped(plan: Plan, rows: Rows, words: _Words, confirmed: dict[int, set[int]]) -> None:
    shapes, ends = plan.shapes.scan(rows.data)
    if not len(shapes):
        return
    where = rows.rows_of(ends)
    for group in plan.groups:
        mine = shapes == group.shape
        group_rows, group_ends = where[mine], ends[mine]
        if group.needs and len(group_rows):
            allowed = words.allow(np.unique(group_rows), group.needs)
            keep = np.isin(group_rows, allowed)
            group_rows, group_ends = group_rows[keep], group_ends[keep]
        if len(group_rows):
            _confirm(group, rows, group_rows, group_ends, confirmed)


def _confirm(
    group: Group, rows: Rows, hit_rows: Ints, hit_ends: Ints, confirmed: dict[int, set[int]]
) -> None:
    windows = windows_of(rows, hit_rows, hit_ends, group.reach)
    numbers, ends = group.database.scan(windows.data)
    if not len(numbers):
        return
    count = len(group.expressions)
    for pair in np.unique(windows.rows_of(ends) * count + numbers).tolist():
        row, number = divmod(pair, count)
        confirmed.setdefault(row, set()).add(group.expressions[number])
