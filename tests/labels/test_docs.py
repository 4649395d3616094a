"""What docs/labels.md and docs/policies.md say is so."""

import re
from pathlib import Path

import pytest

from dlpagent.labels import conditions_yaml, policy_yaml
from dlpagent.labels.check import check_policy
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.locations import LOCATIONS
from dlpagent.labels.policy import ACTIONS, MODES
from dlpagent.labels.taxonomy_files import parse_taxonomy
from dlpagent.records import Asset
from dlpagent.service import tenant_labels
from dlpagent.violations import Item, Tally

DOCS = Path(__file__).parents[2] / "docs"
PESEL = "e3aaf206-4297-412f-9e06-ba8487e22456"


def first_yaml(page):
    return re.search(r"```yaml\n(.+?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)[1]


def test_the_taxonomy_in_the_documents_can_be_read():
    taxonomy = parse_taxonomy(first_yaml("labels.md"), "labels.md")
    assert [taxonomy.path(label) for label in taxonomy.labels] == [
        "General",
        "Confidential",
        "Confidential/Finance",
        "Confidential/Old project",
    ]
    assert taxonomy.tenant


def test_the_worked_example_gives_what_the_documents_say(taxonomy, shipped_sits):
    policy = policy_yaml.parse_policy(
        first_yaml("policies.md"), "policies.md", taxonomy=taxonomy, sit_names=shipped_sits
    )
    assert check_policy(policy, shipped_sits) == []
    asset = Asset("x:///kb", "vector_collection", "test")
    item = Item(asset, "record", "1", (Tally(PESEL, ((85, 1, 1),)),), "e")
    decision = PolicyDecider(policy).decide(item)
    (fired,) = decision.fired
    page = (DOCS / "policies.md").read_text("utf-8")
    for said in (
        f"| recommended label | {decision.recommendation.label.name} |",
        f"| its reason | {decision.recommendation.reason} |",
        f"| rule that fires | {fired.rule_name} |",
        f"| its reason | {fired.reason} |",
    ):
        assert said in page


@pytest.mark.parametrize(
    "word",
    sorted(
        {
            *LOCATIONS,
            *ACTIONS,
            *MODES,
            *policy_yaml._POLICY_KEYS,
            *policy_yaml._RULE_KEYS,
            *policy_yaml._EXAMPLE_KEYS,
            *policy_yaml._FINDING_KEYS,
            *conditions_yaml._BOUNDS,
        }
    ),
)
def test_every_word_of_a_policy_is_documented(word):
    assert f"`{word}`" in (DOCS / "policies.md").read_text("utf-8")


@pytest.mark.parametrize("key", tenant_labels._KEYS)
def test_every_key_of_a_graph_file_is_documented(key):
    live = (DOCS / "labels.md").read_text("utf-8").partition("## Labels of the tenant")[2]
    assert f"`{key}`" in live


def test_the_graph_file_in_the_documents_can_be_read(tmp_path):
    page = (DOCS / "labels.md").read_text("utf-8").partition("## Labels of the tenant")[2]
    file = tmp_path / "graph.yaml"
    file.write_text(re.search(r"```yaml\n(.+?)```", page, re.DOTALL)[1], "utf-8")
    assert tenant_labels.read_graph_file(file).login.auth == "certificate"


@pytest.mark.parametrize("kind", [*conditions_yaml._KINDS, "match"])
def test_every_kind_of_condition_is_documented(kind):
    assert f"{kind}: " in (DOCS / "policies.md").read_text("utf-8").partition("## Conditions")[2]
