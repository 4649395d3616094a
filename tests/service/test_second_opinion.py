"""The tenant is asked little, once, and never about content."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlpagent.errors import SourceError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.service.second_opinion import SecondOpinion
from dlpagent.violations import Item, Place, Tally

TAXONOMY = load_taxonomy()
LOW, HIGH = (TAXONOMY.ref(label) for label in TAXONOMY.labels[:2])
DECIDER = PolicyDecider(Policy("p", "P", "1", TAXONOMY))
CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
PLACE = Place("r", "text", 0, 4, CARD, 85, "****-1111", "key", {"file": "/secret/name.jsonl"})


class Tenant:
    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, list[Any]()

    def evaluate_labels(self, found: Any, current: Any = None) -> dict[str, Any]:
        self.asked.append([found, current])
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)


def item(unique: int = 1, labels: tuple[str, ...] = (), sit: str = CARD) -> Item:
    asset = Asset("file:///secret/name.jsonl", "dataset", "jsonl")
    tally = Tally(sit, ((85, unique + 1, unique), (65, 9, 4)))
    return Item(asset, "record", "r", (tally,), "e", places=(PLACE,), labels=labels)


def says(label: Any, how: str = "automatic") -> dict[str, Any]:
    return {how: {"sensitivityLabel": label, "responsiblePolicy": {"name": "Auto"}}}


@pytest.mark.parametrize(
    ("answer", "ours", "labels", "agrees", "text"),
    [
        (says({"id": HIGH.id}), HIGH, (), True, f"agrees: {HIGH.name} (automatic by its policy Auto)"),
        (says({"id": HIGH.id.upper()}, "recommended"), HIGH, (), True, "recommended"),
        (says({"id": LOW.id}), HIGH, (), False, f"differs: {LOW.name}"),
        (says({"id": CARD}), HIGH, (), False, CARD),
        (says({"id": "ann@contoso.example"}), HIGH, (), False, "a label without an id"),
        ({}, HIGH, (), False, "no label"),
        ({}, None, (), True, "no label"),
        ({}, LOW, (LOW.id,), True, "no label"),
        ({"automatic": None, "recommended": []}, None, (), True, "no label"),
    ],
)  # fmt: skip
def test_an_opinion_agrees_or_differs(
    answer: Any, ours: Any, labels: tuple[str, ...], agrees: bool, text: str
) -> None:
    found = SecondOpinion(Tenant(answer), DECIDER).of(item(labels=labels), ours)
    assert found.agrees is agrees
    assert text in found.text()
    assert "contoso" not in found.text()


def test_only_ids_counts_confidence_and_the_label_carried_are_asked_about() -> None:
    tenant = Tenant({})
    stamp = f"MSIP_Label_{LOW.id}_Enabled=true;MSIP_Label_{LOW.id}_Method=Privileged"
    SecondOpinion(tenant, DECIDER).of(item(3, (stamp,)), HIGH)
    assert tenant.asked == [[((CARD, ((85, 3), (65, 4))),), (LOW.id, "manual")]]
    assert "secret" not in json.dumps(tenant.asked)


def test_types_without_a_guid_are_not_sent() -> None:
    tenant = Tenant({})
    SecondOpinion(tenant, DECIDER).of(item(sit="our-own-type"), HIGH)
    assert tenant.asked == [[(), None]]


def test_equal_questions_are_asked_once_and_not_more_than_allowed() -> None:
    tenant = Tenant({})
    opinions = SecondOpinion(tenant, DECIDER, limit=3)
    found = [opinions.of(item(1 + number % 5), HIGH) for number in range(50)]
    assert (len(tenant.asked), opinions.asked) == (3, 3)
    assert sum(one.agrees is None for one in found) == 20
    assert "asked already" in found[3].text()


def test_an_answer_that_cannot_be_had_is_counted() -> None:
    opinions = SecondOpinion(Tenant(SourceError("x", found="403 Forbidden")), DECIDER)
    found = opinions.of(item(), HIGH)
    assert (found.agrees, found.problem, opinions.failed) == (None, "403 Forbidden", 1)
