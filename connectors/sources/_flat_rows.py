"""The vectorised way from columns of text to record parts: a row of k columns becomes k neighbours.

Works where names, roles and contexts of all parts follow from the columns alone. They are taken
from parts_of, asked once for a record with a letter in every place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from dlpagent.connectors.sources._columns import text_sizes
from dlpagent.connectors.sources._record_rows import _UNPLANNED
from dlpagent.connectors.sources._shapes import _ID_KEYS, _MAX_ID_CHARS, parts_of

Ints = np.ndarray[Any, np.dtype[np.int64]]
_STRING = pa.large_string()


class Plan(NamedTuple):
    """What each column (or field of a struct) is called: part, role and context, as arrays."""

    parts: pa.Array
    roles: pa.Array
    contexts: pa.Array


class FlatParts(NamedTuple):
    """Some parts, row after row. row: the row of the table each comes from; the rest as columns."""

    rows: Ints
    columns: dict[str, pa.Array]


def plan_of(columns: Mapping[str, pa.Array]) -> Plan | None:
    """The plan for such columns; None when their rows must be read one by one."""
    sample = {name: _sample(column.type, name) for name, column in columns.items()}
    nested_id = any(isinstance(sample.get(key), dict) for key in _ID_KEYS)
    if not sample or nested_id or None in sample.values():
        return None
    parts = tuple(parts_of(sample))
    if len(parts) != sum(_width(column.type) for column in columns.values()):
        return None
    return Plan(
        pa.array([part.part for part in parts], pa.string()),
        pa.array([part.role for part in parts], pa.string()),
        pa.array([part.context for part in parts], pa.string()),
    )


def hangs_on_value(columns: Mapping[str, pa.Array], json_columns: Collection[str]) -> bool:
    """True when a value is more than its text: a data URL, JSON in a string, bytes without text."""
    return any(_is_more(column, name in json_columns) for name, column in columns.items())


def parts_in_rows(
    columns: Mapping[str, pa.Array], plan: Plan, ids: pa.Array, *, max_rows: int, max_chars: int
) -> Iterator[tuple[FlatParts, int]]:
    """The parts in portions of about so many, each with the row of the table behind it.

    ids: the record id of every row. Empty and null texts give no part.
    """
    leaves = [leaf for column in columns.values() for leaf in _leaves(column)]
    sizes = np.stack([text_sizes(leaf) for leaf in leaves], axis=1)
    joined = pa.concat_arrays(leaves) if len(leaves) > 1 else leaves[0]
    total = len(ids)
    for start, stop in _cuts(sizes, max_rows, max_chars):
        filled = sizes[start:stop] > 0
        places = np.flatnonzero(filled)
        row, column = np.divmod(places, len(leaves))
        row += start
        cells = pa.array(column)
        seq = (np.cumsum(filled, axis=1) - 1).ravel()[places]
        found = {
            "record_id": ids.take(pa.array(row)),
            "part": plan.parts.take(cells),
            "seq": pa.array(seq, pa.int32()),
            # take() also lets go of the large arrays: a slice would carry them along when pickled.
            "text": joined.take(pa.array(column * total + row)),
            "context": plan.contexts.take(cells),
            "role": plan.roles.take(cells),
        }
        yield FlatParts(row, found), stop


def record_ids(columns: Mapping[str, pa.Array], first_row: int, rows: int) -> pa.Array:
    """Each row's own id (see record_id_of), else its position."""
    ids = pa.array(np.arange(first_row, first_row + rows)).cast(_STRING)
    for key in reversed(_ID_KEYS):
        own = columns.get(key)
        if own is not None and own.type == _STRING:
            size = pc.utf8_length(own)
            usable = pc.and_(pc.greater(size, 0), pc.less_equal(size, _MAX_ID_CHARS))
            ids = pc.if_else(pc.fill_null(usable, False), own, ids)
    return ids


def _cuts(sizes: Ints, max_rows: int, max_chars: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows: at least one row, else at most so many parts and bytes of text."""
    parts = np.concatenate(([0], np.cumsum((sizes > 0).sum(axis=1))))
    chars = np.concatenate(([0], np.cumsum(sizes.sum(axis=1))))
    start, count = 0, len(sizes)
    while start < count:
        by_parts = int(np.searchsorted(parts, parts[start] + max_rows, side="right")) - 1
        by_chars = int(np.searchsorted(chars, chars[start] + max_chars, side="right")) - 1
        stop = min(max(min(by_parts, by_chars), start + 1), count)
        yield start, stop
        start = stop


def _sample(kind: pa.DataType, key: str) -> Any:
    """A value of the type with a letter for each text; None when rows differ in what they hold."""
    if key in _UNPLANNED:
        return None
    if not pt.is_struct(kind):
        return "x" if kind in (_STRING, pa.large_binary()) else None
    children = {field.name: _sample(field.type, field.name) for field in kind}
    return None if None in children.values() or len(children) < kind.num_fields else children


def _width(kind: pa.DataType) -> int:
    return sum(_width(field.type) for field in kind) if pt.is_struct(kind) else 1


def _leaves(column: pa.Array) -> list[pa.Array]:
    if pt.is_struct(column.type):
        return [leaf for child in column.flatten() for leaf in _leaves(child)]
    return [column if column.type == _STRING else column.cast(_STRING)]


def _is_more(column: pa.Array, may_be_json: bool) -> bool:
    if pt.is_struct(column.type):
        return any(_is_more(child, False) for child in column.flatten())
    if column.type == pa.large_binary():
        try:
            column = column.cast(_STRING)
        except pa.ArrowInvalid:
            return True
        if pc.any(pc.match_substring(column, "\x00")).as_py():
            return True
    starts = ("data:", "{", "[") if may_be_json else ("data:",)
    return any(pc.any(pc.starts_with(column, start)).as_py() for start in starts)
