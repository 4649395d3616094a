"""Which columns of an Arrow table hold text, and their values as text.

Parquet and Arrow files meet here, so that a type means the same in both: strings as they are,
integers as digits, dates and times as ISO prints them, numbers with a fraction not at all.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from dlpagent.connectors.sources._json_parse import invalid_utf8_bytes

# text: read. bytes: read if its first value is UTF-8. opaque: reported once. skip: holds no text.
LeafKind = Literal["text", "bytes", "opaque", "skip"]

# Columns of tokenised corpora: numbers of a vocabulary, which no pattern can match.
TOKEN_COLUMNS = frozenset({
    "input_ids", "token_ids", "tokens", "attention_mask", "token_type_ids", "position_ids",
    "labels", "label_ids", "special_tokens_mask", "loss_mask", "decoder_input_ids",
})  # fmt: skip
# A whole number this large in a column of fractions is a number someone lost to a spreadsheet or a
# data frame (a column of integers with gaps becomes float64); beyond 2**53 digits are not exact.
_FLOAT_INTEGERS = (1e6, 2.0**53)
_MAX_NESTING = 60


class Leaf(NamedTuple):
    """One innermost field of a schema, in depth-first order. column: its top-level column."""

    column: str
    path: str
    kind: LeafKind
    found: str


class Texts(NamedTuple):
    """values: large_string, large_binary, or struct, list and map of them; None: nothing to read.

    invalid_bytes were not UTF-8 and stand as U+FFFD.
    """

    values: Any
    invalid_bytes: int = 0


def leaves_of(schema: pa.Schema) -> list[Leaf]:
    """Every innermost field of the schema and what is to be done with it."""
    leaves: list[Leaf] = []
    for field in schema:
        _walk(field.type, field.name, field.name, False, leaves)
    return leaves


def _walk(kind: pa.DataType, column: str, path: str, repeated: bool, leaves: list[Leaf]) -> None:
    kind = _storage(kind)
    if path.count(".") > _MAX_NESTING:
        leaves.append(Leaf(column, path, "opaque", f"nesting deeper than {_MAX_NESTING} levels"))
    elif pt.is_struct(kind):
        for field in kind:
            _walk(field.type, column, f"{path}.{field.name}", repeated, leaves)
    elif pt.is_map(kind):
        _walk(kind.key_type, column, f"{path}.key", True, leaves)
        _walk(kind.item_type, column, f"{path}.value", True, leaves)
    elif _is_list(kind):
        _walk(kind.value_type, column, f"{path}[]", True, leaves)
    else:
        leaves.append(Leaf(column, path, _leaf_kind(kind, column, path, repeated), str(kind)))


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
    if _is_string(kind) or pt.is_temporal(kind) and not _is_length_of_time(kind):
        return "text"
    if pt.is_integer(kind):
        return "opaque" if repeated and column in TOKEN_COLUMNS else "text"
    if pt.is_decimal(kind):
        return "text" if kind.scale == 0 else "skip"
    if pt.is_float64(kind):
        return "skip" if repeated else "text"
    if pt.is_floating(kind) or pt.is_boolean(kind) or pt.is_null(kind) or _is_length_of_time(kind):
        return "skip"
    if _is_binary(kind) and path == column:
        return "bytes"
    return "opaque"


def texts_of(array: pa.Array, *, repeated: bool = False, name: str = "") -> Texts:
    """The array with every leaf as text and whatever is not text taken out.

    Nulls stay null, but a null list becomes an empty one and a null struct one of nulls.
    """
    if isinstance(array.type, pa.BaseExtensionType):
        return texts_of(array.storage, repeated=repeated, name=name)
    if pt.is_run_end_encoded(array.type):
        return texts_of(pc.run_end_decode(array), repeated=repeated, name=name)
    if pt.is_dictionary(array.type):
        plain = texts_of(array.dictionary, repeated=repeated, name=name)
        return plain if plain.values is None else Texts(plain.values.take(array.indices), plain[1])
    if pt.is_struct(array.type):
        return _struct_texts(array, repeated, name)
    if pt.is_map(array.type):
        return _map_texts(array, name)
    if _is_list(array.type):
        return _list_texts(array, name)
    if _is_binary(array.type):
        return Texts(array.cast(pa.large_binary()))
    if _leaf_kind(array.type, name, name, repeated) != "text":
        return Texts(None)
    return _leaf_texts(array)


def _leaf_texts(array: pa.Array) -> Texts:
    kind = array.type
    if _is_string(kind):
        return _valid_utf8(array.cast(pa.large_string()))
    if pt.is_timestamp(kind) and kind.tz is not None:  # needs no time zone database this way
        text = array.cast(pa.timestamp(kind.unit)).cast(pa.large_string())
        return Texts(pc.binary_join_element_wise(text, pa.scalar("Z", pa.large_string()), ""))
    if pt.is_float64(kind):
        low, high = _FLOAT_INTEGERS
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


def _struct_texts(array: pa.Array, repeated: bool, name: str) -> Texts:
    children, names, invalid = [], [], 0
    for field, child in zip(array.type, array.flatten(), strict=True):
        texts = texts_of(child, repeated=repeated, name=name)
        if texts.values is not None and not _is_binary(texts.values.type):
            children.append(texts.values)
            names.append(field.name)
            invalid += texts.invalid_bytes
    if not children:
        return Texts(None)
    return Texts(pa.StructArray.from_arrays(children, names=names), invalid)


def _list_texts(array: pa.Array, name: str) -> Texts:
    if _is_token_list(array.type, name):
        return Texts(None)
    texts = texts_of(pc.list_flatten(array), repeated=True, name=name)
    if texts.values is None or _is_binary(texts.values.type):
        return Texts(None)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return Texts(pa.LargeListArray.from_arrays(_offsets(lengths), texts.values), texts[1])


def _map_texts(array: pa.Array, name: str) -> Texts:
    places = array.offsets.to_numpy()
    first, last = int(places[0]), int(places[-1])
    keys = texts_of(array.keys.slice(first, last - first), repeated=True, name=name)
    items = texts_of(array.items.slice(first, last - first), repeated=True, name=name)
    if keys.values is None or not _is_string(keys.values.type):
        return Texts(None)
    values = items.values
    if values is None or _is_binary(values.type):
        values = pa.nulls(last - first, pa.large_string())
    offsets = pa.array(places - first, pa.int32())
    invalid = keys.invalid_bytes + items.invalid_bytes
    return Texts(pa.MapArray.from_arrays(offsets, keys.values, values), invalid)


def _offsets(lengths: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))), pa.int64())


def _is_token_list(kind: pa.DataType, name: str) -> bool:
    return name in TOKEN_COLUMNS and pt.is_integer(_storage(kind.value_type))


def _is_string(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_binary_view(kind)
        or pt.is_fixed_size_binary(kind)
    ) and not pt.is_decimal(kind)


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
