"""The register: which AI apps, stores, datasets and packs there are, whose, what for, in which state.

Sweeps make its entries and feed them; people say who owns one, what it is for, and move it from
assessed to approved, monitored and retired. Everything else (last sweep, labels, open violations,
trend) is asked of the state when it is shown, so it is never stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, case, func, select, update

from dlpagent.errors import StateError
from dlpagent.findings import PackRef
from dlpagent.records import Asset
from dlpagent.state.audit import AuditKey, record_act
from dlpagent.state.database import Database
from dlpagent.state.model import FINISHED
from dlpagent.state.sql import insert_new
from dlpagent.state.tables import (
    assets,
    inventory,
    receipts,
    run_assets,
    runs,
    violation_history,
    violations,
)
from dlpagent.state.types import moment
from dlpagent.violations import OPEN_STATUSES, stable_id

Kind = Literal["app", "store", "dataset", "pack"]
EntryState = Literal["assessed", "approved", "monitored", "retired"]
STATES: tuple[EntryState, ...] = get_args(EntryState)
KINDS: tuple[Kind, ...] = get_args(Kind)

TREND_DAYS = 30
BY_SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, and what the state knows of it. Times are UTC, ISO 8601 with Z.

    whole: whether the newest reading of every asset read it to its end. labels: recommended label
    id → items, over the newest readings; label: the highest recommended for an asset as a whole, as
    JSON. open: severity → open violations; trend: how many more than TREND_DAYS ago.
    seen_since: whether a sweep has met it after it was retired.
    """

    id: str
    kind: str
    name: str
    state: str
    owner: str
    purpose: str
    first_seen: str
    updated_at: str
    updated_by: str
    retired_at: str | None = None
    assets: int = 0
    last_sweep: str | None = None
    whole: bool = False
    findings: int = 0
    label: dict[str, Any] | None = None
    labels: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    trend: int = 0
    seen_since: bool = False


def entry_of(asset: Asset) -> tuple[Kind, str]:
    """What an asset belongs to: its app, its store, or the folder of its dataset."""
    if asset.kind in ("chat_log", "stream"):
        return "app", asset.app or asset.connector
    whole = asset.uri.partition("#")[0]
    if asset.kind == "vector_collection" or whole != asset.uri:
        return "store", whole
    folder = asset.uri.partition("!")[0].partition("?")[0].rpartition("/")[0]
    return "dataset", folder if folder and not folder.endswith("/") else asset.uri


def entry_id(kind: str, name: str) -> str:
    """The id of an entry: the same in every installation."""
    return stable_id("inventory", kind, name)


def enter(connection: Connection, found: Iterable[tuple[str, str]], at: str) -> None:
    """Make entries that are not there yet, as assessed."""
    rows = [
        {
            "entry_id": entry_id(kind, name),
            "kind": kind,
            "name": name,
            "state": "assessed",
            "first_seen": at,
            "updated_at": at,
            "updated_by": BY_SWEEP,
        }
        for kind, name in dict.fromkeys(found)
    ]
    insert_new(connection, inventory, rows)


def enter_pack(connection: Connection, pack: PackRef, at: str) -> None:
    """Make the entry of a pack that is in use."""
    enter(connection, [("pack", pack.id)], at)


def entries(db: Database) -> list[Entry]:
    """The whole register, by kind and name."""
    with db.read() as connection:
        query = select(inventory).order_by(inventory.c.kind, inventory.c.name)
        rows = connection.execute(query).all()
        read = _readings(connection)
        packs = _packs(connection)
        standing = _open(connection)
        trends = _trends(connection, moment(db.now() - timedelta(days=TREND_DAYS)))
    return [
        _entry(row, read.get(row.entry_id, []), packs, standing.get(row.entry_id, {}), trends)
        for row in rows
    ]


