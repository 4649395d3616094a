"""Where in a chunk of rows expressions may match: shapes, literals, then the expressions themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.keywords import flattened
from dlpagent.classifiers.cascade.numbers import numbers_in
from dlpagent.classifiers.cascade.plan import Group
from dlpagent.classifiers.cascade.ragged import NONE, distinct
from dlpagent.classifiers.cascade.rows import Rows, windows_of
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.words import Words


@dataclass(frozen=True, slots=True)
class Events:
    """Expressions seen, and offsets in the rows: of every match one lies behind its start, up to the
    character behind its end. By expression and offset, none twice."""

    expressions: Ints
    ends: Ints


def events_of(tables: Tables, rows: Rows, words: Words) -> Events:
    """What the scan of a chunk sees of the expressions."""
    parts = [_singles(tables, rows), *_shaped(tables, rows, words)]
    expressions = np.concatenate([one for one, _ in parts])
    ends = np.concatenate([ends for _, ends in parts])
    return events_in_order(expressions, ends, len(rows.data))


def events_in_order(expressions: Ints, ends: Ints, size: int) -> Events:
    """Events of a text of some size in any order, some perhaps twice."""
    if not len(ends):
        return Events(NONE, NONE)
    expressions, ends = np.divmod(distinct(expressions * (size + 2) + ends), size + 2)
    return Events(expressions, ends)


def listed(tables: Tables, rows: Rows) -> Events:
    """Keyword lists that are primary elements, by the number of their expression."""
    if not tables.plan.words:
        return Events(NONE, NONE)
    flat = flattened(rows.data, np.concatenate([[0], rows.ends]))
    numbers, ends = tables.plan.terms.scan(flat.data)
    if not len(numbers):
        return Events(NONE, NONE)
    hits, expressions = tables.term.of(numbers)
    return Events(expressions, flat.places(ends[hits] - 1))


def context_lists(tables: Tables, shadow: bytes) -> tuple[int, ...]:
    """The keyword lists a context may hold."""
    edges = np.array([0, len(shadow) + 1])
    numbers, _ = tables.plan.keywords.scan(flattened(b"\n" + shadow + b"\n", edges).data)
    _, uses = tables.uses.of(distinct(numbers))
    return tuple(distinct(tables.use_list[uses]).tolist())


_Found = tuple[Ints, Ints]


def _singles(tables: Tables, rows: Rows) -> _Found:
    numbers, ends = tables.plan.singles.scan(rows.data)
    hits, expressions = tables.single.of(numbers)
    return expressions, ends[hits]


def _shaped(tables: Tables, rows: Rows, words: Words) -> list[_Found]:
    triggers, ends = _triggers(tables, rows)
    found = []
    shapes = distinct(triggers).tolist()
    order = np.argsort(triggers, kind="stable")
    triggers, ends = triggers[order], ends[order]
    where = rows.rows_of(ends)
    lasts = np.searchsorted(triggers, shapes, side="right").tolist()
    for shape, first, last in zip(shapes, [0, *lasts], lasts, strict=False):
        for group in tables.groups[shape]:
            found += _confirmed(group, rows, words, where[first:last], ends[first:last])
    if words.contexts:
        for group in tables.worded:
            beside = words.beside(group.needs)
            if len(beside):
                found += _confirmed(group, rows, words, beside, rows.ends[beside])
    return found


def _triggers(tables: Tables, rows: Rows) -> _Found:
    """Shapes and literal families found, with the ends of what was found."""
    numbers, ends = tables.plan.shapes.scan(rows.data)
    literals, places = tables.plan.literals.scan(rows.data)
    hits, families = tables.family.of(literals)
    digits, behind = numbers_in(rows.data, tables.plan.numbers)
    return (
        np.concatenate([tables.shape[numbers], families, digits]),
        np.concatenate([ends, places[hits], behind]),
    )


def _confirmed(
    group: Group, rows: Rows, words: Words, hit_rows: Ints, hit_ends: Ints
) -> list[_Found]:
    windows = windows_of(rows, hit_rows, hit_ends, group.reach)
    if group.needs and len(windows.data) * len(group.databases) > DEAR * len(rows.data):
        allowed = words.hold(distinct(hit_rows), group.needs)
        keep = np.isin(hit_rows, allowed)
        if not keep.any():
            return []
        windows = windows_of(rows, hit_rows[keep], hit_ends[keep], group.reach)
    found = []
    for database, expressions in zip(group.databases, group.expressions, strict=True):
        numbers, ends = database.scan(windows.data)
        if len(numbers):
            found.append((np.array(expressions, dtype=np.int64)[numbers], windows.back(ends)))
    return found


DEAR = 1
"""Where scanning the windows of a group costs more than this times a scan of all text, keywords are
asked first."""
