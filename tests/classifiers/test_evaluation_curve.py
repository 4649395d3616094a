"""Curves: every point is what counting from its confidence on gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.evaluation import Document, Span, evaluate_corpus
from dlpagent.classifiers.evaluation_curve import curves
from dlpagent.classifiers.evaluation_matching import Names, TypeMap

TYPES = TypeMap(Names({}), Names({"dropped": None}))
DOCUMENTS = [
    Document("1", "a", "0123456789", (Span(0, 3, "A"), Span(5, 8, "B"))),
    Document("2", "a", "0123456789", (Span(2, 6, "A"),)),
    Document("3", "b", "0123456789" * 10, is_negative=True),
]

span = st.builds(
    lambda start, length, kind, confidence: Span(start, start + length, kind, confidence),
    st.integers(0, 8), st.integers(1, 4), st.sampled_from(["A", "B", "C", "dropped"]),
    st.sampled_from([55, 65, 75, 85, 100]),
)  # fmt: skip
predicted = st.fixed_dictionaries({name: st.lists(span, max_size=6) for name in "123"})


@given(predicted)
def test_a_point_has_the_figures_of_an_evaluation_at_its_threshold(
    found: dict[str, list[Span]],
) -> None:
    made = curves(DOCUMENTS, found, TYPES)
    for point in made.total:
        figures, _ = evaluate_corpus(DOCUMENTS, found, TYPES, floor=point.threshold)
        assert (point.counts, point.negatives) == (figures.total, figures.negatives.false)
    for name, curve in made.types.items():
        for point in curve:
            figures, _ = evaluate_corpus(DOCUMENTS, found, TYPES, floor=point.threshold)
            assert point.counts.found == getattr(figures.types.get(name), "found", 0)
            assert point.negatives == figures.negatives.by_type[name]


@given(predicted)
def test_recall_and_alerts_never_rise_with_the_threshold(found: dict[str, list[Span]]) -> None:
    made = curves(DOCUMENTS, found, TYPES)
    for curve in (made.total, *made.types.values()):
        assert [p.threshold for p in curve] == sorted({p.threshold for p in curve})
        assert [p.alerts for p in curve] == sorted((p.alerts for p in curve), reverse=True)
        hits = [p.counts.found for p in curve]
        assert hits == sorted(hits, reverse=True)


def test_alerts_are_records_with_a_finding_per_ten_thousand() -> None:
    found = {"1": [Span(0, 3, "A", 85), Span(4, 5, "A", 65)], "3": [Span(0, 1, "A", 65)]}
    low, _, high = curves(DOCUMENTS, found, TYPES).types["A"]
    assert (low.records_hit, round(low.alerts, 1)) == (2, 6666.7)
    assert (high.records_hit, high.negatives, high.false_per_mb) == (1, 0, 0.0)
    assert low.false_per_mb == 1 / (100 / 1e6)


def test_a_type_that_was_only_labelled_has_a_curve_that_finds_nothing() -> None:
    (point,) = curves(DOCUMENTS, {}, TYPES).types["B"]
    assert (point.counts.gold, point.counts.found, point.alerts) == (1, 0, 0.0)
