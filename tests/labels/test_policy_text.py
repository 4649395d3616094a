"""Policies as YAML text: what is written reads back as the same policy."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.labels.conditions import All, AnyOf, LabelCondition, Not, SitCondition, meaning_of
from dlpagent.labels.policy import EXAMPLE_POLICY, Policy, Rule
from dlpagent.labels.policy_text import policy_yaml
from dlpagent.labels.policy_yaml import load_policy, parse_policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.violations import SitRef

TAXONOMY = load_taxonomy()
SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABCDE")}


def read(text: str, names: dict[str, str]) -> Policy:
    return parse_policy(text, "p.yaml", taxonomy=TAXONOMY, sit_names=names)


def test_the_shipped_policy_written_and_read_is_the_same_policy(shipped_sits):
    policy = load_policy(EXAMPLE_POLICY, taxonomy=TAXONOMY, sit_names=shipped_sits)
    text = policy_yaml(policy)
    again = read(text, shipped_sits)
    assert again.digest() == policy.digest()
    assert [rule.name for rule in again.rules] == [rule.name for rule in policy.rules]
    assert "50842eb7-edc8-4019-85dd-5a5c1f2bb085 # Credit Card Number" in text


@pytest.mark.parametrize(
    "rule",
    [
        "ceiling: General",
        "conditions: {label: none}",
        "conditions: {label: [General, Confidential]}",
        "conditions: {sit: A, min_count: 2, max_count: 9, max_confidence: 84}",
        "conditions: {not: {and: [{sit: A}, {label: any}]}}",
        "conditions: {sit: A}\n    mode: simulate\n    item: record",
        "conditions: {sit: A}\n    apps: {include: ['Chat*'], exclude: [b]}\n    users: {include: [c]}",
        "conditions: {sit: A}\n    locations: [prompt, upload]\n    actions: [block, alert]",
    ],
)
def test_every_key_of_a_rule_is_written(rule: str, policy_of):
    text = (
        "rules:\n  - id: 22222222-2222-2222-2222-222222222222\n"
        f"    name: 'a: b # c'\n    severity: high\n    {rule}\n"
    )
    policy = policy_of(text)
    again = read(policy_yaml(policy), SITS)
    assert again.rules == tuple(replace(each, line=again.rules[0].line) for each in policy.rules)


leaves = st.builds(
    SitCondition,
    st.sampled_from([SitRef(*pair) for pair in SITS.items()]),
    st.integers(1, 5),
    st.none() | st.integers(5, 500),
    st.integers(1, 80),
    st.integers(80, 100),
) | st.sampled_from([LabelCondition(state="none"), LabelCondition(state="unknown")])
trees = st.recursive(
    leaves,
    lambda parts: (
        st.builds(Not, parts)
        | st.lists(parts, min_size=1, max_size=3).map(lambda found: All(tuple(found)))
        | st.lists(parts, min_size=1, max_size=3).map(lambda found: AnyOf(tuple(found)))
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_any_condition_reads_back_with_the_same_meaning(condition):
    rule = Rule("22222222-2222-2222-2222-222222222222", "r", "low", condition)
    policy = Policy("11111111-1111-1111-1111-111111111111", "p", "1", TAXONOMY, (), (rule,))
    again = read(policy_yaml(policy), SITS)
    assert meaning_of(again.rules[0].conditions) == meaning_of(condition)
    assert again.digest() == policy.digest()
