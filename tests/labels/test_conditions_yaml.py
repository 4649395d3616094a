"""Conditions in YAML: every form, and every slip."""

import pytest

from dlpagent.errors import ProblemsError
from dlpagent.labels.conditions import All, AnyOf, LabelCondition, Not, SitCondition
from dlpagent.labels.conditions_yaml import MAX_NODES
from dlpagent.violations import SitRef

A, B, C = (SitRef(f"00000000-0000-0000-0000-00000000000{n}", name) for n, name in enumerate("ABC"))
GROUPS = "sit_groups: {both: [A, B]}\n"


@pytest.fixture
def condition_of(policy_of):
    def read(text, **options):
        rule = (
            "{id: aaaaaaaa-0000-0000-0000-000000000001, name: r, severity: low, "
            f"conditions: {text}}}"
        )
        return policy_of(f"{GROUPS}rules:\n  - {rule}\n", **options).rules[0].conditions

    return read


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("{sit: A}", SitCondition(A)),
        (f"{{sit: {A.id}}}", SitCondition(A)),
        (f"{{sit: '{{{A.id}}}'}}", SitCondition(A)),
        ("{sit: A, min_count: 2}", SitCondition(A, 2)),
        ("{sit: A, max_count: 5}", SitCondition(A, 1, 5)),
        ("{sit: A, max_count: any}", SitCondition(A)),
        ("{sit: A, min_count: 500, max_count: 500}", SitCondition(A, 500, 500)),
        ("{sit: A, confidence: low}", SitCondition(A, 1, None, 1)),
        ("{sit: A, confidence: medium}", SitCondition(A, 1, None, 66)),
        ("{sit: A, confidence: high}", SitCondition(A, 1, None, 76)),
        ("{sit: A, min_confidence: 90}", SitCondition(A, 1, None, 90)),
        ("{sit: A, max_confidence: 65}", SitCondition(A, 1, None, 1, 65)),
        ("{sit: A, confidence: medium, max_confidence: 75}", SitCondition(A, 1, None, 66, 75)),
        ("{sits: [A]}", SitCondition(A)),
        ("{sits: [A, A]}", SitCondition(A)),
        ("{sits: [A, B]}", AnyOf((SitCondition(A), SitCondition(B)))),
        ("{sits: both}", AnyOf((SitCondition(A), SitCondition(B)))),
        ("{sits: both, min_count: 3}", AnyOf((SitCondition(A, 3), SitCondition(B, 3)))),
        ("{sits: both, match: all}", All((SitCondition(A), SitCondition(B)))),
        ("{not: {sit: A}}", Not(SitCondition(A))),
        ("{and: [{sit: A}, {sit: B}]}", All((SitCondition(A), SitCondition(B)))),
        ("{or: [{sit: A}]}", AnyOf((SitCondition(A),))),
        (
            "{and: [{or: [{sit: A}, {not: {sit: B}}]}, {not: {and: [{sit: C}]}}]}",
            All((AnyOf((SitCondition(A), Not(SitCondition(B)))), Not(All((SitCondition(C),))))),
        ),
        ("{label: any}", LabelCondition(state="any")),
        ("{label: none}", LabelCondition(state="none")),
        ("{label: unknown}", LabelCondition(state="unknown")),
    ],
)
def test_a_condition_is_read(condition_of, text, condition):
    assert condition_of(text) == condition


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{label: General}", ["General"]),
        ("{label: [General, Public]}", ["General", "Public"]),
        ("{label: Confidential/Finance}", ["Confidential/Finance"]),
        ("{label: 2b36f8dc-3837-52f5-bb6b-f6e2aa80ad1e}", ["General"]),
        (
            "{label: Confidential}",
            [
                "Confidential",
                "Confidential/All Employees",
                "Confidential/Personal Data",
                "Confidential/Finance",
            ],
        ),
    ],
)
def test_a_label_leaf_names_labels_and_their_sublabels(condition_of, text, paths):
    assert [label.name for label in condition_of(text).labels] == paths


def test_the_confidence_a_sit_recommends_counts_where_none_is_given(condition_of):
    recommended = {A.id: 85}
    assert condition_of("{sit: A}", recommended=recommended).min_confidence == 85
    assert condition_of("{sit: B}", recommended=recommended).min_confidence == 75
    assert condition_of("{sit: A, confidence: low}", recommended=recommended).min_confidence == 1


