"""A policy checked against its own examples and the pack."""

import pytest

from dlpagent.labels.check import check_policy
from dlpagent.labels.policy import EXAMPLE_POLICY
from dlpagent.labels.policy_yaml import load_policy

RULE = """rules:
  - id: aaaaaaaa-0000-0000-0000-000000000001
    name: r
    severity: low
    conditions: {sit: A, min_count: 2}
    locations: [%s]
    %s
    examples:
      - %s
"""


def test_the_shipped_policy_passes_its_own_examples(taxonomy, shipped_sits):
    policy = load_policy(EXAMPLE_POLICY, taxonomy=taxonomy, sit_names=shipped_sits)
    assert check_policy(policy, shipped_sits) == []


def test_every_rule_of_the_shipped_policy_has_examples_that_do_and_do_not_fire(
    taxonomy, shipped_sits
):
    policy = load_policy(EXAMPLE_POLICY, taxonomy=taxonomy, sit_names=shipped_sits)
    for rule in policy.rules:
        assert {example.fires for example in rule.examples} == {True, False}, rule.name


TWO = "findings: [{sit: A, unique: 2}]"
ONE = "findings: [{sit: A, count: 2}]"

CASES = [
    ("prompt", "", f"{{fires: true, {TWO}}}", True),
    ("prompt", "", f"{{fires: false, {ONE}}}", True),
    ("prompt", "", f"{{fires: true, {ONE}}}", False),
    ("prompt", "", f"{{fires: false, {TWO}}}", False),
    ("prompt", "", f"{{fires: false, at: dataset, {TWO}}}", True),
    ("any", "", f"{{fires: true, at: dataset, {TWO}}}", True),
    ("any", "", f"{{fires: true, {TWO}}}", True),
    ("response", "", f"{{fires: true, {TWO}}}", True),
    ("upload", "", f"{{fires: true, {TWO}}}", True),
    ("vector-collection", "", f"{{fires: true, {TWO}}}", True),
    ("file", "", f"{{fires: true, {TWO}}}", True),
    ("copilot", "", f"{{fires: true, {TWO}}}", True),
    ("chatgpt", "", f"{{fires: true, {TWO}}}", True),
    ("claude", "", f"{{fires: true, {TWO}}}", True),
    ("other-ai-app", "", f"{{fires: true, {TWO}}}", True),
    ("other-ai-app", "", f"{{fires: false, app: Claude, {TWO}}}", True),
    ("dataset", "item: record", f"{{fires: true, {TWO}}}", True),
    ("prompt", "users: {include: [jane]}", f"{{fires: true, user: jane, {TWO}}}", True),
    ("prompt", "users: {include: [jane]}", f"{{fires: true, {TWO}}}", False),
    ("file", "assets: {include: ['*/hr/*']}", f"{{fires: true, asset: 'f:///hr/x', {TWO}}}", True),
    ("file", "ceiling: General", f"{{fires: true, labels: [Finance], {TWO}}}", True),
    ("file", "ceiling: General", f"{{fires: false, labels: [General], {TWO}}}", True),
]


@pytest.mark.parametrize(("location", "more", "example", "passes"), CASES)
def test_an_example_is_tried_where_and_as_it_says(
    policy_of, sit_names, location, more, example, passes
):
    text = RULE % (location, more or "description: x", example)
    problems = check_policy(policy_of(text), sit_names)
    assert (problems == []) is passes
    for problem in problems:
        assert (problem.file, problem.line) == ("p.yaml", 12)
        assert "rule r: example 1" in problem.what


def test_sits_the_pack_lacks_are_named(policy_of):
    text = RULE % ("any", "description: x", f"{{fires: true, {TWO}}}")
    (problem,) = check_policy(policy_of(text), {})
    assert problem.found == "A (00000000-0000-0000-0000-000000000000)"


def test_sits_already_warned_of_are_not_named_twice(policy_of, sit_names):
    missing = "00000000-0000-0000-0000-0000000000ff"
    text = f"auto_labels: [{{label: General, conditions: {{sit: {missing}}}}}]"
    problems = check_policy(policy_of(text, unknown_sits="warning"), sit_names)
    assert [(problem.severity, problem.found) for problem in problems] == [("warning", missing)]


def test_a_ceiling_nothing_can_exceed_is_pointed_out(policy_of, sit_names):
    text = (
        "rules: [{id: aaaaaaaa-0000-0000-0000-000000000001, name: r, severity: low, "
        "ceiling: Highly Confidential}]"
    )
    (problem,) = check_policy(policy_of(text), sit_names)
    assert problem.severity == "warning"
    assert "never fires" in problem.what
