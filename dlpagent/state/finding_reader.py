"""Reading findings back, whichever way they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Select, case, func, select

from dlpagent.errors import StateError
from dlpagent.findings import PackRef
from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.finding_rows import read_findings
from dlpagent.state.model import FINISHED, FindingBatch
from dlpagent.state.tables import assets, run_assets, runs


def findings_of_run(
    db: Database, run_id: str, asset_uri: str | None = None
) -> Iterator[FindingBatch]:
    """The findings of a run, asset by asset. Raises StateError when they were pruned."""
    query = _sets().where(run_assets.c.run_id == run_id).order_by(run_assets.c.seq)
    yield from _read(db, query, asset_uri)


def latest_findings(db: Database, asset_uri: str | None = None) -> Iterator[FindingBatch]:
    """The findings each asset has now: of its last finished run, else of the one under way.

    A run that skipped an asset as unchanged does not count; its findings are those it had.
    """
    rank = (
        func.row_number()
        .over(
            partition_by=run_assets.c.asset_id,
            order_by=(
                case((run_assets.c.status.in_(FINISHED), 0), else_=1),
                run_assets.c.seq.desc(),
            ),
        )
        .label("rank")
    )
    ranked = (
        select(run_assets.c.seq.label("run_asset"), rank)
        .where(run_assets.c.status.in_([*FINISHED, "running"]))
        .subquery()
    )
    newest = select(ranked.c.run_asset).where(ranked.c.rank == 1)
    query = _sets().where(run_assets.c.seq.in_(newest)).order_by(assets.c.uri)
    yield from _read(db, query, asset_uri)


def _sets() -> Select[Any]:
    return (
        select(
            run_assets.c.seq,
            run_assets.c.run_id,
            run_assets.c.findings,
            run_assets.c.pruned,
            assets.c.uri,
            runs.c.pack_id,
            runs.c.pack_version,
            runs.c.pack_hash,
        )
        .join(assets, assets.c.asset_id == run_assets.c.asset_id)
        .join(runs, runs.c.run_id == run_assets.c.run_id)
    )


def _read(db: Database, query: Select[Any], asset_uri: str | None) -> Iterator[FindingBatch]:
    if asset_uri is not None:
        query = query.where(run_assets.c.asset_id == asset_id_of(asset_uri))
    with db.read() as connection:
        sets = connection.execute(query).all()
    for row in sets:
        if row.pruned and row.findings:
            raise _pruned(row)
        pack = PackRef(row.pack_id, row.pack_version, row.pack_hash)
        for batch in read_findings(db, row.seq):
            yield FindingBatch(row.run_id, row.uri, pack, batch)


def _pruned(row: Row[Any]) -> StateError:
    return StateError(
        "the findings of this run are no longer kept",
        where=f"run {row.run_id}, {row.uri}",
        expected="a run whose findings were not pruned",
        found=f"{row.findings} finding(s) counted, none kept",
        remedy="Read a newer run, or sweep again; raise the number of runs to keep if needed.",
    )
