"""The sweep loop: collect → classify → decide → commit, asset by asset, resumable at every batch.

Each batch becomes durable in one transaction with the checkpoint behind it (dlpagent.state), so a
sweep cut off at any instant goes on where it was and ends as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.errors import BusyError, DlpAgentError, SourceError
from dlpagent.findings import Classified, findings_of
from dlpagent.ports import Classifier, Decider, Source
from dlpagent.records import Asset, Checkpoint, ItemLevel
from dlpagent.state import (
    AssetProgress,
    BatchCommit,
    Committed,
    Counters,
    Finish,
    Lease,
    PartProblem,
    Run,
    State,
)
from dlpagent.state.model import RunStatus
from dlpagent.tallies import items_of_batch
from dlpagent.violations import ZERO_TENANT, Decision, Item, Violation, violations_of


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
    have not changed since they were last read whole, too; sinks: names of those that get events."""

    job: str
    command: str
    config_hash: str = ""
    sinks: tuple[str, ...] = ()
    tenant_id: str = ZERO_TENANT
    accept: frozenset[str] = frozenset()
    full: bool = False


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
    """A plan with everything it works with. should_stop is asked between batches."""

    plan: Plan
    state: State
    classifier: Classifier
    decider: Decider | None
    observer: Observer
    should_stop: Callable[[], bool] = lambda: False

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
            for source, asset in work:
                self._sweep_asset(result, source, asset)
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
        totals = {
            "counters": asdict(result.counters),
            "assets": result.assets,
            "unreachable": [list(item) for item in result.unreachable[:1000]],
        }
        self.state.finish_run(result.run_id, result.status, totals)

    # --- one asset ----------------------------------------------------------------------------

    def _sweep_asset(self, result: Result, source: Source, asset: Asset) -> None:
        run_id = result.run_id
        last = None if self.plan.full else self._unchanged(asset)
        if last is not None and last.run_id == run_id:
            return  # named twice, or read before this run was cut off
        if last is not None:
            self.state.skip(run_id, asset)
            result.unchanged += last.counters
            self.observer.asset_skipped(asset)
            return
        lease = self.state.claim(run_id, asset)
        try:
            if lease.progress.status == "running":
                self.observer.asset_begins(asset, lease.progress)
                self._read_asset(run_id, lease, source, asset)
        finally:
            self.state.release(lease)
        progress = self.state.asset_progress(run_id, asset.uri)
        if progress is not None:
            self.observer.asset_ends(asset, progress)

    def _unchanged(self, asset: Asset) -> AssetProgress | None:
        """The asset's last whole reading, if nothing that matters has changed since."""
        if asset.change_key is None:
            return None
        version = self.decider.policy.version if self.decider else None
        last = self.state.last_complete(asset.uri, self.classifier.pack.hash, version)
        return last if last is not None and last.change_key == asset.change_key else None

    def _read_asset(self, run_id: str, lease: Lease, source: Source, asset: Asset) -> None:
        checkpoint = lease.progress.checkpoint
        error = None
        try:
            if checkpoint is None or not checkpoint.done:
                for batch, after in source.read(asset, checkpoint):
                    self._commit(run_id, lease, asset, batch, checkpoint, after)
                    checkpoint = after
                    if self.should_stop():
                        raise Stopped("the sweep was stopped", where=asset.uri,
                                      remedy="Go on with --resume.")  # fmt: skip
        except SourceError as problem:
            error = str(problem)
        self._close(run_id, lease, asset, checkpoint, error)

    def _commit(
        self,
        run_id: str,
        lease: Lease,
        asset: Asset,
        batch: pa.RecordBatch,
        before: Checkpoint | None,
        after: Checkpoint,
    ) -> None:
        classified = self.classifier.classify(batch)
        findings = findings_of(batch, classified.matches)
        problems = problems_of(batch, classified)
        items = self._items(asset, batch, findings, classified)
        decisions = [(item, self.decider.decide(item)) for item in items] if self.decider else []
        counters = replace(counters_of(batch), labels=_label_counts(decisions))
        committed = self.state.commit_batch(
            run_id,
            lease,
            BatchCommit(
                before=before,
                after=after,
                findings=findings,
                problems=problems,
                violations=tuple(self._violations(decisions)),
                counters=counters,
                sinks=self.plan.sinks,
                tenant_id=self.plan.tenant_id,
            ),
        )
        self.observer.batch_done(asset, findings, after, committed, counters)

    def _items(
        self, asset: Asset, batch: pa.RecordBatch, findings: pa.RecordBatch, classified: Classified
    ) -> list[Item]:
        if "record" not in self._levels(asset):
            return []
        unchecked = {item.row for item in classified.incomplete}
        return list(items_of_batch(asset, batch, findings, unchecked))

    def _levels(self, asset: Asset) -> Set[ItemLevel]:
        return self.decider.levels(asset) if self.decider else frozenset()

    def _violations(self, decisions: Iterable[tuple[Item, Decision]]) -> Iterator[Violation]:
        if self.decider is None:
            return
        for item, decision in decisions:
            if decision.fired:
                yield from violations_of(
                    item,
                    decision,
                    policy=self.decider.policy,
                    pack=self.classifier.pack,
                    names=self.classifier.sit_names,
                )

    def _close(
        self,
        run_id: str,
        lease: Lease,
        asset: Asset,
        checkpoint: Checkpoint | None,
        error: str | None,
    ) -> None:
        """Decide on the asset as a whole and mark it finished, in one more transaction."""
        progress = self.state.asset_progress(run_id, asset.uri)
        counters = progress.counters if progress else Counters()
        unread = any(
            many and status not in {"read", *self.plan.accept}
            for status, many in counters.statuses.items()
        )
        decisions: list[tuple[Item, Decision]] = []
        if self.decider is not None and "asset" in self._levels(asset):
            item = self._asset_item(run_id, asset, counters, incomplete=unread or error is not None)
            decisions = [(item, self.decider.decide(item))]
        recommendation = decisions[0][1].recommendation if decisions else None
        self.state.commit_batch(
            run_id,
            lease,
            BatchCommit(
                before=checkpoint,
                after=checkpoint,
                violations=tuple(self._violations(decisions)),
                counters=Counters(labels=_label_counts(decisions)),
                sinks=self.plan.sinks,
                tenant_id=self.plan.tenant_id,
                finish=Finish(
                    status="failed" if error else "incomplete" if unread else "done",
                    error=error,
                    recommended_label=asdict(recommendation.label) if recommendation else None,
                ),
            ),
        )

    def _asset_item(
        self, run_id: str, asset: Asset, counters: Counters, *, incomplete: bool
    ) -> Item:
        found = self.state.item_tallies(run_id, asset.uri)
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


