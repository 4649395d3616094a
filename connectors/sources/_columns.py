"""Which columns of an Arrow table hold text, and their values as text.

Parquet and Arrow files meet here, so that a type means the same in both: strings as they are,
integers as digits, dates and times as ISO prints them, numbers with a fraction not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from dlpagent.connectors.sources._json_parse import invalid_utf8_bytes
from dlpagent.connectors.sources._leaves import _WHOLE_FLOATS
from dlpagent.connectors.sources._shapes import _TOKEN_KEYS

# text: read. bytes: read if its first value is UTF-8. opaque: reported once. skip: holds no text.
LeafKind = Literal["text", "bytes", "opaque", "skip"]

_MAX_NESTING = 60
_PROBE_VALUES = 16


class Leaf(NamedTuple):
    """One innermost field of a schema, in depth-first order. column: its top-level column."""

    column: str
    path: str
    kind: LeafKind
    found: str


class Texts(NamedTuple):
    """values: large_string, struct, list and map of it, or large_binary; None: nothing to read.

    invalid_bytes were not UTF-8 and stand as U+FFFD.
    """

    values: Any
    invalid_bytes: int = 0


def leaves_of(schema: pa.Schema) -> list[Leaf]:
    """Every innermost field of the schema and what is to be done with it."""
    leaves: list[Leaf] = []
    for field in schema:
        leaves.extend(_leaves(field.type, field.name, field.name, False, 0))
    return leaves


def _leaves(
    stored: pa.DataType, column: str, path: str, repeated: bool, depth: int
) -> Iterator[Leaf]:
    kind = _storage(stored)
    if depth > _MAX_NESTING:
        yield Leaf(column, path, "opaque", f"nesting deeper than {_MAX_NESTING} levels")
    elif pt.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, column, f"{path}.{field.name}", repeated, depth + 1)
    elif pt.is_map(kind):
        yield from _leaves(kind.key_type, column, f"{path}.key", True, depth + 1)
        yield from _leaves(kind.item_type, column, f"{path}.value", True, depth + 1)
    elif _is_list(kind):
        yield from _leaves(kind.value_type, column, f"{path}[]", True, depth + 1)
    elif getattr(stored, "extension_name", "") == "arrow.uuid":
        yield Leaf(column, path, "skip", str(stored))
    else:
        yield Leaf(column, path, _leaf_kind(kind, column, path, repeated), str(kind))


def _storage(kind: pa.DataType) -> pa.DataType:
    """The type without what only says how it is stored."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _leaf_kind(kind: pa.DataType, column: str, path: str, repeated: bool) -> LeafKind:
    if pt.is_integer(kind) and repeated and column in _TOKEN_KEYS:
        return "opaque"
    if _is_text(kind) or (pt.is_float64(kind) and not repeated):
        return "text"
    if pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind) or pt.is_null(kind):
        return "skip"
    if _is_length_of_time(kind):
        return "skip"
    return "bytes" if _is_binary(kind) and path == column else "opaque"


def _is_text(kind: pa.DataType) -> bool:
    """True for types whose every value has a text of its own."""
    if pt.is_decimal(kind):
        return bool(kind.scale == 0)
    is_moment = pt.is_temporal(kind) and not _is_length_of_time(kind)
    return _is_string(kind) or bool(pt.is_integer(kind)) or is_moment


class _Place(NamedTuple):
    """Where an array stands: its top-level column, whether a list is above it, and how deep."""

    column: str
    repeated: bool = False
    depth: int = 0

    def below(self, *, repeated: bool = False) -> _Place:
        return _Place(self.column, self.repeated or repeated, self.depth + 1)


def texts_of(array: pa.Array, column: str) -> Texts:
    """The column with every leaf as text and whatever is not text taken out.

    Nulls stay null, but a null list becomes an empty one and a null struct one of nulls.
    """
    return _texts(array, _Place(column))


def _texts(array: pa.Array, place: _Place) -> Texts:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        is_uuid = kind.extension_name == "arrow.uuid"
        return Texts(None) if is_uuid else _texts(array.storage, place)
    if pt.is_run_end_encoded(kind):
        return _texts(pc.run_end_decode(array), place)
    if pt.is_dictionary(kind):
        return _dictionary_texts(array, place)
    if place.depth > _MAX_NESTING:
        return Texts(None)
    if pt.is_struct(kind):
        return _struct_texts(array, place)
    if pt.is_map(kind):
        return _map_texts(array, place)
    if _is_list(kind):
        return _list_texts(array, place)
    if _is_binary(kind):
        return Texts(array.cast(pa.large_binary()) if place.depth == 0 else None)
    if _leaf_kind(kind, place.column, "", place.repeated) != "text":
        return Texts(None)
    return _leaf_texts(array)


def _dictionary_texts(array: pa.Array, place: _Place) -> Texts:
    used = pc.unique(array.indices).drop_null()
    plain = _texts(array.dictionary.take(used), place)
    if plain.values is None:
        return plain
    return Texts(plain.values.take(pc.index_in(array.indices, used)), plain.invalid_bytes)


