"""Conditions of Purview's DLP rules: read, written, read again; what is left out is said."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.labels.advanced_rule import (
    ConditionImport,
    Lost,
    advanced_rule,
    groups_of,
    lenient_json,
)
from dlpagent.labels.conditions import (
    All,
    AnyOf,
    LabelCondition,
    Not,
    SitCondition,
    finder,
    meaning_of,
)
from dlpagent.labels.stamps import read_stamps
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.violations import SitRef, Tally

TAXONOMY = load_taxonomy()
SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABCDE")}
ID = {name: sit_id for sit_id, name in SITS.items()}
RECOMMENDED = {ID["A"]: 85}
LABELS = [TAXONOMY.ref(label) for label in TAXONOMY.labels if not label.sublabels]
GENERAL = TAXONOMY.find("General").id
CONFIDENTIAL = TAXONOMY.find("Confidential")


def reader():
    return ConditionImport("r.json", TAXONOMY, SITS, RECOMMENDED)


def leaf(name, fewest=1, most=None, low=75, high=100):
    return SitCondition(SitRef(ID[name], name), fewest, most, low, high)


def content(*groups, operator="And"):
    return {
        "ConditionName": "ContentContainsSensitiveInformation",
        "Value": [{"groups": list(groups), "Operator": operator}],
    }


def group(*names, operator="Or"):
    return {"Operator": operator, "name": "Default",
            "sensitivetypes": [{"name": name} for name in names]}  # fmt: skip


def rule(operator, *subs):
    return {"Version": "1.0", "Condition": {"Operator": operator, "SubConditions": list(subs)}}


A, B, C = leaf("A", low=85), leaf("B"), leaf("C")
OTHER = {"ConditionName": "FromMemberOf", "Value": ["someone"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (rule("And", content(group("A"))), A),
        (rule("And", content(group("A", "B"))), AnyOf((A, B))),
        (rule("And", content(group("A", "B", operator="And"))), All((A, B))),
        (rule("And", content(group("A", "B"), group("C"))), All((AnyOf((A, B)), C))),
        (rule("And", content(group("A", "B", operator="And"), group("C"), operator="Or")),
         AnyOf((All((A, B)), C))),
        (rule("Or", content(group("A")), content(group("B"))), AnyOf((A, B))),
        (rule("And", content(group("A")), rule("Not", content(group("B")))["Condition"]),
         All((A, Not(B)))),
        (rule("And", content(group("A")),
              rule("Or", content(group("B")), rule("And", content(group("C")),
                   content(group("A", "B")))["Condition"])["Condition"]),
         All((A, AnyOf((B, All((C, AnyOf((A, B)))))))),),
        (rule("Not", content(group("A")), content(group("B"))), Not(AnyOf((A, B)))),
        (rule("Not", content(group("A", "B", operator="And"))), Not(All((A, B)))),
        (rule("And", {"ConditionName": "ContentIsNotLabeled", "Value": True}),
         LabelCondition(state="none")),
        (rule("And", {"ConditionName": "ContentIsNotLabeled", "Value": False}),
         Not(LabelCondition(state="none"))),
        (rule("And", {"ConditionName": "ExceptIfContentContainsSensitiveInformation",
                      "Value": [{"name": "A"}]}), Not(A)),
        (rule("And", {"ConditionName": "contentcontainssensitiveinformation",
                      "Value": [{"name": "A"}, {"name": "B"}]}), AnyOf((A, B))),
    ],
)  # fmt: skip
def test_an_advanced_rule_is_read_with_all_its_nesting(value, expected):
    noting = reader()
    assert noting.advanced(json.dumps(value), "rule x") == expected
    assert noting.advanced(value, "rule x") == expected
    assert not noting.notes


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "B"}, leaf("B")),
        ({"name": "b"}, leaf("B")),
        ({"name": "A"}, leaf("A", low=85)),
        ({"name": ID["B"]}, leaf("B")),
        ({"name": "{" + ID["B"].upper() + "}"}, leaf("B")),
        ({"id": ID["B"], "name": "ein anderer Name"}, leaf("B")),
        ({"id": ID["B"], "name": "A"}, leaf("B")),
        ({"Name": "B", "minCount": "5", "maxCount": "-1"}, leaf("B", 5)),
        ({"name": "B", "mincount": 0}, leaf("B")),
        ({"name": "B", "mincount": 2, "maxcount": 9}, leaf("B", 2, 9)),
        ({"name": "B", "maxcount": 500}, leaf("B", 1, 500)),
        ({"name": "B", "minconfidence": 65}, leaf("B", low=65)),
        ({"name": "B", "minconfidence": "85", "maxconfidence": "100"}, leaf("B", low=85)),
        ({"name": "B", "minconfidence": -1, "maxconfidence": -1}, leaf("B", low=1)),
        ({"name": "B", "maxconfidence": 74}, leaf("B", low=1, high=74)),
        ({"name": "B", "confidencelevel": "Low"}, leaf("B", low=1)),
        ({"name": "B", "confidencelevel": "Medium"}, leaf("B", low=66)),
        ({"name": "B", "confidencelevel": "High"}, leaf("B", low=76)),
        ({"name": "B", "confidencelevel": "High", "minconfidence": 85}, leaf("B", low=85)),
        ({"name": "B", "classifiertype": "Content"}, leaf("B")),
    ],
)
def test_a_sit_is_read_with_its_bounds(entry, expected):
    assert reader().content([entry], "rule x") == expected


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "Z"},
        {"name": "ffffffff-0000-0000-0000-000000000000"},
        {"name": "Source code", "classifiertype": "MLModel"},
        {},
        "text",
        None,
        {"name": "B", "mincount": 501},
        {"name": "B", "mincount": 5, "maxcount": 4},
        {"name": "B", "minconfidence": 90, "maxconfidence": 80},
        {"name": "B", "maxconfidence": 101},
    ],
)
def test_what_cannot_hold_or_is_not_known_is_lost_and_never_read_as_something_else(entry):
    assert isinstance(reader().content([entry], "rule x"), Lost)


def test_a_maximum_beyond_purview_s_counts_as_any_and_is_noted():
    noting = reader()
    assert noting.content([{"name": "B", "maxcount": 9999}], "rule x") == leaf("B")
    assert "9999" in noting.notes[0].found


@pytest.mark.parametrize(
    ("value", "expected", "effect"),
    [
        (rule("And", content(group("A")), OTHER), A, "more"),
        (rule("Or", content(group("A")), OTHER), A, "less"),
        (rule("And", content(group("A")),
              rule("Not", content(group("B")), OTHER)["Condition"]), All((A, Not(B))), "more"),
        (rule("And", content(group("A")), rule("Not", OTHER)["Condition"]), A, "more"),
        (rule("Or", content(group("A")), rule("Not", OTHER)["Condition"]), A, "less"),
        (rule("And", content(group("A", "Z"))), A, "less"),
        (rule("And", content(group("A", "Z", operator="And"))), A, "more"),
        (rule("Not", rule("And", content(group("A")), OTHER)["Condition"]), Not(A), "less"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_noted_with_what_that_changes(value, expected, effect):
    noting = reader()
    assert noting.advanced(value, "rule x") == expected
    (note,) = noting.notes
    assert f"fires {effect} often" in note.what
    assert "rule x" in note.what
    assert note.severity == "warning"


@pytest.mark.parametrize(
    "value",
    [rule("And", OTHER), rule("Not", OTHER), rule("Xor", content(group("A"))), {}, "{", "[1", 5,
     None, [], rule("And"), {"Condition": {"Operator": "And", "SubConditions": "x"}}],
)  # fmt: skip
def test_a_rule_of_which_nothing_can_be_used_is_lost(value):
    found = reader().advanced(value, "rule x")
    assert isinstance(found, Lost)
    assert found.what


def test_a_label_stands_for_its_sublabels_and_retention_labels_are_lost():
    noting = reader()
    named = {"labels": [{"name": CONFIDENTIAL.id, "type": "Sensitivity"},
                        {"name": "Keep 7 years", "type": "Retention"}]}  # fmt: skip
    found = noting.content([{"groups": [named]}], "rule x")
    assert {ref.id for ref in found.labels} == {CONFIDENTIAL.id, *CONFIDENTIAL.sublabels}
    assert "the retention label Keep 7 years" in noting.notes[0].what


@pytest.mark.parametrize("text", ['{"a": [1, 2,], }', '{"a": [1, 2 ,\n], "b": ",]"\n,}'])
def test_commas_before_closing_brackets_are_read(text):
    assert lenient_json(text)["a"] == [1, 2]


def test_commas_in_strings_stay():
    assert lenient_json('{"a": ",]", "b": "\\",}",}') == {"a": ",]", "b": '",}'}


def test_very_deep_nesting_is_lost_not_a_crash():
    value = content(group("A"))
    for _ in range(150):
        value = {"Operator": "Not", "SubConditions": [value]}
    assert isinstance(reader().advanced({"Condition": value}, "rule x"), Lost)


# --- laws ---------------------------------------------------------------------------------------

leaves = st.builds(
    leaf,
    st.sampled_from("ABCDE"),
    st.integers(1, 5),
    st.none() | st.integers(5, 500),
    st.integers(1, 80),
    st.integers(80, 100),
) | st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique=True).map(
    lambda refs: LabelCondition(tuple(refs))
) | st.sampled_from([LabelCondition(state="none"), LabelCondition(state="any")])  # fmt: skip
trees = st.recursive(
    leaves,
    lambda parts: (
        st.builds(Not, parts)
        | st.lists(parts, min_size=2, max_size=3).map(lambda found: All(tuple(found)))
        | st.lists(parts, min_size=2, max_size=3).map(lambda found: AnyOf(tuple(found)))
    ),
    max_leaves=8,
)
items = st.tuples(
    st.dictionaries(
        st.sampled_from(list(SITS)), st.tuples(st.integers(1, 100), st.integers(1, 7)), max_size=4
    ),
    st.lists(st.sampled_from([GENERAL, CONFIDENTIAL.sublabels[0], "strange"]), max_size=2),
)


def tallies_of(found):
    return {sit: Tally(sit, ((conf, many, many),)) for sit, (conf, many) in found.items()}


@settings(max_examples=150, deadline=None)
@given(trees, items)
def test_a_condition_written_and_read_decides_the_same_on_any_item(condition, item):
    noting = reader()
    text = json.dumps(advanced_rule(condition, TAXONOMY))
    again = noting.advanced(text, "rule x")
    tallies, stamps = tallies_of(item[0]), read_stamps(item[1], TAXONOMY)
    before, after = finder(condition)(tallies, stamps), finder(again)(tallies, stamps)
    assert (before is None) == (after is None)
    assert not noting.notes


@settings(max_examples=150, deadline=None)
@given(trees)
def test_import_export_import_keeps_the_meaning_to_the_letter(condition):
    first = reader().advanced(advanced_rule(condition, TAXONOMY), "rule x")
    second = reader().advanced(advanced_rule(first, TAXONOMY), "rule x")
    assert meaning_of(first) == meaning_of(second)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_groups_for_auto_labels_mean_the_same_wherever_they_can_be_written(condition):
    groups = groups_of(condition, TAXONOMY)
    if groups is not None:
        found = reader().content(groups, "rule x")
        again = reader().content(groups_of(found, TAXONOMY), "rule x")
        assert meaning_of(found) == meaning_of(again)


def test_labels_of_other_tenants_cannot_be_exported():
    with pytest.raises(ValueError, match="labels the taxonomy does not know"):
        advanced_rule(Not(LabelCondition(state="unknown")), TAXONOMY)