WRONG = [
    ("{}", "exactly one of"),
    ("text", "a mapping"),
    ("[{sit: A}]", "a mapping"),
    ("{sit: A, label: any}", "exactly one of"),
    ("{and: [{sit: A}], or: [{sit: B}]}", "exactly one of"),
    ("{min_count: 2}", "exactly one of"),
    ("{xor: [{sit: A}]}", "Did you mean or?"),
    ("{and: []}", "the list is empty"),
    ("{or: {sit: A}}", "a list"),
    ("{not: [{sit: A}]}", "a mapping"),
    ("{not: {}}", "exactly one of"),
    ("{sits: []}", "the list is empty"),
    ("{sits: bothh}", "Did you mean both?"),
    ("{sits: A}", "no such group of SITs"),
    ("{sit: F}", "the pack has no such SIT"),
    ("{sit: a}", "Did you mean A?"),
    ("{sit: ''}", "text that is not empty"),
    ("{sit: [A]}", "Expected text"),
    ("{sit: 00000000-0000-0000-0000-0000000000ff}", "the pack has no such SIT"),
    ("{sit: A, min_count: 0}", "from 1 to 500"),
    ("{sit: A, min_count: 501}", "from 1 to 500"),
    ("{sit: A, min_count: many}", "a whole number"),
    ("{sit: A, max_count: 501}", "from 1 to 500"),
    ("{sit: A, max_count: -1}", "from 1 to 500"),
    ("{sit: A, min_count: 3, max_count: 2}", "the maximum is below the minimum"),
    ("{sit: A, min_confidence: 0}", "from 1 to 100"),
    ("{sit: A, min_confidence: 101}", "from 1 to 100"),
    ("{sit: A, min_confidence: high}", "a whole number"),
    ("{sit: A, confidence: 85}", "one of low, medium, high"),
    ("{sit: A, confidence: high, min_confidence: 80}", "one of the two"),
    ("{sit: A, confidence: high, max_confidence: 75}", "it is below the minimum"),
    ("{sit: A, min_confidence: 80, max_confidence: 79}", "it is below the minimum"),
    ("{sit: A, match: all}", "match does not belong here"),
    ("{sits: both, match: most}", "one of any, all"),
    ("{label: any, min_count: 2}", "min_count does not belong here"),
    ("{or: [{sit: A}], confidence: high}", "confidence does not belong here"),
    ("{label: Secret}", "the taxonomy has no such label"),
    ("{label: Finanse}", "Did you mean Confidential/Finance?"),
    ("{label: All Employees}", "several labels have this name"),
    ("{label: []}", "the list is empty"),
    ("{label: [any]}", "the taxonomy has no such label"),
    ("{sit: A, minimum: 2}", "unknown key"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_condition_is_refused_on_its_line(condition_of, text, words):
    with pytest.raises(ProblemsError) as caught:
        condition_of(text)
    assert any(words in str(problem) for problem in caught.value.problems), str(caught.value)
    assert {problem.line for problem in caught.value.problems} == {6}


def test_a_name_that_two_sits_share_asks_for_an_id(taxonomy):
    from dlpagent.labels.policy_yaml import parse_policy

    text = (
        "id: 11111111-1111-1111-1111-111111111111\nname: p\nversion: 1\n"
        "auto_labels: [{label: General, conditions: {sit: A}}]"
    )
    names = {A.id: "A", B.id: "A"}
    with pytest.raises(ProblemsError, match="several SITs have this name"):
        parse_policy(text, "p.yaml", taxonomy=taxonomy, sit_names=names)


def test_an_id_the_pack_lacks_can_be_kept_with_a_warning(condition_of):
    missing = "00000000-0000-0000-0000-0000000000ff"
    condition = condition_of(f"{{sit: {missing}}}", unknown_sits="warning")
    assert condition == SitCondition(SitRef(missing, missing))
    with pytest.raises(ProblemsError, match="the pack has no such SIT"):
        condition_of("{sit: Nothing}", unknown_sits="warning")


def test_a_small_file_cannot_become_a_huge_tree(condition_of):
    deep = "&a0 {sit: A}"
    for level in range(1, 8):
        deep = f"&a{level} {{or: [{deep}{f', *a{level - 1}' * 9}]}}"
    with pytest.raises(ProblemsError, match=f"at most {MAX_NODES} conditions|file too large"):
        condition_of(deep)


def test_deep_nesting_is_refused_and_does_not_crash(condition_of):
    depth = 3000
    with pytest.raises(ProblemsError):
        condition_of("{not: " * depth + "{sit: A}" + "}" * depth)
