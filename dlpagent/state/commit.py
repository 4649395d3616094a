"""One batch, one transaction: findings, problems, violations, outbox rows, counters, checkpoint.

The transaction begins by renewing the lease and comparing the stored checkpoint with the one the
batch was read after. Both must hold, so of two writers at most one ever commits a batch, and after
a crash at any instant the findings are exactly those of the batches before the checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, select, update

from dlpagent.findings import level_of
from dlpagent.state import leases
from dlpagent.state.assets import COUNTS, TALLIES, checkpoint_text, counters_from
from dlpagent.state.database import Database
from dlpagent.state.fact_rows import store_facts
from dlpagent.state.finding_rows import store_findings
from dlpagent.state.life import resolve_unseen
from dlpagent.state.model import BatchCommit, Committed, Counters, Lease, PartProblem
from dlpagent.state.tables import problems, run_assets
from dlpagent.state.types import moment
from dlpagent.state.verdicts import suppressions_in
from dlpagent.state.violation_rows import store_violations

MAX_PROBLEM_ROWS = 10_000
UNCHECKED = "unchecked"


def commit_batch(db: Database, run_id: str, lease: Lease, batch: BatchCommit) -> Committed:
    """Make a batch durable. Raises BusyError when the asset was taken over, else StateError."""
    now = db.now()
    with db.write() as connection:
        if not leases.renew(connection, lease.asset_id, lease.token, now, db.lease_seconds):
            raise leases.lost(lease.asset_uri, run_id)
        row = _row_to_advance(connection, run_id, lease, batch)
        tail = row.tail
        if batch.findings is not None and batch.findings.num_rows:
            tail = store_findings(
                connection, db, row.seq, batch.findings, stored=row.findings, tail=row.tail
            )
        _store_problems(connection, row, batch.problems)
        store_facts(connection, row.seq, batch.facts)
        committed = store_violations(connection, run_id, lease.asset_id, batch, now)
        _advance(connection, db, row, batch, tail)
        if batch.finish is not None and batch.finish.status == "done":
            resolved = _resolve_unseen(connection, row.seq, batch, moment(now))
            committed = replace(committed, resolved=resolved)
    return committed


def _resolve_unseen(connection: Connection, run_asset: int, batch: BatchCommit, at: str) -> int:
    row = connection.execute(select(run_assets).where(run_assets.c.seq == run_asset)).one()
    return resolve_unseen(
        connection,
        row,
        at,
        suppressions=suppressions_in(connection, at),
        sinks=batch.sinks,
        tenant_id=batch.tenant_id,
    )


def _row_to_advance(
    connection: Connection, run_id: str, lease: Lease, batch: BatchCommit
) -> Row[Any]:
    row = connection.execute(
        select(run_assets)
        .where(run_assets.c.run_id == run_id, run_assets.c.asset_id == lease.asset_id)
        .with_for_update()
    ).first()
    if row is None or row.status != "running" or row.checkpoint != checkpoint_text(batch.before):
        raise leases.lost(lease.asset_uri, run_id)
    return row


def _advance(
    connection: Connection, db: Database, row: Row[Any], batch: BatchCommit, tail: int
) -> None:
    total = counters_from(row) + counted(batch)
    values: dict[str, Any] = {name: getattr(total, name) for name in (*COUNTS, *TALLIES)}
    values |= {"checkpoint": checkpoint_text(batch.after), "commits": row.commits + 1, "tail": tail}
    if batch.after is not None and batch.after.bytes_read is not None:
        values["bytes_read"] = batch.after.bytes_read
    if batch.finish is not None:
        values |= {
            "status": batch.finish.status,
            "error": batch.finish.error,
            "ended_at": db.moment(),
            "recommended_label": batch.finish.recommended_label,
        }
    connection.execute(update(run_assets).where(run_assets.c.seq == row.seq).values(values))


def counted(batch: BatchCommit) -> Counters:
    """The batch's counters, with findings, levels, SITs and problems counted from what it holds."""
    unchecked = sum(problem.status == UNCHECKED for problem in batch.problems)
    counters = replace(
        batch.counters,
        problems=len(batch.problems),
        findings=0,
        levels={},
        sits={},
        statuses={**batch.counters.statuses, **({UNCHECKED: unchecked} if unchecked else {})},
    )
    if batch.findings is None or not batch.findings.num_rows:
        return counters
    levels: dict[str, int] = {}
    for confidence, many in _value_counts(batch.findings.column("confidence")).items():
        level = level_of(confidence)
        levels[level] = levels.get(level, 0) + many
    return replace(
        counters,
        findings=batch.findings.num_rows,
        levels=levels,
        sits=_value_counts(batch.findings.column("sit_id")),
    )


def _value_counts(column: pa.Array) -> dict[Any, int]:
    counts = column.value_counts()
    return dict(
        zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    )


def _store_problems(connection: Connection, row: Row[Any], found: tuple[PartProblem, ...]) -> None:
    """Keep the first rows of a run-asset; all of them are counted."""
    room = max(0, MAX_PROBLEM_ROWS - row.problems)
    if not found[:room]:
        return
    connection.execute(
        problems.insert(),
        [
            {
                "run_asset": row.seq,
                "record_id": problem.record_id,
                "part": problem.part,
                "status": problem.status,
                "reason": problem.reason,
                "sit_id": problem.sit_id,
                "locator": dict(problem.locator),
            }
            for problem in found[:room]
        ],
    )
