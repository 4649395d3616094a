"""Purview's rules, imported, decide as Purview documents them: items in rows, rules that fire."""

import json

import pytest

from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.purview_rules import import_rules
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.violations import Item, Tally

TAXONOMY = load_taxonomy()
SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABCDE")}
ID = {name: sit_id for sit_id, name in SITS.items()}
CONFIDENTIAL = TAXONOMY.find("Confidential").id
FINANCE = "Confidential/Finance"


def content(*groups):
    return {"ConditionName": "ContentContainsSensitiveInformation", "Value": [{"groups": groups}]}


def sits(names, operator="Or", **bounds):
    return {"Operator": operator, "sensitivetypes": [{"name": name, **bounds} for name in names]}


def joined(operator, *subs):
    return {"Operator": operator, "SubConditions": list(subs)}


UNLABELLED = {"ConditionName": "ContentIsNotLabeled", "Value": True}
A, B = content(sits("A")), content(sits("B"))
RULES = {
    "one": joined("And", A),
    "five": joined("And", content(sits("A", mincount=5, confidencelevel="High"))),
    "few": joined("And", content(sits("A", mincount=1, maxcount=4))),
    "unsure": joined("And", content(sits("A", minconfidence=60, maxconfidence=74))),
    "either": joined("And", content(sits("AB"))),
    "both": joined("And", content(sits("AB", "And"))),
    "nested": joined("And", A, joined("Or", B, content(sits("C")))),
    "but": joined("And", A, joined("Not", B)),
    "bare": joined("And", A, UNLABELLED),
    "label": joined("Or", B, content({"labels": [{"name": CONFIDENTIAL, "type": "Sensitivity"}]})),
}
ITEMS = [
    # findings, label carried → rules that fire
    ("", "", ""),
    ("D 85x99", "", ""),
    ("A 85", "", "one few either but bare"),
    ("A 75", "", "one few either but bare"),
    ("A 74", "", "unsure"),
    ("A 59", "", ""),
    ("A 85x4", "", "one few either but bare"),
    ("A 85x5", "", "one five either but bare"),
    ("A 75x5", "", "one either but bare"),
    ("A 85x3, A 75x2", "", "one either but bare"),
    ("A 85x5, A 65x5", "", "one five unsure either but bare"),
    ("B 85", "", "either label"),
    ("C 85", "", ""),
    ("A 85, B 85", "", "one few either both nested bare label"),
    ("A 85, B 65", "", "one few either but bare"),
    ("A 85, C 85", "", "one few either nested but bare"),
    ("B 85, C 85", "", "either label"),
    ("A 85", "General", "one few either but"),
    ("A 85", "of another tenant", "one few either but"),
    ("A 85", FINANCE, "one few either but label"),
    ("", FINANCE, "label"),
    ("", "General", ""),
]


@pytest.fixture(scope="module")
def decider():
    rules = [
        {"Name": name, "AdvancedRule": json.dumps({"Condition": condition})}
        for name, condition in RULES.items()
    ]
    found = import_rules(json.dumps(rules), "r.json", taxonomy=TAXONOMY, sit_names=SITS)
    assert not found.notes
    return PolicyDecider(found.policy)


def tallies_of(text):
    rows = {}
    for entry in filter(None, text.split(", ")):
        name, _, counted = entry.partition(" ")
        confidence, _, many = counted.partition("x")
        rows.setdefault(ID[name], []).append((int(confidence), int(many or 1), int(many or 1)))
    return tuple(Tally(sit, tuple(sorted(counts, reverse=True))) for sit, counts in rows.items())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("found", "label", "fired"), ITEMS)
def test_an_imported_rule_fires_on_these_items_and_on_no_other(decider, found, label, fired, rule):
    asset = Asset("x:///f", "document", "test", item="asset")
    labels = (label,) if label else ()
    item = Item(asset, "asset", "", tallies_of(found), "e", labels=labels)
    names = {one.rule_name for one in decider.decide(item).fired}
    assert (rule in names) == (rule in fired.split())


def test_every_rule_fires_on_some_item_and_not_on_another():
    for rule in RULES:
        assert 0 < sum(rule in fired.split() for *_, fired in ITEMS) < len(ITEMS)
