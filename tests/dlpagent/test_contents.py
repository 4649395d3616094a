"""What records said, as digests that change with every part and reveal nothing."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dlpagent.contents import contents_of, made_with
from dlpagent.evidence import Evidence
from dlpagent.records import PartRows

KEY = Evidence(bytes(range(32)))


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    made = PartRows("store:")
    for row in rows:
        made.add(**{"record_id": "a", "part": "text", "seq": 0, "text": "one", **row})
    return made.take()


def only(*rows: dict[str, Any], key: Evidence = KEY) -> str:
    ((record, content),) = contents_of(batch(*rows), ["a"], key)
    assert record == "a"
    return content


@pytest.mark.parametrize(
    "other",
    [
        [{"text": "two"}],
        [{"part": "note"}],
        [{"status": "unread", "text": None}],
        [{}, {"seq": 1}],
        [{"text": None}],
    ],
)
def test_another_part_text_or_state_is_another_content(other: list[dict[str, Any]]) -> None:
    assert only(*other) != only({})


def test_equal_records_have_equal_contents_wherever_they_stand() -> None:
    rows = batch({"record_id": "x"}, {}, {"seq": 1, "text": "more"}, {"record_id": "b"})
    found = dict(contents_of(rows, ["a", "b", "gone"], KEY))
    assert found == {"a": only({}, {"seq": 1, "text": "more"}), "b": only({})}


def test_a_content_is_keyed_and_says_by_which_key() -> None:
    other = Evidence(bytes(32))
    assert only({}) != only({}, key=other)
    assert made_with(only({}), KEY)
    assert not made_with(only({}), other)
    assert not list(contents_of(batch({}), [], KEY))
