"""The policy files of a tenant become a policy; what they hold beyond that is named, never shown."""

import base64
import json

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.labels.conditions import All, AnyOf, LabelCondition, Not, SitCondition
from dlpagent.labels.policy_text import policy_yaml
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.labels.purview_rules import COPILOT_ID, import_rules
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.violations import SitRef

TAXONOMY = load_taxonomy()
SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABC")}
IDS = {name: sit_id for sit_id, name in SITS.items()}
FINANCE = TAXONOMY.find("Confidential/Finance").id
POLICY, RULE = "11111111-2222-4333-8444-55555555555a", "11111111-2222-4333-8444-55555555555b"
CANARY = "ann@contoso.example"


def sit(name, **bounds):
    pairs = {"id": IDS.get(name, name), "minCount": 1, "maxCount": -1, **bounds}
    return keys(**pairs)


def keys(**pairs):
    inner = "".join(f'<keyValue key="{key}" value="{value}" />' for key, value in pairs.items())
    return f"<keyValues>{inner}</keyValues>"


def contains(*entries):
    where = 'property="Item.ClassificationDiscovered"'
    return f"<containsDataClassification {where}>{''.join(entries)}</containsDataClassification>"


def rule(condition, actions="", name="R", ident=RULE, **attributes):
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return (
        f'<rule name="{name}" id="{ident}" workload="Exchange, Teams"{more}>'
        f'<version requiredMinVersion="1.0"><condition>{condition}</condition>{actions}</version>'
        "</rule>"
    )


def policy(*rules, mode="Enforce", name="P", ident=POLICY, bindings=""):
    return (
        f'<policy id="{ident}" mode="{mode}" name="{name}"><rules>{"".join(rules)}</rules>'
        f"<bindings>{bindings}</bindings></policy>"
    )


def content(*policies):
    space = "http://schemas.protection.outlook.com/hygienews/"
    text = f'<Content xmlns="{space}"><policies>{"".join(policies)}</policies></Content>'
    return base64.b64encode(text.encode("utf-16-le")).decode()


def row(ident, text, status="modified"):
    kind = ident[:1].lower() + ident[1:]
    return {"id": ident, "fileType": kind, "status": status, "version": "1", "content": text}


def imported(*policies, rows=()):
    answer = {"value": [row("DlpPolicy", content(*policies)), *rows]}
    return import_rules(json.dumps(answer), "files.json", taxonomy=TAXONOMY, sit_names=SITS)


def leaf(name, fewest=1, most=None, low=75, high=100):
    return SitCondition(SitRef(IDS[name], name), fewest, most, low, high)


LABEL = LabelCondition((TAXONOMY.ref(TAXONOMY.get(FINANCE)),))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (contains(sit("A")), leaf("A")),
        (f"<and>{contains(sit('A', minConfidence=85, maxConfidence=100))}</and>", leaf("A", low=85)),
        (contains(sit("A", minCount=2, maxCount=9), sit("B")),
         AnyOf((leaf("A", 2, 9), leaf("B")))),
        (contains(keys(operator="And"), keys(operator="Or", name="G1"), sit("A"), sit("B"),
                  keys(operator="And", name="G2"), sit("B"), sit("C")),
         All((AnyOf((leaf("A"), leaf("B"))), All((leaf("B"), leaf("C")))))),
        (contains(keys(operator="Or"), keys(operator="Or", name="G1"),
                  keys(operator="Or", name="G2"), sit("A", groupName="G1"),
                  sit("B", groupName="G2")),
         AnyOf((leaf("A"), leaf("B")))),
        (contains(keys(tagId=FINANCE, tagName="x", tagType="Sensitivity")), LABEL),
        (f'<not>{contains(sit("A"))}</not><is property="Item.ContentIsNotLabeled" />',
         All((Not(leaf("A")), LabelCondition(state="none")))),
        (f"<or>{contains(sit('A'))}<and>{contains(sit('B'))}{contains(sit('C'))}</and></or>",
         AnyOf((leaf("A"), All((leaf("B"), leaf("C")))))),
    ],
)  # fmt: skip
def test_conditions_mean_what_the_file_says(condition, expected):
    (found,) = imported(policy(rule(condition))).policy.rules
    assert found.conditions == expected


