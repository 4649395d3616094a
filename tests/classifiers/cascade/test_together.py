"""Where events are many, all rows are searched together: with the same findings."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.cascade.finite import finite_of
from dlpagent.classifiers.cascade.rows import rows_of_texts
from dlpagent.classifiers.cascade.together import Together, accepted
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

EVIDENCE = Evidence(b"0123456789abcdef0123456789abcdef")
BESIDE = ("", "", "", " ", "é", "中", "\u200b", "ﬁ", "٣ ", "\n", ".", "-")


def batch_of(texts: list[str]) -> pa.RecordBatch:
    names = pa.array([str(row) for row in range(len(texts))], pa.string())
    columns = {"record_id": names, "part": names, "text": pa.array(texts, pa.large_string())}
    return batch_of_columns("x", len(texts), columns)


def dense(chance: random.Random) -> str:
    """A row of numbers of one kind, set apart by one sign, of which few are true."""
    size, sign = chance.choice((3, 4, 9, 10, 11, 12, 16)), chance.choice(" -,/")
    numbers = ["".join(chance.choice("0123456789") for _ in range(size)) for _ in range(8)]
    return sign.join(numbers)


@pytest.fixture
def cascade(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CascadeClassifier:
    monkeypatch.setattr("dlpagent.classifiers.cascade.classifier.COLD_CHARS", 0)
    monkeypatch.setattr("dlpagent.classifiers.cascade.together.EVENT_NS", 10**12)
    monkeypatch.setattr("dlpagent.classifiers.cascade.together.FEWEST", 1)
    monkeypatch.setattr("dlpagent.classifiers.cascade.chunk.FEW_EVENTS", 0)
    return CascadeClassifier.of(builtin_pack(), EVIDENCE, request.config.cache.mkdir("cascade"))


@pytest.mark.parametrize("seed", range(2))
def test_rows_of_all_kinds_give_what_the_reference_gives(
    cascade: CascadeClassifier, seed: int
) -> None:
    chance = random.Random(seed)
    pack = cascade.compiled.pack
    examples = [one.text for sit in pack.sits.values() for one in (*sit.examples, *sit.near_misses)]
    texts = [
        chance.choice(BESIDE) + chance.choice(examples) + chance.choice(BESIDE) for _ in range(70)
    ]
    texts += [dense(chance) + chance.choice(BESIDE) for _ in range(12)]
    batch = batch_of(texts)
    found = cascade.classify(batch)
    expected = ReferenceClassifier(cascade.compiled, EVIDENCE).classify(batch)
    assert found.matches.to_pylist() == expected.matches.to_pylist()
    assert found.incomplete == expected.incomplete
    assert found.matches.num_rows > 50


def test_only_wanted_rows_in_ascii_are_read() -> None:
    (rows,) = rows_of_texts(pa.array(["12 x", "é 12", "12", "a 12", "x" * 300]))
    finite = finite_of(r"\d\d")
    assert finite is not None
    together = Together(rows, np.array([0, 1, 2, 3]))
    starts, ends = together.matches(finite, np.array([0, 1, 3]))
    assert [rows.data[a:b] for a, b in zip(starts, ends, strict=True)] == [b"12", b"12"]
    assert rows.rows_of(ends).tolist() == [0, 3]


def test_what_is_refused_hides_nothing_and_what_is_accepted_hides_what_overlaps() -> None:
    starts, ends = np.array([0, 1, 3, 4]), np.array([3, 4, 5, 6])
    assert accepted(b"abcdef", starts, ends, None) == ([0, 3], [3, 5])
    assert accepted(b"abcdef", starts, ends, lambda value: value != "abc") == ([1, 4], [4, 6])
