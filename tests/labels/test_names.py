"""Names a policy may use, as looked up in the pack and the taxonomy."""

import pytest

from dlpagent.labels.names import DEFAULT_CONFIDENCE, Names, did_you_mean, listed
from dlpagent.violations import SitRef
from dlpagent.yaml_reader import parse_yaml

UPPER = "ABCDEF00-0000-0000-0000-000000000001"


@pytest.fixture
def looked_up(taxonomy):
    """looked_up(method, text) gives what a Names method gives for YAML text, and the problems."""

    def look(method, text, **options):
        names = Names(taxonomy, {UPPER: "Big", "x-own": "Own"}, {UPPER: 85}, **options)
        problems = []
        return getattr(names, method)(parse_yaml(text, "p.yaml", problems)), problems

    return look


@pytest.mark.parametrize("text", [UPPER, UPPER.lower(), "'{" + UPPER + "}'", "Big", "'  Big '"])
def test_a_sit_keeps_the_spelling_the_pack_gives_its_id(looked_up, text):
    assert looked_up("sit", text) == (SitRef(UPPER, "Big"), [])


def test_nothing_is_not_also_called_an_unknown_sit(looked_up):
    found, problems = looked_up("sit", "''")
    assert found is None
    assert len(problems) == 1


def test_a_parent_label_is_no_label_to_apply_and_its_sublabels_are_offered(looked_up):
    found, problems = looked_up("appliable", "Confidential")
    assert found is None
    assert "Confidential/Finance" in problems[0].expected


def test_a_ceiling_admits_the_sublabels_of_its_label(looked_up):
    ceiling, _ = looked_up("ceiling", "Confidential")
    assert (ceiling.label.priority, ceiling.priority) == (30, 33)
    ceiling, _ = looked_up("ceiling", "Confidential/Personal Data")
    assert ceiling.priority == 32


def test_the_recommended_confidence_is_that_of_the_pack(taxonomy):
    names = Names(taxonomy, {}, {"a": 85})
    assert names.confidence_of(SitRef("a", "A")) == 85
    assert names.confidence_of(SitRef("b", "B")) == DEFAULT_CONFIDENCE


def test_words_for_messages():
    assert (listed([]), listed(["a", "b"])) == ("none", "a, b")
    assert (did_you_mean([]), did_you_mean(["a", "b"])) == ("", "Did you mean a or b?")
