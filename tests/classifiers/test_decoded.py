"""The classifier around a classifier: what variants add, what they may not, and both engines alike."""

from __future__ import annotations

import base64
import importlib.util
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import Claim, DecodingClassifier, evaluate_all, upheld
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence
from dlpagent.findings import MATCH_SCHEMA
from dlpagent.records import PartRows

HERE = Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("building", HERE / "building.py")
assert _spec is not None
assert _spec.loader is not None
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

EVIDENCE = Evidence(b"k" * 32)
BODY = """
value: number
proximity: 100
recommended_confidence: 85
elements:
  card:
    regex: '(?<![0-9A-Za-z])\\d{4}[ -]?\\d{4}[ -]?\\d{4}[ -]?\\d{4}(?![0-9A-Za-z])'
    validators: [luhn]
  word: {keywords: [card, Karte]}
patterns:
  - {confidence: 85, primary: card, match: [word]}
  - {confidence: 65, primary: card}
"""
CARD = "4111 1111 1111 1111"
OTHER = "5500 0000 0000 0004"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    found: Pack = building.pack_of(tmp_path, BODY)
    return found


def records(*texts: str | None) -> pa.RecordBatch:
    rows = PartRows("memory:test")
    for number, text in enumerate(texts):
        rows.add(record_id=str(number), part="text", seq=0, text=text)
    return rows.take()


def found(pack: Pack, *texts: str | None) -> list[tuple[int, str, int]]:
    """(row, text of the span, confidence) of all matches; the engines must agree."""
    batch = records(*texts)
    engines = [ReferenceClassifier.of(pack, EVIDENCE), CascadeClassifier.of(pack, EVIDENCE)]
    one, other = (DecodingClassifier(engine).classify(batch) for engine in engines)
    assert one.matches.to_pylist() == other.matches.to_pylist()
    assert one.matches.schema.equals(MATCH_SCHEMA)
    rows = one.matches.to_pylist()
    for row, text in enumerate(texts):
        hits = evaluate_all(CompiledPack(pack), text or "").hits
        assert [(hit.start, hit.end, hit.confidence) for hit in hits] == [
            (item["start"], item["end"], item["confidence"]) for item in rows if item["row"] == row
        ]
    return [
        (item["row"], (texts[item["row"]] or "")[item["start"] : item["end"]], item["confidence"])
        for item in rows
    ]


def test_plain_texts_are_left_to_the_classifier_inside(pack: Pack) -> None:
    assert found(pack, f"card {CARD}", None, "nothing") == [(0, CARD, 85)]


def test_decoded_matches_stand_where_they_are_written_in_the_order_of_rows(pack: Pack) -> None:
    texts = [f"a {b64(f'my card {CARD}')}", f"plain {OTHER}", "4111&nbsp;1111 1111 1111 card"]
    assert found(pack, *texts) == [
        (0, b64(f"my card {CARD}"), 85), (1, OTHER, 65), (2, "4111&nbsp;1111 1111 1111", 85),
    ]  # fmt: skip


def test_a_keyword_that_is_hidden_lifts_a_value_that_is_not(pack: Pack) -> None:
    assert found(pack, f"c&#97;rd {CARD}") == [(0, CARD, 85)]
    assert found(pack, f"\\u004barte {CARD}") == [(0, CARD, 85)]


def test_a_hidden_keyword_far_away_lifts_nothing(pack: Pack) -> None:
    assert found(pack, "c&#97;rd " + "x " * 200 + CARD) == [(0, CARD, 65)]


def test_what_the_plain_text_shows_is_not_told_twice(pack: Pack) -> None:
    assert found(pack, f"card {CARD} &amp; more") == [(0, CARD, 85)]
    assert found(pack, "card _4111111111111111_ and 4111-1111-1111-1111 &amp;") == [
        (0, "4111111111111111", 85), (0, "4111-1111-1111-1111", 85),
    ]  # fmt: skip


def test_two_values_of_one_stretch_are_two_findings(pack: Pack) -> None:
    code = b64(f"card {CARD} card {OTHER}")
    batch = records(f"see {code}")
    matches = DecodingClassifier(CascadeClassifier.of(pack, EVIDENCE)).classify(batch).matches
    rows = matches.to_pylist()
    assert [(item["start"], item["end"]) for item in rows] == [(4, 4 + len(code))] * 2
    assert rows[0]["key"] != rows[1]["key"]


def test_a_value_has_one_key_however_it_is_written(pack: Pack) -> None:
    texts = [CARD, b64(CARD), "4111.1111.1111.1111", "４１１１\n１１１１ 11111111"]
    batch = records(*(f"card {text}" for text in texts))
    matches = DecodingClassifier(CascadeClassifier.of(pack, EVIDENCE)).classify(batch).matches
    assert len(matches) == 4
    assert len(set(matches.column("key").to_pylist())) == 1
    assert matches.column("masked").to_pylist()[1] == "**** **** **** 1111"


def test_a_limit_of_decoding_is_told_with_its_row(pack: Pack) -> None:
    classifier = DecodingClassifier(CascadeClassifier.of(pack, EVIDENCE))
    told = classifier.classify(records("plain", "%2525252534")).incomplete
    assert [(item.row, item.sit_id) for item in told] == [(1, None)]
    assert "layers" in told[0].reason


def test_a_trace_names_what_was_undone(pack: Pack) -> None:
    compiled = CompiledPack(pack)
    (trace,) = explain(compiled, f"my card {b64(CARD)}").traces
    assert (trace.confidence, trace.decoded) == (85, ("base64",))
    (trace,) = explain(compiled, f"card {CARD}").traces
    assert trace.decoded == ()
    (trace, plain) = explain(compiled, f"c&#97;rd {CARD}").traces
    assert (trace.confidence, trace.decoded) == (85, ("html entity",))
    (support,) = trace.patterns[0].conditions[0].hits
    assert (support.start, support.end, support.term) == (0, 8, "card")
    assert (plain.confidence, plain.decoded) == (0, ())


def test_an_empty_batch_and_a_copy_in_another_process_work(pack: Pack) -> None:
    classifier = DecodingClassifier(CascadeClassifier.of(pack, EVIDENCE))
    copy: DecodingClassifier = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - our own
    assert copy.classify(records()).matches.num_rows == 0
    assert copy.classify(records(f"card {b64(CARD)}")).matches.num_rows == 1
    assert copy.pack == classifier.pack
    assert copy.sit_names == classifier.sit_names


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        # (span, confidence, variant) → places in the list that are kept
        ([((0, 5), 65, 0), ((0, 5), 85, 1)], [1]),
        ([((0, 5), 85, 0), ((0, 5), 85, 1)], [0]),
        ([((0, 5), 65, 1), ((3, 9), 65, 2)], [0]),
        ([((0, 5), 65, 1), ((0, 5), 75, 1)], [1, 0]),
        ([((0, 5), 65, 0), ((5, 9), 65, 1)], [0, 1]),
    ],
)
def test_of_overlapping_claims_the_surest_then_the_plainest_holds(
    claims: list[tuple[tuple[int, int], int, int]], kept: list[int]
) -> None:
    made = [Claim("sit", *claim, number) for number, claim in enumerate(claims)]
    assert [claim.number for claim in upheld(made)] == kept
