"""Purview's rules as PowerShell prints them, to a policy and back."""

import json

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.labels.conditions import All, AnyOf, Not, SitCondition
from dlpagent.labels.policy_text import policy_yaml
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.labels.purview_export import export_rules, exported_json
from dlpagent.labels.purview_rules import COPILOT_ID, import_rules
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.violations import SitRef

TAXONOMY = load_taxonomy()
SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABCDE")}
FINANCE = TAXONOMY.find("Confidential/Finance").id
GUID = "3f0f5b6f-6c02-4a7e-9d53-5b1f0d5e8a0c"
ADVANCED = json.dumps({"Version": "1.0", "Condition": {"Operator": "And", "SubConditions": [
    {"ConditionName": "ContentContainsSensitiveInformation", "Value": [
        {"groups": [{"Operator": "Or", "name": "Default", "sensitivetypes": [
            {"name": "A", "mincount": 5}, {"name": "B"}]}]}]}]}})  # fmt: skip


def leaf(name, fewest=1):
    sit_id = next(key for key, value in SITS.items() if value == name)
    return SitCondition(SitRef(sit_id, name), fewest)


def imported(*objects, **options):
    text = json.dumps(list(objects) if len(objects) != 1 else objects[0])
    return import_rules(text, "r.json", taxonomy=TAXONOMY, sit_names=SITS, **options)


RULE = {"Name": "Five of A", "Guid": GUID, "ParentPolicyName": "AI", "AdvancedRule": ADVANCED}
FULL = {
    **RULE,
    "IsAdvancedRule": True,
    "Priority": 3,
    "Disabled": False,
    "Comment": "why",
    "ReportSeverityLevel": "High",
    "BlockAccess": True,
    "BlockAccessScope": "All",
    "NotifyUser": ["LastModifier"],
    "NotifyAllowOverride": ["WithJustification"],
    "GenerateAlert": ["SiteAdmin"],
    "DocumentNameMatchesWords": [],
    "AccessScope": None,
    "WhenCreated": "2026-01-01",
}


def test_a_rule_keeps_its_id_name_severity_actions_and_conditions():
    found = imported(FULL)
    (rule,) = found.policy.rules
    assert (rule.id, rule.name, rule.severity, rule.description) == (
        GUID, "Five of A", "high", "why")  # fmt: skip
    assert rule.actions == ("block", "notify", "warn", "alert")
    assert rule.conditions == AnyOf((leaf("A", 5), leaf("B")))
    assert found.policy.name == "AI"
    assert found.notes == ()


@pytest.mark.parametrize(
    ("change", "actions", "severity"),
    [
        ({}, ("audit",), "low"),
        ({"BlockAccess": True}, ("block",), "low"),
        ({"BlockAccess": "True"}, ("block",), "low"),
        ({"BlockAccess": "False"}, ("audit",), "low"),
        ({"NotifyUser": []}, ("audit",), "low"),
        ({"NotifyUser": "Owner"}, ("notify",), "low"),
        ({"GenerateIncidentReport": ["a"]}, ("alert",), "low"),
        ({"GenerateIncidentReport": ["a"], "GenerateAlert": True}, ("alert",), "low"),
        ({"Quarantine": True}, ("quarantine",), "low"),
        ({"RestrictAccess": [{"setting": "UploadText", "value": "Block"}]}, ("block",), "low"),
        ({"RestrictAccess": [{"setting": "UploadText", "value": "Warn"}]}, ("warn",), "low"),
        ({"EndpointDlpRestrictions": {"Setting": "Print", "Value": "Audit"}}, ("audit",), "low"),
        ({"EndpointDlpRestrictions": [{"Setting": "Print", "Value": "Ignore"}]}, ("audit",), "low"),
        ({"ReportSeverityLevel": "Medium"}, ("audit",), "medium"),
        ({"ReportSeverityLevel": "None"}, ("audit",), "low"),
        ({"ReportSeverityLevel": None}, ("audit",), "low"),
    ],
)
def test_actions_and_severity_are_carried_over(change, actions, severity):
    (rule,) = imported({**RULE, **change}).policy.rules
    assert (rule.actions, rule.severity) == (actions, severity)


