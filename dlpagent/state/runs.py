"""Runs: begun, finished, found again after an interruption."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from dlpagent.errors import BusyError, StateError
from dlpagent.findings import PackRef
from dlpagent.state.audit import local_actor, record_act
from dlpagent.state.database import Database
from dlpagent.state.leases import has_ended
from dlpagent.state.model import Run, RunStatus
from dlpagent.state.owner import Owner, is_dead, this_process
from dlpagent.state.register import enter_pack
from dlpagent.state.tables import leases, runs
from dlpagent.violations import PolicyRef


def begin_run(
    db: Database,
    *,
    job: str,
    command: str,
    pack: PackRef,
    policy: PolicyRef | None = None,
    config_hash: str = "",
) -> str:
    """Store a new running run and return its id."""
    run_id = str(uuid.uuid4())
    with db.write() as connection:
        enter_pack(connection, pack, db.moment())
        _note_changes(connection, db, job, pack, policy)
        connection.execute(
            runs.insert().values(
                run_id=run_id,
                job=job,
                command=command,
                status="running",
                started_at=db.moment(),
                pack_id=pack.id,
                pack_version=pack.version,
                pack_hash=pack.hash,
                policy_id=policy.id if policy else None,
                policy_name=policy.name if policy else None,
                policy_version=policy.version if policy else None,
                config_hash=config_hash,
                totals={},
                **_owner_columns(),
            )
        )
    return run_id


def _note_changes(
    connection: Connection, db: Database, job: str, pack: PackRef, policy: PolicyRef | None
) -> None:
    """Record as acts that a job is run under another policy or pack than before."""
    last = select(runs).where(runs.c.job == job).order_by(runs.c.seq.desc()).limit(1)
    row = connection.execute(last).first()
    if row is None:
        return
    ours = (policy.id, policy.name, policy.version) if policy else (None, None, None)
    theirs = (row.policy_id, row.policy_name, row.policy_version)
    used = (row.pack_id, row.pack_version, row.pack_hash)
    using = (pack.id, pack.version, pack.hash)
    for name, before, after in (("policy", theirs, ours), ("pack", used, using)):
        if before != after:
            told = {"before": list(before), "after": list(after)}
            record_act(connection, local_actor(), f"{name}.change", job, told, clock=db.clock)


def resume_run(db: Database, run_id: str) -> Run:
    """Make an interrupted run ours. Raises BusyError while the process that began it is at work."""
    with db.write() as connection:
        row = _row_of(connection, run_id)
        if row.status not in {"running", "interrupted"}:
            raise StateError(
                "the run has ended and cannot be resumed",
                where=f"run {run_id}",
                expected="a run that is running or interrupted",
                found=row.status,
                remedy="Start a new run; unchanged assets are skipped.",
            )
        if row.status == "running" and is_at_work(db, connection, row):
            raise _at_work_elsewhere(row)
        connection.execute(
            update(runs)
            .where(runs.c.run_id == run_id)
            .values(status="running", ended_at=None, **_owner_columns())
        )
        return _run_from(_row_of(connection, run_id))


def finish_run(
    db: Database, run_id: str, status: RunStatus, totals: Mapping[str, Any] | None = None
) -> None:
    """Store how the run ended and give back every lease it still holds.

    Raises BusyError, changing nothing, when another process has resumed the run and is at work.
    """
    with db.write() as connection:
        row = _row_of(connection, run_id)
        ours = _owner(row) == this_process()
        if row.status == "running" and not ours and is_at_work(db, connection, row):
            raise _at_work_elsewhere(row)
        connection.execute(
            update(runs)
            .where(runs.c.run_id == run_id)
            .values(status=status, ended_at=db.moment(), totals=dict(totals or {}))
        )
        connection.execute(delete(leases).where(leases.c.run_id == run_id))


def resumable_run(db: Database, job: str) -> Run | None:
    """The job's newest run if it was cut off: interrupted, or running without a live process."""
    with db.read() as connection:
        row = connection.execute(
            select(runs).where(runs.c.job == job).order_by(runs.c.seq.desc()).limit(1)
        ).first()
        run = None if row is None else _run(db, connection, row)
    return run if run is not None and run.status == "interrupted" else None


def run_of(db: Database, run_id: str) -> Run:
    """A run by its id. Raises StateError when there is none."""
    with db.read() as connection:
        return _run(db, connection, _row_of(connection, run_id))


def newest_runs(db: Database, limit: int = 20, job: str | None = None) -> list[Run]:
    """The newest runs first."""
    query = select(runs).order_by(runs.c.seq.desc()).limit(limit)
    if job is not None:
        query = query.where(runs.c.job == job)
    with db.read() as connection:
        return [_run(db, connection, row) for row in connection.execute(query).all()]


def _run(db: Database, connection: Connection, row: Row[Any]) -> Run:
    """A row of runs as a value; one whose process died without a word counts as interrupted."""
    run = _run_from(row)
    if run.status == "running" and not is_at_work(db, connection, row):
        return replace(run, status="interrupted")
    return run


def _run_from(row: Row[Any]) -> Run:
    policy = None
    if row.policy_id is not None:
        policy = PolicyRef(row.policy_id, row.policy_name, row.policy_version)
    return Run(
        id=row.run_id,
        job=row.job,
        command=row.command,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        pack=PackRef(row.pack_id, row.pack_version, row.pack_hash),
        policy=policy,
        config_hash=row.config_hash,
        totals=row.totals,
    )


def _row_of(connection: Connection, run_id: str) -> Row[Any]:
    row = connection.execute(select(runs).where(runs.c.run_id == run_id)).first()
    if row is None:
        raise StateError(
            "no such run",
            where=f"run {run_id}",
            expected="the id of a run in this state",
            remedy="List the runs with: dlpagent sweep status",
        )
    return row


def is_at_work(db: Database, connection: Connection, row: Row[Any]) -> bool:
    """Of a running run: whether its process lives, or (on another host) one of its leases does."""
    owner = _owner(row)
    if owner == this_process():
        return True
    if owner.host == this_process().host:
        return not is_dead(owner)
    held = connection.execute(select(leases).where(leases.c.run_id == row.run_id))
    return any(not has_ended(lease, db.now()) for lease in held)


def _at_work_elsewhere(row: Row[Any]) -> BusyError:
    return BusyError(
        "the run is at work in another process",
        where=f"run {row.run_id}",
        expected="a run whose process has ended",
        found=str(_owner(row)),
        remedy="Wait for it to end, or stop that process and resume then.",
    )


def _owner(row: Row[Any]) -> Owner:
    return Owner(row.host, row.pid, row.process)


def _owner_columns() -> dict[str, object]:
    owner = this_process()
    return {"host": owner.host, "pid": owner.pid, "process": owner.process}
