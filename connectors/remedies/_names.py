"""What remedies share: the usual place to move to, and what they say of stores that are gone."""

from __future__ import annotations

from urllib.parse import unquote

from dlpagent.errors import SourceError
from dlpagent.records import Asset

SUFFIX = "_quarantine"


def quarantine_of(name: str, to: str) -> str:
    """Where records of a collection or table are moved to: as told, else its name with a suffix."""
    return to or f"{name}{SUFFIX}"


def failed(where: str, error: BaseException, remedy: str) -> SourceError:
    """What a store's own error becomes, without its words, for they may hold what was written."""
    return SourceError(
        "cannot be changed",
        where=unquote(where),
        expected="a store that this user may write to",
        found=type(error).__name__,
        remedy=remedy,
    )


def gone(asset: Asset) -> SourceError:
    """The asset is not there any more."""
    return SourceError(
        "is not there any more",
        where=unquote(asset.uri),
        expected="the collection that was swept",
        found="none of that name",
        remedy="Sweep again.",
    )