@pytest.mark.parametrize(
    ("key", "value"),
    [("AccessScope", "NotInOrganization"), ("FromMemberOf", ["x"]), ("DocumentSizeOver", "1 MB"),
     ("ExceptIfSubjectContainsWords", ["y"]), ("StopPolicyProcessing", True),
     ("RestrictWebGrounding", True), ("SomethingNew", {"a": 1})],
)  # fmt: skip
def test_every_setting_without_counterpart_is_named_and_its_value_is_not(key, value):
    (note,) = imported({**RULE, key: value}).notes
    assert key.lower() in note.what
    assert "Five of A" in note.what


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"ContentContainsSensitiveInformation": [{"name": "A", "minconfidence": 75}]}, leaf("A")),
        ({"ContentContainsSensitiveInformation": [{"name": "A"}, {"name": "B"}]},
         AnyOf((leaf("A"), leaf("B")))),
        ({"ContentContainsSensitiveInformation": {"operator": "And", "groups": [
            {"operator": "Or", "name": "x", "sensitivetypes": [{"name": "A"}, {"name": "B"}]},
            {"operator": "Or", "name": "y", "sensitivetypes": [{"name": "C"}]}]}},
         All((AnyOf((leaf("A"), leaf("B"))), leaf("C")))),
        ({"ContentContainsSensitiveInformation": [{"name": "A"}],
          "ExceptIfContentContainsSensitiveInformation": [{"name": "B"}, {"name": "C"}]},
         All((leaf("A"), Not(AnyOf((leaf("B"), leaf("C"))))))),
    ],
)  # fmt: skip
def test_rules_without_an_advanced_rule_are_read_from_their_parameters(rule, expected):
    assert imported({"Name": "r", **rule}).policy.rules[0].conditions == expected


@pytest.mark.parametrize(
    ("policy", "mode"),
    [("Enable", "enforce"), ("TestWithNotifications", "simulate"),
     ("TestWithoutNotifications", "simulate")],
)  # fmt: skip
def test_the_policy_s_mode_is_carried_over(policy, mode):
    found = imported({"Name": "AI", "Guid": GUID, "Mode": policy}, {**RULE, "Guid": None})
    assert (found.policy.mode, found.policy.id) == (mode, GUID)


@pytest.mark.parametrize(
    ("where", "locations", "notes"),
    [
        ({"Locations": json.dumps([{"Workload": "Applications", "Location": COPILOT_ID}])},
         ("copilot",), 0),
        ({"EnforcementPlanes": ["CopilotExperiences"]}, ("copilot",), 0),
        ({"Locations": json.dumps([{"Workload": "Exchange", "Location": "All"}])}, ("any",), 1),
        ({"EnforcementPlanes": ["Browser", "CopilotExperiences"]}, ("any",), 1),
        ({}, ("any",), 0),
    ],
)  # fmt: skip
def test_copilot_is_recognised_and_other_places_are_noted(where, locations, notes):
    found = imported({"Name": "AI", "Mode": "Enable", **where}, RULE)
    assert found.policy.rules[0].locations == locations
    assert len(found.notes) == notes


def test_places_can_be_given():
    assert imported(RULE, locations=("prompt",)).policy.rules[0].locations == ("prompt",)


@pytest.mark.parametrize("where", ["rule", "policy", "option"])
def test_an_auto_label_rule_becomes_an_auto_label(where):
    content = {"ContentContainsSensitiveInformation": [{"name": "A"}]}
    mine = {"ApplySensitivityLabel": FINANCE} if where == "rule" else {}
    objects = [{"Name": "x", "Policy": "P", **content, **mine}]
    if where == "policy":
        objects.insert(0, {"Name": "P", "ApplySensitivityLabel": FINANCE, "Mode": "Enable"})
    found = imported(*objects, label="Confidential/Finance" if where == "option" else "")
    (auto,) = found.policy.auto_labels
    assert (auto.label.id, auto.conditions) == (FINANCE, leaf("A"))
    assert found.policy.rules == ()


