"""Assets in a run: claimed, skipped, and how far each got."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, select, update

from dlpagent.errors import StateError
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import leases
from dlpagent.state.database import Database
from dlpagent.state.model import AssetProgress, Counters, Lease
from dlpagent.state.register import enter, entry_id, entry_of
from dlpagent.state.sql import insert_new, insert_or_update
from dlpagent.state.tables import (
    assets,
    finding_segments,
    findings,
    problems,
    record_facts,
    run_assets,
    runs,
    violations,
)
from dlpagent.state.types import to_json
from dlpagent.violations import stable_id

TALLIES = ("levels", "sits", "statuses", "labels", "carried", "roles")
FORGOTTEN = "forgotten"
COUNTS = ("records", "parts", "chars", "findings", "problems")


def asset_id_of(asset_uri: str) -> str:
    """The id of an asset: the same in every run and every installation."""
    return stable_id("asset", asset_uri)


def checkpoint_text(checkpoint: Checkpoint | None) -> str | None:
    """A checkpoint as it is stored and compared."""
    if checkpoint is None:
        return None
    return to_json(
        {
            "v": 1,
            "cursor": dict(checkpoint.cursor),
            "done": checkpoint.done,
            "bytes_read": checkpoint.bytes_read,
        }
    )


def checkpoint_from(text: str | None) -> Checkpoint | None:
    """The inverse; None also for text that cannot be read: the asset is then read anew."""
    try:
        data = json.loads(text or "null")
        if data is None or data["v"] != 1:
            return None
        return Checkpoint(dict(data["cursor"]), bool(data["done"]), data["bytes_read"])
    except (ValueError, TypeError, KeyError):
        return None


def claim(db: Database, run_id: str, asset: Asset) -> Lease:
    """Take the asset for a run and say where it stood. Raises BusyError, StateError.

    Progress of an earlier claim in the same run is kept, unless the asset has changed since or its
    checkpoint cannot be read: then it is forgotten and the asset is read again from its start.
    """
    asset_id = asset_id_of(asset.uri)
    removed: list[str] = []
    with db.write() as connection:
        status = connection.scalar(select(runs.c.status).where(runs.c.run_id == run_id))
        if status != "running":
            raise StateError(
                "the run is not running",
                where=f"run {run_id}",
                expected="a run that was begun or resumed",
                found=str(status or "no such run"),
                remedy="Begin a run, or resume this one, before sweeping an asset.",
            )
        _store_assets(connection, db, [asset])
        token = leases.take(
            connection, asset_id, asset.uri, run_id=run_id, now=db.now(), seconds=db.lease_seconds
        )
        row = _row_of(connection, run_id, asset_id)
        if row is None or row.status in {"pending", "running", "failed"}:
            removed = _begin(connection, db, run_id=run_id, asset_id=asset_id, asset=asset, row=row)
            row = _row_of(connection, run_id, asset_id)
        progress = progress_from(row) if row is not None else None
    if db.folder is not None:
        db.folder.remove(removed)
    assert progress is not None
    return Lease(asset_id, asset.uri, run_id, token, progress)


def _begin(
    connection: Connection,
    db: Database,
    *,
    run_id: str,
    asset_id: str,
    asset: Asset,
    row: Row[Any] | None,
) -> list[str]:
    """Mark the asset running; returns the segment files of progress that had to be forgotten."""
    if row is None:
        insert_new(connection, run_assets, [_empty(run_id, asset_id)])
    facts_kept = row is None or row.commits == 0 or row.facts_kept
    same = run_assets.c.run_id == run_id, run_assets.c.asset_id == asset_id
    removed: list[str] = []
    if row is not None and not _may_continue(row, asset):
        removed = forget_findings(connection, row.seq)
        # What this run saw in the content that is gone was not seen in what is read now.
        forgotten = violations.c.asset_id == asset_id, violations.c.last_run == run_id
        connection.execute(update(violations).where(*forgotten).values(last_run=FORGOTTEN))
        connection.execute(update(run_assets).where(*same).values(_empty(run_id, asset_id)))
        facts_kept = True
    connection.execute(
        update(run_assets)
        .where(*same)
        .values(
            status="running",
            facts_kept=facts_kept,
            change_key=asset.change_key,
            started_at=(row.started_at if row is not None else None) or db.moment(),
            ended_at=None,
            error=None,
        )
    )
    return removed


def _may_continue(row: Row[Any], asset: Asset) -> bool:
    unreadable = row.checkpoint is not None and checkpoint_from(row.checkpoint) is None
    never_begun = row.checkpoint is None and row.commits == 0
    return never_begun or (row.change_key == asset.change_key and not unreadable)


def forget_findings(connection: Connection, run_asset: int) -> list[str]:
    """Delete the findings, problems and facts of a run-asset; returns its segment files, to be removed."""
    mine = finding_segments.c.run_asset == run_asset
    files = list(connection.scalars(select(finding_segments.c.file).where(mine)))
    connection.execute(delete(finding_segments).where(mine))
    connection.execute(delete(findings).where(findings.c.run_asset == run_asset))
    connection.execute(delete(problems).where(problems.c.run_asset == run_asset))
    connection.execute(delete(record_facts).where(record_facts.c.run_asset == run_asset))
    return files


def plan_assets(db: Database, run_id: str, found: Sequence[Asset]) -> None:
    """Note assets as pending, so that a run cut off before reaching them is seen as incomplete."""
    rows = [_empty(run_id, asset_id_of(asset.uri)) for asset in found]
    with db.write() as connection:
        _store_assets(connection, db, found)
        insert_new(connection, run_assets, rows)


def skip_asset(db: Database, run_id: str, asset: Asset) -> None:
    """Note that the asset is unchanged since it was last read whole; its findings stay valid."""
    asset_id = asset_id_of(asset.uri)
    with db.write() as connection:
        _store_assets(connection, db, [asset])
        insert_new(connection, run_assets, [_empty(run_id, asset_id)])
        connection.execute(
            update(run_assets)
            .where(
                run_assets.c.run_id == run_id,
                run_assets.c.asset_id == asset_id,
                run_assets.c.status == "pending",
            )
            .values(status="skipped", change_key=asset.change_key, ended_at=db.moment())
        )


def release(db: Database, lease: Lease) -> None:
    """Give the asset back; harmless when it was taken over meanwhile."""
    with db.write() as connection:
        leases.release(connection, lease.asset_id, lease.token)


def heartbeat(db: Database, lease: Lease) -> None:
    """Prolong the lease between commits. Raises BusyError when it was taken over."""
    with db.write() as connection:
        if not leases.renew(connection, lease.asset_id, lease.token, db.now(), db.lease_seconds):
            raise leases.lost(lease.asset_uri, lease.run_id)


def asset_progress(db: Database, run_id: str, asset_uri: str) -> AssetProgress | None:
    """How far a run got in an asset; None when it has not met it."""
    with db.read() as connection:
        row = _row_of(connection, run_id, asset_id_of(asset_uri))
        return None if row is None else progress_from(row)


def progress_of_run(db: Database, run_id: str) -> list[AssetProgress]:
    """Every asset of a run, in the order it met them."""
    query = _progress().where(run_assets.c.run_id == run_id).order_by(run_assets.c.seq)
    with db.read() as connection:
        return [progress_from(row) for row in connection.execute(query)]


def last_complete(
    db: Database, asset_uri: str, pack_hash: str, policy_version: str | None
) -> AssetProgress | None:
    """The asset's newest reading, if it was whole and under the same pack and policy.

    An asset whose change_key (not None) equals that reading's need not be read again.
    """
    query = (
        _progress(runs.c.pack_hash, runs.c.policy_version)
        .join(runs, runs.c.run_id == run_assets.c.run_id)
        .where(
            run_assets.c.asset_id == asset_id_of(asset_uri),
            run_assets.c.status.not_in(["pending", "skipped"]),
        )
        .order_by(runs.c.seq.desc())
        .limit(1)
    )
    with db.read() as connection:
        row = connection.execute(query).first()
    if row is None or row.status != "done":
        return None
    if (row.pack_hash, row.policy_version) != (pack_hash, policy_version):
        return None
    return progress_from(row)


def read_all_again(connection: Connection) -> None:
    """Let no asset pass as unchanged: the next run reads each one, whatever its source says of it."""
    connection.execute(update(run_assets).values(change_key=None))


def _store_assets(connection: Connection, db: Database, found: Sequence[Asset]) -> None:
    now = db.moment()
    rows = [
        {
            "asset_id": asset_id_of(asset.uri),
            "uri": asset.uri,
            "kind": asset.kind,
            "connector": asset.connector,
            "item": asset.item,
            "app": asset.app,
            "first_seen": now,
            "last_seen": now,
            "entry_id": entry_id(*entry_of(asset)),
        }
        for asset in found
    ]
    enter(connection, map(entry_of, found), now)
    insert_or_update(connection, assets, rows, keep=frozenset({"first_seen"}))


def _empty(run_id: str, asset_id: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "asset_id": asset_id,
        "status": "pending",
        "checkpoint": None,
        "commits": 0,
        "bytes_read": 0,
        "tail": 0,
        "recommended_label": None,
        "pruned": False,
        **dict.fromkeys(COUNTS, 0),
        **{name: {} for name in TALLIES},
    }


def _progress(*more: Any) -> Select[Any]:
    return select(run_assets, assets.c.uri, *more).join(
        assets, assets.c.asset_id == run_assets.c.asset_id
    )


def _row_of(connection: Connection, run_id: str, asset_id: str) -> Row[Any] | None:
    return connection.execute(
        _progress().where(run_assets.c.run_id == run_id, run_assets.c.asset_id == asset_id)
    ).first()


def progress_from(row: Row[Any]) -> AssetProgress:
    """A row of run_assets (with the asset's uri) as a value."""
    return AssetProgress(
        run_id=row.run_id,
        asset_id=row.asset_id,
        asset_uri=row.uri,
        status=row.status,
        change_key=row.change_key,
        checkpoint=checkpoint_from(row.checkpoint),
        counters=counters_from(row),
        bytes_read=row.bytes_read,
        commits=row.commits,
        recommended_label=row.recommended_label,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )


def counters_from(row: Row[Any]) -> Counters:
    """The counters of a row of run_assets."""
    return Counters(**{name: getattr(row, name) for name in (*COUNTS, *TALLIES)})
