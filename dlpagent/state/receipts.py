"""Receipts of remediation: what was done to a record or an asset, when, by whom, and what it was.

A receipt is written in the transaction that knows the deed done. hash_seen names the content that
was acted on (a digest made by the caller; never the content), so that it can be shown later that
what was hidden, erased, tagged or moved is what had been found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Connection, insert, select

from dlpagent.errors import StateError
from dlpagent.state.assets import asset_id_of
from dlpagent.state.database import Database
from dlpagent.state.tables import receipts

Action = Literal["hidden", "erased", "tagged", "moved", "restored"]
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One deed. record_id is "" when the whole asset is meant. at: UTC, ISO 8601 with Z.

    details: where it went, which request did it; names and numbers, never content.
    """

    asset_uri: str
    record_id: str
    action: Action
    hash_seen: str
    actor: str
    at: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def store_receipt(connection: Connection, receipt: Receipt, at: str) -> None:
    """Add a receipt. at: database.moment(); used unless the receipt has a time of its own.

    Raises StateError for an action that is not one of ours.
    """
    if receipt.action not in ACTIONS:
        raise StateError(
            "a receipt names no deed we know",
            where=receipt.asset_uri,
            expected=" or ".join(ACTIONS),
            found=receipt.action,
            remedy="This is a fault of the connector; please report it.",
        )
    connection.execute(
        insert(receipts).values(
            at=receipt.at or at,
            actor=receipt.actor,
            asset_id=asset_id_of(receipt.asset_uri),
            asset_uri=receipt.asset_uri,
            record_id=receipt.record_id,
            action=receipt.action,
            hash_seen=receipt.hash_seen,
            details=dict(receipt.details),
        )
    )


def receipts_of(
    db: Database, asset_uri: str | None = None, record_id: str | None = None
) -> list[Receipt]:
    """Receipts in the order they were written; of one asset or record, if given."""
    query = select(receipts).order_by(receipts.c.seq)
    if asset_uri is not None:
        query = query.where(receipts.c.asset_id == asset_id_of(asset_uri))
    if record_id is not None:
        query = query.where(receipts.c.record_id == record_id)
    with db.read() as connection:
        return [
            Receipt(
                row.asset_uri,
                row.record_id,
                row.action,
                row.hash_seen,
                row.actor,
                row.at,
                row.details,
            )
            for row in connection.execute(query)
        ]
