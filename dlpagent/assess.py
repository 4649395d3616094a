"""What a batch amounts to: findings, problems, violations, counters. Pure, so it runs anywhere.

The sweep loop calls it in its own process, worker processes call it (dlpagent.pool), and so do the
tasks of a distributed engine: what is committed is the same.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.contents import Keyed
from dlpagent.errors import DlpAgentError, RuleError
from dlpagent.evidence import Evidence
from dlpagent.findings import MATCH_SCHEMA, Classified, Incomplete, findings_of
from dlpagent.ports import Classifier, Decider
from dlpagent.records import Asset, ItemLevel
from dlpagent.state import Counters, PartProblem
from dlpagent.suppressions import NONE, Suppressions
from dlpagent.tallies import facts_of_batch, items_of_batch
from dlpagent.violations import Decision, Item, RecordFacts, Violation, violations_of


@dataclass(frozen=True, slots=True)
class Assessed:
    """All that is known of a batch; findings are of FINDING_SCHEMA."""

    findings: pa.RecordBatch
    problems: tuple[PartProblem, ...]
    violations: tuple[Violation, ...]
    counters: Counters
    facts: tuple[RecordFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessor:
    """A classifier and, with a policy, a decider. A copy of it works in another process.

    What suppressions hide is found and stored as all else, but nothing is decided on it.
    """

    classifier: Classifier
    decider: Decider | None = None
    suppressions: Suppressions = NONE

    def assess(self, asset: Asset, batch: pa.RecordBatch) -> Assessed:
        """Classify a batch of RECORD_SCHEMA and decide on its records.

        Raises RuleError for what goes wrong unforeseen: a message of another library may hold the
        text it was about, so only its kind and place are told, here and in the logs of a cluster.
        """
        try:
            return self._assessed(asset, batch, self.classifier.classify(batch))
        except (DlpAgentError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - see above
            raise RuleError(
                "classifying failed",
                where=asset.uri,
                found=f"{type(error).__name__} at {_place_of(error)}",
                remedy="Please report it; no content is in this message.",
            ) from None

    def unassessed(self, asset: Asset, batch: pa.RecordBatch, reason: str) -> Assessed:
        """A batch nobody could classify: every part that was read is reported as unchecked."""
        rows = pc.indices_nonzero(pc.equal(batch.column("status"), "read")).to_pylist()
        late = tuple(Incomplete(row, None, reason) for row in rows)
        nothing = pa.RecordBatch.from_pylist([], schema=MATCH_SCHEMA)
        return self._assessed(asset, batch, Classified(nothing, late))

    def levels(self, asset: Asset) -> Set[ItemLevel]:
        """Which items of an asset are decided on."""
        return self.decider.levels(asset) if self.decider else frozenset()

    def decided(self, items: Iterable[Item]) -> list[tuple[Item, Decision]]:
        """Items with what the policy says of them; none without a policy."""
        return [(item, self.decider.decide(item)) for item in items] if self.decider else []

    def violations(self, decisions: Iterable[tuple[Item, Decision]]) -> Iterator[Violation]:
        """The violations of the rules that fired."""
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

    def _assessed(self, asset: Asset, batch: pa.RecordBatch, classified: Classified) -> Assessed:
        findings = findings_of(batch, classified.matches)
        decisions: list[tuple[Item, Decision]] = []
        if "record" in self.levels(asset):
            unchecked = {item.row for item in classified.incomplete}
            counted = self.suppressions.without(asset.uri, findings)
            decisions = self.decided(items_of_batch(asset, batch, counted, unchecked))
        return Assessed(
            findings=findings,
            problems=problems_of(batch, classified),
            violations=tuple(self.violations(decisions)),
            counters=replace(counters_of(batch), labels=label_counts(decisions)),
            facts=facts_of_batch(batch, findings, self._evidence(asset)),
        )

    def _evidence(self, asset: Asset) -> Evidence | None:
        """The key for contents, where single records can be remedied."""
        if asset.kind == "vector_collection" and isinstance(self.classifier, Keyed):
            return self.classifier.evidence
        return None


def _place_of(error: Exception) -> str:
    """File and line of the innermost frame."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"


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


def label_counts(decisions: Iterable[tuple[Item, Decision]]) -> dict[str, int]:
    """Recommended label → items."""
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
