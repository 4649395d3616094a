"""Removing what is no longer needed: findings of superseded runs, files that nobody names."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from dlpagent.state.assets import forget_findings
from dlpagent.state.connection import SEGMENT_LOCK, lock
from dlpagent.state.database import Database
from dlpagent.state.model import FINISHED, Pruned
from dlpagent.state.runs import is_at_work
from dlpagent.state.tables import finding_segments, run_assets, runs


def prune(db: Database, keep_runs: int = 2) -> Pruned:
    """Remove findings and problem rows, keeping for each asset those of its newest finished runs.

    What an interrupted run has found so far goes only when its job has a newer run, since then it
    can no longer be resumed. Counters, violations, events and receipts stay for ever.
    """
    files: list[str] = []
    with db.write() as connection:
        old = [*_superseded(connection, max(1, keep_runs)), *_abandoned(db, connection)]
        for run_asset in old:
            files += forget_findings(connection, run_asset)
            connection.execute(
                update(run_assets).where(run_assets.c.seq == run_asset).values(pruned=True, tail=0)
            )
    if db.folder is not None:
        db.folder.remove(files)
    return Pruned(len(old), len(files))


def _superseded(connection: Connection, keep_runs: int) -> list[int]:
    rank = func.row_number().over(
        partition_by=run_assets.c.asset_id, order_by=run_assets.c.seq.desc()
    )
    ranked = (
        select(run_assets.c.seq, run_assets.c.pruned, rank.label("rank"))
        .where(run_assets.c.status.in_(FINISHED))
        .subquery()
    )
    query = select(ranked.c.seq).where(ranked.c.rank > keep_runs, ranked.c.pruned.is_(False))
    return list(connection.scalars(query))


def _abandoned(db: Database, connection: Connection) -> list[int]:
    """Unfinished run-assets of runs that are over and that their job has followed up."""
    newer = runs.alias()
    query = select(runs).where(
        runs.c.status.in_(["running", "interrupted"]),
        select(newer.c.seq).where(newer.c.job == runs.c.job, newer.c.seq > runs.c.seq).exists(),
    )
    over = [
        row.run_id
        for row in connection.execute(query).all()
        if row.status == "interrupted" or not is_at_work(db, connection, row)
    ]
    unfinished = select(run_assets.c.seq).where(
        run_assets.c.run_id.in_(over),
        run_assets.c.status == "running",
        run_assets.c.pruned.is_(False),
    )
    return list(connection.scalars(unfinished))


def remove_orphans(db: Database) -> int:
    """Delete files of findings that no transaction names (a crash left them); returns how many.

    Safe beside running sweeps: a segment is renamed and named in one write transaction, and this
    looks from inside another one.
    """
    if db.folder is None or not db.folder.names():
        return 0
    with db.read() as connection:
        if db.folder.names() <= _named(connection):
            return 0
    with db.write() as connection:
        lock(connection, SEGMENT_LOCK)
        orphans = db.folder.names() - _named(connection)
        db.folder.remove(orphans)
    return len(orphans)


def _named(connection: Connection) -> set[str]:
    return set(connection.scalars(select(finding_segments.c.file)))
