"""The evidence of an asset that is one item, from what was stored of it."""

from __future__ import annotations

import pytest

from dlpagent.tallies import evidence_digest, tallies_of
from dlpagent.violations import Tally


@pytest.mark.parametrize("limit", [10_000, 40])
def test_rows_and_segments_give_the_same_as_one_batch(opened, some, limit):
    state = opened(segment_rows=limit)
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    for number in range(5):
        batch = some.findings(30, first=number * 30)
        some.commit(state, lease, number or None, number + 1, findings=batch)
    found = state.item_tallies(run_id, some.asset())
    whole = some.findings(150)
    assert found.tallies == tallies_of(whole)
    assert found.tallies[0] == Tally("sit-0", ((65, 50, 50),))
    assert found.evidence == evidence_digest(whole["sit_id"], whole["key"])
    assert found.places_total == 150
    assert [place.start for place in found.places] == list(range(100))
    assert (found.places[0].record_id, found.places[0].locator) == ("r0", {"row": 0})


def test_places_far_inside_an_asset_are_found(opened, some):
    state = opened(segment_rows=50)
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    sure = {777, 1201}
    batch = some.findings(1300, sit_id="s", confidence=lambda n: 85 if n in sure else 65)
    for number in range(13):
        piece = batch.slice(number * 100, 100)
        some.commit(state, lease, number or None, number + 1, findings=piece)
    places = state.item_tallies(run_id, some.asset()).places
    assert [place.start for place in places] == [*range(98), 777, 1201]
    assert {place.confidence for place in places[-2:]} == {85}


def test_an_asset_without_findings_has_empty_evidence(state, some):
    run_id = some.begin(state)
    state.claim(run_id, some.asset())
    for asset in (some.asset(), "file:///never-met"):
        found = state.item_tallies(run_id, asset)
        assert (found.tallies, found.evidence, found.places) == ((), "0" * 32, ())
