"""What cannot be acted on by us, each with its reason: sweeps find, people act with the store's tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dlpagent.errors import SourceError
from dlpagent.ports import Hands, RemedyAction
from dlpagent.records import Asset

_REASONS = {
    "faiss": "LangChain keeps its texts in a pickle, which is followed but never written or run, "
    "and the index has no ids; delete with the application and save the index again",
}
_USUAL = "there is no remedy for this connector; act with the store's own tools and sweep again"


class Refused:
    """Refuses every action."""

    def __init__(self, target: str) -> None:
        """target: any address."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """The reason."""
        return _REASONS.get(asset.connector, _USUAL)

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[Hands]:
        """Raises SourceError."""
        raise SourceError("cannot be acted on", where=asset.uri, found=_USUAL)
        yield  # pragma: no cover - makes it a generator
