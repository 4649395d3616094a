"""A trace never disagrees with the findings, and what it says is missing is what is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import evaluate_all
from dlpagent.classifiers.explain import MAX_TRACES, Trace, explain
from dlpagent.classifiers.pack import builtin_pack

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

BODY = r"""
elements:
  Id: {regex: '(?<![0-9])\d{6}(?![0-9])'}
  Wide: {regex: '\d{6} \d'}
  Word: {keywords: [alpha, beta ray]}
  Not: {keywords: [test]}
filters: {Same: {kind: all_digits_same}}
proximity: 20
patterns:
  - {confidence: 65, primary: Id}
  - {confidence: 75, primary: Id, match: [Word]}
  - confidence: 85
    primary: Id
    match: [{id: Word, min_count: 2, unique: true}]
    any: [{min: 0, max: 0, of: [Not]}]
"""


def traces(tmp_path: Path, text: str, context: str = "", body: str = BODY) -> list[Trace]:
    return list(explain(building.compiled(tmp_path, body), text, context).traces)


def test_a_trace_agrees_with_the_finding_in_every_example_of_the_shipped_pack() -> None:
    pack = CompiledPack(builtin_pack())
    for sit in pack.sits:
        for text, context in [
            (item.text, item.context) for item in (*sit.examples, *sit.near_misses)
        ]:
            hits = evaluate_all(pack, text, context, [sit]).hits
            found = explain(pack, text, context, [sit])
            if found.truncated:
                continue
            shown = sorted(
                (trace.start, trace.end, trace.confidence, trace.pattern)
                for trace in found.traces
                if trace.confidence
            )
            wanted = [(hit.start, hit.end, hit.confidence, hit.pattern) for hit in hits]
            assert shown == sorted(wanted), (sit.name, text)
            for trace in found.traces:
                check_next_level(trace)


def check_next_level(trace: Trace) -> None:
    """It names the lowest pattern above, and what does not hold there."""
    above = [
        item for item in trace.patterns if item.confidence > trace.confidence and item.primary_found
    ]
    assert bool(trace.next_level) == bool(above)
    if not above:
        return
    lowest = min(item.confidence for item in above)
    assert trace.next_level.startswith(f"{lowest} (")
    assert not trace.next_level.endswith(": ")
    for item in trace.patterns:
        assert item.holds == (not item.missing)
        assert item.holds == (
            item.primary_found
            and all(passed for _, passed in item.filters)
            and all(condition.met for condition in item.conditions)
        )


@pytest.mark.parametrize(
    ("text", "confidence", "next_level"),
    [
        ("222333", 65, "75 (medium): needs at least 1 hits of Word; none in the text"),
        ("alpha" + "." * 30 + "222333", 65,
         "75 (medium): needs at least 1 hits of Word; nearest is 35 characters away"),
        ("alpha 222333", 75, "85 (high): needs at least 2 distinct hits of Word; 1 found"),
        ("alpha 222333 beta-ray", 85, ""),
        ("alpha 222333 beta_ray test", 75, "85 (high): Not must not be near"),
        ("222222", 0, "65 (low): filter Same drops it"),
    ],
)  # fmt: skip
def test_the_next_level_says_what_is_missing(
    tmp_path: Path, text: str, confidence: int, next_level: str
) -> None:
    (trace,) = traces(tmp_path, text)
    assert (trace.confidence, trace.next_level) == (confidence, next_level)


@pytest.mark.parametrize("gap", range(10, 40))
def test_doing_what_the_next_level_asks_for_reaches_it(tmp_path: Path, gap: int) -> None:
    """The distance told is the proximity that would have been enough."""
    text = "alpha" + "." * gap + "222333"
    (trace,) = traces(tmp_path, text)
    nearest = trace.patterns[1].conditions[0].nearest_distance
    if trace.confidence == 75:
        assert nearest is None
        return
    assert nearest == gap + 5
    wider = BODY.replace("proximity: 20", f"proximity: {nearest}")
    assert traces(tmp_path, text, body=wider)[0].confidence == 75
    narrower = BODY.replace("proximity: 20", f"proximity: {nearest - 1}")
    assert traces(tmp_path, text, body=narrower)[0].confidence == 65


def test_a_match_that_another_overlaps_is_told_so(tmp_path: Path) -> None:
    body = BODY + "  - {confidence: 90, primary: Wide}\n"
    found = {(t.start, t.end): t for t in traces(tmp_path, "222333 4", body=body)}
    assert found[0, 8].confidence == 90
    assert found[0, 6].confidence == 0
    assert found[0, 6].next_level == "65 (low): a better match overlaps it"


def test_hits_are_places_of_the_original_text_and_only_keywords_are_quoted(tmp_path: Path) -> None:
    (trace,) = traces(tmp_path, "\u200bbeta\u00adray\u00a0x ２２２３３３".replace("\u00ad", "-"))
    (hit,) = trace.patterns[1].conditions[0].hits
    assert (hit.start, hit.end, hit.term, hit.distance) == (1, 9, "beta-ray", 11)
    assert (trace.start, trace.end) == (12, 18)


def test_a_hit_in_the_context_lies_beside_the_text(tmp_path: Path) -> None:
    (trace,) = traces(tmp_path, "222333", context="ALPHA")
    (hit,) = trace.patterns[1].conditions[0].hits
    assert (hit.in_context, hit.distance, hit.term) == (True, 0, "ALPHA")
    assert trace.confidence == 75


def test_many_places_are_cut_with_the_most_confident_first(tmp_path: Path) -> None:
    text = "222333 x " * (MAX_TRACES + 1) + "." * 30 + "alpha 444333"
    found = explain(building.compiled(tmp_path, BODY), text)
    assert found.truncated
    assert len(found.traces) == MAX_TRACES
    assert found.traces[0].confidence == 75


def test_a_rule_out_of_time_is_told(tmp_path: Path) -> None:
    body = "elements: {Bad: {regex: '(a+)+(?<=x)b'}}\npatterns: [{confidence: 85, primary: Bad}]\n"
    found = explain(building.compiled(tmp_path, body), "a" * 60 + "b")
    assert found.traces == ()
    assert [sit for sit, _ in found.incomplete] == [building.SIT_ID]
