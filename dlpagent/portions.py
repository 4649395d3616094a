"""Portions of an asset: stretches that can be read apart, so that one huge file has many readers.

A source that can tells where its asset may be cut (Portioned). The rows of all portions, one after
the other, are exactly those of read(): same ids, same places. What was committed of a portion can be
gone on with by read(), and the other way round: the cursors are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint


@dataclass(frozen=True, slots=True)
class Portion:
    """A stretch of an asset. after: the checkpoint before it; None: it begins where the asset does.

    until: the cursor where the next one begins; None: it ends where the asset does.
    """

    after: Checkpoint | None = None
    until: Mapping[str, Any] | None = None


@runtime_checkable
class Portioned(Protocol):
    """What a source has, besides the methods of dlpagent.ports.Source, if its assets can be cut."""

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """What follows a checkpoint in stretches of about size_bytes, in order; at least one.

        Cheap beside reading: an asset that would have to be read for it is cut only if it is far
        larger than that. Raises SourceError as read() does.
        """

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """As read(), from portion.after up to portion.until. Only the last portion ends done."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Where a portion stopped early. error: what SourceError said; None: it was read to its end."""

    error: str | None = None


def read_to_end(
    source: Portioned, asset: Asset, portion: Portion
) -> Iterator[tuple[pa.RecordBatch, Checkpoint] | Ended]:
    """The batches of a portion, then how it ended."""
    try:
        yield from source.read_portion(asset, portion)
    except SourceError as problem:
        yield Ended(str(problem))
    else:
        yield Ended()
