"""The reference evaluator against Purview's documented semantics, rule by rule."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.compiled import CompiledPack, is_word
from dlpagent.classifiers.reference import Hit, evaluate, without_overlaps

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)

ELEMENTS = r"""
elements:
  Id: {regex: '(?<![0-9])\d{6}(?![0-9])'}
  Word: {keywords: [alpha, beta ray, {match: word, case_sensitive: true, terms: [GAMMA]}]}
  Part: {keywords: [{match: string, terms: [delta, 番号]}]}
  Date: {regex: '\d{2}/\d{2}'}
"""


def pack(tmp_path: Path, patterns: str, more: str = "") -> CompiledPack:
    return building.compiled(tmp_path, ELEMENTS + more + "\npatterns:\n" + patterns)


def confidence(compiled: CompiledPack, text: str, context: str = "") -> int:
    hits = evaluate(compiled, text, context).hits
    return max((hit.confidence for hit in hits), default=0)


@pytest.mark.parametrize(
    ("condition", "text", "holds"),
    [
        ("match: [Word]", "alpha 123456", True),
        ("match: [Word]", "123456 alpha", True),
        ("match: [Word]", "123456", False),
        ("match: [Word, Date]", "alpha 123456", False),
        ("match: [Word, Date]", "alpha 123456 01/02", True),
        # word: whole words, case ignored unless the group says otherwise
        ("match: [Word]", "alphabet 123456", False),
        ("match: [Word]", "ALPHA 123456", True),
        ("match: [Word]", "gamma 123456", False),
        ("match: [Word]", "GAMMA 123456", True),
        ("match: [Word]", "my_alpha: 123456", True),
        ("match: [Word]", "(alpha)123456", True),
        # a blank in a term stands for one to three blanks, hyphens, underscores
        ("match: [Word]", "beta-ray 123456", True),
        ("match: [Word]", "BETA_RAY 123456", True),
        ("match: [Word]", "beta\n ray 123456", True),
        ("match: [Word]", "betaray 123456", False),
        # string: anywhere, also inside words and in scripts without blanks
        ("match: [Part]", "xdeltax 123456", True),
        ("match: [Part]", "お客様番号は123456です", True),
        # Any counts satisfied children, not hits
        ("any: [{min: 2, of: [Word, Part, Date]}]", "alpha alpha alpha 123456", False),
        ("any: [{min: 2, of: [Word, Part, Date]}]", "alpha delta 123456", True),
        ("any: [{min: 1, max: 1, of: [Word, Part]}]", "alpha delta 123456", False),
        ("any: [{min: 1, max: 1, of: [Word, Part]}]", "alpha 123456", True),
        # 0/0: none may be present
        ("any: [{min: 0, max: 0, of: [Word, Part]}]", "123456", True),
        ("any: [{min: 0, max: 0, of: [Word, Part]}]", "delta 123456", False),
        # nested
        ("any: [{min: 1, of: [{any: {min: 2, of: [Word, Part]}}, Date]}]", "alpha 123456", False),
        ("any: [{min: 1, of: [{any: {min: 2, of: [Word, Part]}}, Date]}]", "01/02 123456", True),
        (
            "any: [{min: 1, of: [{any: {min: 2, of: [Word, Part]}}, Date]}]",
            "alpha delta 123456",
            True,
        ),
        # minCount counts hits; uniqueResults distinct ones, case ignored; 0 is always met
        ("match: [{id: Word, min_count: 2}]", "alpha 123456", False),
        ("match: [{id: Word, min_count: 2}]", "alpha 123456 alpha", True),
        ("match: [{id: Word, min_count: 2, unique: true}]", "alpha 123456 Alpha", False),
        ("match: [{id: Word, min_count: 2, unique: true}]", "alpha 123456 beta ray", True),
        ("match: [{id: Word, min_count: 0}]", "123456", True),
    ],
)
def test_a_pattern_holds_as_documented(
    tmp_path: Path, condition: str, text: str, holds: bool
) -> None:
    compiled = pack(tmp_path, f"  - {{confidence: 85, primary: Id, {condition}}}\n")
    assert confidence(compiled, text) == (85 if holds else 0)


@pytest.mark.parametrize(
    ("width", "gap", "holds"),
    [(20, 14, True), (20, 15, True), (20, 16, False), (300, 295, True), (300, 296, False)],
)
@pytest.mark.parametrize("filler", [".", "·", "。", "😀"])
def test_a_keyword_counts_when_it_lies_wholly_in_the_window_on_either_side(
    tmp_path: Path, width: int, gap: int, holds: bool, filler: str
) -> None:
    """The keyword has 5 characters: it ends `gap` before the number, so it begins gap + 5 before."""
    compiled = pack(
        tmp_path, f"  - {{confidence: 85, primary: Id, match: [Word], proximity: {width}}}"
    )
    before = f"alpha{filler * gap}123456"
    after = f"123456{filler * gap}alpha"
    assert confidence(compiled, before) == (85 if holds else 0)
    assert confidence(compiled, after) == (85 if holds else 0)


@pytest.mark.parametrize(
    ("sit", "pattern", "match", "gap", "holds"),
    [
        ("10", "", "", 5, True),
        ("10", "", "", 6, False),
        ("10", "proximity: 50, ", "", 45, True),
        ("10", "proximity: 50, ", ", proximity: 7", 3, False),
        ("10", "", ", proximity: 40", 35, True),
        ("unlimited", "", "", 5000, True),
        ("10", "proximity: unlimited, ", "", 5000, True),
        ("10", "", ", proximity: unlimited", 5000, True),
    ],
)
def test_the_innermost_proximity_counts(
    tmp_path: Path, sit: str, pattern: str, match: str, gap: int, holds: bool
) -> None:
    compiled = pack(
        tmp_path,
        f"  - {{confidence: 85, primary: Id, {pattern}match: [{{id: Word{match}}}]}}",
        more=f"\nproximity: {sit}",
    )
    assert confidence(compiled, "alpha" + "." * gap + "123456") == (85 if holds else 0)


def test_the_highest_confidence_that_holds_is_given_once(tmp_path: Path) -> None:
    compiled = pack(
        tmp_path,
        """
  - {confidence: 65, primary: Id}
  - {confidence: 85, primary: Id, match: [Word, Date]}
  - {confidence: 75, primary: Id, match: [Word]}
