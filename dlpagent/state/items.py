"""The evidence of an asset that is one item, from its stored findings."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import select

from dlpagent.item_tallies import ItemTallies
from dlpagent.places import places_from
from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.finding_rows import read_findings
from dlpagent.state.model import ItemEvidence
from dlpagent.state.tables import run_assets
from dlpagent.violations import Place


def item_tallies(db: Database, run_id: str, asset_uri: str) -> ItemEvidence:
    """Tallies, digest and places over all findings a run has stored for an asset.

    Reads the three columns that count once, then only the batches that hold a chosen place.
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
                tallies.add(batch)
        counts, evidence = tallies.result()
        places = _places(db, run_asset, tallies.places()) if run_asset is not None else []
        return ItemEvidence(counts, evidence, tuple(places), tallies.total)


def _places(db: Database, run_asset: int, numbers: list[int]) -> list[Place]:
    """The findings with these numbers (rising, from 0) as places."""
    places: list[Place] = []
    first = 0
    for batch in read_findings(db, run_asset):
        if len(places) == len(numbers):
            break
        end = first + batch.num_rows
        inside = [number - first for number in numbers if first <= number < end]
        places += places_from(batch.take(pa.array(inside, type=pa.int64())))
        first = end
    return places
