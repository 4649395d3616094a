"""Parts gathered into batches: columns, offsets, odd text, limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.records import RECORD_SCHEMA, PartRows, batch_of_columns, without_surrogates


def test_a_part_comes_back_with_every_column() -> None:
    rows = PartRows("file:///a")
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    given_values = {
        "record_id": "r", "part": "p", "seq": 0, "text": "t", "context": "c", "mime": "m", "role": "user",
        "actor_id": "a", "app": "b", "model": "d", "conversation_id": "e", "parent_id": "f",
        "created_at": moment, "modified_at": moment, "labels": ["l"], "metadata": "{}", "status": "read",
        "problem": None,
        "attachments": [{"name": "n", "mime": "m", "size": 1, "ref": "x"}],
        "locator": {"file": "f", "offset": 1, "row_group": 2, "row": 3},
    }  # fmt: skip
    rows.add(**given_values)  # type: ignore[arg-type]
    batch = rows.take()
    assert batch.schema.equals(RECORD_SCHEMA, check_metadata=True)
    assert batch.to_pylist() == [{"asset_uri": "file:///a", **given_values}]
    assert (len(rows), rows.take().num_rows) == (0, 0)


@given(st.text(st.characters(), max_size=20))
def test_text_keeps_its_length_and_can_be_encoded(text: str) -> None:
    rows = PartRows("a")
    rows.add(record_id="r", part="p", seq=0, text=text)
    (found,) = rows.take().column("text").to_pylist()
    assert len(found) == len(text)
    assert found == without_surrogates(text)
    found.encode()


@pytest.mark.parametrize(
    "column", ["record_id", "part", "context", "role", "actor_id", "metadata", "problem", "model"]
)
def test_no_column_of_a_hostile_record_breaks_the_batch(column: str) -> None:
    rows = PartRows("a")
    values = {"record_id": "r", "part": "p", "seq": 0, "text": "t", column: "x\ud800y"}
    rows.add(**values)  # type: ignore[arg-type]
    rows.add(record_id="r2", part="p", seq=0, text="t")
    assert rows.take().column(column).to_pylist()[0] == "x\ufffdy"


def test_lists_and_structs_are_mended_too() -> None:
    rows = PartRows("a")
    rows.add(record_id="r", part="p", seq=0, text=None, labels=["\ud800"],
             attachments=[{"name": "\udfff", "size": 1}], locator={"file": "\ud800", "row": 1})  # fmt: skip
    (row,) = rows.take().to_pylist()
    assert (row["labels"], row["attachments"][0]["name"]) == (["\ufffd"], "\ufffd")
    assert row["locator"]["file"] == "\ufffd"


@pytest.mark.parametrize(("rows", "chars", "full"), [(4, 100, False), (3, 100, True), (9, 6, True)])
def test_a_batch_is_full_by_rows_or_characters(rows: int, chars: int, full: bool) -> None:
    gathered = PartRows("a", max_rows=rows, max_chars=chars)
    for number in range(3):
        gathered.add(record_id=str(number), part="p", seq=0, text="ab")
    assert gathered.is_full() is full
    gathered.take()
    assert not gathered.is_full()


def test_whole_columns_are_cast_and_the_rest_is_null() -> None:
    batch = batch_of_columns(
        "file:///a",
        2,
        {
            "record_id": pa.array(["1", "2"]),
            "part": pa.array(["t", "t"]),
            "text": pa.array(["a", None]),
        },
    )
    assert batch.schema.equals(RECORD_SCHEMA)
    first = batch.to_pylist()[0]
    assert (first["asset_uri"], first["seq"], first["status"], first["role"]) == (
        "file:///a", 0, "read", None,
    )  # fmt: skip
    with pytest.raises(pa.ArrowInvalid):
        batch_of_columns("a", 1, {"seq": pa.array(["x"])})
