"""Taxonomies from YAML, Graph and Get-Label, and what is said of files that are wrong."""

import json

import pytest

from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.labels.taxonomy_files import load_taxonomy, parse_taxonomy
from dlpagent.violations import stable_id

A, B, C, D = (f"aaaaaaaa-0000-0000-0000-00000000000{n}" for n in range(1, 5))


def paths(taxonomy):
    return [(taxonomy.path(label), label.priority) for label in taxonomy.labels]


def test_the_shipped_taxonomy_is_in_order_and_its_ids_are_made_from_paths(taxonomy):
    assert [path for path, _ in paths(taxonomy)] == [
        "Personal",
        "Public",
        "General",
        "Confidential",
        "Confidential/All Employees",
        "Confidential/Personal Data",
        "Confidential/Finance",
        "Highly Confidential",
        "Highly Confidential/All Employees",
        "Highly Confidential/Health",
        "Highly Confidential/Credentials",
    ]
    for label in taxonomy.labels:
        assert label.id == stable_id("label", taxonomy.path(label))


def test_order_in_the_file_does_not_matter():
    text = f"""
labels:
  - {{id: {B}, name: High, priority: 9, sublabels: [
      {{id: {D}, name: two, priority: 12}}, {{id: {C}, name: one, priority: 11}}]}}
  - {{id: {A}, name: Low, priority: 1}}
"""
    taxonomy = parse_taxonomy(text, "t.yaml")
    assert paths(taxonomy) == [("Low", 1), ("High", 9), ("High/one", 11), ("High/two", 12)]
    assert taxonomy.find("High").sublabels == (C, D)


LABEL = f"labels:\n  - {{id: {A}, name: A, priority: 0}}\n"

WRONG = [
    ("", 1, "the file is empty"),
    ("labels: []", 1, "there are no labels"),
    ("name: x", 1, "the key labels is missing"),
    ("labels: 3", 1, "wrong shape"),
    ("labels:\n  - just text", 2, "wrong shape"),
    ("labels: [}", 1, "not valid YAML"),
    (LABEL + "lables: []\n", 3, "unknown key"),
    (LABEL + "tenant: contoso\n", 3, "not a GUID"),
    (f"labels:\n  - {{id: {A}, name: A, priority: 0, colour: x}}", 2, "unknown key"),
    (f"labels:\n  - {{id: {A}, name: A, priority: 0, color: red}}", 2, "not a color"),
    ("labels:\n  - {id: 17, name: A, priority: 0}", 2, "not a GUID"),
    (f"labels:\n  - {{id: {A}, name: A}}", 2, "the key priority is missing"),
    (f"labels:\n  - {{id: {A}, priority: 0}}", 2, "the key name is missing"),
    (f"labels:\n  - {{id: {A}, name: '', priority: 0}}", 2, "text that is not empty"),
    (f"labels:\n  - {{id: {A}, name: A, priority: high}}", 2, "a whole number"),
    (f"labels:\n  - {{id: {A}, name: A, priority: -1}}", 2, "out of range"),
    (f"labels:\n  - {{id: {A}, id: {B}, name: A, priority: 0}}", 2, "the key appears twice"),
    (LABEL + f"  - {{id: {A}, name: B, priority: 1}}", 3, "another label has the same id"),
    (LABEL + f"  - {{id: {B}, name: a, priority: 1}}", 3, "the same name"),
    (LABEL + f"  - {{id: {B}, name: B, priority: 0}}", 3, "A has the same priority"),
    (
        f"labels:\n  - id: {A}\n    name: A\n    priority: 5\n    sublabels:\n"
        f"      - {{id: {B}, name: B, priority: 4}}",
        6,
        "not in the order of its parent",
    ),
    (
        f"labels:\n  - id: {A}\n    name: A\n    priority: 5\n    sublabels:\n"
        f"      - {{id: {B}, name: B, priority: 30}}\n  - {{id: {C}, name: C, priority: 20}}",
        6,
        "a priority above 5 and below 20",
    ),
    (
        f"labels:\n  - id: {A}\n    name: A\n    priority: 5\n    sublabels:\n"
        f"      - id: {B}\n        name: B\n        priority: 6\n        sublabels:\n"
        f"          - {{id: {C}, name: C, priority: 7}}",
        6,
        "a sublabel has sublabels",
    ),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG)
def test_a_wrong_file_is_refused_with_line_and_words(text, line, words):
    with pytest.raises(ProblemsError) as caught:
        parse_taxonomy(text, "t.yaml")
    assert words in str(caught.value)
    assert any(p.line == line and words in str(p) for p in caught.value.problems)


def test_all_problems_of_a_file_are_reported_together():
    text = "labels:\n  - {id: x, name: A, priority: 0}\n  - {id: y, name: A, priority: 0, z: 1}\n"
    with pytest.raises(ProblemsError) as caught:
        parse_taxonomy(text, "t.yaml")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 3, 3, 3]
    assert "5 problem(s)" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_taxonomy(tmp_path / "nowhere.yaml")


