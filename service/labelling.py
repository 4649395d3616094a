"""Labels for records and for what holds them: the label of an asset is the highest of its records.

Records without findings and without a label of their own need none, and are only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.errors import SourceError
from dlpagent.findings import findings_of
from dlpagent.item_tallies import ItemTallies
from dlpagent.labels.decide import PolicyDecider
from dlpagent.ports import Classifier, Source
from dlpagent.records import Asset
from dlpagent.tallies import items_of_batch
from dlpagent.violations import Item, LabelRef, Recommendation, Tally

# How many of the records that raised an asset's label are named; all of them are counted.
MAX_RAISED = 100
_FINE = ("read", "no_content")


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    """A record that carries a label or should. rows: where it stands in its file, from 0.

    texts: its parts' names and texts in reading order, for whoever needs a digest of them; never kept.
    """

    asset: Asset
    item: Item
    recommendation: Recommendation
    rows: tuple[int, ...]
    locator: Mapping[str, Any]
    texts: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """A record that has the label of its asset. record_id is "" for the asset as a whole."""

    record_id: str
    reason: str
    locator: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssetLabel:
    """The label of an asset: the highest of its records and of the whole of it.

    labels: label → records that have it; raised_by: those with the asset's own label, at most
    MAX_RAISED of raised_total; whole: the recommendation for all of it as one item; incomplete: what
    was not checked, in words; carried: what its records say of labels they have, each once.
    """

    asset: Asset
    label: LabelRef | None
    reason: str
    records: int
    labels: Mapping[str, int]
    raised_by: tuple[Raised, ...]
    raised_total: int
    whole: Recommendation | None
    tallies: tuple[Tally, ...]
    incomplete: tuple[str, ...]
    carried: tuple[str, ...] = ()


@dataclass(slots=True)
class Gathered:
    """What is known of an asset so far."""

    records: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    highest: LabelRef | None = None
    raised: list[Raised] = field(default_factory=list)
    raised_total: int = 0
    carried: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    unread: Counter[str] = field(default_factory=Counter)
    unchecked: int = 0
    error: str = ""

    def add(self, record_id: str, found: Recommendation, locator: Mapping[str, Any]) -> None:
        """Count a record's label; a higher one than all before begins the list anew."""
        self.labels[found.label.name] += 1
        if self.highest is None or found.label.priority > self.highest.priority:
            self.highest, self.raised, self.raised_total = found.label, [], 0
        if found.label.id == self.highest.id:
            self.raised_total += 1
            if len(self.raised) < MAX_RAISED:
                self.raised.append(Raised(record_id, found.reason, locator))

    def incomplete(self) -> tuple[str, ...]:
        found = [f"{many} parts are {status}" for status, many in sorted(self.unread.items())]
        if self.unchecked:
            found.append(f"{self.unchecked} rules could not be applied to a part")
        return tuple(found + ([self.error] if self.error else []))

    def result(
        self, asset: Asset, whole: Recommendation | None, tallies: tuple[Tally, ...]
    ) -> AssetLabel:
        label, raised = self.highest, tuple(self.raised)
        reason = (
            raised[0].reason if raised else "Nothing found calls for a label, and none is carried."
        )
        total = self.raised_total
        if whole and (label is None or whole.label.priority > label.priority):
            label, reason, total = whole.label, whole.reason, 1
            raised = (Raised("", whole.reason),)
        return AssetLabel(
            asset, label, reason, self.records, dict(self.labels), raised, total, whole, tallies,
            self.incomplete(), tuple(sorted(self.carried)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Labeller:
    """What gives labels: a classifier and a policy's decider."""

    classifier: Classifier
    decider: PolicyDecider

    def label(self, source: Source, asset: Asset) -> Generator[LabelledRecord, None, AssetLabel]:
        """Read an asset and label it: gives each record that has a label, in order, and in the end
        the label of the asset."""
        gathered = Gathered()
        with ItemTallies() as whole:
            try:
                with closing(source.read(asset)) as batches:  # type: ignore[type-var]  # a generator
                    for batch, _ in batches:
                        yield from self._records(asset, batch, gathered, whole)
            except SourceError as error:
                gathered.error = f"{error.what}: {error.found}" if error.found else error.what
            tallies, evidence = whole.result()
        item = Item(
            asset=asset,
            level="asset",
            record_id="",
            tallies=tallies,
            evidence=evidence,
            roles=tuple(sorted(gathered.roles)),
            labels=tuple(sorted(gathered.carried)),
            app=asset.app,
        )
        return gathered.result(asset, self.decider.decide(item).recommendation, tallies)

    def _records(
        self, asset: Asset, batch: pa.RecordBatch, gathered: Gathered, whole: ItemTallies
    ) -> Iterator[LabelledRecord]:
        classified = self.classifier.classify(batch)
        findings = findings_of(batch, classified.matches)
        whole.add(findings)
        _count(batch, gathered)
        gathered.unchecked += len(classified.incomplete)
        rows: dict[str, list[int]] | None = None
        for item in items_of_batch(asset, batch, findings):
            found = self.decider.decide(item).recommendation
            if found is None:
                continue
            rows = rows or _rows_by_record(batch)
            record = _labelled(asset, item, found, batch, rows[item.record_id])
            gathered.add(item.record_id, found, record.locator)
            yield record


def highest(labels: Iterable[AssetLabel]) -> LabelRef | None:
    """The label of several assets taken together; None when none has one."""
    found = [one.label for one in labels if one.label]
    return max(found, key=lambda label: label.priority, default=None)


def sits_of(tallies: Sequence[Tally], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was found as JSON values: id, name, unique values, highest confidence."""
    return [
        {
            "id": tally.sit_id,
            "name": names.get(tally.sit_id, tally.sit_id),
            "unique": tally.unique(),
            "confidence": tally.confidence,
        }
        for tally in tallies
    ]


def _count(batch: pa.RecordBatch, gathered: Gathered) -> None:
    gathered.records += pc.sum(pc.equal(batch.column("seq"), 0)).as_py() or 0
    for pair in batch.column("status").value_counts().to_pylist():
        if pair["values"] not in _FINE:
            gathered.unread[pair["values"]] += pair["counts"]
    gathered.roles.update(pc.unique(batch.column("role")).drop_null().to_pylist())
    labels = batch.column("labels")
    if labels.null_count < len(labels):
        gathered.carried.update(pc.unique(pc.list_flatten(labels)).drop_null().to_pylist())


def _rows_by_record(batch: pa.RecordBatch) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, record_id in enumerate(batch.column("record_id").to_pylist()):
        found.setdefault(record_id, []).append(row)
    return found


def _labelled(
    asset: Asset,
    item: Item,
    found: Recommendation,
    batch: pa.RecordBatch,
    rows: Collection[int],
) -> LabelledRecord:
    parts = batch.select(["part", "text", "locator"]).take(pa.array(rows)).to_pylist()
    places = [part["locator"] or {} for part in parts]
    in_file = dict.fromkeys(one["row"] for one in places if one.get("row") is not None)
    locator = {name: value for name, value in places[0].items() if value is not None}
    texts = tuple((part["part"], part["text"]) for part in parts)
    return LabelledRecord(asset, item, found, tuple(in_file), locator, texts)
