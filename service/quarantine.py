"""Remediation: what was found is tagged, moved or deleted, record by record, and receipted.

Nothing is touched that is not as the sweep saw it. What is about to be done is noted in the state
first; whoever is killed between a deed and its receipt finds the note the next time, looks what
became of the records, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import delete, select

from dlpagent.contents import contents_of, made_with
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.evidence import Evidence
from dlpagent.ports import Erasure, Hands, Remedy, RemedyAction, Source
from dlpagent.records import Asset
from dlpagent.service.violations import Asked, found_by_id, listed
from dlpagent.service.wiring import Unreachable, load, open_sources
from dlpagent.state import State
from dlpagent.state.assets import asset_id_of
from dlpagent.state.audit import record_act
from dlpagent.state.fact_rows import facts_of, reading_with_facts
from dlpagent.state.model import StoredViolation
from dlpagent.state.readings import Reading, latest_readings
from dlpagent.state.receipts import Action, Receipt, store_receipt
from dlpagent.state.sql import insert_or_update
from dlpagent.state.tables import meta

_REMEDIES = "dlpagent.connectors.remedies"
REMEDIES: dict[str, str] = {
    "chroma": f"{_REMEDIES}.chroma:ChromaRemedy",
    "jsonl": f"{_REMEDIES}.files:FileRemedy",
    "lancedb": f"{_REMEDIES}.lancedb:LanceDbRemedy",
    "milvus": f"{_REMEDIES}.milvus:MilvusRemedy",
    "parquet": f"{_REMEDIES}.files:FileRemedy",
    "pgvector": f"{_REMEDIES}.pgvector:PgVectorRemedy",
    "sqlite-vec": f"{_REMEDIES}.sqlite_vec:SqliteVecRemedy",
}
"""Connector → what acts on its records; the others are refused."""

# same: as the sweep saw it; unknown: the state does not say how it was.
Standing = Literal["same", "changed", "gone", "unknown", "refused"]
_NOTE = "remedy:"
_LEFT_ALONE = frozenset({"changed", "unknown", "refused", "unfinished"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Records of one asset to act on, with the violations they are for."""

    reading: Reading
    record_ids: tuple[str, ...]
    violations: tuple[str, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What was planned or done in one asset.

    records: record id → Standing before, or after an act tagged, moved, erased, hidden or the
    standing that kept it from being touched; unfinished when the store failed or still shows it.
    why: of the refusal, or what the purge said.
    """

    asset_uri: str
    action: RemedyAction
    records: dict[str, str] = field(default_factory=dict)
    why: str = ""
    to: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was, or will have to be, left alone."""
        return not _LEFT_ALONE.intersection(self.records.values())

    def json(self) -> dict[str, Any]:
        """As plain JSON values, version 1 (docs/quarantine.md)."""
        return {"v": 1, "asset": self.asset_uri, "action": self.action, "to": self.to or None,
                "why": self.why or None, "records": self.records}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, by whom; to: where records are moved; source: the sweep's own address."""

    action: RemedyAction
    actor: str
    to: str = ""
    source: str = ""


def wanted_of(
    state: State, asked: Asked, ids: Sequence[str] = (), floor: int | None = None
) -> list[Wanted]:
    """The records that open violations name, by asset; of those with certain ids, if given.

    floor: take instead every record with a finding of at least this confidence. Of a violation of a
    whole asset the records are those with findings of its SITs. Raises ConfigurationError.
    """
    readings = {one.asset.uri: one for one in latest_readings(state.database)}
    records: dict[str, dict[str, None]] = {}
    reasons: dict[str, list[str]] = {}
    if floor is None:
        chosen = {found_by_id(state, one) for one in ids}
        for stored in listed(state, replace(asked, status="any") if ids else asked):
            if not ids or stored.violation.id in chosen:
                uri = stored.violation.asset_uri
                records.setdefault(uri, {}).update(dict.fromkeys(_records_of(state, stored)))
                reasons.setdefault(uri, []).append(stored.violation.id)
    else:
        for uri in readings:
            if asked.fits_asset(uri):
                records[uri] = dict.fromkeys(_found(state, uri, floor, None))
    return [
        Wanted(readings[uri], tuple(some), tuple(reasons.get(uri, ())))
        for uri, some in sorted(records.items())
        if some and uri in readings
    ]


def _records_of(state: State, stored: StoredViolation) -> Iterable[str]:
    violation = stored.violation
    if violation.item_level == "record":
        return [violation.record_id]
    return _found(state, violation.asset_uri, 1, {sit.id for sit in violation.sits})


def _found(state: State, uri: str, floor: int, sits: set[str] | None) -> Iterator[str]:
    for batch in state.latest_findings(uri):
        columns = batch.rows.select(["record_id", "sit_id", "confidence"]).to_pydict()
        for one, sit, confidence in zip(*columns.values(), strict=True):
            if confidence >= floor and (sits is None or sit in sits):
                yield one


def planned(state: State, wanted: Sequence[Wanted], order: Order, key: Evidence) -> list[Outcome]:
    """What would be done. Reads the stores and changes nothing."""
    return [_planned(state, one, order, key) for one in wanted]


def applied(state: State, wanted: Sequence[Wanted], order: Order, key: Evidence) -> list[Outcome]:
    """Do it, asset by asset. An asset that fails is reported; the others are acted on."""
    return [_applied(state, one, order, key) for one in wanted]


def remedy_of(asset: Asset, order: Order) -> Remedy:
    """What acts on the asset."""
    made = load(REMEDIES.get(asset.connector, f"{_REMEDIES}.refused:Refused"))
    found: Remedy = made(order.source or asset.uri)
    return found


def _planned(state: State, wanted: Wanted, order: Order, key: Evidence) -> Outcome:
    asset = wanted.reading.asset
    outcome = Outcome(asset.uri, order.action, to=order.to)
    try:
        outcome.why = remedy_of(asset, order).refusal(asset, order.action)
        if not outcome.why:
            outcome.records = dict(_standings(state, wanted, order, key))
    except SourceError as error:
        outcome.why = error.render()
    if outcome.why:
        outcome.records = dict.fromkeys(wanted.record_ids, "refused")
    return outcome


def _applied(state: State, wanted: Wanted, order: Order, key: Evidence) -> Outcome:
    asset = wanted.reading.asset
    outcome = Outcome(asset.uri, order.action, to=order.to)
    try:
        remedy = remedy_of(asset, order)
        outcome.why = remedy.refusal(asset, order.action)
        if not outcome.why:
            with remedy.holding(asset) as hands:
                _act(state, wanted, order, key, hands, outcome)
    except SourceError as error:
        outcome.why = error.render()
        for one, word in outcome.records.items():
            outcome.records[one] = "unfinished" if word == "same" else word
    if outcome.why and not outcome.records:
        outcome.records = dict.fromkeys(wanted.record_ids, "refused")
    return outcome


def _act(
    state: State, wanted: Wanted, order: Order, key: Evidence, hands: Hands, outcome: Outcome
) -> None:
    asset = wanted.reading.asset
    note = _noted(state, asset)
    begun = note["records"] if note and note["action"] == order.action else {}
    if begun and hands.finished(list(begun)):
        standings: dict[str, Standing] = dict.fromkeys(begun, "gone")
    else:
        standings = dict(_standings(state, wanted, order, key))
    outcome.records.update(standings)
    seen = _seen(state, wanted)
    doing = [one for one, standing in standings.items() if standing == "same"]
    done = [one for one, standing in standings.items() if standing == "gone" and one in begun]
    if not doing and not done:
        return
    _note(state, order, asset, {one: seen.get(one, "") for one in (*doing, *done)})
    if doing:
        outcome.to = _do(order, hands, doing)
    elif note:
        outcome.to = note.get("to") or outcome.to
    hands.settle()
    erasure = None if order.action == "tag" else hands.purge([*doing, *done])
    outcome.why = "" if erasure is None else erasure.detail
    left = set() if erasure is None else _still_there(state, wanted, order, key, {*doing, *done})
    for one in (*doing, *done):
        outcome.records[one] = "unfinished" if one in left else _word(order.action, erasure)
    records = [one for one in (*doing, *done) if one not in left]
    _receipt(state, wanted, order, outcome, seen, set(done), records, erasure)


def _still_there(
    state: State, wanted: Wanted, order: Order, key: Evidence, records: set[str]
) -> set[str]:
    """What a reading still shows of the records that were taken away. Rows of files have no ids
    that outlast a change, and there the new file was made without them."""
    if wanted.reading.asset.kind != "vector_collection":
        return set()
    standings = _standings(state, wanted, order, key)
    return {one for one, standing in standings if one in records and standing != "gone"}


def _do(order: Order, hands: Hands, record_ids: Sequence[str]) -> str:
    if order.action == "tag":
        hands.tag(record_ids)
        return ""
    if order.action == "move":
        return hands.move(record_ids, order.to)
    hands.delete(record_ids)
    return ""


def _word(action: RemedyAction, erasure: Erasure | None) -> Action:
    if action == "tag" or erasure is None:
        return "tagged"
    if action == "move":
        return "moved"
    return "erased" if erasure.is_erased else "hidden"


def _standings(
    state: State, wanted: Wanted, order: Order, key: Evidence
) -> Iterator[tuple[str, Standing]]:
    """How each record stands to what the sweep saw."""
    asset = wanted.reading.asset
    source = _source(asset, order)
    if asset.kind != "vector_collection":
        now = next((one for one in source.discover() if one.uri == asset.uri), None)
        before = wanted.reading.progress.change_key
        same = now is not None and before is not None and now.change_key == before
        for one in wanted.record_ids:
            yield one, "gone" if now is None else "same" if same else "changed"
        return
    seen = _seen(state, wanted)
    now_said: dict[str, str] = {}
    for batch, _ in source.read(replace(asset, change_key=None)):
        now_said.update(contents_of(batch, wanted.record_ids, key))
    for one in wanted.record_ids:
        yield one, _standing(seen.get(one), now_said.get(one), key)


def _standing(seen: str | None, now: str | None, key: Evidence) -> Standing:
    if now is None:
        return "gone"
    if seen is None or not made_with(seen, key):
        return "unknown"
    return "same" if seen == now else "changed"


def _seen(state: State, wanted: Wanted) -> dict[str, str]:
    """Record id → its content as the sweep saw it; of rows of a file, that of the file."""
    reading = wanted.reading
    if reading.asset.kind != "vector_collection":
        return dict.fromkeys(wanted.record_ids, reading.progress.change_key or "")
    number = reading_with_facts(state.database, reading.progress.run_id, reading.asset.uri)
    if number is None:
        return {}
    facts = facts_of(state.database, number, wanted.record_ids)
    return {one: told.content for one, told in facts.items() if told.content}


def _source(asset: Asset, order: Order) -> Source:
    for found in open_sources([order.source or asset.uri], connector=asset.connector):
        if isinstance(found, Unreachable):
            raise found.error
        return found
    raise ConfigurationError("nothing can be read there", where=asset.uri)


def _noted(state: State, asset: Asset) -> Mapping[str, Any] | None:
    name = f"{_NOTE}{asset_id_of(asset.uri)}"
    with state.database.read() as connection:
        found: Mapping[str, Any] | None = connection.scalar(
            select(meta.c.value).where(meta.c.name == name)
        )
    return found


def _note(state: State, order: Order, asset: Asset, records: Mapping[str, str]) -> None:
    """Say what is about to be done."""
    value = {"v": 1, "action": order.action, "to": order.to, "records": dict(records)}
    with state.database.write() as connection:
        row = {"name": f"{_NOTE}{asset_id_of(asset.uri)}", "value": value}
        insert_or_update(connection, meta, [row])
        details = {"action": order.action, "records": len(records)}
        record_act(connection, order.actor, "quarantine.begin", asset.uri, details)


def _receipt(
    state: State,
    wanted: Wanted,
    order: Order,
    outcome: Outcome,
    seen: Mapping[str, str],
    resumed: set[str],
    records: Sequence[str],
    erasure: Erasure | None,
) -> None:
    """Receipts, the act in the audit log, and the end of the note: in one transaction."""
    asset, at = wanted.reading.asset, state.database.moment()
    left = None if erasure is None else "erased" if erasure.is_erased else "hidden"
    told = {"to": outcome.to or None, "left": left, "purge": outcome.why or None}
    with state.database.write() as connection:
        for one in records:
            details = {**told, "resumed": one in resumed or None}
            receipt = Receipt(
                asset.uri,
                one,
                _word(order.action, erasure),
                seen.get(one, ""),
                order.actor,
                details={name: value for name, value in details.items() if value},
            )
            store_receipt(connection, receipt, at)
        connection.execute(delete(meta).where(meta.c.name == f"{_NOTE}{asset_id_of(asset.uri)}"))
        counts: dict[str, int] = {}
        for word in outcome.records.values():
            counts[word] = counts.get(word, 0) + 1
        summed: dict[str, Any] = {**told, "violations": list(wanted.violations)[:100], **counts}
        record_act(connection, order.actor, f"quarantine.{order.action}", asset.uri, summed)
