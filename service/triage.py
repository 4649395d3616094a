"""Triage: findings grouped by value, and verdicts on them. The command line and the console call it.

Groups hold what findings hold: place, masked shape, key. A verdict is found again by key, SIT and
scope, so whoever sees a group can decide on it without seeing the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.errors import ConfigurationError
from dlpagent.findings import level_of
from dlpagent.state import State
from dlpagent.state.types import moment
from dlpagent.state.verdicts import set_verdicts, stored_verdicts, withdraw_verdicts
from dlpagent.suppressions import (
    EVERYWHERE,
    RULINGS,
    SUPPRESSING,
    Ruling,
    Verdict,
    scope_matches,
    strongest,
)

# open: nothing decided, or no longer in force; any: whatever was decided or not.
Standing = Literal["open", "decided", "any", "true", "false", "accepted"]
STANDINGS: tuple[Standing, ...] = get_args(Standing)

MIN_KEY_CHARS = 6
"""The beginning of a key that names a value must be at least this long."""


@dataclass(slots=True)
class ValueGroup:
    """All findings of one value by one SIT. first: asset, record, part, start, end of the first.

    asset_findings: asset → findings, so that scopes can be told apart. verdict: the one in force on
    it, if any; in several scopes, the one changed last. open_findings: those no verdict covers.
    """

    sit_id: str
    key: str
    masked: str
    first: tuple[str, str, str, int, int]
    confidence: int = 0
    asset_findings: dict[str, int] = field(default_factory=dict)
    verdict: Verdict | None = None
    open_findings: int = 0

    @property
    def findings(self) -> int:
        """How many."""
        return sum(self.asset_findings.values())

    def json(self, names: Mapping[str, str]) -> dict[str, Any]:
        """As plain JSON values, version 1 (docs/triage.md)."""
        asset, record, part, start, end = self.first
        return {
            "v": 1,
            "sit": {"id": self.sit_id, "name": names.get(self.sit_id, self.sit_id)},
            "key": self.key,
            "masked": self.masked,
            "confidence": self.confidence,
            "level": level_of(self.confidence),
            "findings": self.findings,
            "open": self.open_findings,
            "assets": len(self.asset_findings),
            "first": {"asset": asset, "record": record, "part": part, "start": start, "end": end},
            "verdict": verdict_json(self.verdict) if self.verdict else None,
        }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON values."""
    return {
        "verdict": verdict.ruling,
        "reason": verdict.reason,
        "owner": verdict.owner,
        "scope": verdict.scope,
        "expires_at": verdict.expires_at,
        "actor": verdict.actor,
        "updated_at": verdict.updated_at,
    }


# --- groups --------------------------------------------------------------------------------------


def value_groups(
    state: State,
    *,
    sit_ids: Iterable[str] = (),
    asset: str = EVERYWHERE,
    standing: Standing = "open",
    min_confidence: int = 1,
) -> list[ValueGroup]:
    """The values that are in the newest findings of every asset, those with most open findings first.

    sit_ids: only these (all when empty); asset: a glob over URIs. Memory grows with the distinct
    values, not with the findings.
    """
    wanted = list(sit_ids)
    groups: dict[tuple[str, str], ValueGroup] = {}
    for batch in state.latest_findings():
        if scope_matches(asset, batch.asset_uri):
            _add(groups, batch.asset_uri, _chosen(batch.rows, wanted, min_confidence))
    _judge(groups, stored_verdicts(state.database), state.database.moment())
    found = [item for item in groups.values() if _stands(item, standing)]
    return sorted(
        found, key=lambda item: (-item.open_findings, -item.findings, item.sit_id, item.key)
    )


def _chosen(rows: pa.RecordBatch, sit_ids: Sequence[str], min_confidence: int) -> pa.RecordBatch:
    kept = pc.greater_equal(rows.column("confidence"), min_confidence)
    if sit_ids:
        wanted = pa.array(sit_ids, pa.string())
        kept = pc.and_(kept, pc.is_in(rows.column("sit_id"), value_set=wanted))
    return rows.filter(kept)


def _add(groups: dict[tuple[str, str], ValueGroup], asset: str, rows: pa.RecordBatch) -> None:
    if not rows.num_rows:
        return
    table = pa.table(
        {
            "sit_id": rows.column("sit_id"),
            "key": rows.column("key"),
            "confidence": rows.column("confidence"),
            "row": pa.array(np.arange(rows.num_rows)),
        }
    )
    grouped = table.group_by(["sit_id", "key"]).aggregate(
        [("confidence", "max"), ("row", "min"), ("row", "count")]
    )
    for item in grouped.to_pylist():
        name = (item["sit_id"], item["key"])
        group = groups.get(name)
        if group is None:
            group = groups[name] = _new(asset, rows, item["row_min"], *name)
        group.confidence = max(group.confidence, item["confidence_max"])
        group.asset_findings[asset] = group.asset_findings.get(asset, 0) + item["row_count"]


