"""A verdict hides one value, for one SIT, where it is meant to, as long as it holds."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from dlpagent.findings import FINDING_SCHEMA
from dlpagent.suppressions import Suppressions, Verdict, scope_matches

NOW = "2026-06-01T00:00:00.000000Z"


def findings(*pairs: tuple[str, str]) -> pa.RecordBatch:
    rows = [
        {"record_id": "r", "part": "p", "start": 0, "end": 1, "sit_id": sit, "confidence": 85,
         "pattern": 0, "masked": "*", "key": key}
        for sit, key in pairs
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA)


def keys(batch: pa.RecordBatch) -> list[str]:
    return batch.column("key").to_pylist()


@pytest.mark.parametrize(
    ("scope", "uri", "expected"),
    [
        ("*", "file:///a/b.jsonl", True),
        ("file:///a/*", "file:///a/b/c.jsonl", True),
        ("file:///a/*.csv", "file:///a/b.jsonl", False),
        ("*/b.jsonl", "file:///a/b.jsonl", True),
        ("*/B.jsonl", "file:///a/b.jsonl", False),
        ("file:///a", "file:///a/b.jsonl", False),
        ("file:///[ab]/*", "file:///b/x", True),
    ],
)
def test_a_scope_is_a_glob_over_uris(scope: str, uri: str, expected: bool) -> None:
    assert scope_matches(scope, uri) is expected


@pytest.mark.parametrize(
    ("verdict", "hidden"),
    [
        (Verdict("k1", "a", "false", "", ""), ["k1"]),
        (Verdict("k1", "b", "false", "", ""), []),
        (Verdict("k1", "*", "accepted", "", ""), ["k1"]),
        (Verdict("k1", "a", "true", "", ""), []),
        (Verdict("k1", "a", "false", "", "", scope="file:///x/*"), []),
        (Verdict("k1", "a", "false", "", "", scope="file:///d/*"), ["k1"]),
        (Verdict("k1", "a", "false", "", "", expires_at=NOW), []),
        (Verdict("k1", "a", "false", "", "", expires_at="2026-06-01T00:00:00.000001Z"), ["k1"]),
    ],
)
def test_only_the_value_meant_is_hidden(verdict: Verdict, hidden: list[str]) -> None:
    suppressions = Suppressions.of([verdict], NOW)
    batch = findings(("a", "k1"), ("a", "k2"), ("b", "k2"))
    left = keys(suppressions.without("file:///d/1.txt", batch))
    assert left == [key for key in keys(batch) if key not in hidden]


def test_a_new_value_in_an_old_place_is_not_hidden() -> None:
    suppressions = Suppressions.of([Verdict("old", "a", "false", "", "")], NOW)
    assert keys(suppressions.without("file:///d", findings(("a", "new")))) == ["new"]


def test_they_go_to_another_process_and_back() -> None:
    made = Suppressions.of([Verdict("k1", "a", "false", "", "")], NOW)
    made.without("x", findings(("a", "k1")))
    other = pickle.loads(pickle.dumps(made))  # noqa: S301 - made above
    assert other.verdict_on("k1", "a", "x") == made.verdicts[0]
    assert keys(other.without("x", findings(("a", "k1"), ("a", "k2")))) == ["k2"]


def test_nothing_suppresses_nothing() -> None:
    batch = findings(("a", "k1"))
    assert not Suppressions()
    assert Suppressions().without("x", batch) is batch
