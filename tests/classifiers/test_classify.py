"""The reference classifier over batches: rows, evidence, order, what was not checked."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import pyarrow as pa

from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.evidence import Evidence
from dlpagent.findings import MATCH_SCHEMA, Incomplete
from dlpagent.records import PartRows

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

EVIDENCE = Evidence(bytes(range(32)))
BODY = r"""
elements:
  Id: {regex: '(?<![0-9])\d{4}[ -]?\d{4}(?![0-9])'}
  Word: {keywords: [alpha]}
patterns: [{confidence: 85, primary: Id, match: [Word]}, {confidence: 65, primary: Id}]
"""
SECRET = """id: 22222222-2222-4222-8222-222222222222
name: Secret
version: 1
parity: own
value: secret
elements: {Key: {regex: 'key_[A-Za-z]+'}}
patterns: [{confidence: 75, primary: Key}]
"""


def batch(*rows: tuple[str | None, str | None]) -> pa.RecordBatch:
    parts = PartRows("file:///a")
    for number, (text, context) in enumerate(rows):
        parts.add(record_id=str(number), part="text", seq=0, text=text, context=context)
    return parts.take()


def test_matches_name_their_row_place_and_evidence(tmp_path: Path) -> None:
    classifier = ReferenceClassifier.of(building.pack_of(tmp_path, BODY, SECRET), EVIDENCE)
    found = classifier.classify(
        batch(
            ("é 1234-5678 key_abc", None), (None, None), ("", None), ("１２３４５６７８", "alpha")
        )
    )
    assert found.matches.schema.equals(MATCH_SCHEMA)
    rows = found.matches.to_pylist()
    assert [(row["row"], row["start"], row["end"], row["confidence"], row["pattern"]) for row in rows] == [
        (0, 2, 11, 65, 1),
        (0, 12, 19, 75, 0),
        (3, 0, 8, 85, 0),
    ]  # fmt: skip
    assert [row["masked"] for row in rows] == ["****-**78", "********", "******78"]
    assert rows[0]["key"] == rows[2]["key"] == EVIDENCE.key("12345678")
    assert rows[1]["key"] == EVIDENCE.key("key_abc", "secret")
    assert found.incomplete == ()


def test_a_rule_out_of_time_is_told_with_its_row(tmp_path: Path) -> None:
    body = "elements: {Bad: {regex: '(a+)+(?<=x)b'}}\npatterns: [{confidence: 85, primary: Bad}]\n"
    classifier = ReferenceClassifier.of(building.pack_of(tmp_path, body), EVIDENCE)
    found = classifier.classify(batch(("fine", None), ("a" * 60 + "b", None)))
    assert found.incomplete == (Incomplete(1, building.SIT_ID, "a rule ran out of time"),)
    assert found.matches.num_rows == 0


def test_a_classifier_works_the_same_in_another_process(tmp_path: Path) -> None:
    classifier = ReferenceClassifier.of(building.pack_of(tmp_path, BODY), EVIDENCE)
    other: ReferenceClassifier = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - our own
    rows = batch(("alpha 12345678", None))
    assert other.classify(rows).matches.equals(classifier.classify(rows).matches)
    assert (other.pack, dict(other.sit_names)) == (classifier.pack, {building.SIT_ID: "Test type"})
