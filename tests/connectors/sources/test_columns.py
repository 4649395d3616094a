"""What each Arrow type gives as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dlpagent.connectors.sources._columns import begins_as_text, leaves_of, text_sizes, texts_of

UUID = bytes(range(16))
# Type, values, what is done with it, and the texts (None: nothing to read).
TYPES: list[tuple[pa.DataType, list[Any], str, list[Any] | None]] = [
    (pa.string(), ["a", None], "text", ["a", None]),
    (pa.large_string(), ["a", None], "text", ["a", None]),
    (pa.string_view(), ["a", None], "text", ["a", None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], "text", ["a", None, "a"]),
    (pa.dictionary(pa.int8(), pa.int64()), [7, None], "text", ["7", None]),
    (pa.int8(), [-1, None], "text", ["-1", None]),
    (pa.uint64(), [2**64 - 1], "text", ["18446744073709551615"]),
    (pa.decimal128(20, 0), [Decimal(5), None], "text", ["5", None]),
    (pa.decimal256(50, 0), [Decimal(5), None], "text", ["5", None]),
    (pa.decimal128(20, 2), [Decimal("5.00")], "skip", None),
    (pa.float64(), [4111111111111111.0, 1.5, None, 12.0, float("nan"), float("inf"), -5e6], "text",
     ["4111111111111111", None, None, None, None, None, "-5000000"]),
    (pa.float32(), [1.5], "skip", None),
    (pa.bool_(), [True], "skip", None),
    (pa.null(), [None], "skip", None),
    (pa.duration("s"), [1], "skip", None),
    (pa.month_day_nano_interval(), [(1, 2, 3)], "skip", None),
    (pa.date32(), [1, None], "text", ["1970-01-02", None]),
    (pa.date64(), [86_400_000], "text", ["1970-01-02"]),
    (pa.time32("s"), [61], "text", ["00:01:01"]),
    (pa.time64("ns"), [1], "text", ["00:00:00.000000001"]),
    (pa.timestamp("s"), [0, None], "text", ["1970-01-01 00:00:00", None]),
    (pa.timestamp("us", "Nowhere/Unknown"), [0, None], "text",
     ["1970-01-01 00:00:00.000000Z", None]),
    (pa.binary(), [b"x", None], "bytes", [b"x", None]),
    (pa.large_binary(), [b"x"], "bytes", [b"x"]),
    (pa.binary_view(), [b"x"], "bytes", [b"x"]),
    (pa.binary(2), [b"xy"], "bytes", [b"xy"]),
    (pa.json_(), ['{"a":1}'], "text", ['{"a":1}']),
    (pa.uuid(), [UUID], "skip", None),
    (pa.list_(pa.string()), [["a", None], None, []], "text", [["a", None], [], []]),
    (pa.large_list(pa.int32()), [[1], None], "text", [["1"], []]),
    (pa.list_(pa.int32(), 2), [[1, 2], None], "text", [["1", "2"], []]),
    (pa.list_view(pa.string()), [["a"], None], "text", [["a"], []]),
    (pa.list_(pa.float64()), [[4111111111111111.0]], "skip", None),
    (pa.list_(pa.binary()), [[b"x"]], "opaque", None),
    (pa.list_(pa.timestamp("ns", "UTC")), [[0]], "text", [["1970-01-01 00:00:00.000000000Z"]]),
    (pa.map_(pa.string(), pa.float64()), [[("k", 1.0)]], "text", [[("k", None)]]),
    (pa.run_end_encoded(pa.int32(), pa.string()), ["a", "a", None], "text", ["a", "a", None]),
    (pa.struct([("a", pa.int32()), ("b", pa.bool_())]), [{"a": 1, "b": True}, None], "text",
     [{"a": "1"}, {"a": None}]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "action", "texts"), TYPES, ids=lambda v: str(v)[:40])
def test_every_type_is_read_as_its_table_says(
    kind: pa.DataType, values: list[Any], action: str, texts: list[Any] | None
) -> None:
    if isinstance(kind, pa.RunEndEncodedType):
        array = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None])
    elif isinstance(kind, pa.BaseExtensionType):
        array = pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    else:
        array = pa.array(values, kind)
    assert leaves_of(pa.schema([("c", kind)]))[0].kind == action
    found = texts_of(array, "c")
    assert (None if found.values is None else found.values.to_pylist()) == texts
    assert len(text_sizes(array)) == len(array)


def test_a_slice_gives_the_texts_of_the_slice() -> None:
    for kind, values, _, texts in TYPES:
        if texts is None or isinstance(kind, (pa.BaseExtensionType, pa.RunEndEncodedType)):
            continue
        sliced = pa.array([*values, *values], kind).slice(len(values) - 1, 2)
        assert texts_of(sliced, "c").values.to_pylist() == [texts[-1], texts[0]], kind


def test_token_numbers_are_opaque_and_other_lists_of_integers_are_read() -> None:
    schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("phones", pa.list_(pa.int64()))])
    assert [(leaf.path, leaf.kind) for leaf in leaves_of(schema)] == [
        ("input_ids[]", "opaque"),
        ("phones[]", "text"),
    ]
    assert texts_of(pa.array([[1, 2]]), "input_ids").values is None


def test_sizes_of_dictionaries_are_those_of_the_words_they_stand_for() -> None:
    array = pa.array(["xyz", "", "xyz", None]).dictionary_encode()
    assert text_sizes(array).tolist() == [3, 0, 3, 0]


def test_nesting_without_end_is_not_followed() -> None:
    kind: pa.DataType = pa.string()
    for _ in range(90):
        kind = pa.struct([("n", kind)])
    assert leaves_of(pa.schema([("c", kind)]))[0].kind == "opaque"
    assert texts_of(pa.nulls(1, kind), "c").values is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"text", b"\xc3\xa9"], True),
        ([b"\xff"], False),
        ([b"a\0b"], False),
        ([None], None),
        ([], None),
    ],
)
def test_binary_columns_are_text_when_their_first_values_are(
    values: list[Any], expected: bool | None
) -> None:
    assert begins_as_text(pa.array(values, pa.binary())) is expected
