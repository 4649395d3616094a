"""The newest reading of every asset: what it is, and how far its last finished run got."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from dlpagent.findings import PackRef
from dlpagent.records import Asset
from dlpagent.state.assets import progress_from
from dlpagent.state.database import Database
from dlpagent.state.model import FINISHED, AssetProgress
from dlpagent.state.tables import assets, run_assets, runs


@dataclass(frozen=True, slots=True)
class Reading:
    """An asset as a run read it. pack: what made its findings; pruned: they are no longer kept."""

    asset: Asset
    progress: AssetProgress
    pack: PackRef
    pruned: bool


def latest_readings(db: Database) -> list[Reading]:
    """Each asset's last finished reading, else the one under way, by uri.

    The same readings whose findings latest_findings() gives.
    """
    finished = case((run_assets.c.status.in_(FINISHED), 0), else_=1)
    newest = func.row_number().over(
        partition_by=run_assets.c.asset_id, order_by=(finished, run_assets.c.seq.desc())
    )
    ranked = (
        select(run_assets.c.seq.label("run_asset"), newest.label("rank"))
        .where(run_assets.c.status.in_([*FINISHED, "running"]))
        .subquery()
    )
    chosen = select(ranked.c.run_asset).where(ranked.c.rank == 1)
    facts = [assets.c[name] for name in ("uri", "kind", "connector", "item", "app")]
    packs = [runs.c[name] for name in ("pack_id", "pack_version", "pack_hash")]
    query = (
        select(run_assets, *facts, *packs)
        .join(assets, assets.c.asset_id == run_assets.c.asset_id)
        .join(runs, runs.c.run_id == run_assets.c.run_id)
        .where(run_assets.c.seq.in_(chosen))
        .order_by(assets.c.uri)
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
    return [
        Reading(
            Asset(row.uri, row.kind, row.connector, row.item, row.change_key, app=row.app),
            progress_from(row),
            PackRef(row.pack_id, row.pack_version, row.pack_hash),
            bool(row.pruned and row.findings),
        )
        for row in rows
    ]
