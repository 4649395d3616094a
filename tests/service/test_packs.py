"""Packs by name, and the example policy against the pack that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.pack import builtin_pack
from dlpagent.errors import ConfigurationError, DlpAgentError
from dlpagent.labels.policy import EXAMPLE_POLICY
from dlpagent.labels.policy_yaml import load_policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.service.packs import above, load_packs, whole_packs

DATA = Path(__file__).parent.parent / "data" / "rulepackages"
MINE = """id: 11111111-1111-4111-8111-111111111111
name: Mine
version: 1
parity: own
patterns: [{confidence: 85, primary: Func_credit_card}, {confidence: 65, primary: Func_credit_card}]
"""


def test_packs_are_named_or_lie_somewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    assert whole_packs(["builtin"], "extended").ref == builtin_pack().ref
    mine = load_packs([str(tmp_path / "mine.yaml")], "extended")
    assert set(mine.sit_names.values()) == {"Mine"}
    package = load_packs([str(DATA / "ncheruvu-demo-1.xml")], "extended")
    assert len(package.sits) == 3
    both = load_packs(
        ["builtin", str(tmp_path / "mine.yaml"), str(DATA / "ncheruvu-demo-1.xml")], "strict"
    )
    assert len(both.sits) == len(load_packs(["builtin"], "strict").sits) + 4


@pytest.mark.parametrize("names", [[], ["no-such-pack"], ["no-such.xml"]])
def test_a_pack_that_is_not_there_is_named(names: list[str]) -> None:
    with pytest.raises(DlpAgentError):
        load_packs(names, "extended")
    with pytest.raises(ConfigurationError):
        load_packs([], "extended")


def test_above_a_confidence_only_its_patterns_are_left(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    pack = load_packs([str(tmp_path / "mine.yaml")], "extended")
    (sit,) = above(pack, 75).sits.values()
    assert [pattern.confidence for pattern in sit.patterns] == [85]
    assert above(pack, 75).ref.hash != pack.ref.hash
    assert above(pack, 65).ref.hash == pack.ref.hash


def test_every_sit_of_the_example_policy_is_in_the_built_in_pack() -> None:
    """Lists those that are not authored yet."""
    pack = builtin_pack()
    policy = load_policy(
        EXAMPLE_POLICY,
        taxonomy=load_taxonomy(),
        sit_names=pack.sit_names,
        recommended={sit.id: sit.recommended_confidence for sit in pack.sits.values()},
        unknown_sits="warning",
    )
    assert [str(item) for item in policy.warnings] == []
