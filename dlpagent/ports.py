"""The ports: what the sweep loop asks of a source, a classifier, a decider and a sink; what remedies
give whoever acts on what was found.

Rooms implement them; service/wiring.py joins them by name. No inheritance is needed or wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
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


RemedyAction = Literal["tag", "move", "delete"]
"""tag: mark the record, so that applications can leave it out; move: to another collection of the
same store, or another file; delete."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of the contents after a record was deleted or moved away.

    is_erased: neither text nor vector is left in the place it was in; else they are only hidden, and
    detail says where they still are, or that nobody can tell.
    """

    is_erased: bool
    detail: str


class Hands(Protocol):
    """One asset, opened for remedies. Each method may be called again after a crash: what is done
    already is left as it is."""

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Whether an act on these records that was cut off is known to have been done; stores whose
        records have ids of their own need not know: a record that is gone says so itself."""

    def tag(self, record_ids: Sequence[str]) -> None:
        """Set the field dlpagent.contents.MARK to true."""

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """Copy records to where `to` names (else to the usual place), then take them away here.

        Returns where they are now.
        """

    def delete(self, record_ids: Sequence[str]) -> None:
        """Take records away."""

    def settle(self) -> None:
        """Make durable what was done."""

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Rid the store of what is left of records that were taken away, as far as it can be."""


class Remedy(Protocol):
    """Acts on records of one kind of store or file. Opened by wiring from the asset's address."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Why an action is impossible on an asset; "" when it is possible."""

    def holding(self, asset: Asset) -> AbstractContextManager[Hands]:
        """The asset, with other writers kept out where the store can do that, until it is closed.

        Sources can read it meanwhile. Raises SourceError when it cannot be opened or is gone.
        """
