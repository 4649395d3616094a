"""Who and what records are: roles, labels, actor and app of those that have findings or labels.

Findings tell what a record holds, not whose it is; a policy asks for both. So that policies can be
tried on stored findings as on the data itself, each batch keeps these facts with its findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.sql import chunks, insert_new
from dlpagent.state.tables import record_facts, run_assets
from dlpagent.violations import RecordFacts

_PAGE = 2_000


def store_facts(connection: Connection, run_asset: int, facts: Sequence[RecordFacts]) -> None:
    """Keep the facts of a batch's records."""
    rows = [
        {"run_asset": run_asset, "record_id": each.record_id, "facts": _packed(each)}
        for each in facts
    ]
    insert_new(connection, record_facts, rows)


def reading_with_facts(db: Database, run_id: str, asset_uri: str) -> int | None:
    """The run-asset of a reading if it keeps facts (older versions kept none), else None."""
    query = select(run_assets.c.seq).where(
        run_assets.c.run_id == run_id,
        run_assets.c.asset_id == asset_id_of(asset_uri),
        run_assets.c.facts_kept,
    )
    with db.read() as connection:
        return connection.scalar(query)


def facts_of(db: Database, run_asset: int, record_ids: Sequence[str]) -> dict[str, RecordFacts]:
    """Record id → its facts; one that is missing says nothing beyond its asset."""
    found: dict[str, RecordFacts] = {}
    for piece in chunks(record_ids):
        query = select(record_facts).where(
            record_facts.c.run_asset == run_asset, record_facts.c.record_id.in_(piece)
        )
        with db.read() as connection:
            found.update((row.record_id, _facts(row)) for row in connection.execute(query))
    return found


def without_findings(db: Database, run_asset: int) -> Iterator[RecordFacts]:
    """The records that have labels and no findings."""
    after: str | None = None
    query = select(record_facts).where(record_facts.c.run_asset == run_asset)
    query = query.order_by(record_facts.c.record_id).limit(_PAGE)
    while True:
        page = query if after is None else query.where(record_facts.c.record_id > after)
        with db.read() as connection:
            rows = connection.execute(page).all()
        yield from (each for each in map(_facts, rows) if not each.found)
        if len(rows) < _PAGE:
            return
        after = rows[-1].record_id


def _packed(facts: RecordFacts) -> dict[str, Any]:
    """As stored: what is not said is left out."""
    named = {
        "roles": list(facts.roles),
        "labels": list(facts.labels),
        "actor": facts.actor_id,
        "app": facts.app,
        "bare": not facts.found,
        "content": facts.content,
    }
    return {name: value for name, value in named.items() if value not in (None, [], False)}


def _facts(row: Row[Any]) -> RecordFacts:
    said = row.facts
    return RecordFacts(
        row.record_id,
        tuple(said.get("roles", ())),
        tuple(said.get("labels", ())),
        said.get("actor"),
        said.get("app"),
        not said.get("bare", False),
        said.get("content"),
    )
