"""SITs and traces shown: complete, as JSON, and without values."""

from __future__ import annotations

import json

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.sit import Pack, Union, pattern_refs
from dlpagent.service.sit_view import elements_in, sit_json, sit_text


@pytest.fixture(scope="module")
def pack() -> Pack:
    return builtin_pack()


def test_every_sit_of_the_pack_can_be_shown(pack: Pack) -> None:
    for sit in pack.sits.values():
        shown = sit_text(pack, sit)
        assert sit.name in shown.splitlines()[0]
        assert sit.id in shown
        data = json.loads(json.dumps(sit_json(pack, sit)))
        assert data["sit"]["name"] == sit.name
        named = {ref for pattern in sit.patterns for ref in pattern_refs(pattern)}
        assert named <= set(data["elements"])
        for name in named:
            assert f"{name}: " in shown


def test_unions_are_opened(pack: Pack) -> None:
    for sit in pack.sits.values():
        found = elements_in(pack, sit)
        for element in found.values():
            assert not isinstance(element, Union) or set(element.of) <= set(found)


def test_a_trace_can_be_made_of_what_is_shown(pack: Pack) -> None:
    sit = next(iter(pack.sits.values()))
    assert explain(CompiledPack(pack), "nothing", sits=[sit]).traces == ()