def _new(asset: str, rows: pa.RecordBatch, row: int, sit_id: str, key: str) -> ValueGroup:
    def cell(name: str) -> Any:
        return rows.column(name)[row].as_py()

    first = (asset, cell("record_id"), cell("part"), cell("start"), cell("end"))
    return ValueGroup(sit_id, key, cell("masked"), first)


def _judge(
    groups: Mapping[tuple[str, str], ValueGroup], verdicts: Iterable[Verdict], now: str
) -> None:
    """Give every group its verdict and count what none covers."""
    by_key: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.holds(now):
            by_key.setdefault(verdict.key, []).append(verdict)
    for group in groups.values():
        near = by_key.get(group.key, ())
        held = []
        for asset, many in group.asset_findings.items():
            mine = [item for item in near if item.covers(group.sit_id, asset)]
            held += mine
            group.open_findings += 0 if mine else many
        group.verdict = strongest(held)


def _stands(group: ValueGroup, standing: Standing) -> bool:
    if standing == "any":
        return True
    if standing == "open":
        return group.open_findings > 0
    return group.verdict is not None and standing in ("decided", group.verdict.ruling)


# --- verdicts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decides on values: reason and owner in words, until when, in which assets."""

    ruling: Ruling
    reason: str
    owner: str
    scope: str = EVERYWHERE
    expires_at: str | None = None

    def __post_init__(self) -> None:
        if self.ruling not in RULINGS:
            raise ConfigurationError(
                "this is not a verdict", expected=", ".join(RULINGS), found=str(self.ruling)
            )
        if self.ruling in SUPPRESSING and not self.reason.strip():
            raise ConfigurationError(
                "a verdict that suppresses findings needs a reason",
                expected="a sentence that another person can follow in a year",
                found="none",
                remedy="Give it with --reason.",
            )


def decide(
    state: State,
    actor: str,
    groups: Sequence[ValueGroup],
    decision: Decision,
    *,
    key_id: str,
    names: Mapping[str, str],
) -> list[Verdict]:
    """Store a verdict on every group; returns them as stored.

    actor: who decides (dlpagent.state.audit.local_actor(), or a principal of the service). key_id:
    Evidence.key_id() of the key under which findings are made now. names: SIT id → name. A group
    that has a verdict under a former key in this scope keeps that key id.
    """
    known = {(item.key, item.sit_id, item.scope): item for item in stored_verdicts(state.database)}
    former = {item.key: item.key_id for item in known.values()}
    given = [
        Verdict(
            key=group.key,
            sit_id=group.sit_id,
            ruling=decision.ruling,
            reason=decision.reason.strip(),
            owner=decision.owner.strip() or actor,
            key_id=former.get(group.key, key_id),
            scope=decision.scope,
            expires_at=decision.expires_at,
            sit_name=names.get(group.sit_id, group.sit_id),
            masked=group.masked,
        )
        for group in groups
    ]
    return set_verdicts(state.database, actor, given)


def withdraw(state: State, actor: str, groups: Sequence[ValueGroup], reason: str = "") -> int:
    """Take back every verdict on these values and SITs, in all scopes; returns how many."""
    wanted = {(group.key, group.sit_id) for group in groups}
    given = [item for item in stored_verdicts(state.database) if (item.key, item.sit_id) in wanted]
    return withdraw_verdicts(state.database, actor, given, reason=reason)


def find_groups(
    groups: Sequence[ValueGroup], keys: Iterable[str], names: Mapping[str, str]
) -> list[ValueGroup]:
    """The groups whose keys begin as given. Raises ConfigurationError for one that names no value.

    A value that several SITs found is several groups: all of them are meant, unless --sit says less.
    """
    return [group for key in keys for group in _named(groups, key.strip().lower(), names)]


def _named(
    groups: Sequence[ValueGroup], key: str, names: Mapping[str, str]
) -> Iterator[ValueGroup]:
    found = [group for group in groups if group.key.startswith(key)]
    values = sorted({group.key for group in found})
    if len(key) < MIN_KEY_CHARS or len(values) != 1:
        several = [f"{item.key[:12]} ({names.get(item.sit_id, item.sit_id)})" for item in found[:5]]
        raise ConfigurationError(
            "this names no value" if not found else "this does not name one value",
            where=key,
            expected=f"the first {MIN_KEY_CHARS} or more characters of one key",
            found=", ".join(several) or "none among the findings",
            remedy="List them: dlpagent triage list --standing any",
        )
    yield from found


def expiry(text: str, now: datetime | None = None) -> str:
    """A moment from `2026-12-31` (through that day, UTC) or `90d` (days from now).

    Raises ConfigurationError for anything else, and for what is over already.
    """
    present = now or datetime.now(UTC)
    try:
        if text.endswith("d") and text[:-1].isdigit():
            end = present + timedelta(days=int(text[:-1]))
        else:
            day = date.fromisoformat(text)
            end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        end = present
    if end <= present:
        raise ConfigurationError(
            "this is not a day to come",
            where="--expires",
            expected="a day such as 2030-12-31, or days from now such as 90d",
            found=text,
        )
    return moment(end)