GRAPH_V1 = {
    "value": [
        {"id": B, "name": "conf", "displayName": "Confidential", "priority": 5, "toolTip": "tip",
         "sublabels": [{"id": C, "name": "fin", "displayName": "Finance", "priority": 6,
                        "sublabels": []}]},
        {"id": A, "name": "General", "displayName": "General", "priority": 1, "sublabels": []},
    ]
}  # fmt: skip
GRAPH_BETA = {
    "@odata.context": "https://graph.microsoft.com/beta/$metadata#labels",
    "value": [
        {"id": A, "name": "General", "color": "#0000FF", "priority": 1, "isEnabled": True},
        {"id": B, "name": "Confidential", "priority": 5, "isEnabled": True},
        {"id": C, "name": "Finance", "priority": 6, "parent": {"id": B}, "applicableTo": "file"},
    ],
}
OLDER_BETA = {
    "value": [
        {"id": A, "name": "General", "sensitivity": 1, "isActive": True, "parent": None},
        {"id": B, "name": "Confidential", "sensitivity": 5, "isActive": True},
        {"id": C, "name": "Finance", "sensitivity": 6, "isActive": True, "parent": {"id": B}},
    ]
}
GET_LABEL = [
    {"ImmutableId": B, "Name": "conf", "DisplayName": "Confidential", "Priority": 5,
     "ParentId": None, "Disabled": False, "Settings": ["[color, #EAA300]", "[isparent, True]"]},
    {"ImmutableId": C, "Name": "fin", "DisplayName": "Finance", "Priority": 6, "ParentId": B},
    {"GUID": A.upper(), "Name": "General", "Priority": 1,
     "ParentId": "00000000-0000-0000-0000-000000000000", "Comment": "daily work"},
]  # fmt: skip


@pytest.mark.parametrize("content", [GRAPH_V1, GRAPH_BETA, OLDER_BETA, GET_LABEL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_service_shape_gives_the_same_tree(content, encoding):
    taxonomy = parse_taxonomy(json.dumps(content).encode(encoding), "labels.json", tenant=D)
    expected = [("General", 1), ("Confidential", 5), ("Confidential/Finance", 6)]
    assert paths(taxonomy) == expected
    assert taxonomy.tenant == D
    assert taxonomy.find("finance").tenant == D
    assert not taxonomy.find("Confidential").is_appliable
    assert taxonomy.warnings == ()


def test_get_label_gives_color_description_and_the_disabled_flag():
    disabled = [dict(GET_LABEL[0], Disabled=True), *GET_LABEL[1:]]
    taxonomy = parse_taxonomy(json.dumps(disabled), "labels.json")
    assert taxonomy.find("Confidential").color == "#EAA300"
    assert not taxonomy.find("Confidential").enabled
    assert taxonomy.find("General").description == "daily work"


def test_one_label_alone_as_powershell_prints_it_is_a_list_of_one():
    assert paths(parse_taxonomy(json.dumps(GET_LABEL[2]), "l.json")) == [("General", 1)]


def test_a_sublabel_given_both_inside_and_beside_its_parent_is_kept_once():
    beside = {"id": C, "name": "Finance", "priority": 6, "parent": {"id": B}}
    content = {"value": [*GRAPH_V1["value"], beside]}
    taxonomy = parse_taxonomy(json.dumps(content), "l.json")
    assert len(taxonomy.labels) == 3


@pytest.mark.parametrize("priorities", [(0, 0, 0), (5, 1, 9), (None, None, None)])
def test_priorities_that_give_no_order_are_replaced_by_positions(priorities):
    top, below, other = priorities
    inner = {"id": B, "name": "B", "priority": below}
    content = [
        {"id": A, "name": "A", "priority": top, "sublabels": [inner]},
        {"id": C, "name": "C", "priority": other},
    ]
    taxonomy = parse_taxonomy(json.dumps(content), "l.json")
    assert [label.priority for label in taxonomy.labels] == [0, 1, 2]
    assert taxonomy.labels[1].parent or taxonomy.labels[2].parent
    if priorities != (None, None, None):
        assert [problem.severity for problem in taxonomy.warnings] == ["warning"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"value": []}, "there are no labels"),
        ([], "there are no labels"),
        ({"value": 3}, "a list of labels"),
        ([1], "an object"),
        ([{"name": "A", "priority": 1}], "no usable id"),
        ([{"id": "x", "name": "A", "priority": 1}], "no usable id"),
        ([{"id": A, "priority": 1}], "the label has no name"),
        ([{"id": A, "name": "A", "priority": 1, "parent": {"id": B}}], "its parent is not in"),
        ([{"id": A, "name": "A", "priority": 1, "parent": {"id": A}}], "its parent is not in"),
        ({"value": GRAPH_V1["value"], "@odata.nextLink": "https://x"}, "a further page"),
        ([{"id": A, "name": "A"}, {"id": A, "name": "B"}], "another label has the same id"),
    ],
)
def test_wrong_json_is_refused_with_its_place(content, words):
    with pytest.raises(ProblemsError, match=words):
        parse_taxonomy(json.dumps(content), "l.json")


def test_our_own_form_may_be_written_as_json():
    text = json.dumps({"labels": [{"id": A, "name": "A", "priority": 3}]})
    assert paths(parse_taxonomy(text, "t.json")) == [("A", 3)]
    with pytest.raises(ProblemsError, match="unknown key"):
        parse_taxonomy(text.replace('"name"', '"nmae"'), "t.json")
