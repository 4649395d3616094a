"""Violations: ids that hold, evidence of the SITs a rule named, JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.findings import PackRef
from dlpagent.records import Asset
from dlpagent.violations import (
    MAX_PLACES,
    Decision,
    FiredRule,
    Item,
    LabelRef,
    Place,
    PolicyRef,
    Recommendation,
    Tally,
    Violation,
    stable_id,
    violation_from_json,
    violations_of,
)

POLICY = PolicyRef("p", "Policy", "1")
PACK = PackRef("pack", "1", "hash")
ITEM = Item(
    asset=Asset("file:///a", "dataset", "files"),
    level="record",
    record_id="r",
    tallies=(Tally("s1", ((85, 3, 2), (65, 1, 1))), Tally("s2", ((75, 1, 1),))),
    evidence="e",
    places=tuple(
        Place("r", "p", n, n + 1, f"s{n % 2 + 1}", 85, "*", "k", {"row": n}) for n in range(250)
    ),
    places_total=250,
    roles=("user",),
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
)
RULE = FiredRule("rule", "Rule", "high", "enforce", ("notify",), ("s1",), "3 of s1", "datasets",
                 LabelRef("l", "General", 1))  # fmt: skip
LABEL = Recommendation(LabelRef("c", "Confidential", 5), None, "because", ("s1",))


def made(
    item: Item = ITEM, rule: FiredRule = RULE, policy: PolicyRef = POLICY, pack: PackRef = PACK
) -> Violation:
    (violation,) = violations_of(
        item, Decision(LABEL, (rule,)), policy=policy, pack=pack, names={"s1": "One"}
    )
    return violation


def test_a_violation_shows_what_its_rule_named() -> None:
    found = made()
    assert [(sit.id, sit.name, sit.confidence, sit.count, sit.unique) for sit in found.sits] == [
        ("s1", "One", 85, 4, 3)
    ]
    assert len(found.places) == MAX_PLACES
    assert {place.sit_id for place in found.places} == {"s1"}
    assert found.places_total == 250
    everything = made(rule=replace(RULE, sit_ids=()))
    assert [sit.id for sit in everything.sits] == ["s1", "s2"]


def test_a_violation_survives_json() -> None:
    for rule in (RULE, replace(RULE, ceiling=None)):
        found = made(rule=rule)
        assert violation_from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("change", "same_id", "same_event"),
    [
        ({}, True, True),
        ({"item": replace(ITEM, evidence="other")}, True, False),
        ({"policy": replace(POLICY, version="2")}, True, False),
        ({"pack": replace(PACK, hash="other")}, True, False),
        ({"pack": replace(PACK, version="2")}, True, True),  # same meaning, another number
        ({"item": replace(ITEM, record_id="r2")}, False, False),
        ({"policy": replace(POLICY, id="p2")}, False, False),
        ({"rule": replace(RULE, rule_id="rule2")}, False, False),
        ({"rule": replace(RULE, reason="4 of s1", severity="low")}, True, True),
        ({"item": replace(ITEM, places=())}, True, True),
    ],
)
def test_ids_change_with_what_they_stand_for(
    change: dict[str, object], same_id: bool, same_event: bool
) -> None:
    first, second = made(), made(**change)  # type: ignore[arg-type]
    assert (first.id == second.id, first.event_id == second.event_id) == (same_id, same_event)


parts = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=4)


@given(parts, parts)
def test_different_parts_never_share_an_id(first: list[str], second: list[str]) -> None:
    assert (stable_id("k", *first) == stable_id("k", *second)) == (first == second)
    assert stable_id("k", *first) != stable_id("l", *first)


def test_an_id_is_the_same_in_every_version_of_the_product() -> None:
    assert stable_id("violation", "a", "b") == "c1146b3e-b9bb-5e1f-a9ff-846706b0d636"
    assert stable_id("violation", "\ud800")


@pytest.mark.parametrize(
    ("low", "high", "hits", "unique"),
    [(1, 100, 4, 3), (76, 100, 3, 2), (1, 75, 1, 1), (66, 75, 0, 0)],
)
def test_a_tally_counts_in_a_range_of_confidence(
    low: int, high: int, hits: int, unique: int
) -> None:
    tally = ITEM.tallies[0]
    assert (tally.count(low, high), tally.unique(low, high)) == (hits, unique)
    assert tally.confidence == 85
    assert Tally("s", ()).confidence == 0
