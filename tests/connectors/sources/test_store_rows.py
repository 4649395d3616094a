"""Records of stores as parts: by columns and one by one they are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources import _store_rows
from dlpagent.connectors.sources._store_rows import (
    ColumnPage,
    StoreRows,
    Unread,
    keyed_batches,
    with_checkpoints,
)
from dlpagent.errors import SourceError

LEAVES = st.one_of(
    st.none(), st.text(max_size=5), st.integers(-(10**20), 10**20), st.booleans(),
    st.floats(allow_nan=False), st.sampled_from(["", "data:text/plain,x", '{"a": 1}', "\ud800"]),
    st.lists(st.text(max_size=3), max_size=2),
)  # fmt: skip
KEYS = st.sampled_from(
    ["text", "id", "n", "customer_ssn", "role", "_node_content", "k.k", "41111111"]
)
OBJECTS = st.dictionaries(KEYS, LEAVES, max_size=3)
SHAPES = st.dictionaries(
    st.one_of(KEYS, st.just("metadata")), st.one_of(LEAVES, OBJECTS), max_size=4
)


def rows_of(records: list[Any], min_alike: int, **settings: Any) -> list[dict[str, Any]]:
    """All rows, taking runs of so many records alike as columns."""
    before, _store_rows._MIN_ALIKE = _store_rows._MIN_ALIKE, min_alike
    try:
        ids = [str(number) for number in range(len(records))]
        made = StoreRows("store:", **settings).batches(ids, records)
        return [row for batch, _ in made for row in batch.to_pylist()]
    finally:
        _store_rows._MIN_ALIKE = before


@given(
    st.lists(SHAPES, min_size=1, max_size=4), st.lists(st.integers(0, 3), max_size=12), st.data()
)
def test_columns_and_single_records_give_the_same_parts(
    shapes: list[dict[str, Any]], picked: list[int], data: st.DataObject
) -> None:
    records: list[Any] = []
    for place in picked:
        shape = shapes[place % len(shapes)]
        same = {
            name: value if isinstance(value, dict) else data.draw(st.one_of(st.just(value), LEAVES))
            for name, value in shape.items()
        }
        records.append(same)
    assert rows_of(records, 1) == rows_of(records, 1_000_000)


@given(st.lists(st.tuples(LEAVES, LEAVES), min_size=1, max_size=8))
def test_pages_of_columns_give_the_same_parts(values: list[tuple[Any, Any]]) -> None:
    columns = dict(zip(("text", "note"), zip(*values, strict=True), strict=True))
    ids = [str(number) for number in range(len(values))]
    page = ColumnPage(ids, ids, columns)
    found = [row for batch, _ in StoreRows("store:").page(page) for row in batch.to_pylist()]
    assert found == rows_of(page.records(), 1_000_000)


def test_positions_count_the_records_behind_each_batch() -> None:
    records: list[Any] = [{"text": f"text {n}", "n": n} for n in range(100)]
    records[50] = Unread("expected a record, found none")
    rows = StoreRows("store:", prefix="payload", place="/file", max_rows=30)
    found = list(rows.batches([str(n) for n in range(100)], records))
    assert [behind for _, behind in found][-1] == 100
    start = 0
    for batch, behind in found:
        assert sorted({int(one) for one in batch.column("record_id").to_pylist()}) == list(
            range(start, behind)
        )
        assert batch.num_rows <= 30
        start = behind
    (odd,) = [r for batch, _ in found for r in batch.to_pylist() if r["record_id"] == "50"]
    assert (odd["part"], odd["status"], odd["text"]) == ("payload", "unread", None)
    assert odd["locator"]["file"] == "/file"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, ("record", "no_content")),
        ({"text": None}, ("text", "no_content")),
        ({"text": "", "content": ""}, ("text", "no_content")),
        ({"id": "chosen"}, ("record", "no_content")),
        ({"text": None, "content": "hi"}, None),
        ({"note": "hi"}, None),
    ],
)
def test_records_without_a_text_of_their_own_say_so(
    record: Mapping[str, Any], expected: tuple[str, str] | None
) -> None:
    for alike in (1, 1_000_000):
        rows = rows_of([record] * 3, alike)
        odd = {(row["part"], row["status"]) for row in rows if row["status"] != "read"}
        assert odd == ({expected} if expected else set())


@pytest.mark.parametrize(
    "odd", [{"k": "w", "more": "x"}, {"other": "w"}, {}, None, {"more": "x", "k": "w"}]
)
def test_pages_whose_objects_have_other_keys_are_read_record_by_record(odd: Any) -> None:
    for metadata in ([{"k": "v"}] * 20 + [odd], [odd] + [{"k": "v"}] * 20):
        ids = [str(number) for number in range(21)]
        page = ColumnPage(ids, ids, {"text": ["hi"] * 21, "metadata": metadata})
        found = [row for batch, _ in StoreRows("store:").page(page) for row in batch.to_pylist()]
        assert found == rows_of(page.records(), 1_000_000)


@pytest.mark.parametrize("value", [True, 1.5, "x", 7])
@pytest.mark.parametrize("inside", [True, False])
def test_a_key_that_may_be_a_value_is_read_whatever_stands_under_it(
    value: Any, inside: bool
) -> None:
    odd: dict[str, Any] = {"4111111111111111": value, "n": "x"}
    record = {"text": "hi", "metadata": odd} if inside else {"text": "hi", **odd}
    rows = rows_of([record] * 20, 16)
    assert rows == rows_of([record] * 20, 1_000_000)
    assert sum(row["text"] == "4111111111111111" for row in rows) == 20


def test_labels_in_metadata_are_the_records_own() -> None:
    guid = "11111111-2222-3333-4444-555555555555"
    record = {"text": "hi", "metadata": {f"MSIP_Label_{guid}_Enabled": "true"}}
    assert {tuple(row["labels"]) for row in rows_of([record] * 20, 1)} == {(guid,)}
    columns = ColumnPage("ab", ["a", "b"], {"text": ["x", "y"], "sensitivity_label": ["L", None]})
    batches = StoreRows("store:").page(columns)
    found = {row["record_id"]: row["labels"] for batch, _ in batches for row in batch.to_pylist()}
    assert found == {"a": ["L"], "b": None}


def pages(*sizes: int, error: bool = False) -> Iterator[list[tuple[Any, str, Any]]]:
    number = 0
    for size in sizes:
        yield [(n, str(n), {"text": f"t{n}"}) for n in range(number, number + size)]
        number += size
    if error:
        raise SourceError("broken")


def test_the_last_checkpoint_is_done_and_others_hold_the_last_key() -> None:
    given = keyed_batches(StoreRows("store:"), pages(3, 0, 2), lambda key: {"after": key}, None)
    found = [checkpoint for _, checkpoint in with_checkpoints(given)]
    assert [(one.cursor["after"], one.done) for one in found] == [(2, False), (4, True)]
    empty = keyed_batches(StoreRows("store:"), pages(), lambda key: {"after": key}, "x")
    ((batch, checkpoint),) = with_checkpoints(empty)
    assert (batch.num_rows, checkpoint.cursor["after"], checkpoint.done) == (0, "x", True)


def test_what_was_read_before_an_error_is_given_before_the_error() -> None:
    given = keyed_batches(
        StoreRows("store:"), pages(3, 2, error=True), lambda key: {"after": key}, None
    )
    found = []
    with pytest.raises(SourceError):
        found.extend(with_checkpoints(given))
    given = keyed_batches(
        StoreRows("store:"), pages(3, 2, error=True), lambda key: {"after": key}, None
    )
    reading = with_checkpoints(given)
    assert [next(reading)[1].done, next(reading)[1].done] == [False, False]
    with pytest.raises(SourceError):
        next(reading)


def test_tables_of_arrow_are_read_alike() -> None:
    table = pa.record_batch({"text": ["a", "b"], "m": [{"k": "v"}, {"k": "w"}]})
    found = [
        row
        for batch, _ in StoreRows("store:").table(["1", "2"], table)
        for row in batch.to_pylist()
    ]
    assert found == [
        row | {"record_id": str(int(row["record_id"]) + 1)} for row in rows_of(table.to_pylist(), 1)
    ]
