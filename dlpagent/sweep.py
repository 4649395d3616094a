"""The sweep loop: collect → classify → decide → commit, asset by asset, resumable at every batch.

Each batch becomes durable in one transaction with the checkpoint behind it (dlpagent.state), so a
sweep cut off at any instant goes on where it was and ends as if nothing had happened. Reading and
assessing may happen elsewhere (dlpagent.jobs); commits are made here, in the order of reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Protocol

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor, label_counts
from dlpagent.errors import BusyError, DlpAgentError, SourceError
from dlpagent.jobs import Engine, Job, Step, in_this_process
from dlpagent.ports import Classifier, Decider, Source
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import (
    AssetProgress,
    BatchCommit,
    Committed,
    Counters,
    Finish,
    Lease,
    Run,
    State,
)
from dlpagent.state.leases import LEASE_SECONDS
from dlpagent.state.model import RunStatus
from dlpagent.suppressions import NONE, Suppressions
from dlpagent.violations import ZERO_TENANT, Item


class Stopped(DlpAgentError):  # noqa: N818 - an outcome, not a fault
    """The sweep was asked to stop; it can be resumed."""


class Observer(Protocol):
    """Who watches a sweep (progress, output). Called after each commit, never inside one."""

    def planned(self, assets: Sequence[Asset]) -> None: ...

    def asset_begins(self, asset: Asset, progress: AssetProgress) -> None: ...

    def batch_done(
        self,
        asset: Asset,
        findings: pa.RecordBatch,
        checkpoint: Checkpoint,
        committed: Committed,
        counters: Counters,
    ) -> None: ...

    def asset_ends(self, asset: Asset, progress: AssetProgress) -> None: ...

    def asset_skipped(self, asset: Asset) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep is. accept: part statuses that do not make it incomplete; full: read assets that
    have not changed since they were last read whole, too; sinks: names of those that get events;
    partial: the assets given are some of the job's, so what is not met is not gone."""

    job: str
    command: str
    config_hash: str = ""
    sinks: tuple[str, ...] = ()
    tenant_id: str = ZERO_TENANT
    accept: frozenset[str] = frozenset()
    full: bool = False
    partial: bool = False


@dataclass(slots=True)
class Result:
    """How a sweep ended.

    counters: what it read and found; unchanged: what earlier runs found in the assets it skipped;
    assets: status → assets; found: every asset by its uri; unreachable: (place, message) of what
    could not be opened.
    """

    run_id: str
    status: RunStatus
    counters: Counters = field(default_factory=Counters)
    assets: dict[str, int] = field(default_factory=dict)
    unreachable: list[tuple[str, str]] = field(default_factory=list)
    unchanged: Counters = field(default_factory=Counters)
    found: dict[str, Asset] = field(default_factory=dict)