def test_rules_keep_ids_severity_actions_and_the_mode_that_holds():
    actions = "".join(
        f'<action name="{name}"><argument><value>{CANARY}</value></argument></action>'
        for name in ("BlockAccess", "NotifyUser", "GenerateAlert")
    )
    restrict = '<action name="EndpointRestrictAccess"><argument value="Warn" /></action>'
    found = imported(
        policy(rule(contains(sit("A")), actions + restrict, severity="High", mode="Audit"))
    ).policy
    (made,) = found.rules
    assert (found.id, found.name, found.mode) == (POLICY, "P", "enforce")
    assert (made.id, made.severity, made.mode) == (RULE, "high", "simulate")
    assert made.actions == ("block", "notify", "warn", "alert")
    assert made.description == "Of the policy P"


def test_rules_of_several_policies_keep_the_modes_of_their_own():
    one = rule(contains(sit("A")), name="one")
    two = rule(contains(sit("B")), name="two", ident=RULE[:-1] + "c")
    off = rule(contains(sit("C")), name="off", ident=RULE[:-1] + "d")
    found = imported(
        policy(one, mode="AuditAndNotify"),
        policy(two, mode="Enforce", name="Q"),
        policy(off, mode="Disabled", name="O"),
    )
    modes = {each.name: found.policy.mode_of(each) for each in found.policy.rules}
    assert modes == {"one": "simulate", "two": "enforce"}
    assert any("rule off" in note.what and "disabled" in note.what for note in found.notes)


def test_what_has_no_counterpart_is_named_without_its_values():
    odd = f'<is property="Item.SharedWithDomains"><value>{CANARY}</value></is>'
    scan = '<textScan target="Item.DisplayName" suppl="keywordMatch"></textScan>'
    halt = '<action name="Halt" />'
    text = rule(f"<and>{contains(sit('A'))}{odd}{scan}</and>", halt)
    found = imported(policy(text), rows=[row("CustomClassifications", "AAAA")])
    said = "\n".join(map(str, found.notes))
    for word in ("is Item.SharedWithDomains", "textScan Item.DisplayName", "halt",
                 "fires more often", "policy file customClassifications"):  # fmt: skip
        assert word in said
    assert CANARY not in said + policy_yaml(found.policy)


def test_a_rule_for_copilot_applies_there():
    place = f'<binding workload="Applications" name="x" immutableIdentity="{COPILOT_ID}" />'
    everywhere = '<binding workload="Exchange" name="All" immutableIdentity="All" />'
    found = imported(policy(rule(contains(sit("A"))), bindings=place))
    assert found.policy.rules[0].locations == ("copilot",)
    found = imported(policy(rule(contains(sit("A"))), bindings=place + everywhere))
    assert found.policy.rules[0].locations == ("any",)
    assert any("places have no counterpart" in note.what for note in found.notes)


def test_what_was_imported_reads_back_as_the_same_policy():
    found = imported(policy(rule(contains(sit("A"), sit("B")), severity="Medium"))).policy
    again = parse_policy(policy_yaml(found), "p.yaml", taxonomy=TAXONOMY, sit_names=SITS)
    assert again.digest() == found.digest()


BOMB = '<!DOCTYPE c [<!ENTITY a "aaaa">]><Content>&a;</Content>'


@pytest.mark.parametrize(
    "rows",
    [
        [row("DlpPolicy", None, "notModified")],
        [row("DlpPolicy", "not base64!")],
        [row("DlpPolicy", base64.b64encode(b"\x00\xd8").decode())],
        [row("DlpPolicy", base64.b64encode("<Content>".encode("utf-16-le")).decode())],
        [row("DlpPolicy", base64.b64encode(BOMB.encode("utf-16-le")).decode())],
        [row("DlpPolicy", content())],
        [row("DataCollectionPolicy", None, "noContent")],
    ],
)
def test_files_that_cannot_be_read_are_an_error_that_names_the_file(rows):
    with pytest.raises(ConfigurationError, match=r"files\.json"):
        import_rules(json.dumps({"value": rows}), "files.json", taxonomy=TAXONOMY, sit_names=SITS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_other_encodings_are_read_too(encoding):
    text = base64.b64decode(content(policy(rule(contains(sit("A")))))).decode("utf-16-le")
    rows = [row("DlpPolicy", base64.b64encode(text.encode(encoding)).decode())]
    found = import_rules(json.dumps(rows), "files.json", taxonomy=TAXONOMY, sit_names=SITS)
    assert found.policy.rules[0].conditions == leaf("A")