""",
    )
    assert [hit.confidence for hit in evaluate(compiled, "123456 123457").hits] == [65, 65]
    assert confidence(compiled, "alpha 123456") == 75
    assert confidence(compiled, "alpha 01/02 123456") == 85


def test_patterns_may_have_primaries_of_their_own(tmp_path: Path) -> None:
    compiled = pack(
        tmp_path,
        """
  - {confidence: 65, primary: Id}
  - {confidence: 85, primary: Date, match: [Id]}
""",
    )
    found = evaluate(compiled, "123456 on 01/02").hits
    assert [(hit.start, hit.end, hit.confidence, hit.pattern) for hit in found] == [
        (0, 6, 65, 0),
        (10, 15, 85, 1),
    ]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("123456", (0, 6)),
        ("１２３４５６", (0, 6)),
        ("٣٤١٢٥٦", (0, 6)),
        ("12\u200b34\u00ad56", (0, 8)),
        ("\ufeff123456\u200b", (1, 7)),
        ("😀😀 123456", (3, 9)),
        ("né 123456 è", (3, 9)),
    ],
)
def test_offsets_are_code_points_of_the_original_text(
    tmp_path: Path, text: str, span: tuple[int, int]
) -> None:
    compiled = pack(tmp_path, "  - {confidence: 85, primary: Id}")
    (hit,) = evaluate(compiled, text).hits
    assert (hit.start, hit.end) == span


def test_context_supports_and_excludes_but_is_never_primary(tmp_path: Path) -> None:
    compiled = pack(tmp_path, "  - {confidence: 85, primary: Id, match: [Word]}")
    assert confidence(compiled, "123456", context="alpha") == 85
    assert confidence(compiled, "alpha", context="123456") == 0
    excluded = pack(
        tmp_path, "  - {confidence: 85, primary: Id, any: [{min: 0, max: 0, of: [Word]}]}"
    )
    assert confidence(excluded, "123456", context="customer_alpha") == 0


@pytest.mark.parametrize(
    ("filters", "text", "found"),
    [
        ("F: {kind: all_digits_same}", "111111 123456", ["123456"]),
        (
            "F: {kind: text_match, direction: starts_with, processor: Nines}",
            "991111 123456",
            ["123456"],
        ),
        (
            "F: {kind: text_match, direction: ends_with, processor: Nines}",
            "111199 123456",
            ["123456"],
        ),
        ("F: {kind: text_match, direction: full, processor: Six}", "654321 123456", ["123456"]),
        (
            "F: {kind: text_match, direction: full, logic: include, processor: Six}",
            "654321 123456",
            ["654321"],
        ),
        (
            "F: {kind: text_match, direction: prefix, processor: Word}",
            "alpha 654321 and 123456",
            ["123456"],
        ),
        (
            "F: {kind: text_match, direction: suffix, logic: include, processor: Word}",
            "654321 alpha and 123456",
            ["654321"],
        ),
    ],
)
def test_filters_drop_or_keep_primary_matches(
    tmp_path: Path, filters: str, text: str, found: list[str]
) -> None:
    body = (
        ELEMENTS
        + "  Nines: {keywords: [{match: string, terms: ['99']}]}\n"
        + "  Six: {keywords: [{match: string, terms: ['654321']}]}\n"
        + f"filters: {{{filters}}}\npatterns: [{{confidence: 85, primary: Id}}]\n"
    )
    compiled = building.compiled(tmp_path, body)
    assert [text[hit.start : hit.end] for hit in evaluate(compiled, text).hits] == found


def test_a_filter_of_a_pattern_holds_for_that_pattern_only(tmp_path: Path) -> None:
    body = (
        ELEMENTS
        + "filters: {F: {kind: all_digits_same}}\npatterns:\n"
        + "  - {confidence: 65, primary: Id}\n  - {confidence: 85, primary: Id, filters: [F]}\n"
    )
    compiled = building.compiled(tmp_path, body)
    assert confidence(compiled, "111111") == 0
    assert confidence(compiled, "123456") == 85


def test_a_rejected_candidate_does_not_hide_the_true_one_inside_it(tmp_path: Path) -> None:
    body = r"""
