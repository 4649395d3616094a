"""A finding: a SIT matched at a place with a confidence. As Arrow for volume, as a line for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Level = Literal["low", "medium", "high"]

LEVELS: tuple[Level, ...] = ("low", "medium", "high")

# First confidence of each level; Purview's user interface: low ≤ 65, medium 66–75, high 76–100.
LEVEL_FLOOR: Mapping[Level, int] = {"low": 1, "medium": 66, "high": 76}


def level_of(confidence: int) -> Level:
    """The level a confidence (1–100) belongs to."""
    if confidence >= LEVEL_FLOOR["high"]:
        return "high"
    return "medium" if confidence >= LEVEL_FLOOR["medium"] else "low"


MATCH_SCHEMA = pa.schema(
    [
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("sit_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("confidence", pa.uint8(), nullable=False),
        pa.field("pattern", pa.int16(), nullable=False),
        pa.field("masked", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
    ]
)
"""What classify() returns: row is the row of the source batch; start and end are code points in that
row's text, half-open; pattern is the index of the pattern that held in the SIT's list; masked and
key are the evidence (see dlpagent.evidence). Ordered by row, start, end, sit_id."""

FINDING_SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("sit_id", pa.string(), nullable=False),
        pa.field("confidence", pa.uint8(), nullable=False),
        pa.field("pattern", pa.int16(), nullable=False),
        pa.field("masked", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("locator_file", pa.string()),
        pa.field("locator_offset", pa.int64()),
        pa.field("locator_row_group", pa.int32()),
        pa.field("locator_row", pa.int64()),
    ],
    metadata={"dlpagent.schema": "finding", "dlpagent.version": "1"},
)
"""A finding at rest, inside one asset of one run (those two stand beside it, not in every row)."""


@dataclass(frozen=True, slots=True)
class PackRef:
    """Which pack produced a finding. hash is over the compiled meaning, not over file bytes."""

    id: str
    version: str
    hash: str


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Something that could not be checked: a rule that ran out of time, a part cut short.

    row: row of the batch; sit_id: the SIT concerned, None when all of them.
    """

    row: int
    sit_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Classified:
    """What classify() gives for one batch: matches (MATCH_SCHEMA) and what could not be checked."""

    matches: pa.RecordBatch
    incomplete: tuple[Incomplete, ...] = ()


def findings_of(batch: pa.RecordBatch, matches: pa.RecordBatch) -> pa.RecordBatch:
    """Join matches with the places of their rows: a batch of FINDING_SCHEMA, same order."""
    rows = matches.column("row")
    locator = batch.column("locator").take(rows)
    columns = {
        "record_id": batch.column("record_id").take(rows),
        "part": batch.column("part").take(rows),
        "start": matches.column("start"),
        "end": matches.column("end"),
        "sit_id": matches.column("sit_id").cast(pa.string()),
        "confidence": matches.column("confidence"),
        "pattern": matches.column("pattern"),
        "masked": matches.column("masked"),
        "key": matches.column("key"),
    }
    for name in ("file", "offset", "row_group", "row"):
        columns[f"locator_{name}"] = pc.struct_field(locator, name)
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in FINDING_SCHEMA.names], schema=FINDING_SCHEMA
    )


def finding_lines(
    findings: pa.RecordBatch, *, asset_uri: str, pack: PackRef, names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Findings as the JSON objects of the documented line format, version 1 (docs/findings.md).

    names: SIT id → name. Nothing in a line reveals the value.
    """
    for row in findings.to_pylist():
        locator = {
            name: row[f"locator_{name}"]
            for name in ("file", "offset", "row_group", "row")
            if row[f"locator_{name}"] is not None
        }
        yield {
            "v": 1,
            "asset": asset_uri,
            "record": row["record_id"],
            "part": row["part"],
            "start": row["start"],
            "end": row["end"],
            "sit": {"id": row["sit_id"], "name": names.get(row["sit_id"], row["sit_id"])},
            "confidence": row["confidence"],
            "level": level_of(row["confidence"]),
            "masked": row["masked"],
            "key": row["key"],
            "pack": {"id": pack.id, "version": pack.version},
            "locator": locator,
        }
