"""Policies as values: modes, and the version that changes with the meaning."""

import pytest

from dlpagent.labels.policy import MODES, item_level

RULE = "{id: aaaaaaaa-0000-0000-0000-000000000001, name: one, severity: low, conditions: {sit: A}}"
OTHER = "{id: aaaaaaaa-0000-0000-0000-000000000002, name: two, severity: high, ceiling: General}"
AUTO = "auto_labels: [{label: General, conditions: {or: [{sit: A}, {sit: B}]}}]\n"
BASE = f"{AUTO}rules: [{RULE}, {OTHER}]\n"


def changed(old, new):
    assert old in BASE
    return BASE.replace(old, new)


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + BASE,
        "description: words\n" + BASE,
        f"{AUTO}rules: [{OTHER}, {RULE}]\n",
        changed("name: one", "name: renamed"),
        changed("[{sit: A}, {sit: B}]", "[{sit: B}, {sit: A}]"),
        changed("{or: [{sit: A}, {sit: B}]}", "{sits: [A, B]}"),
        changed("conditions: {sit: A}}", "conditions: {not: {not: {sit: A}}}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, min_count: 1, min_confidence: 75}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, max_count: any}}"),
        changed(
            "severity: low", "severity: low, actions: [audit], locations: [any], mode: enforce"
        ),
        changed("severity: low", "severity: low, examples: [{fires: false}], description: x"),
        "mode: enforce\n" + BASE,
    ],
)
def test_the_version_stays_while_the_meaning_does(policy_of, text):
    assert policy_of(text).ref().version == policy_of(BASE).ref().version


@pytest.mark.parametrize(
    "text",
    [
        "mode: audit\n" + BASE,
        "mode: simulate\n" + BASE,
        f"rules: [{RULE}, {OTHER}]\n",
        f"{AUTO}rules: [{RULE}]\n",
        changed("severity: low", "severity: medium"),
        changed("severity: low", "severity: low, mode: audit"),
        changed("severity: low", "severity: low, item: asset"),
        changed("severity: low", "severity: low, locations: [prompt]"),
        changed("severity: low", "severity: low, actions: [block]"),
        changed("severity: low", "severity: low, users: {exclude: [x]}"),
        changed("severity: low", "severity: low, apps: {exclude: [x]}"),
        changed("severity: low", "severity: low, assets: {exclude: [x]}"),
        changed("severity: low", "severity: low, ceiling: General"),
        changed("conditions: {sit: A}}", "conditions: {sit: B}}"),
        changed("conditions: {sit: A}}", "conditions: {not: {sit: A}}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, min_count: 2}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, max_count: 2}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, confidence: low}}"),
        changed("conditions: {sit: A}}", "conditions: {sit: A, max_confidence: 84}}"),
        changed("conditions: {sit: A}}", "conditions: {label: General}}"),
        changed("conditions: {sit: A}}", "conditions: {label: any}}"),
        changed("{or: [", "{and: ["),
        changed("ceiling: General", "ceiling: Public"),
        changed("label: General", "label: Public"),
        changed("000000000002, name", "000000000003, name"),
    ],
)
def test_the_version_changes_with_the_meaning(policy_of, text):
    assert policy_of(text).ref().version != policy_of(BASE).ref().version


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("actions: [block, alert]", "actions: [alert, block]"),
        ("locations: [prompt, file]", "locations: [file, prompt]"),
        ("users: {include: [a, b]}", "users: {include: [b, a]}"),
        ("users: {exclude: [a, b]}", "users: {exclude: [b, a]}"),
    ],
)
def test_the_version_does_not_follow_the_order_inside_a_list(policy_of, one, other):
    two = [changed("severity: low", f"severity: low, {words}") for words in (one, other)]
    assert policy_of(two[0]).digest() == policy_of(two[1]).digest() != policy_of(BASE).digest()


def test_the_version_holds_the_authors_own_text(policy_of):
    head = "id: 11111111-1111-1111-1111-111111111111\nname: P\nversion: 2025-11 draft\n"
    version = policy_of(head + BASE).ref().version
    assert version.startswith("2025-11 draft+")
    assert len(version.rpartition("+")[2]) == 12


def test_a_recommended_confidence_is_part_of_the_meaning(policy_of, sit_names):
    recommended = dict.fromkeys(sit_names, 85)
    assert policy_of(BASE, recommended=recommended).digest() != policy_of(BASE).digest()


@pytest.mark.parametrize("whole", MODES)
@pytest.mark.parametrize("own", [*MODES, None])
def test_the_weaker_mode_of_policy_and_rule_counts(policy_of, whole, own):
    rule = RULE.replace("severity", f"mode: {own}, severity") if own else RULE
    policy = policy_of(f"mode: {whole}\nrules: [{rule}]\n")
    weaker = {"enforce": 0, "audit": 1, "simulate": 2}
    expected = max([whole, own or "enforce"], key=weaker.get)
    assert policy.mode_of(policy.rules[0]) == expected


@pytest.mark.parametrize(
    ("own", "default", "level"),
    [(None, "record", "record"), (None, "asset", "asset"), ("record", "asset", "record"),
     ("asset", "record", "asset")],
)  # fmt: skip
def test_a_rule_decides_on_the_level_of_the_asset_unless_it_names_one(
    policy_of, own, default, level
):
    rule = RULE.replace("severity", f"item: {own}, severity") if own else RULE
    assert item_level(policy_of(f"rules: [{rule}]").rules[0], default) == level


def test_every_sit_a_policy_names_is_listed_once(policy_of):
    assert sorted(sit.name for sit in policy_of(BASE).sits()) == ["A", "B"]
