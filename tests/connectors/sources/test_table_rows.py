"""The two ways from table rows to parts agree."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources._record_rows import RecordRows
from dlpagent.connectors.sources._table_rows import TableRows, or_else

NAMES = ["id", "text", "customer_ssn", "prompt", "completion", "output", "a.b", "4111111111111111",
         "instruction", "role", "from", "value", "content", "uuid"]  # fmt: skip
CELLS = st.one_of(
    st.none(), st.sampled_from(["", "x", "data:text/plain,hi", "né 🙂", "user", "{1"])
)


def flat(table: pa.RecordBatch, **settings_: Any) -> list[Any]:
    rows = TableRows("file:///a", "/a", **settings_)
    return [row for batch, _ in rows.batches(table, 10) for row in batch.to_pylist()]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flat_columns_give_what_one_record_at_a_time_gives(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=5))
    rows = data.draw(st.lists(st.tuples(*[CELLS for _ in names]), min_size=1, max_size=12))
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    table = pa.RecordBatch.from_arrays(columns, names=names)
    one_by_one = RecordRows("file:///a", "/a")
    for number, row in enumerate(rows):
        one_by_one.add(dict(zip(names, row, strict=True)), row=10 + number, offset=None)
    assert flat(table) == one_by_one.take().to_pylist()
    assert flat(table, max_rows=3) == flat(table)


def test_a_row_number_behind_each_batch_tells_where_to_go_on() -> None:
    table = pa.record_batch({"a": [f"{row}" for row in range(50)], "b": ["x"] * 50})
    rows = TableRows("file:///a", "/a", max_rows=8)
    found = list(rows.batches(table, 100))
    for batch, behind in found:
        assert batch.column("locator").field("row")[-1].as_py() == behind - 1
    assert found[-1][1] == 150


def test_one_odd_row_does_not_change_how_the_others_are_read() -> None:
    texts = [f"row {row}" for row in range(2000)]
    plain = flat(pa.record_batch({"a": texts}))
    odd = flat(pa.record_batch({"a": [*texts[:999], "data:text/plain,hello", *texts[1000:]]}))
    assert [row for row in odd if row["record_id"] != "1009"] == [
        row for row in plain if row["record_id"] != "1009"
    ]
    assert [row["text"] for row in odd if row["record_id"] == "1009"] == ["hello"]


def test_columns_of_the_same_name_are_told_apart() -> None:
    table = pa.RecordBatch.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    assert [(row["part"], row["text"]) for row in flat(table)] == [("a", "x"), ("a~1", "y")]


def test_a_map_with_a_key_twice_loses_nothing() -> None:
    pairs = pa.array([[("k", "1"), ("k", "2")]], pa.map_(pa.string(), pa.string()))
    assert [row["text"] for row in flat(pa.record_batch({"m": pairs}))] == ["k", "1", "k", "2"]


def test_sliced_and_null_lists_and_maps_keep_their_rows() -> None:
    kind = pa.map_(pa.string(), pa.list_(pa.string()))
    maps = pa.array([[("a", ["1"])], None, [("b", ["2", None, "3"])], []], kind)
    table = pa.record_batch({"m": maps}).slice(1)
    assert [(row["record_id"], row["part"], row["text"]) for row in flat(table)] == [
        ("11", "m.b[0]", "2"),
        ("11", "m.b[2]", "3"),
    ]


def test_or_else_gives_the_other_only_when_nothing_was_found() -> None:
    assert list(or_else(iter([1, 2]), lambda: 9)) == [1, 2]
    assert list(or_else(iter([]), lambda: 9)) == [9]