def _entry(
    row: Row[Any],
    read: Sequence[Row[Any]],
    packs: dict[str, str],
    standing: dict[str, int],
    trends: dict[str, int],
) -> Entry:
    ended = [each.met for each in read if each.met]
    labels: dict[str, int] = {}
    for each in read:
        for label, many in (each.labels or {}).items():
            labels[label] = labels.get(label, 0) + many
    whole_labels = [each.recommended_label for each in read if each.recommended_label]
    last = packs.get(row.name) if row.kind == "pack" else max(ended, default=None)
    seen = [each.last_seen for each in read] + ([last] if row.kind == "pack" and last else [])
    return Entry(
        id=row.entry_id,
        kind=row.kind,
        name=row.name,
        state=row.state,
        owner=row.owner,
        purpose=row.purpose,
        first_seen=row.first_seen,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        retired_at=row.retired_at,
        assets=len(read),
        last_sweep=last,
        whole=bool(read) and all(each.status == "done" for each in read),
        findings=sum(each.findings or 0 for each in read),
        label=max(whole_labels, key=lambda label: label["priority"], default=None),
        labels=labels,
        open={name: standing[name] for name in ("high", "medium", "low") if name in standing},
        trend=trends.get(row.entry_id, 0),
        seen_since=bool(row.retired_at and seen and max(seen) > row.retired_at),
    )


def _readings(connection: Connection) -> dict[str, list[Row[Any]]]:
    """Entry → its assets, each with its newest reading (all None when there is none).

    met: when a run last came to its end, or found it unchanged.
    """
    finished = case((run_assets.c.status.in_(FINISHED), 0), else_=1)
    newest = func.row_number().over(
        partition_by=run_assets.c.asset_id, order_by=(finished, run_assets.c.seq.desc())
    )
    ranked = (
        select(
            *(run_assets.c[name] for name in ("asset_id", "status", "ended_at", "findings")),
            *(run_assets.c[name] for name in ("labels", "recommended_label", "change_key")),
            newest.label("rank"),
        )
        .where(run_assets.c.status != "skipped")
        .subquery()
    )
    ends = (
        select(run_assets.c.asset_id.label("ident"), func.max(run_assets.c.ended_at).label("met"))
        .group_by(run_assets.c.asset_id)
        .subquery()
    )
    query = (
        select(assets.c.entry_id, assets.c.uri, assets.c.last_seen, ends.c.met, ranked)
        .join(ends, ends.c.ident == assets.c.asset_id, isouter=True)
        .join(ranked, (ranked.c.asset_id == assets.c.asset_id) & (ranked.c.rank == 1), isouter=True)
        .where(assets.c.entry_id.is_not(None))
        .order_by(assets.c.uri)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.entry_id, []).append(row)
    return found


