"""Repeated texts: read once, told for every row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dlpagent.classifiers.cascade.repeats import FEW_ROWS, repeats_of
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete

TEXTS = ["b", "a", None, "b", "a", "c"] * FEW_ROWS
CONTEXTS = [None, "x", None, "x", "x", None] * FEW_ROWS


def arrays(texts: list[str | None], contexts: list[str | None]) -> tuple[pa.Array, pa.Array]:
    return pa.array(texts, pa.large_string()), pa.array(contexts, pa.string())


def matches(rows: list[int], starts: list[int]) -> pa.RecordBatch:
    count = len(rows)
    columns = {
        "row": rows, "start": starts, "end": [9] * count, "sit_id": ["s"] * count,
        "confidence": [75] * count, "pattern": [0] * count, "masked": ["*"] * count,
        "key": ["k"] * count,
    }  # fmt: skip
    return pa.RecordBatch.from_pydict(columns, schema=MATCH_SCHEMA)


def test_a_text_with_another_context_is_another_text() -> None:
    found = repeats_of(*arrays(TEXTS, CONTEXTS))
    assert found
    pairs = list(zip(found.texts.to_pylist(), found.contexts.to_pylist(), strict=True))
    assert pairs == [("b", None), ("a", "x"), (None, None), ("b", "x"), ("c", None)]
    assert [pairs[code] for code in found.codes.tolist()] == list(zip(TEXTS, CONTEXTS, strict=True))


def test_findings_are_told_for_every_row_in_order() -> None:
    found = repeats_of(*arrays(TEXTS, CONTEXTS))
    assert found
    whole = found.spread(Classified(matches([1, 1, 4], [0, 5, 2]), (Incomplete(3, "s", "late"),)))
    rows = whole.matches.column("row").to_pylist()
    starts = whole.matches.column("start").to_pylist()
    expected = [
        (row, start)
        for row, text in enumerate(TEXTS)
        for start in {"a": (0, 5), "c": (2,)}.get(text or "", ())
    ]
    assert list(zip(rows, starts, strict=True)) == expected
    assert [one.row for one in whole.incomplete] == np.flatnonzero(found.codes == 3).tolist()


def test_rows_that_differ_are_left_alone() -> None:
    texts = [str(row) for row in range(4 * FEW_ROWS)]
    assert repeats_of(*arrays(list(texts), [None] * len(texts))) is None
    assert repeats_of(*arrays(["a"] * 3, [None] * 3)) is None
