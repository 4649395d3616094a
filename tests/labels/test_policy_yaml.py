"""Policy files: what is read, and what is said of files that are wrong."""

import random

import pytest

from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.labels.locations import Globs
from dlpagent.labels.policy import EXAMPLE_POLICY
from dlpagent.labels.policy_yaml import load_policy, parse_policy
from dlpagent.violations import Tally, stable_id

HEAD = "id: 11111111-1111-1111-1111-111111111111\nname: P\nversion: 3\n"
ID = "aaaaaaaa-0000-0000-0000-000000000001"
ID2 = "aaaaaaaa-0000-0000-0000-000000000002"
RULE = f"  - id: {ID}\n    name: one\n    severity: low\n    conditions: {{sit: A}}\n"


def test_the_shipped_policy_loads_and_every_id_is_its_own(taxonomy, shipped_sits):
    policy = load_policy(EXAMPLE_POLICY, taxonomy=taxonomy, sit_names=shipped_sits)
    assert policy.warnings == ()
    assert policy.name == "AI data protection (example)"
    assert len(policy.rules) == 11
    assert len({policy.id, *(rule.id for rule in policy.rules)}) == 12
    assert policy.id == stable_id("policy", policy.name)
    assert len(list(policy.sits())) >= 60


def test_every_sit_of_the_shipped_policy_has_its_name_beside_it(taxonomy, shipped_sits):
    """The names come from the comments, so an id without one cannot be resolved."""
    policy = load_policy(EXAMPLE_POLICY, taxonomy=taxonomy, sit_names=shipped_sits)
    assert {sit.id for sit in policy.sits()} == set(shipped_sits)
    assert shipped_sits["50842eb7-edc8-4019-85dd-5a5c1f2bb085"] == "Credit Card Number"
    assert shipped_sits["a44669fe-0d48-453d-a9b1-2cc83f2cba77"].startswith("U.S. Social Security")
    assert "(IBAN)" in shipped_sits["e7dc4711-11b7-4cb0-b88b-2c394a771f0e"]


def test_the_shipped_policy_can_be_used_with_a_smaller_pack(taxonomy):
    policy = load_policy(EXAMPLE_POLICY, taxonomy=taxonomy, sit_names={}, unknown_sits="warning")
    assert len(policy.warnings) >= 60
    assert {problem.severity for problem in policy.warnings} == {"warning"}


def test_every_field_of_a_rule_is_read(policy_of):
    policy = policy_of(
        f"""rules:
  - id: {ID.upper()}
    name: one
    description: why
    severity: high
    mode: audit
    item: asset
    locations: [prompt, dataset, prompt]
    apps: {{include: [ChatGPT*], exclude: [x]}}
    users: {{exclude: [svc-*]}}
    assets: {{include: ["*/hr/*"]}}
    conditions: {{sit: A}}
    ceiling: Confidential
    actions: [block, alert, block]
    examples:
      - fires: true
        at: dataset
        app: Claude
        user: jane
        asset: file:///x
        labels: [General]
        findings:
          - {{sit: A, confidence: 90, unique: 2, count: 5}}
          - {{sit: B}}
          - {{sit: A, confidence: 95}}
"""
    )
    (rule,) = policy.rules
    assert (rule.id, rule.name, rule.description) == (ID, "one", "why")
    assert (rule.severity, rule.mode, rule.item) == ("high", "audit", "asset")
    assert rule.locations == ("prompt", "dataset")
    assert rule.actions == ("block", "alert")
    assert rule.apps == Globs(("ChatGPT*",), ("x",))
    assert rule.users == Globs((), ("svc-*",))
    assert rule.assets == Globs(("*/hr/*",))
    assert (rule.ceiling.label.name, rule.ceiling.priority) == ("Confidential", 33)
    (example,) = rule.examples
    assert example.tallies == (
        Tally("00000000-0000-0000-0000-000000000000", ((95, 1, 1), (90, 5, 2))),
        Tally("00000000-0000-0000-0000-000000000001", ((85, 1, 1),)),
    )
    assert (example.fires, example.at, example.app, example.user) == (
        True,
        "dataset",
        "Claude",
        "jane",
    )
    assert (example.asset, example.labels) == ("file:///x", ("General",))


def test_a_rule_without_more_is_audited_anywhere(policy_of):
    (rule,) = policy_of("rules:\n" + RULE).rules
    assert (rule.actions, rule.locations, rule.mode, rule.item) == (
        ("audit",),
        ("any",),
        None,
        None,
    )
    assert not any([rule.apps, rule.users, rule.assets])


