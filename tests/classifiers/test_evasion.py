"""Values hidden in fifty ways are found, by the shipped pack, at the place they are hidden at."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence
from dlpagent.records import PartRows
from dlpagent.service.packs import load_packs

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "evasions", ROOT / "benchmarks" / "quality" / "evasions.py"
)
assert _spec is not None
assert _spec.loader is not None
evasions = importlib.util.module_from_spec(_spec)
sys.modules["evasions"] = evasions  # its dataclasses look their module up
_spec.loader.exec_module(evasions)

CASES = list(evasions.cases(seed=11, each=2))
RECALL = 0.95
MARKS = " _*~`\\\n\u200b\u2060\ufeff\u200d\u00ad\u0336\u0332"


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The SITs of the kinds that are hidden: the whole pack takes minutes to compile."""
    whole = load_packs(["builtin"], "extended")
    wanted = {name for kind in evasions.KINDS.values() for name in kind.sits}
    sits = {sit.id: sit for sit in whole.sits.values() if sit.name in wanted}
    assert len(sits) == len(wanted)
    return replace(whole, sits=sits)


@pytest.fixture(scope="module")
def found(pack: Pack) -> list[list[tuple[str, int, int]]]:
    """For each case, (SIT name, start, end) of what is found in its text."""
    rows = PartRows("memory:test", max_rows=len(CASES))
    for number, case in enumerate(CASES):
        rows.add(record_id=str(number), part="text", seq=0, text=case.text)
    batch = rows.take()
    classifier = DecodingClassifier(ReferenceClassifier.of(pack, Evidence(bytes(32))))
    places: list[list[tuple[str, int, int]]] = [[] for _ in CASES]
    for item in classifier.classify(batch).matches.to_pylist():
        name = pack.sit_names[item["sit_id"]]
        places[item["row"]].append((name, item["start"], item["end"]))
    return places


def test_there_are_many_kinds_and_many_forms() -> None:
    assert len(evasions.KINDS) >= 12
    assert len(evasions.FORMS) >= 45
    assert len(CASES) > 1_000
    assert len({case.text for case in CASES}) > 0.9 * len(CASES)


def test_the_cases_are_the_same_every_time() -> None:
    assert list(evasions.cases(seed=11, each=1)) == list(evasions.cases(seed=11, each=1))


@pytest.mark.parametrize("form", evasions.FORMS)
def test_values_hidden_so_are_found(form: str, found: list[list[tuple[str, int, int]]]) -> None:
    missed = Counter[str]()
    right = tried = 0
    for case, places in zip(CASES, found, strict=True):
        if case.form != form:
            continue
        tried += 1
        hits = [item for item in places if item[0] in case.sits]
        if any(case.start <= start and end <= case.end for _, start, end in hits):
            right += 1
        else:
            missed[case.kind] += 1
    assert right >= RECALL * tried, dict(missed)


def test_the_place_is_exactly_that_of_the_hidden_value(
    found: list[list[tuple[str, int, int]]],
) -> None:
    """Of forms that hide the value alone; marks around it do not count."""
    checked = 0
    for case, places in zip(CASES, found, strict=True):
        kind = evasions.KINDS[case.kind]
        if evasions.FORMS[case.form].whole or kind.shape in ("secret", "phone"):
            continue
        hidden = case.text[case.start : case.end]
        spans = {
            case.text[start:end].strip(MARKS) for name, start, end in places if name in case.sits
        }
        if case.form in ("HTML zero-width", "HTML tags inside"):  # what closes it is no part of it
            assert any(span and hidden.startswith(span[:4]) for span in spans), case
        else:
            assert hidden.strip(MARKS) in spans, case
        checked += 1
    assert checked > 500


def test_most_of_it_is_missed_without_decoding(pack: Pack) -> None:
    """So the forms are worth their name."""
    rows = PartRows("memory:test", max_rows=len(CASES))
    hidden = [case for case in CASES if case.form not in ("plain", "decomposed accents")]
    for number, case in enumerate(hidden):
        rows.add(record_id=str(number), part="text", seq=0, text=case.text)
    batch: pa.RecordBatch = rows.take()
    matches = ReferenceClassifier.of(pack, Evidence(bytes(32))).classify(batch).matches
    seen = {
        item["row"]
        for item in matches.to_pylist()
        if pack.sit_names[item["sit_id"]] in hidden[item["row"]].sits
    }
    assert len(seen) < 0.5 * len(hidden)