elements:
  Card: {regex: '\d(?:[ -]?\d){12,18}', validators: [luhn]}
patterns: [{confidence: 85, primary: Card}]
"""
    compiled = building.compiled(tmp_path, body)
    text = "ref 12 4111 1111 1111 1111"
    (hit,) = evaluate(compiled, text).hits
    assert text[hit.start : hit.end] == "4111 1111 1111 1111"


def test_a_rule_out_of_time_makes_the_part_incomplete_not_clean(tmp_path: Path) -> None:
    body = r"""
elements:
  Bad: {regex: '(a+)+(?<=x)b'}
  Good: {regex: '\d{6}'}
patterns:
  - {confidence: 85, primary: Bad}
"""
    compiled = building.compiled(tmp_path, body)
    result = evaluate(compiled, "a" * 40 + "b")
    assert result.hits == []
    assert result.incomplete == [(building.SIT_ID, "a rule ran out of time")]


def test_other_sits_are_still_found_when_one_runs_out_of_time(tmp_path: Path) -> None:
    other = "22222222-2222-4222-8222-222222222222"
    bad = r"""
elements: {Bad: {regex: '(a+)+(?<=x)b'}}
patterns: [{confidence: 85, primary: Bad}]
"""
    good = f"""id: {other}
name: Good
version: 1
parity: own
elements: {{Good: {{regex: '\\d{{6}}'}}}}
patterns: [{{confidence: 85, primary: Good}}]
"""
    compiled = building.compiled(tmp_path, bad, good)
    result = evaluate(compiled, "a" * 40 + "b 123456")
    assert [hit.sit_id for hit in result.hits] == [other]
    assert [sit for sit, _ in result.incomplete] == [building.SIT_ID]


@pytest.mark.parametrize(
    ("text", "start", "end", "whole"),
    [
        ("card", 0, 4, True),
        ("cards", 0, 4, False),
        ("discard", 3, 7, False),
        ("a card.", 2, 6, True),
        ("credit_card_no", 7, 11, True),
        ("x9card", 2, 6, False),
        ("écard", 1, 5, False),
        ("カードcard番号", 3, 7, True),
        ("#card", 1, 5, True),
    ],
)
def test_a_word_ends_where_no_letter_or_digit_touches_it(
    text: str, start: int, end: int, whole: bool
) -> None:
    assert is_word(text, start, end) is whole


spans = st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair)))


@given(st.dictionaries(spans, st.tuples(st.integers(1, 100), st.integers(0, 5)), max_size=30))
@settings(max_examples=300, deadline=None)
def test_kept_matches_never_overlap_and_the_most_confident_is_kept(
    candidates: dict[tuple[int, int], tuple[int, int]],
) -> None:
    kept = without_overlaps(candidates)
    places = [span for span, _ in kept]
    assert places == sorted(places)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(places))
    if candidates:
        best = max(confidence for confidence, _ in candidates.values())
        assert best in {confidence for _, (confidence, _) in kept}
    for span, (confidence, _) in candidates.items():
        if span not in places:
            assert any(
                other[0] < span[1] and span[0] < other[1] and value[0] >= confidence
                for other, value in kept
            )


def test_hits_come_in_order_of_place(tmp_path: Path) -> None:
    compiled = pack(
        tmp_path, "  - {confidence: 85, primary: Id}\n  - {confidence: 75, primary: Date}"
    )
    hits = evaluate(compiled, "01/02 123456 03/04 654321").hits
    assert [(hit.start, hit.end) for hit in hits] == sorted((hit.start, hit.end) for hit in hits)
    assert len(hits) == 4


def test_a_hit_does_not_show_its_value() -> None:
    assert "4111" not in repr(Hit("x", 0, 4, 85, 0, "4111111111111111"))
