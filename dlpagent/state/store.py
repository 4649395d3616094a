"""The state as the rest of the product sees it: one class, one method per thing to be done."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, select

from dlpagent.findings import PackRef
from dlpagent.records import Asset
from dlpagent.state import assets, finding_reader, life, outbox_rows, queries, runs
from dlpagent.state.commit import commit_batch
from dlpagent.state.connection import (
    connect,
    database_url,
    findings_folder,
    place_of,
    reading,
    writing,
)
from dlpagent.state.database import Database
from dlpagent.state.finding_rows import SEGMENT_ROWS
from dlpagent.state.items import item_tallies
from dlpagent.state.leases import LEASE_SECONDS
from dlpagent.state.migrate import migrate
from dlpagent.state.model import (
    AssetProgress,
    BatchCommit,
    Committed,
    DeadLetter,
    FindingBatch,
    ItemEvidence,
    Lease,
    OutboxLag,
    Pruned,
    Run,
    RunStatus,
    StoredProblem,
    StoredViolation,
)
from dlpagent.state.prune import prune, remove_orphans
from dlpagent.state.segments import SegmentFolder
from dlpagent.state.sql import insert_new
from dlpagent.state.tables import meta
from dlpagent.state.types import Clock, utc_now
from dlpagent.state.verdicts import suppressions_of
from dlpagent.suppressions import NONE, Suppressions, Verdict
from dlpagent.violations import PolicyRef, ViolationStatus


def open_state(
    place: str | Path,
    *,
    findings_dir: Path | None = None,
    clock: Clock = utc_now,
    lease_seconds: float = LEASE_SECONDS,
    segment_rows: int = SEGMENT_ROWS,
) -> State:
    """Open a state, making or upgrading it as needed. Raises StateError, ConfigurationError.

    place: a file path (SQLite), or sqlite:///path or postgresql://… . findings_dir: where bulk
    findings lie as Parquet; it may stand in the URL, as ?findings_dir=/path. When not given, they
    lie in <file>.findings beside SQLite, and all stay in rows in PostgreSQL. segment_rows: how many
    rows one asset's findings may take in the database.
    """
    engine = connect(database_url(place))
    try:
        migrate(engine)
        folder = _folder(engine, findings_dir or findings_folder(place))
        database = Database(engine, clock, lease_seconds, segment_rows, folder)
        remove_orphans(database)
    except BaseException:
        engine.dispose()
        raise
    return State(database)


def _folder(engine: Engine, findings_dir: Path | None) -> SegmentFolder | None:
    if findings_dir is None:
        if engine.url.get_backend_name() != "sqlite":
            return None
        findings_dir = Path(f"{engine.url.database}.findings")
    return SegmentFolder(findings_dir, _state_id(engine)[:8])


def _state_id(engine: Engine) -> str:
    """Names this database; made on first opening."""
    query = select(meta.c.value).where(meta.c.name == "state_id")
    with reading(engine) as connection:
        found = connection.scalar(query)
    if found is None:
        with writing(engine) as connection:
            insert_new(connection, meta, [{"name": "state_id", "value": str(uuid.uuid4())}])
            found = connection.scalar(query)
    return str(found)


class State:
    """An open state; safe to share between threads. Close it, or use it as a context manager."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __repr__(self) -> str:
        return f"State({self.place!r})"

    @property
    def place(self) -> str:
        """The path or URL (without password) for messages."""
        return place_of(self.database.engine)

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Runs

    def begin_run(
        self,
        *,
        job: str,
        command: str,
        pack: PackRef,
        policy: PolicyRef | None = None,
        config_hash: str = "",
    ) -> str:
        """Begin a run of a job and return its id."""
        life.end_expired(self.database)
        return runs.begin_run(
            self.database,
            job=job,
            command=command,
            pack=pack,
            policy=policy,
            config_hash=config_hash,
        )

    def resume_run(self, run_id: str) -> Run:
        """Make a run that was cut off ours. Raises BusyError while its process is at work."""
        return runs.resume_run(self.database, run_id)

    def finish_run(
        self, run_id: str, status: RunStatus, totals: Mapping[str, Any] | None = None
    ) -> None:
        """End a run; gives back its leases."""
        runs.finish_run(self.database, run_id, status, totals)
        life.end_expired(self.database)
        remove_orphans(self.database)

    def resumable_run(self, job: str) -> Run | None:
        """The job's newest run if it was cut off."""
        return runs.resumable_run(self.database, job)

    def run_of(self, run_id: str) -> Run:
        """A run by its id. Raises StateError when there is none."""
        return runs.run_of(self.database, run_id)

    def runs(self, limit: int = 20, job: str | None = None) -> list[Run]:
        """The newest runs first."""
        return runs.newest_runs(self.database, limit, job)

    # Assets

    def plan(self, run_id: str, found: Sequence[Asset]) -> None:
        """Note assets as pending, so that none is forgotten when the run is cut off."""
        assets.plan_assets(self.database, run_id, found)

    def claim(self, run_id: str, asset: Asset) -> Lease:
        """Take an asset for a run. Raises BusyError when another sweep holds it."""
        return assets.claim(self.database, run_id, asset)

    def heartbeat(self, lease: Lease) -> None:
        """Prolong a lease between commits. Raises BusyError when it was taken over."""
        assets.heartbeat(self.database, lease)

    def release(self, lease: Lease) -> None:
        """Give an asset back."""
        assets.release(self.database, lease)

    def skip(self, run_id: str, asset: Asset) -> None:
        """Note that an asset is unchanged and was not read."""
        assets.skip_asset(self.database, run_id, asset)

    def asset_progress(self, run_id: str, asset: Asset | str) -> AssetProgress | None:
        """How far a run got in an asset; None when it has not met it."""
        return assets.asset_progress(self.database, run_id, _uri(asset))

    def progress(self, run_id: str) -> list[AssetProgress]:
        """Every asset of a run."""
        return assets.progress_of_run(self.database, run_id)

    def last_complete(
        self, asset: Asset | str, pack_hash: str, policy_version: str | None
    ) -> AssetProgress | None:
        """The asset's newest reading if it was whole, under the same pack and policy."""
        return assets.last_complete(self.database, _uri(asset), pack_hash, policy_version)

    def commit_batch(self, run_id: str, lease: Lease, batch: BatchCommit) -> Committed:
        """Make a batch durable, all or nothing. Raises BusyError when the asset was taken over."""
        return commit_batch(self.database, run_id, lease, batch)

    # Findings

    def findings(self, run_id: str, asset: Asset | str | None = None) -> Iterator[FindingBatch]:
        """The findings of a run in reading order."""
        uri = None if asset is None else _uri(asset)
        return finding_reader.findings_of_run(self.database, run_id, uri)

    def latest_findings(self, asset: Asset | str | None = None) -> Iterator[FindingBatch]:
        """The findings of each asset's last finished run, else of the one under way."""
        uri = None if asset is None else _uri(asset)
        return finding_reader.latest_findings(self.database, uri)

    def item_tallies(
        self, run_id: str, asset: Asset | str, suppressions: Suppressions = NONE
    ) -> ItemEvidence:
        """Tallies, places and digest of an asset that is one item, over all it has stored.

        What suppressions hide is left out.
        """
        return item_tallies(self.database, run_id, _uri(asset), suppressions)

    def suppressions(self, more: Sequence[Verdict] = ()) -> Suppressions:
        """What the stored verdicts, and more of them, suppress now."""
        return suppressions_of(self.database, more)

    def prune(self, keep_runs: int = 2) -> Pruned:
        """Remove the findings of all but the newest finished runs of each asset."""
        return prune(self.database, keep_runs)

    # Violations

    def resolve_gone(self, run_id: str, sinks: Sequence[str], tenant_id: str) -> int:
        """Resolve the violations of assets that a complete run no longer met; returns how many."""
        return life.resolve_gone(self.database, run_id, sinks, tenant_id)

    def end_expired(self) -> int:
        """Let violations come back alive whose override has ended; returns how many."""
        return life.end_expired(self.database)

    # Questions

    def problems(
        self,
        run_id: str,
        asset: Asset | str | None = None,
        *,
        statuses: Sequence[str] = (),
        limit: int = 10_000,
    ) -> list[StoredProblem]:
        """What a run could not check; counters have the exact number."""
        uri = None if asset is None else _uri(asset)
        return queries.stored_problems(self.database, run_id, uri, statuses=statuses, limit=limit)

    def violations(
        self,
        run_id: str | None = None,
        asset: Asset | str | None = None,
        statuses: Sequence[ViolationStatus] = (),
        after: str = "",
    ) -> Iterator[StoredViolation]:
        """Violations by id; those last seen by a run, of one asset, of some statuses, behind an id."""
        uri = None if asset is None else _uri(asset)
        return queries.stored_violations(self.database, run_id, uri, statuses, after)

    def violations_by_severity(self, run_id: str | None = None) -> dict[str, int]:
        """Severity → open violations."""
        return queries.violations_by_severity(self.database, run_id)

    def violations_by_status(self, run_id: str) -> dict[str, int]:
        """Status → violations that a run saw or changed."""
        return queries.violations_by_status(self.database, run_id)

    def outbox_lag(self) -> list[OutboxLag]:
        """How far each sink is behind."""
        return queries.outbox_lag(self.database)

    def dead_letters(self, sink: str | None = None, limit: int = 1_000) -> list[DeadLetter]:
        """Events that sinks will not take, oldest first."""
        return queries.dead_letters(self.database, sink, limit)

    def requeue_dead(self, sink: str | None = None, actor: str | None = None) -> int:
        """Let dead letters be tried again; returns how many. actor: for the audit log."""
        return outbox_rows.requeue_dead(self.database, sink, actor)

    def enqueue_since(self, sink: str, since: datetime, actor: str | None = None) -> int:
        """Give a sink stored events from a time (UTC) on that it never had; returns how many.

        actor: for the audit log.
        """
        return outbox_rows.enqueue_since(self.database, sink, since, actor)


def _uri(asset: Asset | str) -> str:
    return asset if isinstance(asset, str) else asset.uri
