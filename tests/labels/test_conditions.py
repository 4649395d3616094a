"""Conditions: what holds, what is said of it, and the laws of their algebra."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.labels.conditions import (
    All,
    AnyOf,
    LabelCondition,
    Not,
    SitCondition,
    distinct,
    finder,
    in_words,
    meaning_of,
    needed_sits,
    sits_of,
)
from dlpagent.labels.stamps import NO_STAMPS, Stamp, Stamps
from dlpagent.violations import LabelRef, SitRef, Tally

GENERAL, SECRET = LabelRef("g", "General", 1), LabelRef("s", "Secret", 9)
CARRIES_GENERAL = Stamps(known=(Stamp(GENERAL, "g"),))
CARRIES_BOTH = Stamps(known=(Stamp(SECRET, "s"), Stamp(GENERAL, "g")))
CARRIES_FOREIGN = Stamps(unknown=(Stamp(None, "f"),))


def sit(name, *bounds):
    return SitCondition(SitRef(name, f"SIT {name}"), *bounds)


def tally(name, *counts):
    return {name: Tally(name, counts)}


LEAVES = [
    (sit("A"), tally("A", (85, 1, 1)), True),
    (sit("A"), tally("A", (75, 1, 1)), True),
    (sit("A"), tally("A", (74, 9, 9)), False),
    (sit("A"), tally("B", (85, 1, 1)), False),
    (sit("A"), {}, False),
    (sit("A"), tally("A"), False),
    (sit("A", 2), tally("A", (85, 5, 1)), False),
    (sit("A", 2), tally("A", (85, 2, 2)), True),
    (sit("A", 3), tally("A", (95, 1, 1), (85, 1, 1), (75, 1, 1)), True),
    (sit("A", 3), tally("A", (95, 1, 1), (85, 1, 1), (65, 9, 9)), False),
    (sit("A", 1, 2), tally("A", (85, 2, 2)), True),
    (sit("A", 1, 2), tally("A", (85, 3, 3)), False),
    (sit("A", 1, 2), tally("A", (85, 9, 2)), True),
    (sit("A", 1, None), tally("A", (85, 10**9, 10**9)), True),
    (sit("A", 500, 500), tally("A", (85, 500, 500)), True),
    (sit("A", 500, 500), tally("A", (85, 501, 501)), False),
    (sit("A", 1, None, 65), tally("A", (65, 1, 1)), True),
    (sit("A", 1, None, 66), tally("A", (65, 1, 1)), False),
    (sit("A", 1, None, 1, 65), tally("A", (65, 1, 1)), True),
    (sit("A", 1, None, 1, 65), tally("A", (85, 1, 1)), False),
    (sit("A", 1, None, 1, 65), tally("A", (85, 4, 4), (65, 1, 1)), True),
    (sit("A", 1, 1, 66, 75), tally("A", (85, 4, 4), (75, 1, 1), (65, 7, 7)), True),
]


@pytest.mark.parametrize(("condition", "tallies", "holds"), LEAVES)
def test_a_leaf_counts_unique_instances_within_its_confidence(condition, tallies, holds):
    assert (finder(condition)(tallies, NO_STAMPS) is not None) is holds


@pytest.mark.parametrize(
    ("condition", "stamps", "holds"),
    [
        (LabelCondition((GENERAL,)), CARRIES_GENERAL, True),
        (LabelCondition((SECRET,)), CARRIES_GENERAL, False),
        (LabelCondition((SECRET, GENERAL)), CARRIES_GENERAL, True),
        (LabelCondition((GENERAL,)), CARRIES_BOTH, True),
        (LabelCondition((GENERAL,)), NO_STAMPS, False),
        (LabelCondition((GENERAL,)), CARRIES_FOREIGN, False),
        (LabelCondition(state="any"), CARRIES_GENERAL, True),
        (LabelCondition(state="any"), CARRIES_FOREIGN, False),
        (LabelCondition(state="any"), NO_STAMPS, False),
        (LabelCondition(state="none"), NO_STAMPS, True),
        (LabelCondition(state="none"), CARRIES_GENERAL, False),
        (LabelCondition(state="none"), CARRIES_FOREIGN, False),
        (LabelCondition(state="unknown"), CARRIES_FOREIGN, True),
        (LabelCondition(state="unknown"), CARRIES_GENERAL, False),
        (LabelCondition(state="unknown"), NO_STAMPS, False),
    ],
)
def test_a_label_leaf_asks_what_the_item_carries(condition, stamps, holds):
    assert (finder(condition)({}, stamps) is not None) is holds


def test_what_was_found_is_named_with_its_count_and_confidence():
    tallies = tally("A", (95, 9, 2), (75, 1, 1), (65, 5, 5))
    assert in_words(finder(sit("A"))(tallies, NO_STAMPS)) == "SIT A (3 unique, confidence 95)"
    low = sit("A", 1, None, 1, 65)
    assert in_words(finder(low)(tallies, NO_STAMPS)) == "SIT A (5 unique, confidence 65)"


def test_only_the_branches_that_hold_are_named():
    condition = AnyOf((All((sit("A"), sit("B"))), sit("C"), Not(sit("D"))))
    found = finder(condition)(tally("A", (85, 1, 1)) | tally("C", (85, 1, 1)), NO_STAMPS)
    assert [one.sit_id for one in found] == ["C"]


def test_a_condition_that_holds_by_absence_names_nothing():
    assert finder(Not(sit("A")))({}, NO_STAMPS) == ()


@pytest.mark.parametrize(
    ("many", "words"),
    [
        (0, ""),
        (1, "S0 (1 unique, confidence 85)"),
        (2, "S0 (1 unique, confidence 85) and S1 (1 unique, confidence 85)"),
        (3, "S0 (1 unique, confidence 85), S1 (1 unique, confidence 85) and "
            "S2 (1 unique, confidence 85)"),
    ],
)  # fmt: skip
def test_what_was_found_reads_as_a_list(many, words):
    parts = tuple(SitCondition(SitRef(f"S{n}", f"S{n}")) for n in range(many))
    tallies = {f"S{n}": Tally(f"S{n}", ((85, 1, 1),)) for n in range(many)}
    assert in_words(finder(AnyOf(parts))(tallies, NO_STAMPS) or ()) == words


def test_a_long_list_is_cut_with_the_number_left_out():
    parts = tuple(SitCondition(SitRef(f"S{n}", f"S{n}")) for n in range(9))
    tallies = {f"S{n}": Tally(f"S{n}", ((85, 1, 1),)) for n in range(9)}
    assert in_words(finder(AnyOf(parts))(tallies, NO_STAMPS)).endswith(" and 5 more")


def test_a_sit_asked_for_twice_is_named_once():
    condition = All((sit("A"), sit("A", 1, None, 1)))
    found = finder(condition)(tally("A", (85, 1, 1)), NO_STAMPS)
    assert len(found) == 2
    assert len(distinct(found)) == 1


NAMES = "ABCD"
LEAF = st.one_of(
    st.builds(
        lambda name, low, more, floor: sit(name, low, low + more if more else None, floor),
        st.sampled_from(NAMES),
        st.integers(1, 3),
        st.integers(0, 2),
        st.sampled_from([1, 66, 76, 90]),
    ),
    st.builds(LabelCondition, st.sampled_from([(GENERAL,), (SECRET,), (GENERAL, SECRET)])),
    st.builds(lambda state: LabelCondition(state=state),
              st.sampled_from(["any", "none", "unknown"])),
)  # fmt: skip
TREE = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)
COUNTS = st.lists(
    st.tuples(st.sampled_from([60, 70, 80, 95]), st.integers(1, 4)),
    max_size=3,
    unique_by=lambda x: x[0],
).map(lambda rows: tuple((conf, n, n) for conf, n in sorted(rows, reverse=True)))
TALLIES = st.dictionaries(st.sampled_from(NAMES), COUNTS).map(
    lambda found: {name: Tally(name, counts) for name, counts in found.items()}
)
STAMPS = st.sampled_from([NO_STAMPS, CARRIES_GENERAL, CARRIES_BOTH, CARRIES_FOREIGN])


def plainly_holds(condition, tallies, stamps):
    """What a condition means, written once more and as plainly as can be."""
    match condition:
        case SitCondition(ref, low, high, floor, top):
            rows = tallies[ref.id].counts if ref.id in tallies else ()
            many = sum(unique for conf, _, unique in rows if floor <= conf <= top)
            return many >= low and (high is None or many <= high)
        case LabelCondition(labels, None):
            return any(one.label in labels for one in stamps.known)
        case LabelCondition(_, "any"):
            return len(stamps.known) > 0
        case LabelCondition(_, "none"):
            return len(stamps.known) + len(stamps.unknown) == 0
        case LabelCondition(_, "unknown"):
            return len(stamps.unknown) > 0
        case All(parts):
            return all(plainly_holds(part, tallies, stamps) for part in parts)
        case AnyOf(parts):
            return any(plainly_holds(part, tallies, stamps) for part in parts)
        case Not(part):
            return not plainly_holds(part, tallies, stamps)
    raise AssertionError(condition)


@settings(deadline=None)
@given(TREE, TALLIES, STAMPS)
def test_a_finder_holds_exactly_when_the_plain_meaning_does(condition, tallies, stamps):
    found = finder(condition)(tallies, stamps)
    assert (found is not None) is plainly_holds(condition, tallies, stamps)


@settings(deadline=None)
@given(TREE, TALLIES, STAMPS)
def test_what_is_named_was_found_and_asked_for(condition, tallies, stamps):
    found = finder(condition)(tallies, stamps) or ()
    asked = {ref.id for ref in sits_of(condition)}
    assert {one.sit_id for one in found if one.sit_id} <= asked & set(tallies)


@settings(deadline=None)
@given(TREE, TALLIES, STAMPS)
def test_without_a_needed_sit_nothing_holds(condition, tallies, stamps):
    needs = needed_sits(condition)
    if needs is not None and needs.isdisjoint(tallies):
        assert finder(condition)(tallies, stamps) is None


@settings(deadline=None)
@given(TREE, TALLIES, STAMPS)
def test_two_negations_cancel_out(condition, tallies, stamps):
    twice = Not(Not(condition))
    assert finder(twice)(tallies, stamps) == finder(condition)(tallies, stamps)
    assert meaning_of(twice) == meaning_of(condition)
    assert needed_sits(twice) == needed_sits(condition)


def mirrored(condition):
    match condition:
        case All(parts):
            return All(tuple(map(mirrored, reversed(parts))))
        case AnyOf(parts):
            return AnyOf(tuple(map(mirrored, reversed(parts))))
        case Not(part):
            return Not(mirrored(part))
    return condition


@settings(deadline=None)
@given(TREE, TALLIES, STAMPS)
def test_the_order_of_parts_changes_neither_truth_nor_words_nor_meaning(condition, tallies, stamps):
    other = mirrored(condition)
    assert meaning_of(other) == meaning_of(condition)
    one, two = finder(condition)(tallies, stamps), finder(other)(tallies, stamps)
    assert (one is None) == (two is None)
    assert {x.sit_id for x in one or ()} == {x.sit_id for x in two or ()}


@settings(deadline=None)
@given(TREE, TREE, TALLIES, STAMPS)
def test_equal_meanings_hold_alike(one, two, tallies, stamps):
    if meaning_of(one) == meaning_of(two):
        assert plainly_holds(one, tallies, stamps) == plainly_holds(two, tallies, stamps)
