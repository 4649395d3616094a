"""Following assets that grow: what was added is read, assessed and committed; the run stays open.

A sweep reads an asset to its end and is done with it. A followed asset has no end: behind every
catching up its checkpoint stands where the next one begins, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.assess import Assessor
from dlpagent.errors import SourceError
from dlpagent.ports import Source
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, Counters, Finish, Lease
from dlpagent.sweep import Sweep

MARK = "follow"


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What one catching up read. checkpoint: where the next one begins. error: why it ended early."""

    counters: Counters
    checkpoint: Checkpoint | None
    violations: int = 0
    error: str | None = None


def catch_up(
    sweep: Sweep, run_id: str, source: Source, asset: Asset, whole: int, mark: Mapping[str, Any]
) -> CaughtUp:
    """Read what an asset has gained since its stored checkpoint, up to byte `whole`, and commit it.

    whole: behind the last complete line; rows whose locator begins there or later are left for the
    next time. mark: kept in the checkpoint, committed with it (who the file is). asset.change_key
    names the generation: another one is read from its beginning. Raises BusyError when another
    sweep holds the asset.
    """
    assessor = Assessor(sweep.classifier, sweep.decider, sweep.suppressions)
    lease = sweep.state.claim(run_id, asset)
    try:
        return _catch_up(sweep, assessor, source, asset, lease, whole, mark)
    finally:
        sweep.state.release(lease)


def _catch_up(
    sweep: Sweep,
    assessor: Assessor,
    source: Source,
    asset: Asset,
    lease: Lease,
    whole: int,
    mark: Mapping[str, Any],
) -> CaughtUp:
    stored = lease.progress.checkpoint
    total, violations, error = Counters(), 0, None
    try:
        with closing(source.read(asset, plain(stored))) as batches:  # type: ignore[type-var]
            for batch, behind in batches:
                kept, after, is_last = _up_to(batch, behind, whole, mark)
                if kept.num_rows == 0 and same_place(stored, after):
                    break
                assessed = assessor.assess(asset, kept)
                committed = sweep.state.commit_batch(
                    lease.run_id,
                    lease,
                    BatchCommit(
                        before=stored,
                        after=after,
                        findings=assessed.findings,
                        problems=assessed.problems,
                        violations=assessed.violations,
                        counters=assessed.counters,
                        facts=assessed.facts,
                        sinks=sweep.plan.sinks,
                        tenant_id=sweep.plan.tenant_id,
                    ),
                )
                sweep.observer.batch_done(asset, assessed.findings, after, committed,
                                          assessed.counters)  # fmt: skip
                stored = after
                total += assessed.counters
                violations += len(assessed.violations)
                if is_last or sweep.should_stop():
                    break
    except SourceError as problem:
        error = str(problem)
    if total.records and "asset" in assessor.levels(asset):
        violations += _decide_on_the_whole(sweep, assessor, asset, lease, stored)
    return CaughtUp(total, stored, violations, error)


def let_go(sweep: Sweep, run_id: str, asset: Asset) -> None:
    """The asset is gone for good: its reading ends, whole as it is."""
    lease = sweep.state.claim(run_id, asset)
    try:
        if lease.progress.status == "running":
            place = lease.progress.checkpoint
            sweep.state.commit_batch(
                run_id, lease,
                BatchCommit(before=place, after=place, finish=Finish(status="done"),
                            sinks=sweep.plan.sinks, tenant_id=sweep.plan.tenant_id),
            )  # fmt: skip
    finally:
        sweep.state.release(lease)


def plain(checkpoint: Checkpoint | None) -> Checkpoint | None:
    """A stored checkpoint as its source made it."""
    if checkpoint is None:
        return None
    cursor = {name: value for name, value in checkpoint.cursor.items() if name != MARK}
    return Checkpoint(cursor) if cursor else None


def same_place(stored: Checkpoint | None, after: Checkpoint) -> bool:
    """Whether two checkpoints are of one place, whatever their marks say."""
    first, second = plain(stored), plain(after)
    return first is not None and second is not None and first.cursor == second.cursor


def _up_to(
    batch: pa.RecordBatch, behind: Checkpoint, whole: int, mark: Mapping[str, Any]
) -> tuple[pa.RecordBatch, Checkpoint, bool]:
    """The rows of complete lines, the checkpoint behind them, and whether more are not to be had."""
    cursor = {**plain_cursor(behind), MARK: dict(mark)}
    if batch.num_rows == 0:
        return batch, Checkpoint(cursor, bytes_read=whole), behind.done
    offsets = pc.struct_field(batch.column("locator"), "offset")
    torn = pc.indices_nonzero(pc.greater_equal(offsets, whole))
    if len(torn) == 0:
        return batch, Checkpoint(cursor, bytes_read=behind.bytes_read), behind.done
    first = torn[0].as_py()
    locator = batch.column("locator")[first].as_py()
    cursor |= {"offset": locator["offset"], "row": locator["row"], "in_array": False}
    cursor.pop("skip", None)
    return batch.slice(0, first), Checkpoint(cursor, bytes_read=locator["offset"]), True


def plain_cursor(checkpoint: Checkpoint) -> dict[str, Any]:
    """The cursor without a mark."""
    return {name: value for name, value in checkpoint.cursor.items() if name != MARK}


def _decide_on_the_whole(
    sweep: Sweep, assessor: Assessor, asset: Asset, lease: Lease, place: Checkpoint | None
) -> int:
    """Decide on all that was ever read of the asset: a file that gained a value has changed."""
    progress = sweep.state.asset_progress(lease.run_id, asset.uri)
    item = sweep.asset_item(
        lease.run_id, asset, progress.counters if progress else Counters(), incomplete=False
    )
    decided = assessor.decided([item])
    found = tuple(assessor.violations(decided))
    if found:
        sweep.state.commit_batch(
            lease.run_id, lease,
            BatchCommit(before=place, after=place, violations=found,
                        sinks=sweep.plan.sinks, tenant_id=sweep.plan.tenant_id),
        )  # fmt: skip
    return len(found)
