"""Which of many findings are shown as places."""

from __future__ import annotations

import numpy as np
import pytest

from dlpagent.places import PlaceChoice, grouped_places, places_from
from dlpagent.violations import MAX_PLACES, Place


def chosen(rows, most=MAX_PLACES, step=None):
    """The numbers chosen of (sit, confidence) rows, fed in steps."""
    choice = PlaceChoice(most)
    step = step or max(1, len(rows))
    for start in range(0, len(rows), step):
        sits, confidences = zip(*rows[start : start + step], strict=True)
        choice.add(np.array(sits), np.array(confidences), start)
    return choice.result()


@pytest.mark.parametrize("step", [1, 3, None])
@pytest.mark.parametrize(
    ("rows", "most", "numbers"),
    [
        ([], 3, []),
        ([(0, 65)], 3, [0]),
        ([(0, 65)] * 5, 3, [0, 1, 2]),  # the earliest of equals
        ([(0, 65)] * 4 + [(0, 85)], 3, [0, 1, 4]),  # the surest first, shown in reading order
        ([(0, 85)] * 5 + [(1, 65)], 3, [0, 1, 5]),  # every SIT shows one
        ([(0, 85)] * 3 + [(1, 65)] * 3, 4, [0, 1, 3, 4]),  # SITs take turns
        ([(0, 85), (1, 85), (2, 85), (3, 85)], 2, [0, 1]),  # more SITs than room
        ([(500, 85), (3, 65)], 9, [0, 1]),
    ],
)
def test_every_sit_in_turn_gives_its_surest_earliest_findings(rows, most, numbers, step):
    assert chosen(rows, most, step) == numbers


@pytest.mark.parametrize("step", [1, 64, 1000])
def test_how_findings_are_divided_does_not_matter(step):
    chance = np.random.default_rng(5)
    rows = list(
        zip(
            chance.integers(0, 40, 3000).tolist(),
            chance.integers(1, 101, 3000).tolist(),
            strict=True,
        )
    )
    assert chosen(rows, step=step) == chosen(rows)
    assert len(chosen(rows)) == 100


def test_a_finding_becomes_a_place_with_only_what_is_known_of_it(some):
    batch = some.findings(1, locator_file="f.zip", locator_row=None, locator_offset=0)
    assert places_from(batch) == [
        Place(
            record_id="r0",
            part="body",
            start=0,
            end=16,
            sit_id="sit-0",
            confidence=65,
            masked="************1111",
            key="0" * 32,
            locator={"file": "f.zip", "offset": 0},
        )
    ]


def test_each_group_has_its_own_places(some):
    batch = some.findings(6)
    groups = np.array([2, 0, 2, 0, 0, 2])
    starts = {
        group: [p.start for p in each] for group, each in grouped_places(groups, batch).items()
    }
    assert starts == {0: [1, 3, 4], 2: [0, 2, 5]}
    assert grouped_places(np.array([], dtype=np.int64), batch.slice(0, 0)) == {}


def test_a_large_group_is_cut_as_one_item_would_be_and_small_ones_are_whole(some):
    batch = some.findings(400, sit_id=lambda n: f"s{n % 7}", confidence=lambda n: 60 + n % 31)
    groups = np.array([0] * 350 + [1] * 50)
    found = grouped_places(groups, batch)
    rows = [(n % 7, 60 + n % 31) for n in range(350)]
    assert [place.start for place in found[0]] == chosen(rows)
    assert [place.start for place in found[1]] == list(range(350, 400))
