"""Medical vocabulary: what lifts a word, and that lists do not swallow everyday language."""

from __future__ import annotations

from collections import Counter

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Keyword, Pack, Union

ALL = "065bdd91-ef07-40d3-b8a4-0aea722eaa49"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(BUILTIN / "medical")


def best(pack: Pack, text: str) -> int:
    found = evaluate(CompiledPack(pack), text, sits=[pack.sits[ALL]]).hits
    return max((hit.confidence for hit in found), default=0)


def test_the_bundle_holds_every_list(pack: Pack) -> None:
    union = pack.elements["Union_medical_terms"]
    assert isinstance(union, Union)
    lists = {
        pattern.primary for sit in pack.sits.values() if sit.id != ALL for pattern in sit.patterns
    }
    assert set(union.of) == lists
    assert len(lists) == 10


def test_every_list_has_a_hundred_terms_and_none_twice(pack: Pack) -> None:
    for name, element in pack.elements.items():
        if name.startswith("Terms_"):
            assert isinstance(element, Keyword)
            terms = Counter(
                term.text.casefold() for group in element.groups for term in group.terms
            )
            assert len(terms) >= 100, name
            assert [term for term, many in terms.items() if many > 1] == [], name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Asthma is common in cities.", 65),
        ("I was diagnosed with asthma.", 75),
        ("I was diagnosed with asthma and take salbutamol.", 85),
        ("I was diagnosed with asthma." + " " * 400 + "Salbutamol is a medicine.", 75),
        ("Nothing of the kind.", 0),
    ],
)
def test_a_word_about_a_patient_and_a_second_word_lift_a_finding(
    pack: Pack, text: str, wanted: int
) -> None:
    assert best(pack, text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "He underwent a change of heart; the depression passed, the shock was mild, a stroke of luck.",
        "Prescribed reading: my doctor thesis, a cold war novel, the cancer sign of the zodiac.",
        "The test results of the build are green; the patient id field was renamed.",
    ],
)
def test_everyday_words_with_medical_meanings_are_left_alone(pack: Pack, text: str) -> None:
    assert best(pack, text) == 0