ONE = HEAD + "rules:\n" + RULE
TRIED = ONE + "    examples: [{fires: true, findings: [%s]}]\n"

WRONG = [
    ("", 1, "the file is empty"),
    ("- a\n- b\n", 1, "a mapping"),
    ("id: [}", 1, "not valid YAML"),
    (HEAD, 1, "the policy decides nothing"),
    (HEAD + "rules: []\n", 1, "the policy decides nothing"),
    (HEAD + "rules: 3\n", 4, "a list"),
    (HEAD + "rule: []\n", 4, "Did you mean rules?"),
    (HEAD.replace("11111111-", "1-") + "rules:\n" + RULE, 1, "not a GUID"),
    (HEAD.replace("name: P\n", "") + "rules:\n" + RULE, 1, "the key name is missing"),
    (HEAD.replace("version: 3\n", "") + "rules:\n" + RULE, 1, "the key version is missing"),
    (HEAD + "mode: on\nrules:\n" + RULE, 4, "one of enforce, audit, simulate"),
    (HEAD + "sit_groups: [A]\nrules:\n" + RULE, 4, "a mapping"),
    (HEAD + "sit_groups: {x: [F]}\nrules:\n" + RULE, 4, "the pack has no such SIT"),
    (HEAD + "sit_groups: {x: []}\nrules:\n" + RULE, 4, "the list is empty"),
    (HEAD + "rules:\n  - text\n", 5, "a mapping"),
    (ONE + "    severty: low\n", 9, "Did you mean severity?"),
    (HEAD + "rules:\n" + RULE.replace("low", "grave"), 7, "one of low, medium, high"),
    (HEAD + "rules:\n" + RULE.replace(ID, "1"), 5, "not a GUID"),
    (HEAD + "rules:\n" + RULE.replace("    conditions: {sit: A}\n", ""), 5, "can never fire"),
    (HEAD + "rules:\n" + RULE.replace("    severity: low\n", ""), 5, "severity is missing"),
    (ONE + "    mode: off\n", 9, "one of enforce, audit, simulate"),
    (ONE + "    item: file\n", 9, "one of record, asset"),
    (ONE + "    locations: [prompt, moon]\n", 9, "one of upload, response"),
    (ONE + "    locations: prompt\n", 9, "a list"),
    (ONE + "    locations: []\n", 9, "the list is empty"),
    (ONE + "    actions: [explode]\n", 9, "one of audit, notify"),
    (ONE + "    actions: []\n", 9, "the list is empty"),
    (ONE + "    apps: [ChatGPT]\n", 9, "a mapping"),
    (ONE + "    users: {}\n", 9, "nothing is included or excluded"),
    (ONE + "    users: {includes: [x]}\n", 9, "unknown key"),
    (ONE + "    assets: {include: x}\n", 9, "a list"),
    (ONE + "    ceiling: Secret\n", 9, "the taxonomy has no such label"),
    (ONE + "    ceiling: All Employees\n", 9, "several labels have this name"),
    (ONE + "    examples: [{at: prompt}]\n", 9, "the key fires is missing"),
    (ONE + "    examples: [{fires: yes}]\n", 9, "true or false"),
    (ONE + "    examples: [{fires: true, at: moon}]\n", 9, "one of upload"),
    (TRIED % "{sit: F}", 9, "no such SIT"),
    (TRIED % "{}", 9, "sit is missing"),
    (TRIED % "{sit: A, confidence: 0}",
     9, "from 1 to 100"),
    (TRIED % "{sit: A, unique: 3, count: 2}",
     9, "out of range"),
    (ONE + RULE.replace("one", "two"), 9, "the rule of line 5 has the same id"),
    (ONE + RULE.replace(ID, ID2), 9, "the rule of line 5 has the same name"),
    (HEAD + "auto_labels: [{label: General}]\n", 4, "conditions is missing"),
    (HEAD + "auto_labels: [{conditions: {sit: A}}]\n", 4, "label is missing"),
    (HEAD + "auto_labels: [{label: Confidential, conditions: {sit: A}}]\n", 4,
     "a label with sublabels is never applied"),
    (HEAD + "auto_labels: [{label: General, conditions: {sit: A}, why: x}]\n", 4, "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), WRONG)
def test_a_wrong_policy_is_refused_with_line_and_words(taxonomy, sit_names, text, line, words):
    with pytest.raises(ProblemsError) as caught:
        parse_policy(text, "p.yaml", taxonomy=taxonomy, sit_names=sit_names)
    hits = [p for p in caught.value.problems if p.line == line and words in str(p)]
    assert hits, str(caught.value)
    assert f"p.yaml:{line}:" in str(caught.value)


def test_a_disabled_label_cannot_be_recommended(sit_names):
    from dlpagent.labels.taxonomy import Label, Taxonomy

    taxonomy = Taxonomy((Label(ID, "Old", "Old", 0, enabled=False),))
    text = HEAD + "auto_labels: [{label: Old, conditions: {sit: A}}]\n"
    with pytest.raises(ProblemsError, match="the label is disabled"):
        parse_policy(text, "p.yaml", taxonomy=taxonomy, sit_names=sit_names)


def test_all_problems_are_reported_together_in_the_order_of_lines(taxonomy, sit_names):
    text = (
        HEAD
        + "mode: on\nauto_labels:\n  - {label: X, conditions: {sit: Y}}\nrules:\n"
        + RULE.replace("low", "grave").replace("sit: A", "sit: Z")
    )
    with pytest.raises(ProblemsError) as caught:
        parse_policy(text, "p.yaml", taxonomy=taxonomy, sit_names=sit_names)
    assert [problem.line for problem in caught.value.problems] == [4, 6, 6, 10, 11]
    assert "5 problem(s) in the policy p.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path, taxonomy):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_policy(tmp_path / "nowhere.yaml", taxonomy=taxonomy, sit_names={})


@pytest.mark.parametrize("seed", range(40))
def test_a_mangled_policy_is_read_or_refused_but_never_crashes(taxonomy, shipped_sits, seed):
    lines = EXAMPLE_POLICY.read_text("utf-8").splitlines()
    picked = random.Random(seed)
    for _ in range(picked.randint(1, 6)):
        at = picked.randrange(len(lines))
        match picked.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines[at] = lines[at][: picked.randrange(len(lines[at]) + 1)]
            case 2:
                lines[at] = " " * picked.randrange(8) + lines[at].strip()
            case _:
                lines.insert(at, lines[picked.randrange(len(lines))])
    try:
        parse_policy("\n".join(lines), "p", taxonomy=taxonomy, sit_names=shipped_sits)
    except ProblemsError as error:
        assert error.problems  # noqa: PT017 - both outcomes are right; a refusal gives its reasons


GROUPS = 'user_groups: {finance: ["*@finance.example", "u-1"], all: ["*"]}\n'


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ('{include: ["@finance"]}', Globs(("*@finance.example", "u-1"))),
        ('{include: ["@finance", svc, u-1]}', Globs(("*@finance.example", "u-1", "svc"))),
        ('{exclude: ["@finance"], include: ["@all"]}', Globs(("*",), ("*@finance.example", "u-1"))),
    ],
)
def test_a_group_of_users_stands_for_its_members(policy_of, users, expected):
    found = policy_of(f"{GROUPS}rules:\n{RULE}    users: {users}\n").rules[0].users
    assert found == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{GROUPS}rules:\n{RULE}    users: {{include: ["@finanse"]}}\n', "Did you mean finance"),
        (f'rules:\n{RULE}    users: {{include: ["@x"]}}\n', "no such group of users"),
        (f'user_groups: {{a: ["@b"]}}\nrules:\n{RULE}', "holds no groups"),
        (f"user_groups: {{a: []}}\nrules:\n{RULE}", "the group is empty"),
        (f"user_groups: [a]\nrules:\n{RULE}", "a mapping"),
    ],
)
def test_a_group_that_is_wrong_is_told_with_its_line(policy_of, text, said):
    with pytest.raises(ProblemsError, match=said):
        policy_of(text)


def test_apps_and_assets_have_no_groups(policy_of):
    found = policy_of(f'{GROUPS}rules:\n{RULE}    apps: {{include: ["@finance"]}}\n').rules[0]
    assert found.apps == Globs(("@finance",))


def test_who_is_in_a_group_changes_the_version(policy_of):
    rules = f'rules:\n{RULE}    users: {{include: ["@g"]}}\n'
    one, other = (policy_of(f"user_groups: {{g: [{who}]}}\n{rules}") for who in "ab")
    assert one.digest() != other.digest()
