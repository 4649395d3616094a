"""The values that go into and come out of the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from dlpagent.findings import PackRef
from dlpagent.records import Checkpoint
from dlpagent.violations import (
    ZERO_TENANT,
    Event,
    Place,
    PolicyRef,
    RecordFacts,
    Tally,
    Violation,
    ViolationStatus,
)

RunStatus = Literal["running", "complete", "incomplete", "interrupted", "failed"]
AssetStatus = Literal["pending", "running", "done", "incomplete", "failed", "skipped"]
FinishedStatus = Literal["done", "incomplete", "failed"]

FINISHED: tuple[FinishedStatus, ...] = ("done", "incomplete", "failed")


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep or scan. Times are UTC, ISO 8601 with Z. policy is None when none was applied."""

    id: str
    job: str
    command: str
    status: RunStatus
    started_at: str
    ended_at: str | None
    pack: PackRef
    policy: PolicyRef | None
    config_hash: str
    totals: Mapping[str, Any] = field(default_factory=dict)


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


@dataclass(frozen=True, slots=True)
class Counters:
    """What was read and found; a batch's share is added to the asset's.

    levels: level → findings; sits: SIT id → findings; statuses: part status → parts, and
    "unchecked" → rules not applied to parts that were read; labels: recommended label id → items;
    carried: label id already there → records; roles: role → parts. commit_batch() counts findings,
    problems, levels, sits and "unchecked" itself from what it is given.
    """

    records: int = 0
    parts: int = 0
    chars: int = 0
    findings: int = 0
    problems: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    sits: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    carried: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            records=self.records + other.records,
            parts=self.parts + other.parts,
            chars=self.chars + other.chars,
            findings=self.findings + other.findings,
            problems=self.problems + other.problems,
            levels=_sum(self.levels, other.levels),
            sits=_sum(self.sits, other.sits),
            statuses=_sum(self.statuses, other.statuses),
            labels=_sum(self.labels, other.labels),
            carried=_sum(self.carried, other.carried),
            roles=_sum(self.roles, other.roles),
        )


@dataclass(frozen=True, slots=True)
class AssetProgress:
    """How far a run got in one asset. checkpoint is None before the first commit.

    bytes_read is in the asset's own bytes, as the source's last checkpoint told.
    """

    run_id: str
    asset_id: str
    asset_uri: str
    status: AssetStatus
    change_key: str | None = None
    checkpoint: Checkpoint | None = None
    counters: Counters = field(default_factory=Counters)
    bytes_read: int = 0
    commits: int = 0
    recommended_label: Mapping[str, Any] | None = None
    started_at: str | None = None
    ended_at: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit to one asset. progress: where the run stood when it was claimed."""

    asset_id: str
    asset_uri: str
    run_id: str
    token: str
    progress: AssetProgress


@dataclass(frozen=True, slots=True)
class PartProblem:
    """A part, or a SIT on a part, that was not checked. reason holds no content.

    status is the part's status, or "unchecked" when the part was read but a rule was not applied.
    """

    record_id: str
    part: str
    status: str
    reason: str
    sit_id: str | None = None
    locator: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """How an asset ended. recommended_label: a LabelRef as JSON, for an asset that is one item."""

    status: FinishedStatus
    error: str | None = None
    recommended_label: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BatchCommit:
    """Everything one batch changes; all of it becomes durable together or not at all.

    before: the checkpoint the batch was read after (None at the start); it must be the stored one.
    after: the checkpoint behind the batch; equal to before when only decisions are added.
    findings: FINDING_SCHEMA, in reading order. facts: of its records. sinks: names of those that
    get every new event.
    """

    before: Checkpoint | None
    after: Checkpoint | None
    findings: pa.RecordBatch | None = None
    problems: tuple[PartProblem, ...] = ()
    violations: tuple[Violation, ...] = ()
    counters: Counters = field(default_factory=Counters)
    facts: tuple[RecordFacts, ...] = ()
    sinks: tuple[str, ...] = ()
    tenant_id: str = ZERO_TENANT
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit brought: events that did not exist before, and violations seen again.

    reopened: violations that came back; resolved: those that a whole reading no longer found.
    """

    new: int = 0
    changed: int = 0
    repeated: int = 0
    reopened: int = 0
    resolved: int = 0


@dataclass(frozen=True, slots=True)
class FindingBatch:
    """Stored findings of one asset in one run: rows of FINDING_SCHEMA in reading order."""

    run_id: str
    asset_uri: str
    pack: PackRef
    rows: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class ItemEvidence:
    """What a decider needs of an asset that is one item; see dlpagent.violations.Item."""

    tallies: tuple[Tally, ...]
    evidence: str
    places: tuple[Place, ...]
    places_total: int


@dataclass(frozen=True, slots=True)
class StoredViolation:
    """A violation and when it was first and last seen (UTC, ISO 8601 with Z), and by which run."""

    violation: Violation
    status: ViolationStatus
    first_seen: str
    last_seen: str
    first_run: str
    last_run: str


@dataclass(frozen=True, slots=True)
class OutboxLag:
    """How far one sink is behind. oldest: when the oldest pending event was made.

    circuit: closed (the sink answers), open (left alone until retry_at, UTC), half-open (the next
    try is one event). failures: tries in a row at which it was away or busy.
    """

    sink: str
    pending: int
    sent: int
    dead: int
    oldest: str | None
    last_error: str | None
    circuit: Literal["closed", "open", "half-open"] = "closed"
    failures: int = 0
    retry_at: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event a sink will not take, and why."""

    event_id: str
    sink: str
    kind: str
    violation_id: str
    attempts: int
    reason: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning removed: findings of how many run-assets, and how many files."""

    run_assets: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class StoredProblem:
    """A PartProblem with the asset it lies in."""

    asset_uri: str
    record_id: str
    part: str
    status: str
    reason: str
    sit_id: str | None
    locator: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A pending event for one sink. number gives the order; attempts: tries that failed so far."""

    number: int
    attempts: int
    event: Event


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try: sent, to be tried again at a time (UTC), or dead. detail: why."""

    number: int
    status: Literal["sent", "pending", "dead"]
    detail: str = ""
    next_attempt_at: datetime | None = None
