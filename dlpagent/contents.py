"""What a record said, as one keyed digest: so that it can be told later whether it still says so.

Who remedies what a sweep found must not touch what was written since. The digest is keyed like all
evidence (dlpagent.evidence): of short texts an unkeyed one could be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.evidence import Evidence
from dlpagent.pairs import int_array, run_starts

MARK = "dlpagent_quarantined"
"""The field that tagging adds to a record. Its value is true: a truth is no part of a record."""


@runtime_checkable
class Keyed(Protocol):
    """A classifier that holds the key of the installation's evidence."""

    @property
    def evidence(self) -> Evidence:
        """The key."""


def contents_of(
    batch: pa.RecordBatch, wanted: Collection[str] | pa.Array, evidence: Evidence
) -> Iterator[tuple[str, str]]:
    """Record id and digest of each wanted record of a batch of RECORD_SCHEMA, in reading order.

    A digest is over names, texts and states of all parts, in their order, and says which key it was
    made with: `key id:digest`.
    """
    ids = wanted if isinstance(wanted, pa.Array) else pa.array(list(wanted), pa.string())
    rows = pc.indices_nonzero(pc.is_in(batch.column("record_id"), value_set=ids))
    if not len(rows):
        return
    parts = batch.select(["record_id", "part", "status", "text"]).take(rows)
    codes = int_array(parts.column("record_id").dictionary_encode().indices)
    starts = run_starts(codes).tolist()
    columns = [parts.column(name).to_pylist() for name in parts.schema.names]
    key = evidence.key_id()
    for start, end in zip(starts, [*starts[1:], parts.num_rows], strict=True):
        said = list(zip(*(column[start:end] for column in columns[1:]), strict=True))
        yield columns[0][start], f"{key}:{evidence.key(_written(said), 'secret')}"


def made_with(content: str, evidence: Evidence) -> bool:
    """Whether a digest was made with this key: only then does another one mean another content."""
    return content.partition(":")[0] == evidence.key_id()


def _written(parts: list[tuple[Any, ...]]) -> str:
    return json.dumps(parts, ensure_ascii=False)