def _packs(connection: Connection) -> dict[str, str]:
    """Pack → when it was last used."""
    query = select(runs.c.pack_id, func.max(runs.c.started_at)).group_by(runs.c.pack_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def _open(connection: Connection) -> dict[str, dict[str, int]]:
    query = (
        select(assets.c.entry_id, violations.c.severity, func.count())
        .join(assets, assets.c.asset_id == violations.c.asset_id)
        .where(violations.c.status.in_(OPEN_STATUSES), assets.c.entry_id.is_not(None))
        .group_by(assets.c.entry_id, violations.c.severity)
    )
    found: dict[str, dict[str, int]] = {}
    for ident, severity, many in connection.execute(query):
        found.setdefault(ident, {})[severity] = many
    return found


def _trends(connection: Connection, since: str) -> dict[str, int]:
    """Entry → how many more violations are open than at a time: those opened less those closed."""
    opens = case((violation_history.c.after.in_(OPEN_STATUSES), 1), else_=0)
    was = case((violation_history.c.before.in_(OPEN_STATUSES), 1), else_=0)
    query = (
        select(assets.c.entry_id, func.sum(opens - was))
        .join(violations, violations.c.violation_id == violation_history.c.violation_id)
        .join(assets, assets.c.asset_id == violations.c.asset_id)
        .where(violation_history.c.at >= since, assets.c.entry_id.is_not(None))
        .group_by(assets.c.entry_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


# --- what people say ------------------------------------------------------------------------------


def say(
    db: Database,
    actor: str,
    ident: str,
    *,
    owner: str | None = None,
    purpose: str | None = None,
    state: EntryState | None = None,
    receipt: str = "",
    audit_key: AuditKey | None = None,
) -> Entry:
    """Change what people say of an entry; returns it as it is then. One act in the audit log.

    To retire it, its last reading must be whole and a receipt must say that it was erased: one for
    the entry (made here, in the words of `receipt`) or one for each of its assets. A pack needs
    neither. Raises StateError, changing nothing.
    """
    before = entry_named(db, ident)
    at = db.moment()
    with db.write() as connection:
        if state == "retired" and before.kind != "pack":
            _may_retire(connection, before, receipt)
        if receipt:
            connection.execute(
                receipts.insert().values(**_receipt(connection, before, actor, at, receipt))
            )
        said: dict[str, Any] = {"owner": owner, "purpose": purpose, "state": state}
        values = {name: value for name, value in said.items() if value is not None}
        stamp: dict[str, str | None] = {"updated_at": at, "updated_by": actor}
        if state is not None:
            stamp["retired_at"] = at if state == "retired" else None
        connection.execute(
            update(inventory).where(inventory.c.entry_id == ident).values(**values, **stamp)
        )
        was = {name: getattr(before, name) for name in values}
        act = "inventory.retire" if state == "retired" else "inventory.set"
        told = {"kind": before.kind, "name": before.name, "before": was, "after": values}
        told |= {"receipt": receipt} if receipt else {}
        record_act(connection, actor, act, ident, told, key=audit_key, clock=db.clock)
    return entry_named(db, ident)


def entry_named(db: Database, ident: str) -> Entry:
    """An entry by its id. Raises StateError when there is none."""
    for each in entries(db):
        if each.id == ident:
            return each
    raise StateError(
        "there is no such entry in the register",
        where=ident,
        expected="the id of an entry",
        remedy="List them: dlpagent inventory list --state STATE",
    )


def _receipt(
    connection: Connection, entry: Entry, actor: str, at: str, words: str
) -> dict[str, Any]:
    read = _readings(connection).get(entry.id, [])
    seen = "\n".join(f"{row.uri} {row.change_key} {row.ended_at}" for row in read)
    return {
        "at": at,
        "actor": actor,
        "asset_id": entry.id,
        "asset_uri": entry.name,
        "record_id": "",
        "action": "erased",
        "hash_seen": hashlib.sha256(seen.encode("utf-8", "surrogatepass")).hexdigest(),
        "details": {"words": words, "assets": len(read)},
    }


def _may_retire(connection: Connection, entry: Entry, receipt: str) -> None:
    missing = []
    if not entry.whole:
        missing.append("a last sweep that read all of it")
    if not receipt and not _is_erased(connection, entry):
        missing.append("a receipt of its deletion")
    if missing:
        raise StateError(
            "the entry cannot be retired yet",
            where=entry.name,
            expected=" and ".join(missing),
            found=f"last sweep {entry.last_sweep or 'none'}, "
            f"{'whole' if entry.whole else 'not whole'}, {entry.assets} asset(s)",
            remedy="Sweep it once more, erase it, and say with --receipt how that is proven.",
        )


def _is_erased(connection: Connection, entry: Entry) -> bool:
    """Whether receipts say that the entry, or every one of its assets, was erased."""
    erased = set(
        connection.scalars(
            select(receipts.c.asset_id).where(
                receipts.c.action == "erased", receipts.c.record_id == ""
            )
        )
    )
    mine = select(assets.c.asset_id).where(assets.c.entry_id == entry.id)
    ids = set(connection.scalars(mine))
    return entry.id in erased or (bool(ids) and ids <= erased)