def test_disabled_rules_and_rules_with_nothing_usable_are_left_out_and_named():
    odd = {"Name": "Odd", "ContentContainsSensitiveInformation": [{"name": "Z"}]}
    found = imported(RULE, {**RULE, "Name": "Off", "Disabled": True}, odd)
    assert [rule.name for rule in found.policy.rules] == ["Five of A"]
    assert {note.what.split(":")[0] for note in found.notes} == {"rule Off", "rule Odd"}


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", "5", '"x"', '{"Name": "r"}', b"\xff\xfe",
                                  '[{"Name": "r", "AdvancedRule": "{"}]'])  # fmt: skip
def test_a_file_without_a_usable_rule_is_refused_with_a_remedy(data):
    with pytest.raises(ConfigurationError, match=r"r\.json"):
        import_rules(data, "r.json", taxonomy=TAXONOMY, sit_names=SITS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_read_in_the_encodings_powershell_writes(encoding):
    data = json.dumps([FULL]).encode(encoding)
    found = import_rules(data, "r.json", taxonomy=TAXONOMY, sit_names=SITS)
    assert len(found.policy.rules) == 1


def test_rules_of_the_same_name_and_id_are_told_apart():
    rules = imported(RULE, RULE).policy.rules
    assert [rule.name for rule in rules] == ["Five of A", "Five of A (2)"]
    assert rules[0].id != rules[1].id


def test_import_export_import_gives_the_same_policy():
    auto = {"Name": "x", "ApplySensitivityLabel": FINANCE,
            "ContentContainsSensitiveInformation": [{"name": "C"}, {"name": "D"}]}  # fmt: skip
    policy = {"Name": "AI", "Guid": GUID, "Mode": "TestWithoutNotifications"}
    first = imported(policy, {**FULL, "Guid": None}, auto).policy
    exported = export_rules(first)
    assert exported.notes == ()
    second = import_rules(exported_json(exported), "s.json", taxonomy=TAXONOMY, sit_names=SITS)
    assert second.notes == ()
    assert second.policy.digest() == first.digest()
    assert second.policy.rules == first.rules
    read = parse_policy(policy_yaml(first), "p.yaml", taxonomy=TAXONOMY, sit_names=SITS)
    assert read.digest() == first.digest()


@pytest.mark.parametrize(
    ("rule", "severity", "words"),
    [
        ("ceiling: General", "error", "ceilings"),
        ("conditions: {label: unknown}", "error", "does not know"),
        ("conditions: {sit: A}\n    users: {include: [x]}", "error", "patterns of users"),
        ("conditions: {sit: A}\n    apps: {include: [x]}", "error", "patterns of apps"),
        ("conditions: {sit: A}\n    assets: {include: [x]}", "error", "patterns of assets"),
        ("conditions: {sit: A}\n    actions: [redact, block]", "warning", "redact"),
        ("conditions: {sit: A}\n    locations: [prompt]", "warning", "prompt"),
        ("conditions: {sit: A}\n    mode: audit", "warning", "audit"),
    ],
)
def test_what_purview_cannot_say_is_noted_on_export(rule, severity, words, policy_of):
    policy = policy_of(
        "rules:\n  - id: 22222222-2222-2222-2222-222222222222\n"
        f"    name: r\n    severity: high\n    {rule}\n"
    )
    exported = export_rules(policy)
    (note,) = exported.notes
    assert note.severity == severity
    assert words in note.what
    assert len(exported.objects) == (1 if severity == "error" else 2)


def test_an_auto_label_deeper_than_purview_s_groups_is_noted(policy_of):
    policy = policy_of(
        "auto_labels:\n  - label: Confidential/Finance\n    conditions: {not: {sit: A}}\n"
    )
    exported = export_rules(policy)
    assert len(exported.objects) == 1
    assert "not exported" in exported.notes[0].what
