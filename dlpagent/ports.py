"""The four ports: what the sweep loop asks of a source, a classifier, a decider and a sink.

Rooms implement them; service/wiring.py joins them by name. No inheritance is needed or wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, Protocol

import pyarrow as pa

from dlpagent.findings import Classified, PackRef
from dlpagent.records import Asset, Checkpoint, ItemLevel
from dlpagent.violations import Decision, Event, Item, PolicyRef


class Source(Protocol):
    """Somewhere data lies. Opened by wiring from a path or URI and its settings."""

    def discover(self) -> Iterator[Asset]:
        """The assets it holds. Raises SourceError when the place itself cannot be read."""

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of RECORD_SCHEMA from the checkpoint on, each with the checkpoint behind it.

        Reading again from any checkpoint it gave yields exactly the rest. What cannot be read is
        yielded as a row with status and problem, never skipped. The last checkpoint has done=True
        (an empty asset yields one empty batch with it). Closes what it opened when the iterator is
        closed. Raises SourceError when nothing more can be read.
        """


class Classifier(Protocol):
    """Finds SITs. Pure: no I/O, no state between calls, safe to send to another process."""

    @property
    def pack(self) -> PackRef:
        """Which pack it applies."""

    @property
    def sit_names(self) -> Mapping[str, str]:
        """SIT id → name, for every SIT it can find."""

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA; rows with null text give none."""


class Decider(Protocol):
    """Turns what was found in an item into a label and violated rules. Pure."""

    @property
    def policy(self) -> PolicyRef:
        """Which policy it applies."""

    def levels(self, asset: Asset) -> Set[ItemLevel]:
        """Which items of an asset it wants to decide on: its records, the whole of it, or both."""

    def decide(self, item: Item) -> Decision:
        """The label an item should carry and the rules it violates."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sink says of one event. ok: accepted for good; else retry says whether to try again.

    detail: a short proof (file and offset, request id, status); it never holds content.
    blame: to what a failure is laid. "sink": it was away or busy, whatever the event; that costs the
    event no try, and the sink is left alone for a while (at least retry_after_s seconds). "either":
    it cannot be told (an error inside the service at this event alone); both follow.
    """

    event_id: str
    ok: bool
    detail: str = ""
    retry: bool = True
    retry_after_s: float | None = None
    blame: Literal["event", "sink", "either"] = "event"


class Sink(Protocol):
    """Somewhere events go. Delivery is at least once: a repeated event id must be harmless."""

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Write events in order; one receipt per event. Raises SinkError when none could be tried."""

    def close(self) -> None:
        """Flush and let go of what it holds."""
