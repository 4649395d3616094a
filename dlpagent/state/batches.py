"""What a commit wants to know of a batch of records: its counters and what was not checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.findings import Incomplete
from dlpagent.state.model import Counters, PartProblem

_CHECKED = ("read", "no_content")


def counters_of_batch(batch: pa.RecordBatch) -> Counters:
    """Records, parts, code points, part statuses, roles and labels already there.

    A record counts once for each label it carries, on however many of its parts.
    """
    return Counters(
        records=len(batch.column("record_id").unique()),
        parts=batch.num_rows,
        chars=pc.sum(pc.utf8_length(batch.column("text"))).as_py() or 0,
        statuses=_many(batch.column("status")),
        roles=_many(batch.column("role").drop_null()),
        carried=_carried(batch),
    )


def problems_of_batch(
    batch: pa.RecordBatch, incomplete: Sequence[Incomplete] = ()
) -> tuple[PartProblem, ...]:
    """Parts that were not read, then rules that were not applied, each in the order of rows."""
    unread = pc.invert(pc.is_in(batch.column("status"), value_set=pa.array(_CHECKED)))
    columns = ["record_id", "part", "status", "problem", "locator"]
    rows = batch.select(columns).filter(unread).to_pylist()
    problems = [
        PartProblem(
            row["record_id"],
            row["part"],
            row["status"],
            row["problem"] or "not read",
            None,
            _locator(row["locator"]),
        )
        for row in rows
    ]
    numbers = pa.array([each.row for each in incomplete], type=pa.int64())
    places = batch.select(["record_id", "part", "locator"]).take(numbers).to_pylist()
    problems += [
        PartProblem(
            row["record_id"],
            row["part"],
            "unchecked",
            each.reason,
            each.sit_id,
            _locator(row["locator"]),
        )
        for each, row in zip(incomplete, places, strict=True)
    ]
    return tuple(problems)


def _locator(value: dict[str, Any] | None) -> dict[str, Any]:
    return {name: each for name, each in (value or {}).items() if each is not None}


def _many(column: pa.Array) -> dict[str, int]:
    counts = column.value_counts()
    return dict(
        zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    )


def _carried(batch: pa.RecordBatch) -> dict[str, int]:
    labels = batch.column("labels")
    if labels.null_count == len(labels):
        return {}
    records = batch.column("record_id").take(pc.list_parent_indices(labels))
    pairs = pa.table({"record": records, "label": pc.list_flatten(labels)}).drop_null()
    distinct = pairs.group_by(["record", "label"]).aggregate([])
    return _many(distinct.column("label").combine_chunks())
