"""Which SITs are possible in which rows of a batch: shapes, keywords, then single expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.keywords import STRANGE, flattened
from dlpagent.classifiers.cascade.plan import Group, Needs, Plan
from dlpagent.classifiers.cascade.rows import Rows, gathered, windows_of

EVERY = -1
"""All keyword bits."""


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
        flat, separators = flattened(part.data, part.separators)
        numbers, ends = self.plan.keywords.scan(flat)
        for row in new.tolist():
            self.known[row] = self.contexts.get(row, 0)
        for match in STRANGE.finditer(part.data):
            self.known[int(part.rows_of(np.array([match.end()]))[0])] = EVERY
        if not len(numbers):
            return
        count = len(self.plan.keyword_bits)
        bits, known = self.plan.keyword_bits, self.known
        for pair in np.unique(_between(separators, ends) * count + numbers).tolist():
            place, number = divmod(pair, count)
            row = int(part.rows[place])
            known[row] |= bits[number]

    def allow(self, wanted: Ints, needs: int) -> Ints:
        """The rows that hold one of some keywords."""
        self.look(wanted)
        known = self.known
        return np.array([row for row in wanted.tolist() if known[row] & needs], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Possible:
    """What may be found in a row: SITs by number, and the elements that can be their primaries."""

    sits: set[int]
    primaries: set[str]


def possible_sits(plan: Plan, rows: Rows, contexts: Mapping[int, int]) -> dict[int, Possible]:
    """Row → what may be found in it. contexts: row → keyword bits of its context."""
    words = _Words(plan, rows, contexts)
    confirmed: dict[int, set[int]] = {}
    _singles(plan, rows, confirmed)
    _shaped(plan, rows, words, confirmed)
    if plan.always:
        for row in np.flatnonzero(rows.ends > rows.starts).tolist():
            confirmed.setdefault(row, set()).update(plan.always)
    found: dict[int, Possible] = {}
    unsure = [row for row, numbers in confirmed.items() if any(
        needs for number in numbers for _, needs in plan.possible[number])]  # fmt: skip
    words.look(np.array(sorted(unsure), dtype=np.int64))
    for row, numbers in confirmed.items():
        have = words.known.get(row, 0)
        sits = {
            sit for number in numbers for sit, needs in plan.possible[number] if meets(needs, have)
        }
        if sits:
            elements = {name for number in numbers for name in plan.elements[number]}
            found[row] = Possible(sits, elements)
    return found


def meets(needs: Needs, have: int) -> bool:
    """Whether a row's keyword bits can satisfy a pattern."""
    return all(mask & have for mask in needs)


def context_bits(plan: Plan, shadow: bytes) -> int:
    """The keyword bits of a context."""
    if STRANGE.search(shadow):
        return EVERY
    edges = np.array([0, len(shadow) + 1])
    numbers, _ = plan.keywords.scan(flattened(b"\n" + shadow + b"\n", edges)[0])
    bits = 0
    for number in set(numbers.tolist()):
        bits |= plan.keyword_bits[number]
    return bits


def _singles(plan: Plan, rows: Rows, confirmed: dict[int, set[int]]) -> None:
    numbers, ends = plan.singles.scan(rows.data)
    _add(rows.rows_of(ends), numbers, plan.single_expressions, confirmed)
    if plan.words:
        flat, separators = flattened(rows.data, np.concatenate([[0], rows.ends]))
        numbers, ends = plan.terms.scan(flat)
        _add(_between(separators, ends), numbers, plan.term_expressions, confirmed)
        for match in STRANGE.finditer(rows.data):
            row = int(rows.rows_of(np.array([match.end()]))[0])
            confirmed.setdefault(row, set()).update(plan.words)


def _between(separators: Ints, ends: Ints) -> Ints:
    """The rows of matches: row n lies between separators n and n + 1, the latter belonging to it."""
    return np.searchsorted(separators, ends - 1, side="left") - 1


def _add(
    where: Ints,
    numbers: Ints,
    expressions: tuple[tuple[int, ...], ...],
    confirmed: dict[int, set[int]],
) -> None:
    if not len(numbers):
        return
    count = len(expressions)
    for pair in np.unique(where * count + numbers).tolist():
        row, number = divmod(pair, count)
        confirmed.setdefault(row, set()).update(expressions[number])


def _shaped(plan: Plan, rows: Rows, words: _Words, confirmed: dict[int, set[int]]) -> None:
    triggers, ends = _triggers(plan, rows)
    if not len(triggers):
        return
    where = rows.rows_of(ends)
    order = np.argsort(triggers, kind="stable")
    triggers, ends, where = triggers[order], ends[order], where[order]
    for group in plan.groups:
        first, last = np.searchsorted(triggers, (group.shape, group.shape + 1)).tolist()
        group_rows, group_ends = where[first:last], ends[first:last]
        if group.needs and len(group_rows):
            allowed = words.allow(np.unique(group_rows), group.needs)
            keep = np.isin(group_rows, allowed)
            group_rows, group_ends = group_rows[keep], group_ends[keep]
        if len(group_rows):
            _confirm(group, rows, group_rows, group_ends, confirmed)


def _triggers(plan: Plan, rows: Rows) -> tuple[Ints, Ints]:
    """Shapes and literal families found, with the ends of what was found."""
    numbers, ends = plan.shapes.scan(rows.data)
    found, places = [np.array(plan.shape_numbers, dtype=np.int64)[numbers]], [ends]
    numbers, ends = plan.literals.scan(rows.data)
    if len(numbers):
        most = max(map(len, plan.literal_families))
        table = np.full((len(plan.literal_families), most), -1, dtype=np.int64)
        for number, families in enumerate(plan.literal_families):
            table[number, : len(families)] = families
        for column in range(most):
            families = table[numbers, column]
            found.append(families[families >= 0])
            places.append(ends[families >= 0])
    return np.concatenate(found), np.concatenate(places)


def _confirm(
    group: Group, rows: Rows, hit_rows: Ints, hit_ends: Ints, confirmed: dict[int, set[int]]
) -> None:
    windows = windows_of(rows, hit_rows, hit_ends, group.reach)
    for database, expressions in zip(group.databases, group.expressions, strict=True):
        numbers, ends = database.scan(windows.data)
        if not len(numbers):
            continue
        count = len(expressions)
        for pair in np.unique(windows.rows_of(ends) * count + numbers).tolist():
            row, number = divmod(pair, count)
            confirmed.setdefault(row, set()).add(expressions[number])
