"""Who may override a rule: read from YAML, written back, carried by what fires, part of the version."""

from __future__ import annotations

import json

import pytest

from dlpagent.errors import ProblemsError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.labels.policy_text import policy_yaml
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.labels.purview_export import export_rules
from dlpagent.labels.purview_rules import import_rules
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.violations import Item, OverrideTerms, Tally

SIT = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
NAMES = {SIT: "Credit Card Number"}
TAXONOMY = load_taxonomy()
HEAD = 'id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c01\nname: P\nversion: "1"\nrules:\n'
RULE = f"- {{id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c02, name: r, severity: low, conditions: {{sit: {SIT}}}"
TERMS = [
    ("", OverrideTerms()),
    (", override: none", OverrideTerms(allowed=False)),
    (", override: {by: ['soc-*', ann], days: 30}", OverrideTerms(by=("soc-*", "ann"), days=30)),
    (", override: {justification: optional}", OverrideTerms(justification=False)),
    (", override: {justification: required}", OverrideTerms()),
]


def read(more: str) -> Policy:
    return parse_policy(f"{HEAD}{RULE}{more}}}\n", "p.yaml", taxonomy=TAXONOMY, sit_names=NAMES)


@pytest.mark.parametrize(("text", "terms"), TERMS)
def test_terms_are_read_written_and_carried_by_what_fires(text, terms):
    policy = read(text)
    assert policy.rules[0].override == terms
    again = parse_policy(policy_yaml(policy), "q", taxonomy=TAXONOMY, sit_names=NAMES)
    assert again.rules[0].override == terms
    item = Item(
        Asset("file:///a", "document", "text"), "record", "r", (Tally(SIT, ((85, 1, 1),)),), "e"
    )
    (fired,) = PolicyDecider(policy).decide(item).fired
    assert fired.override == terms


def test_the_version_changes_with_the_terms_and_stays_without_any():
    digests = {read(text).digest() for text, _ in TERMS}
    assert len(digests) == 4  # the first and the last say the same


@pytest.mark.parametrize(
    "text",
    [
        ", override: never",
        ", override: {who: ann}",
        ", override: {justification: maybe}",
        ", override: {days: 0}",
        ", override: {days: many}",
    ],
)
def test_terms_that_cannot_be_read_are_said(text):
    with pytest.raises(ProblemsError):
        read(text)


@pytest.mark.parametrize(
    ("setting", "demanded"),
    [
        (None, True),
        (["WithJustification"], True),
        (["WithoutJustification"], False),
        ("FalsePositive,WithoutJustification", False),
        (["FalsePositive", "WithJustification"], True),
    ],
)
def test_purview_says_whether_a_justification_is_demanded_and_hears_it_back(setting, demanded):
    condition = {"groups": [{"sensitivetypes": [{"name": NAMES[SIT], "id": SIT, "mincount": 1}]}]}
    rule = {"Name": "r", "NotifyAllowOverride": setting,
            "ContentContainsSensitiveInformation": condition}  # fmt: skip
    found = import_rules(json.dumps(rule), "r.json", taxonomy=TAXONOMY, sit_names=NAMES)
    assert found.policy.rules[0].override == OverrideTerms(justification=demanded)
    _, written = export_rules(found.policy).objects
    if setting:
        assert ("WithoutJustification" in written["NotifyAllowOverride"]) is not demanded
    again = import_rules(json.dumps(written), "r.json", taxonomy=TAXONOMY, sit_names=NAMES)
    assert again.policy.rules[0].override.justification is demanded


def test_terms_purview_cannot_say_are_named_at_export():
    notes = [str(note) for note in export_rules(read(", override: {days: 3}")).notes]
    assert any("override" in note for note in notes)
