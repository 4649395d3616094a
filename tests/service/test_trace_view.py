"""Traces as people and programs read them; a value is seen only where it may be."""

from __future__ import annotations

import json

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.explain import Explanation, explain
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.sit import Pack
from dlpagent.service.trace_view import explanation_json, explanation_text

CARD = "4111 1111 1111 1111"
TEXT = f"my credit card is {CARD}, the other 4111 1111 1111 1112"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return builtin_pack()


@pytest.fixture(scope="module")
def found(pack: Pack) -> Explanation:
    return explain(CompiledPack(pack), TEXT)


def test_no_value_is_in_the_json_nor_in_the_text(pack: Pack, found: Explanation) -> None:
    data = json.dumps(explanation_json(found, pack, TEXT))
    shown = explanation_text(found, pack, TEXT, None, everything=True)
    for out in (data, shown):
        assert CARD not in out
        assert "4111" not in out
        assert "**** **** **** 1111" in out
    assert '"credit card"' in shown


def test_a_value_is_shown_when_it_may_be(pack: Pack, found: Explanation) -> None:
    assert CARD in explanation_text(found, pack, TEXT, TEXT, everything=False)


def test_places_without_a_finding_are_shown_on_demand(pack: Pack) -> None:
    found = explain(CompiledPack(pack), "nothing at all")
    assert (
        explanation_text(found, pack, "nothing at all", None, everything=False)
        == "Nothing found.\n"
    )


def test_what_ran_out_of_time_is_told(pack: Pack) -> None:
    sit = next(iter(pack.sits.values()))
    shown = explanation_text(
        Explanation((), ((sit.id, "a rule ran out of time"),), truncated=True),
        pack,
        "",
        None,
        everything=True,
    )
    assert f"Incomplete: {sit.name}: a rule ran out of time." in shown
    assert "More places" in shown
