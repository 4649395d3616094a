"""Labels against predictions: the rules one by one, then against a slow oracle on random corpora."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.evaluation import (
    Counts,
    Document,
    Figures,
    SitCounts,
    Span,
    evaluate_corpus,
    f_measure,
    widened,
    wilson,
)
from dlpagent.classifiers.evaluation_faults import confusions, worst_faults
from dlpagent.classifiers.evaluation_matching import Names, TypeMap, one_to_one

PLAIN = TypeMap(Names({}), Names({}))


def spans(*given: tuple[Any, ...]) -> tuple[Span, ...]:
    return tuple(Span(*item) for item in given)


def counted(
    gold: tuple[Span, ...], found: tuple[Span, ...], types: TypeMap = PLAIN, **settings: Any
) -> Figures:
    document = Document("d", "s", "x" * 100, gold)
    return evaluate_corpus([document], {"d": found}, types, **settings)[0]


@pytest.mark.parametrize(
    ("table", "name", "canonical"),
    [
        ({}, "A", "A"),
        ({"A": "B"}, "A", "B"),
        ({"A": None}, "A", None),
        ({"*": "ANY"}, "A", "ANY"),
        ({"*": None, "A": "A"}, "A", "A"),
        ({"AB*": "long", "A*": "short"}, "ABC", "long"),
        ({"AB*": "long", "A*": "short"}, "AC", "short"),
        ({"A*": "prefix", "AB": "exact"}, "AB", "exact"),
        ({"A*": None, "*": "ANY"}, "AB", None),
    ],
)
def test_the_exact_name_counts_then_the_longest_prefix_then_the_rest(
    table: dict[str, str | None], name: str, canonical: str | None
) -> None:
    assert Names(table).of(name) == canonical


@pytest.mark.parametrize(
    ("gold", "found", "overlapping", "exact"),
    [
        ([(0, 5)], [(0, 5)], 1, 1),
        ([(0, 5)], [(4, 9)], 1, 0),
        ([(0, 5)], [(5, 9)], 0, 0),
        ([(0, 3), (4, 6)], [(0, 9)], 1, 0),  # one finding over two labels answers one
        ([(0, 9)], [(0, 3), (4, 6)], 1, 0),
        ([(50, 60), (70, 75)], [(0, 55), (1, 2), (72, 90)], 2, 0),
        # the equal place goes first, though both labels share as much with it
        ([(0, 10), (5, 9)], [(5, 9), (0, 2)], 2, 1),
        ([(0, 4), (2, 9)], [(0, 9), (0, 3)], 2, 0),
        ([(0, 5), (0, 5)], [(0, 5), (0, 5)], 1, 1),  # said twice is said once
    ],
)
def test_labels_and_findings_answer_each_other_one_to_one(
    gold: list[tuple[int, int]], found: list[tuple[int, int]], overlapping: int, exact: int
) -> None:
    figures = counted(
        spans(*((*item, "A") for item in gold)), spans(*((*item, "A") for item in found))
    )
    counts = figures.types["A"]
    assert (counts.overlapping, counts.exact) == (overlapping, exact)
    assert (counts.gold, counts.found) == (len(set(gold)), len(set(found)))


def test_pairs_may_be_asked_to_share_more_than_a_character() -> None:
    gold, found = spans((0, 10, "A")), spans((5, 15, "A"))
    assert counted(gold, found, min_iou=0.33).types["A"].overlapping == 1
    assert counted(gold, found, min_iou=0.34).types["A"].overlapping == 0


def test_types_are_matched_apart_and_once_regardless_of_type() -> None:
    figures = counted(spans((0, 5, "A")), spans((0, 5, "B")))
    assert figures.total == Counts(gold=1, found=1)
    assert figures.any_type == Counts(gold=1, found=1, overlapping=1, exact=1)


def test_a_dropped_type_counts_on_neither_side() -> None:
    types = TypeMap(Names({"A": None}), Names({"B": None}))
    assert counted(spans((0, 5, "A")), spans((0, 5, "B")), types).total == Counts()


def test_a_group_sums_up_its_types() -> None:
    types = TypeMap(Names({}), Names({}), {"A": "letters", "B": "letters"})
    figures = counted(spans((0, 5, "A"), (6, 9, "B"), (10, 12, "C")), spans((0, 5, "A")), types)
    assert figures.groups == {"letters": Counts(2, 1, 1, 1)}
    assert figures.named("letters") == figures.groups["letters"]
    assert figures.named("Z") is None


def test_findings_below_the_floor_do_not_count() -> None:
    found = spans((0, 5, "A", 65), (6, 9, "A", 66))
    gold = spans((0, 5, "A"))
    assert counted(gold, found, floor=65).total == Counts(1, 2, 1, 1)
    assert counted(gold, found, floor=66).total == Counts(1, 1, 0, 0)


def test_a_type_that_a_source_does_not_label_is_unjudged_there() -> None:
    figures = counted(spans(), spans((0, 5, "B"), (6, 9, "A")), labelled={"s": ["A"]})
    assert figures.total == Counts(found=1)
    assert figures.sits == {"A": SitCounts(wrong=1), "B": SitCounts(unjudged=1)}
    assert counted(spans(), spans((0, 5, "B")), labelled={"s": None}).total.found == 1


@pytest.mark.parametrize(
    ("gold", "found", "hits"),
    [
        ([], [(12, 13, "A")], 1),
        ([], [(12, 13, "B")], 0),
        ([], [(20, 25, "A")], 0),
        ([(18, 30, "B")], [(12, 13, "A")], 0),  # a label lies on the look-alike
    ],
)
def test_a_look_alike_is_hit_by_a_finding_of_its_type_where_no_label_lies(
    gold: list[Any], found: list[Any], hits: int
) -> None:
    document = Document("d", "s", "x" * 50, spans(*gold), decoys=spans((10, 20, "A")))
    figures, judged = evaluate_corpus([document], {"d": spans(*found)}, PLAIN)
    assert (figures.types["A"].decoys, figures.types["A"].decoys_hit) == (1, hits)
    assert len(judged[0].decoys_hit) == hits


def test_a_look_alike_is_hit_even_where_its_type_is_not_labelled() -> None:
    document = Document("d", "s", "x" * 50, decoys=spans((10, 20, "A")))
    figures, _ = evaluate_corpus(
        [document], {"d": spans((10, 20, "A"))}, PLAIN, labelled={"s": ["B"]}
    )
    assert (figures.total.found, figures.total.decoys_hit) == (0, 1)


def test_negative_documents_give_false_positives_per_mb_but_for_what_they_may_hold() -> None:
    types = TypeMap(Names({"PLACE": "LOCATION"}), Names({"Mail": "EMAIL", "Town": "LOCATION"}))
    document = Document(
        "n", "neg", "é" * 250_000, is_negative=True, allowed=frozenset({"PLACE", "EMAIL"})
    )
    found = spans((1, 2, "Mail"), (3, 4, "Town"), (5, 6, "Card"), (5, 6, "Card"), (7, 8, "Key", 60))
    figures, _ = evaluate_corpus([document], {"n": found}, types, floor=1)
    negatives = figures.negatives
    assert (negatives.size_bytes, negatives.false, negatives.documents_hit) == (500_000, 2, 1)
    assert negatives.false_per_mb == 4.0
    assert dict(negatives.by_type) == {"Card": 1, "Key": 1}
    assert figures.total == Counts()
    assert figures.sits == {"Card": SitCounts(negatives=1), "Key": SitCounts(negatives=1)}


def test_a_label_without_a_place_is_answered_by_one_finding_of_the_whole_text() -> None:
    document = Document("d", "s", "x" * 50, spans((0, 50, "A")), is_whole=True)
    found = widened(document, spans((0, 5, "A", 65), (9, 12, "A", 85), (20, 22, "B", 75)))
    assert found == spans((0, 50, "A", 85), (0, 50, "B", 75))
    figures, _ = evaluate_corpus([document], {"d": found}, PLAIN)
    assert figures.types["A"] == Counts(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Wilson (1927), to four digits as published calculators give them
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),  # R. G. Newcombe, Statistics in Medicine 17 (1998), table I
        (15, 148, 0.0624, 0.1605),  # the same
        (0, 0, 0.0, 1.0),
    ],
)
def test_intervals_are_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_the_share_and_stays_between_0_and_1(hits: int, trials: int) -> None:
    hits = min(hits, trials)
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1


def test_f2_leans_to_recall() -> None:
    assert f_measure(0.5, 1.0, 1) == pytest.approx(2 / 3)
    assert f_measure(0.5, 1.0, 2) == pytest.approx(5 / 6)
    assert f_measure(0.0, 0.0, 2) == 0.0


def test_a_type_found_on_another_is_counted_instead_or_as_well() -> None:
    gold = spans((0, 5, "A"), (10, 15, "A"), (20, 25, "A"))
    found = spans((0, 5, "B"), (10, 15, "A"), (11, 12, "B"), (12, 13, "C"))
    document = Document("d", "s", "x" * 50, gold)
    _, judged = evaluate_corpus([document], {"d": found}, PLAIN)
    assert [(item.gold, item.found, item.instead, item.beside) for item in confusions(judged)] == [
        ("A", "B", 1, 1),
        ("A", "C", 0, 1),
    ]


def test_the_worst_faults_are_spread_over_types_and_show_no_value() -> None:
    text = "4111111111111111 " * 6 + "hunter2hunter2"
    gold = spans(*((17 * n, 17 * n + 16, "CARD") for n in range(5)), (102, 116, "SECRET"))
    found = spans((85, 101, "Card", 85), (17 * 4, 17 * 4 + 16, "Card", 65))
    types = TypeMap(Names({}), Names({"Card": "CARD"}))
    predictions = {"d": found}
    document = Document("d", "s", text, gold, where="corpus.jsonl:7")
    _, judged = evaluate_corpus([document], predictions, types, floor=66)
    faults = worst_faults(
        judged, predictions, types, {"CARD": "number", "SECRET": "secret"}, floor=66, limit=3
    )
    assert [item.type for item in faults["missed"]] == ["CARD", "SECRET", "CARD"]
    card, secret, _ = faults["missed"]
    assert (card.where, card.start, card.masked) == ("corpus.jsonl:7", 0, "************1111")
    assert secret.masked == "********"
    (false,) = faults["false"]
    assert (false.confidence, false.sits, false.start) == (85, ("Card",), 85)
    assert "hunter" not in repr(faults)
    assert "41111" not in repr(faults)
    assert "hunter" not in repr(document)


def test_a_type_nobody_described_shows_no_character() -> None:
    document = Document("d", "s", "call 5550100", spans((5, 12, "PHONE")))
    _, judged = evaluate_corpus([document], {}, PLAIN)
    (fault,) = worst_faults(judged, {}, PLAIN, {})["missed"]
    assert fault.masked == "*******"


# -- the oracle: the rules again, slowly, from the words of docs/eval.md --------------------------

KINDS = ("A", "B", "C")
ORACLE_MAP = TypeMap(
    Names({"C": None, "B": "b"}), Names({"B": "b", "A*": "A"}), {"A": "g", "b": "g"}
)


def oracle_pairs(gold: list[Any], found: list[Any]) -> int:
    """Greedy pairs by looking for the best one left, again and again."""
    left, right, pairs = list(gold), list(found), 0
    while True:
        best = None
        for one, other in itertools.product(left, right):
            common = len(set(range(*one[:2])) & set(range(*other[:2])))
            rank = (one[:2] == other[:2], common, -gold.index(one), -found.index(other))
            if common and (best is None or rank > best[0]):
                best = (rank, one, other)
        if best is None:
            return pairs
        left.remove(best[1])
        right.remove(best[2])
        pairs += 1


def oracle(documents: list[Document], found: dict[str, Any], labelled: Any, floor: int) -> Any:
    total: dict[str, list[int]] = {}
    false = 0
    for document in documents:
        kept = {
            (item.start, item.end, {"B": "b"}.get(item.type, item.type))
            for item in found.get(document.id, ())
            if item.confidence >= floor
        }
        if document.is_negative:
            false += sum(item[2] not in document.allowed for item in kept)
            continue
        gold = {(item.start, item.end, {"B": "b"}.get(item.type, item.type))
                for item in document.spans if item.type != "C"}  # fmt: skip
        judged = {item for item in kept if labelled is None or item[2] in labelled}
        for kind in {item[2] for item in gold | judged}:
            mine = sorted(item for item in gold if item[2] == kind)
            theirs = sorted(item for item in judged if item[2] == kind)
            row = [len(mine), len(theirs), oracle_pairs(mine, theirs), len(set(mine) & set(theirs))]
            total[kind] = [a + b for a, b in zip(total.get(kind, [0] * 4), row, strict=True)]
    return total, false


places = st.tuples(st.integers(0, 25), st.integers(1, 9), st.sampled_from(KINDS))
labels = st.lists(places.map(lambda item: Span(item[0], item[0] + item[1], item[2])), max_size=6)
findings = st.lists(
    st.tuples(places, st.sampled_from([60, 75, 85])).map(
        lambda item: Span(item[0][0], item[0][0] + item[0][1], item[0][2], item[1])
    ),
    max_size=6,
)
texts = st.tuples(labels, findings, st.booleans(), st.frozensets(st.sampled_from(("A", "b"))))


@given(st.lists(texts, max_size=5), st.sampled_from([None, {"A"}, {"b"}]), st.sampled_from([1, 66]))
def test_figures_equal_those_of_the_slow_oracle(
    given_texts: list[Any], labelled: set[str] | None, floor: int
) -> None:
    documents, found = [], {}
    for number, (gold, predicted, negative, allowed) in enumerate(given_texts):
        ident = str(number)
        documents.append(
            Document(ident, "s", "x" * 40, tuple(gold), is_negative=negative, allowed=allowed)
        )
        found[ident] = predicted
    names = None if labelled is None else [{"b": "B"}.get(name, name) for name in labelled]
    figures, _ = evaluate_corpus(documents, found, ORACLE_MAP, labelled={"s": names}, floor=floor)
    expected, false = oracle(documents, found, labelled, floor)
    assert {
        kind: [item.gold, item.found, item.overlapping, item.exact]
        for kind, item in figures.types.items()
    } == expected
    assert figures.negatives.false == false
    assert figures.total == sum(figures.types.values(), Counts())
    assert figures.sources.get("s", Counts()) == figures.total


@given(labels, labels)
def test_pairs_use_every_place_at_most_once_and_only_where_they_overlap(
    gold: list[Span], found: list[Span]
) -> None:
    one = sorted({(item.start, item.end, "A") for item in gold})
    other = sorted({(item.start, item.end, "A") for item in found})
    left, right = one_to_one(one, other)
    assert len(left) == len(right) <= min(len(one), len(other))
    unpaired = [place for i, place in enumerate(one) if i not in left]
    free = [place for j, place in enumerate(other) if j not in right]
    assert not any(a[0] < b[1] and b[0] < a[1] for a in unpaired for b in free)


def test_rates_of_nothing_are_0_and_not_an_error() -> None:
    assert Counts().precision == Counts().recall == Counts().f(2) == 0.0
    assert not math.isnan(wilson(0, 0)[0])