@dataclass(slots=True)
class Sweep:
    """A plan with everything it works with. should_stop is asked between batches.

    engine: how assets are read and assessed; in this process unless another is given.
    suppressions: findings on which nothing is decided; they are found and stored as all others.
    """

    plan: Plan
    state: State
    classifier: Classifier
    decider: Decider | None
    observer: Observer
    should_stop: Callable[[], bool] = lambda: False
    engine: Engine = in_this_process
    suppressions: Suppressions = NONE
    _kept_at: float = field(default_factory=time.monotonic, init=False, repr=False)

    def run(
        self,
        sources: Iterable[Source],
        *,
        resume: Run | None = None,
        unreachable: Iterable[tuple[str, str]] = (),
    ) -> Result:
        """Sweep every asset of every source; with `resume`, go on with a run that was cut off.

        Raises BusyError when another sweep holds an asset. Stopped leaves the run interrupted.
        """
        run_id = self._begin(resume)
        result = Result(run_id, "running", unreachable=list(unreachable))
        try:
            work = list(self._discovered(sources, result))
            self.state.plan(run_id, [asset for _, asset in work])
            self.observer.planned([asset for _, asset in work])
            self._sweep(result, work)
        except BaseException as error:
            self._finish(result, self._ending(run_id, error))
            raise
        self._finish(result, None)
        return result

    def _begin(self, resume: Run | None) -> str:
        if resume is not None:
            return self.state.resume_run(resume.id).id
        return self.state.begin_run(
            job=self.plan.job,
            command=self.plan.command,
            pack=self.classifier.pack,
            policy=self.decider.policy if self.decider else None,
            config_hash=self.plan.config_hash,
        )

    def _ending(self, run_id: str, error: BaseException) -> RunStatus:
        """A run that was refused before it did anything is over; any other can be gone on with."""
        began = any(progress.commits for progress in self.state.progress(run_id))
        return "failed" if isinstance(error, BusyError) and not began else "interrupted"

    def _discovered(
        self, sources: Iterable[Source], result: Result
    ) -> Iterator[tuple[Source, Asset]]:
        for source in sources:
            try:
                for asset in source.discover():
                    if asset.uri not in result.found:  # named twice, it is read once
                        result.found[asset.uri] = asset
                        yield source, asset
            except SourceError as error:
                result.unreachable.append((error.where, str(error)))

    def _finish(self, result: Result, status: RunStatus | None) -> None:
        for progress in self.state.progress(result.run_id):
            result.counters += progress.counters
            result.assets[progress.status] = result.assets.get(progress.status, 0) + 1
        incomplete = result.unreachable or result.assets.keys() & {
            "incomplete",
            "failed",
            "pending",
        }
        result.status = status or ("incomplete" if incomplete else "complete")
        if result.status == "complete" and not self.plan.partial:
            self.state.resolve_gone(result.run_id, self.plan.sinks, self.plan.tenant_id)
        totals = {
            "counters": asdict(result.counters),
            "assets": result.assets,
            "unreachable": [list(item) for item in result.unreachable[:1000]],
        }
        self.state.finish_run(result.run_id, result.status, totals)

    # --- reading --------------------------------------------------------------------------------

    def _sweep(self, result: Result, work: Sequence[tuple[Source, Asset]]) -> None:
        """Read, assess and commit all assets; what is held is given back whatever happens."""
        assessor = Assessor(self.classifier, self.decider, self.suppressions)
        held: dict[str, Lease] = {}
        try:
            with closing(self.engine(assessor, self._jobs(result, work, held))) as steps:
                for step, assessed in steps:
                    self._keep(held)
                    if assessed is not None:
                        self._commit(step, assessed)
                        if self.should_stop():
                            raise Stopped("the sweep was stopped", where=step.job.asset.uri,
                                          remedy="Go on with --resume.")  # fmt: skip
                    else:
                        self._end(assessor, step)
                        self.state.release(held.pop(step.job.asset.uri))
        finally:
            for lease in held.values():
                self.state.release(lease)

    def _keep(self, held: Mapping[str, Lease]) -> None:
        """Prolong what is held and waits for its turn; commits prolong only their own."""
        now = time.monotonic()
        if now - self._kept_at > LEASE_SECONDS / 5:
            self._kept_at = now
            for lease in held.values():
                self.state.heartbeat(lease)

    def _jobs(
        self, result: Result, work: Sequence[tuple[Source, Asset]], held: dict[str, Lease]
    ) -> Iterator[Job]:
        for source, asset in work:
            last = None if self.plan.full else self._unchanged(asset)
            if last is not None and last.run_id == result.run_id:
                continue  # named twice, or read before this run was cut off
            if last is not None:
                self.state.skip(result.run_id, asset)
                result.unchanged += last.counters
                self.observer.asset_skipped(asset)
                continue
            lease = held[asset.uri] = self.state.claim(result.run_id, asset)
            if lease.progress.status == "running":
                self.observer.asset_begins(asset, lease.progress)
            yield Job(source, asset, lease)

    def _unchanged(self, asset: Asset) -> AssetProgress | None:
        """The asset's last whole reading, if nothing that matters has changed since."""
        if asset.change_key is None:
            return None
        version = self.decider.policy.version if self.decider else None
        last = self.state.last_complete(asset.uri, self.classifier.pack.hash, version)
        return last if last is not None and last.change_key == asset.change_key else None

    # --- committing -----------------------------------------------------------------------------

    def _commit(self, step: Step, assessed: Assessed) -> None:
        assert step.after is not None  # a step with a batch has one
        lease = step.job.lease
        committed = self.state.commit_batch(
            lease.run_id,
            lease,
            BatchCommit(
                before=step.before,
                after=step.after,
                findings=assessed.findings,
                problems=assessed.problems,
                violations=assessed.violations,
                counters=assessed.counters,
                facts=assessed.facts,
                sinks=self.plan.sinks,
                tenant_id=self.plan.tenant_id,
            ),
        )
        self.observer.batch_done(
            step.job.asset, assessed.findings, step.after, committed, assessed.counters
        )

    def _end(self, assessor: Assessor, step: Step) -> None:
        """Decide on the asset as a whole and mark it finished, in one more transaction."""
        run_id, asset = step.job.lease.run_id, step.job.asset
        if step.job.lease.progress.status == "running":
            self._close(assessor, step)
        progress = self.state.asset_progress(run_id, asset.uri)
        if progress is not None:
            self.observer.asset_ends(asset, progress)

    def _close(self, assessor: Assessor, step: Step) -> None:
        lease, asset = step.job.lease, step.job.asset
        run_id = lease.run_id
        progress = self.state.asset_progress(run_id, asset.uri)
        counters = progress.counters if progress else Counters()
        unread = any(
            many and status not in {"read", *self.plan.accept}
            for status, many in counters.statuses.items()
        )
        items = []
        if "asset" in assessor.levels(asset):
            incomplete = unread or step.error is not None
            items = [self.asset_item(run_id, asset, counters, incomplete=incomplete)]
        decisions = assessor.decided(items)
        recommendation = decisions[0][1].recommendation if decisions else None
        self.state.commit_batch(
            run_id,
            lease,
            BatchCommit(
                before=step.before,
                after=step.before,
                violations=tuple(assessor.violations(decisions)),
                counters=Counters(labels=label_counts(decisions)),
                sinks=self.plan.sinks,
                tenant_id=self.plan.tenant_id,
                finish=Finish(
                    status="failed" if step.error else "incomplete" if unread else "done",
                    error=step.error,
                    recommended_label=asdict(recommendation.label) if recommendation else None,
                ),
            ),
        )

    def asset_item(
        self, run_id: str, asset: Asset, counters: Counters, *, incomplete: bool
    ) -> Item:
        """All that a run has stored of an asset, as the one item it is."""
        found = self.state.item_tallies(run_id, asset.uri, self.suppressions)
        return Item(
            asset=asset,
            level="asset",
            record_id="",
            tallies=found.tallies,
            evidence=found.evidence,
            places=found.places,
            places_total=found.places_total,
            roles=tuple(sorted(counters.roles)),
            labels=tuple(sorted(counters.carried)),
            app=asset.app,
            incomplete=incomplete,
        )