def _leaf_texts(array: pa.Array) -> Texts:
    kind = array.type
    if _is_string(kind):
        return _valid_utf8(array.cast(pa.large_string()))
    if pt.is_timestamp(kind) and kind.tz is not None:  # needs no time zone database this way
        text = array.cast(pa.timestamp(kind.unit)).cast(pa.large_string())
        mark, nothing = pa.scalar("Z", pa.large_string()), pa.scalar("", pa.large_string())
        return Texts(pc.binary_join_element_wise(text, mark, nothing))
    if pt.is_float64(kind):
        low, high = _WHOLE_FLOATS
        size = pc.abs(array)
        whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(size, high))
        wanted = pc.fill_null(pc.and_(whole, pc.greater_equal(size, low)), False)
        kept = pc.if_else(wanted, array, pa.scalar(None, pa.float64()))
        return Texts(kept.cast(pa.int64()).cast(pa.large_string()))
    return Texts(array.cast(pa.large_string()))


def _valid_utf8(array: pa.Array) -> Texts:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return _repaired(array.cast(pa.large_binary()))
    return Texts(array)


def _repaired(array: pa.Array) -> Texts:
    texts, invalid = [], 0
    for raw in array.to_pylist():
        text = None if raw is None else raw.decode("utf-8", errors="replace")
        texts.append(text)
        if text is not None and "\ufffd" in text:
            invalid += invalid_utf8_bytes(raw, text)
    return Texts(pa.array(texts, pa.large_string()), invalid)


def _struct_texts(array: pa.Array, place: _Place) -> Texts:
    children, names, invalid = [], [], 0
    for field, child in zip(array.type, array.flatten(), strict=True):
        texts = _texts(child, place.below())
        if texts.values is not None:
            children.append(texts.values)
            names.append(field.name)
            invalid += texts.invalid_bytes
    if not children:
        return Texts(None)
    return Texts(pa.StructArray.from_arrays(children, names=names), invalid)


def _list_texts(array: pa.Array, place: _Place) -> Texts:
    if place.column in _TOKEN_KEYS and pt.is_integer(_storage(array.type.value_type)):
        return Texts(None)
    texts = _texts(pc.list_flatten(array), place.below(repeated=True))
    if texts.values is None:
        return texts
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))), pa.int64())
    return Texts(pa.LargeListArray.from_arrays(offsets, texts.values), texts.invalid_bytes)


def _map_texts(array: pa.Array, place: _Place) -> Texts:
    places = array.offsets.to_numpy()
    first, count = int(places[0]), int(places[-1] - places[0])
    keys = _texts(array.keys.slice(first, count), place.below(repeated=True))
    items = _texts(array.items.slice(first, count), place.below(repeated=True))
    if keys.values is None or not _is_string(keys.values.type):
        return Texts(None)
    values = pa.nulls(count, pa.large_string()) if items.values is None else items.values
    offsets = pa.array(places - first, pa.int32())
    invalid = keys.invalid_bytes + items.invalid_bytes
    return Texts(pa.MapArray.from_arrays(offsets, keys.values, values), invalid)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_binary_view(kind)
        or pt.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pt.is_list(kind)
        or pt.is_large_list(kind)
        or pt.is_fixed_size_list(kind)
        or pt.is_list_view(kind)
        or pt.is_large_list_view(kind)
    )


def _is_length_of_time(kind: pa.DataType) -> bool:
    return bool(pt.is_duration(kind) or pt.is_interval(kind))


def text_sizes(array: pa.Array) -> np.ndarray[Any, Any]:
    """Bytes of text in each row, exact for strings and an even share of the column for the rest.

    Dictionaries are not spelled out, so that it is cheap to ask before doing so.
    """
    if isinstance(array.type, pa.BaseExtensionType):
        return text_sizes(array.storage)
    if pt.is_string_view(array.type) or pt.is_binary_view(array.type):
        return text_sizes(array.cast(pa.large_binary()))
    if pt.is_dictionary(array.type) and (
        _is_string(array.type.value_type) or _is_binary(array.type.value_type)
    ):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
    elif _is_string(array.type) or _is_binary(array.type):
        lengths = pc.binary_length(array)
    else:
        share = array.nbytes // len(array) if len(array) else 0
        return np.full(len(array), share, np.int64)
    filled = pc.fill_null(lengths.cast(pa.int64()), 0)
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)


def begins_as_text(column: pa.Array) -> bool | None:
    """True when its first values are UTF-8 without NUL, False when not; None without any value."""
    values = islice((value.as_py() for value in column if value.is_valid), _PROBE_VALUES)
    looks = [_is_utf8(value) for value in values]
    return all(looks) if looks else None


def _is_utf8(value: bytes) -> bool:
    try:
        return b"\x00" not in value and value.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False
