"""Labels by GUID, path and name, in order of sensitivity."""

import pytest

from dlpagent.labels.taxonomy import Label, Taxonomy, as_guid

GUID = "d80da12c-d7fa-589a-8771-350d2af14a9e"


@pytest.mark.parametrize(
    ("text", "guid"),
    [
        (GUID, GUID),
        (GUID.upper(), GUID),
        ("{" + GUID + "}", GUID),
        (f"  {GUID}\n", GUID),
        (GUID[:-1], None),
        (GUID + "0", None),
        ("{" + GUID, None),
        (GUID.replace("-", ""), None),
        ("Confidential", None),
        ("", None),
    ],
)
def test_a_guid_is_taken_in_every_common_writing_and_nothing_else_is(text, guid):
    assert as_guid(text) == guid


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Confidential/Finance", "Confidential/Finance"),
        ("confidential / finance", "Confidential/Finance"),
        ("Confidential \\ Finance", "Confidential/Finance"),
        ("  CONFIDENTIAL/FINANCE  ", "Confidential/Finance"),
        ("Finance", "Confidential/Finance"),
        (GUID, "Confidential/Finance"),
        ("{" + GUID.upper() + "}", "Confidential/Finance"),
        ("Confidential", "Confidential"),
        ("highly  confidential", "Highly Confidential"),
        ("Highly Confidential/All Employees", "Highly Confidential/All Employees"),
        ("All Employees", None),
        ("Confidential/Health", None),
        ("Secret", None),
        ("00000000-0000-0000-0000-000000000000", None),
        ("", None),
    ],
)
def test_a_label_is_found_by_guid_path_or_unambiguous_name(taxonomy, text, path):
    label = taxonomy.find(text)
    assert (taxonomy.path(label) if label else None) == path


def test_an_ambiguous_name_gives_every_label_it_may_mean(taxonomy):
    found = [taxonomy.path(label) for label in taxonomy.find_all("all employees")]
    assert found == ["Confidential/All Employees", "Highly Confidential/All Employees"]


def test_a_top_label_is_not_taken_for_the_sublabel_of_its_name():
    top = Label("a", "Finance", "Finance", 0)
    parent = Label("b", "Secret", "Secret", 1, sublabels=("c",))
    below = Label("c", "Finance", "Finance", 2, parent="b")
    assert Taxonomy((top, parent, below)).find("finance") == top


def test_both_the_name_and_the_display_name_are_known():
    parent = Label("b", "conf", "Confidential", 1, sublabels=("c",))
    below = Label("c", "conf-fin", "Finance", 2, parent="b")
    taxonomy = Taxonomy((parent, below))
    for text in ("conf-fin", "Finance", "Confidential/Finance", "conf/conf-fin"):
        assert taxonomy.find(text) == below
    assert taxonomy.ref(below).name == "Confidential/Finance"


def test_only_enabled_labels_without_sublabels_can_be_applied(taxonomy):
    parents = {"Confidential", "Highly Confidential"}
    assert {taxonomy.path(x) for x in taxonomy.labels if not x.is_appliable} == parents
    assert not Label("a", "Old", "Old", 0, enabled=False).is_appliable


def test_a_family_is_a_label_and_its_sublabels_in_order(taxonomy):
    family = [taxonomy.path(label) for label in taxonomy.family(taxonomy.find("Confidential"))]
    assert family == [
        "Confidential",
        "Confidential/All Employees",
        "Confidential/Personal Data",
        "Confidential/Finance",
    ]


def test_near_names_are_paths(taxonomy):
    assert taxonomy.near("confidential/finanse")[0] == "Confidential/Finance"
    assert "Highly Confidential/Credentials" in taxonomy.near("credential")
    assert taxonomy.near("xyzzy") == []


def test_the_digest_follows_order_but_not_names():
    one = Taxonomy((Label("a", "A", "A", 0), Label("b", "B", "B", 1)))
    renamed = Taxonomy((Label("a", "X", "X", 0, color="#000000"), Label("b", "B", "B", 1)))
    swapped = Taxonomy((Label("b", "B", "B", 0), Label("a", "A", "A", 1)))
    assert one.digest() == renamed.digest()
    assert one.digest() != swapped.digest()