def counters_of(batch: pa.RecordBatch) -> Counters:
    """What a batch holds, for the asset's counters."""
    text = batch.column("text")
    labels = batch.column("labels")
    carried: dict[str, int] = {}
    if labels.null_count < len(labels):
        carried = _counts(pc.list_flatten(labels))
    return Counters(
        records=pc.sum(pc.equal(batch.column("seq"), 0)).as_py() or 0,
        parts=batch.num_rows,
        chars=pc.sum(pc.utf8_length(text)).as_py() or 0,
        statuses=_counts(batch.column("status")),
        roles=_counts(batch.column("role")),
        carried=carried,
    )


def _counts(column: pa.Array) -> dict[str, int]:
    counted = column.drop_null().value_counts()
    values, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return dict(zip(values, counts, strict=True))


def _label_counts(decisions: Iterable[tuple[Item, Decision]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, decision in decisions:
        if decision.recommendation is not None:
            label = decision.recommendation.label.id
            counts[label] = counts.get(label, 0) + 1
    return counts


def problems_of(batch: pa.RecordBatch, classified: Classified) -> tuple[PartProblem, ...]:
    """The parts of a batch that were not read, and the rules that were not applied to those read."""
    unread = pc.indices_nonzero(pc.not_equal(batch.column("status"), "read")).to_pylist()
    rows = unread + [item.row for item in classified.incomplete]
    if not rows:
        return ()
    places = batch.select(["record_id", "part", "status", "problem", "locator"]).take(
        pa.array(rows)
    )
    found = []
    for index, place in enumerate(places.to_pylist()):
        late = classified.incomplete[index - len(unread)] if index >= len(unread) else None
        found.append(
            PartProblem(
                record_id=place["record_id"],
                part=place["part"],
                status="unchecked" if late else place["status"],
                reason=late.reason if late else place["problem"] or "not read",
                sit_id=late.sit_id if late else None,
                locator={k: v for k, v in (place["locator"] or {}).items() if v is not None},
            )
        )
    return tuple(found)
