"""The evidence of an asset that is one item, from its stored findings."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from sqlalchemy import select

from dlpagent.item_tallies import ItemTallies
from dlpagent.places import places_from
from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.finding_rows import read_findings
from dlpagent.state.model import ItemEvidence
from dlpagent.state.tables import run_assets
from dlpagent.suppressions import NONE, Suppressions
from dlpagent.violations import Place


def item_tallies(
    db: Database, run_id: str, asset_uri: str, suppressions: Suppressions = NONE
) -> ItemEvidence:
    """Tallies, digest and places over the findings a run has stored for an asset.

    Those that suppressions hide are left out. Reads the three columns that count once, then only
    the batches that hold a chosen place.
    """
    with db.read() as connection:
        run_asset = connection.scalar(
            select(run_assets.c.seq).where(
                run_assets.c.run_id == run_id, run_assets.c.asset_id == asset_id_of(asset_uri)
            )
        )
    with ItemTallies() as tallies:
        if run_asset is not None:
            for batch in read_findings(db, run_asset, ["sit_id", "confidence", "key"]):
                tallies.add(suppressions.without(asset_uri, batch))
        counts, evidence = tallies.result()
        places: list[Place] = []
        if run_asset is not None:
            stored = (
                suppressions.without(asset_uri, rows) for rows in read_findings(db, run_asset)
            )
            places = _places(stored, tallies.places())
        return ItemEvidence(counts, evidence, tuple(places), tallies.total)


def _places(stored: Iterable[pa.RecordBatch], numbers: list[int]) -> list[Place]:
    """The findings with these numbers (rising, from 0) as places."""
    places: list[Place] = []
    first = 0
    for batch in stored:
        if len(places) == len(numbers):
            break
        end = first + batch.num_rows
        inside = [number - first for number in numbers if first <= number < end]
        places += places_from(batch.take(pa.array(inside, type=pa.int64())))
        first = end
    return places
