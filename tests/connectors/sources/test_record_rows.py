"""The quick way to batches and the general one must agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._existing_labels import labels_of
from dlpagent.connectors.sources._record_rows import RecordRows, mark_last
from dlpagent.connectors.sources._shapes import parts_of, record_id_of
from dlpagent.records import RECORD_SCHEMA, without_surrogates

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "data:text/plain,x", "a\ud800b", "user", "4111111111111111"]),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
KEYS = st.sampled_from(
    ["id", "text", "prompt", "completion", "role", "content", "data", "format", "a@b", "note"]
)


@given(st.lists(st.dictionaries(KEYS, VALUES), max_size=6))
def test_batches_hold_exactly_the_parts_of_each_record(records: list[dict[str, Any]]) -> None:
    rows = RecordRows("file:///a", "/a")
    for row, record in enumerate(records):
        rows.add(record, row=row, offset=row * 10)
    batch = rows.take()
    batch.validate(full=True)
    assert batch.schema.equals(RECORD_SCHEMA)
    expected = [
        {
            "record_id": record_id_of(record) or str(row),
            "seq": seq,
            **part._asdict(),
            "text": _clean(part.text),
            "locator": {"file": "/a", "offset": row * 10, "row_group": None, "row": row},
        }
        for row, record in enumerate(records)
        for seq, part in enumerate(parts_of(record))
    ]
    found = batch.to_pylist()
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert {name: one[name] for name in wanted} == wanted


def _clean(text: str | None) -> str | None:
    return None if text is None else without_surrogates(text)


def test_a_problem_follows_the_parts_of_its_record() -> None:
    rows = RecordRows("file:///a", "/a")
    rows.add({"id": "x", "text": "t"}, row=4, offset=0)
    rows.add_problem("#encoding", "expected UTF-8", row=4, offset=0)
    rows.add_problem("#record", "expected JSON", row=5, offset=9)
    found = [(one["record_id"], one["seq"], one["status"]) for one in rows.take().to_pylist()]
    assert found == [("x", 0, "read"), ("x", 1, "read"), ("x", 2, "unread"), ("5", 0, "unread")]
    assert rows.take().num_rows == 0


def test_a_batch_is_full_by_rows_or_by_characters() -> None:
    few = RecordRows("file:///a", "/a", max_rows=2)
    few.add({"a": "1", "b": "2"}, row=0, offset=0)
    long = RecordRows("file:///a", "/a", max_chars=10)
    long.add({"a": "x" * 10}, row=0, offset=0)
    assert few.is_full()
    assert long.is_full()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0], [(0, 0, True)]),
        ([2, 0], [(2, 1, True)]),
        ([2, 3], [(2, 0, False), (3, 1, True)]),
        ([2, 3, 0], [(2, 0, False), (3, 2, True)]),
    ],
)
def test_the_last_batch_is_known_and_never_empty_beside_others(
    sizes: list[int], expected: list[tuple[int, int, bool]]
) -> None:
    batches = []
    for size in sizes:
        rows = RecordRows("file:///a", "/a")
        for row in range(size):
            rows.add({"a": "x"}, row=row, offset=0)
        batches.append(rows.take())
    marked = mark_last((batch, place) for place, batch in enumerate(batches))
    assert [(batch.num_rows, place, last) for batch, place, last in marked] == expected


GUID = "2096f6a2-d2f7-48be-b329-b73aaa526e5d"


@pytest.mark.parametrize(
    ("record", "labels"),
    [
        ({"text": "t", "sensitivity_label": "Secret"}, ["Secret"]),
        ({"text": "t", "note": "n", f"MSIP_Label_{GUID}_Enabled": "true"}, [GUID]),
        ({"text": "t", "metadata": {"sensitivityLabelId": GUID}}, [GUID]),
        ({"text": "t", "sensitivity_label": {"id": GUID, "name": "Secret"}}, [GUID]),
        ({"messages": [{"role": "user", "content": "c"}], "mip_label": "Secret"}, ["Secret"]),
        ({"text": "t", "labels": ["x"], "note": "sensitivity_label"}, None),
    ],
)
def test_every_part_of_a_record_has_the_labels_its_record_carries(
    record: dict[str, Any], labels: list[str] | None
) -> None:
    rows = RecordRows("file:///a", "/a")
    for row, one in enumerate([{"text": "plain"}, record, {"text": "plain", "metadata": {}}]):
        rows.add(one, row=row, offset=None)
    found = [(one["record_id"], one["labels"]) for one in rows.take().to_pylist()]
    assert {repr(held) for ident, held in found if ident == "1"} == {repr(labels)}
    assert {repr(held) for ident, held in found if ident != "1"} == {"None"}


@given(st.lists(st.dictionaries(KEYS | st.just("sensitivity_label"), VALUES), max_size=6))
def test_labels_do_not_depend_on_the_way_a_record_goes(records: list[dict[str, Any]]) -> None:
    rows = RecordRows("file:///a", "/a")
    for row, record in enumerate(records):
        rows.add(record, row=row, offset=None)
    for one in rows.take().to_pylist():
        assert one["labels"] == _cleaned(labels_of(records[one["locator"]["row"]]))


def _cleaned(labels: list[str] | None) -> list[str] | None:
    return labels and [without_surrogates(label) for label in labels]
