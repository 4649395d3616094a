"""Verdicts on values, and the findings they suppress.

A verdict is about a value (by its key), a SIT and a scope of assets: so it holds when the record
moves, when the source is read again and in a clean copy, and says nothing about another value in
the same place.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# true: rightly found. false: not what the SIT is about. accepted: rightly found, and it may be there.
Ruling = Literal["true", "false", "accepted"]
RULINGS: Final[tuple[Ruling, ...]] = get_args(Ruling)
SUPPRESSING: Final[tuple[Ruling, ...]] = ("false", "accepted")

EVERYWHERE: Final = "*"
ANY_SIT: Final = "*"
"""As sit_id of a verdict: whatever SIT finds the value."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody decided on a value. key is HMAC under the key named key_id (dlpagent.evidence).

    scope: a glob over asset URIs (* also crosses /). expires_at: UTC, ISO 8601 with Z, the first
    moment at which it no longer holds; None: it holds until it is withdrawn. reason and owner are
    words of people; masked is the shape of the value. Times are "" where they are not known yet.
    former_key: the value's key in the verdict this one continues under a newer evidence key.
    """

    key: str
    sit_id: str
    ruling: Ruling
    reason: str
    owner: str
    key_id: str = ""
    scope: str = EVERYWHERE
    expires_at: str | None = None
    sit_name: str = ""
    masked: str = ""
    actor: str = ""
    created_at: str = ""
    updated_at: str = ""
    former_key: str = ""

    def holds(self, now: str) -> bool:
        """Whether it has not expired at a moment (UTC, ISO 8601 with Z)."""
        return self.expires_at is None or now < self.expires_at

    def covers(self, sit_id: str, asset_uri: str) -> bool:
        """Whether it is about a SIT in an asset."""
        return self.sit_id in (ANY_SIT, sit_id) and scope_matches(self.scope, asset_uri)


def scope_matches(scope: str, asset_uri: str) -> bool:
    """Whether a glob over URIs takes in an asset; case matters, * also crosses /."""
    return scope == EVERYWHERE or re.match(fnmatch.translate(scope), asset_uri) is not None


@dataclass(frozen=True)
class Suppressions:
    """The verdicts that suppress, ready to be asked of findings. Safe to send to another process."""

    verdicts: tuple[Verdict, ...] = ()
    _by_key: dict[str, list[Verdict]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key: dict[str, list[Verdict]] = {}
        for verdict in self.verdicts:
            by_key.setdefault(verdict.key, []).append(verdict)
        object.__setattr__(self, "_by_key", by_key)

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], now: str) -> Suppressions:
        """Those among verdicts that suppress at a moment (UTC, ISO 8601 with Z)."""
        return cls(
            tuple(item for item in verdicts if item.ruling in SUPPRESSING and item.holds(now))
        )

    def __bool__(self) -> bool:
        return bool(self.verdicts)

    @cached_property
    def _keys(self) -> pa.Array:
        return pa.array(list(self._by_key), pa.string())

    def verdict_on(self, key: str, sit_id: str, asset_uri: str) -> Verdict | None:
        """The verdict that suppresses a finding; the first of several."""
        for verdict in self._by_key.get(key, ()):
            if verdict.covers(sit_id, asset_uri):
                return verdict
        return None

    def verdicts_on(self, asset_uri: str, findings: pa.RecordBatch) -> dict[int, Verdict]:
        """Row → the verdict that suppresses it, for those that are. Needs the columns sit_id, key."""
        if not self.verdicts or not findings.num_rows:
            return {}
        near = pc.indices_nonzero(pc.is_in(findings.column("key"), self._keys))
        if not len(near):
            return {}
        keys = findings.column("key").take(near).to_pylist()
        sits = findings.column("sit_id").take(near).to_pylist()
        found = {}
        for row, key, sit in zip(near.to_pylist(), keys, sits, strict=True):
            verdict = self.verdict_on(key, sit, asset_uri)
            if verdict is not None:
                found[row] = verdict
        return found

    def without(self, asset_uri: str, findings: pa.RecordBatch) -> pa.RecordBatch:
        """The findings that no verdict suppresses."""
        hidden = self.verdicts_on(asset_uri, findings)
        if not hidden:
            return findings
        kept = np.ones(findings.num_rows, dtype=bool)
        kept[list(hidden)] = False
        return findings.filter(pa.array(kept))


NONE: Final = Suppressions()


def strongest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Of several verdicts on one value: the one changed last."""
    return max(verdicts, key=lambda item: (item.updated_at, item.scope), default=None)
