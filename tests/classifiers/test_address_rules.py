"""Addresses: what lifts a street, and how the countries' types fit together."""

from __future__ import annotations

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Pack, Union

ALL = "8548332d-6d71-41f8-97db-cc3b5fa544e6"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(BUILTIN / "address")


def found(pack: Pack, text: str) -> dict[str, int]:
    """Type → its highest confidence."""
    hits = evaluate(CompiledPack(pack), text).hits
    return {
        pack.sits[hit.sit_id].name.removesuffix(" Physical Addresses"): hit.confidence
        for hit in sorted(hits, key=lambda hit: hit.confidence)
    }


def test_there_are_47_countries_and_the_bundle_holds_the_streets_of_each(pack: Pack) -> None:
    countries = [sit for sit in pack.sits.values() if sit.id != ALL]
    assert len(countries) == 47
    union = pack.elements["Union_streets"]
    assert isinstance(union, Union)
    primaries = {pattern.primary for sit in countries for pattern in sit.patterns}
    # what may be many things outside of Greenland is left to its own type
    assert primaries - {"Postcode_greenland"} <= set(union.of)


@pytest.mark.parametrize(
    ("text", "country", "confidence"),
    [
        ("1600 Sample Avenue, Springwood, OH 43999", "U.S.", 75),
        ("1600 Sample Avenue, Columbus, OH 43999", "U.S.", 85),
        ("12 Sample Road, Leeds LS1 4AB", "U.K.", 85),
        ("Musterweg 5, 50667 Köln", "Germany", 85),
        ("Rua do Exemplo, 12, 4000-123 Porto", "Portuguese", 85),
        ("ul. Przykładowa 7, 30-001 Kraków", "Poland", 85),
        ("1012 AB Amsterdam, Voorbeeldstraat 9", "Netherlands", 85),
    ],
)
def test_a_postcode_and_a_place_lift_a_street(
    pack: Pack, text: str, country: str, confidence: int
) -> None:
    seen = found(pack, text)
    assert seen[country] == confidence
    assert seen["All"] >= 75


def test_a_street_alone_is_an_address_somewhere_and_of_no_country(pack: Pack) -> None:
    assert found(pack, "We met at 12 Harley Street at noon.") == {"All": 65}


@pytest.mark.parametrize(
    "text",
    [
        "Spring 2019 and Engineering 101 began; Input 5, Output 3, Fig. 5, Table 12.",
        "The street, the road and 14 lanes of the highway were closed.",
        "Somalia, 624 and Brasília, 15 de fevereiro",
        "for i in range(14): Street = Road[i] + Avenue(20)",
    ],
)
def test_words_and_numbers_that_are_no_address_are_left_alone(pack: Pack, text: str) -> None:
    assert found(pack, text) == {}
