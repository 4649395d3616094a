"""Every kind of condition and filter gives in the cascade what it gives in the reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

_home = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("building", _home / "building.py")
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

EVIDENCE = Evidence(b"0123456789abcdef0123456789abcdef")

BODY = r"""
proximity: 12
elements:
  Id: {regex: ['\d{4,6}'], validators: [luhn]}
  Plain: {regex: ['(?<![0-9])\d{3}(?![0-9])', '[a-c]\d{2,4}']}
  Code: {regex: ['(?i)code\s?=\s?(?P<value>[a-z0-9]{2,20})']}
  Long: {regex: ['begin[^!]+!']}
  Date: {regex: ['\d{2}/\d{2}']}
  Word: {keywords: [{match: word, terms: [alpha, 'beta ray', 'e-mail', 'été', '番号']}]}
  Part:
    keywords:
      - {match: string, terms: [delta, '-x']}
      - {match: string, case_sensitive: true, terms: [Gamma]}
  Nines: {keywords: [{match: string, terms: ['99', 'a1']}]}
filters:
  same: {kind: all_digits_same}
  nines: {kind: text_match, direction: starts_with, processor: Nines}
  dated: {kind: text_match, direction: prefix, processor: Date}
"""
PATTERNS = (
    "  - {confidence: 85, primary: Id, match: [Word]}\n  - {confidence: 65, primary: Id}",
    "  - {confidence: 85, primary: Plain, match: [{id: Word, min_count: 2}]}",
    "  - {confidence: 85, primary: Plain, match: [{id: Word, min_count: 2, unique: true}]}\n"
    "  - {confidence: 75, primary: Code}",
    "  - {confidence: 85, primary: Plain, any: [{min: 2, of: [Word, Part, Date]}]}\n"
    "  - {confidence: 65, primary: Id, any: [{min: 0, max: 0, of: [Word, Part]}]}",
    "  - {confidence: 85, primary: Code, match: [{id: Date, proximity: 6}]}\n"
    "  - {confidence: 75, primary: Long, match: [{id: Part, proximity: unlimited}]}",
    "  - {confidence: 85, primary: Plain, filters: [same, nines]}\n"
    "  - {confidence: 75, primary: Id, filters: [dated]}",
    "  - {confidence: 75, primary: Word, match: [Part]}\n  - {confidence: 65, primary: Long}",
)
PIECES = (
    "alpha", "Beta  ray", "beta-ray", "e-mail", "e mail", "ÉTÉ", "番号", "delta", "Gamma", "gamma", "--x",
    "01/02", "123", "111", "a12", "a1234", "b99", "4242", "424200", "0000", "code=abc", "code = 99ab",
    "begin ", "!", " ", "  ", "\n", "\u200b", "é", "中", "999", "-", "_", "x",
)  # fmt: skip


def batch_of(texts: Sequence[str], contexts: Sequence[str | None]) -> pa.RecordBatch:
    names = pa.array([str(row) for row in range(len(texts))], pa.string())
    columns = {"record_id": names, "part": names, "text": pa.array(texts, pa.large_string())}
    return batch_of_columns(
        "x", len(texts), {**columns, "context": pa.array(contexts, pa.string())}
    )


@pytest.fixture(scope="module", params=range(len(PATTERNS)))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CascadeClassifier, ReferenceClassifier]:
    folder = tmp_path_factory.mktemp("pack")
    pack = building.pack_of(folder, f"{BODY}patterns:\n{PATTERNS[request.param]}\n")
    compiled = CompiledPack(pack)
    return CascadeClassifier(compiled, EVIDENCE), ReferenceClassifier(compiled, EVIDENCE)


def assert_same(
    both: tuple[CascadeClassifier, ReferenceClassifier],
    texts: Sequence[str],
    contexts: Sequence[str | None],
) -> int:
    batch = batch_of(texts, contexts)
    found, expected = (one.classify(batch) for one in both)
    assert found.matches.to_pylist() == expected.matches.to_pylist()
    assert found.incomplete == expected.incomplete
    return int(found.matches.num_rows)


ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
        st.sampled_from([None, None, None, "", "alpha", "e_mail alpha", "delta 01/02", "123"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_dense_rows_give_the_same(
    both: tuple[CascadeClassifier, ReferenceClassifier], rows: list[tuple[str, str | None]]
) -> None:
    assert_same(both, [text for text, _ in rows], [context for _, context in rows])


def test_a_keyword_counts_up_to_the_border_of_the_proximity_and_no_further(
    both: tuple[CascadeClassifier, ReferenceClassifier],
) -> None:
    texts = [
        left + gap + right
        for gap in (" " * count for count in range(4, 16))
        for left, right in (("alpha", "4242 "), ("4242", "alpha"), ("delta", "b12"), ("b12", "Gamma"),
                            ("é alpha", "4242"), ("4242", "番号"), ("01/02", "code=ab"),
                            ("alpha 123", "été"), ("alpha", "delta"), ("begin 98 !", "delta"))
    ]  # fmt: skip
    assert assert_same(both, texts, [None] * len(texts)) >= 5


def test_a_long_row_gives_the_same_as_a_short_one(
    both: tuple[CascadeClassifier, ReferenceClassifier],
) -> None:
    line = "alpha 4242 beta ray 123 alpha delta code=abc 01/02 delta begin 98 ! a12 été "
    filler = "nothing to see in these words " * 40
    texts = [(line + filler) * 40, (line + "é" + filler) * 30, line * 200]
    assert assert_same(both, texts, [None] * 3) > 100
