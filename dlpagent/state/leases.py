"""One sweep at a time per asset: leases, renewed by every commit.

A lease ends when it is released, when its time is over, or when its process is known to be dead;
then another sweep may take it. Whoever lost a lease cannot commit any more: every commit checks
the token inside its own transaction.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from dlpagent.errors import BusyError
from dlpagent.state.owner import Owner, is_dead, this_process
from dlpagent.state.sql import insert_if_new
from dlpagent.state.tables import leases
from dlpagent.state.types import moment, time_of

LEASE_SECONDS = 300.0


def take(
    connection: Connection,
    asset_id: str,
    asset_uri: str,
    *,
    run_id: str,
    now: datetime,
    seconds: float,
) -> str:
    """Take the lease and return its token. Raises BusyError when a live sweep holds it."""
    owner, token = this_process(), secrets.token_hex(16)
    row = {
        "run_id": run_id,
        "token": token,
        "host": owner.host,
        "pid": owner.pid,
        "process": owner.process,
        "acquired_at": moment(now),
        "expires_at": moment(now + timedelta(seconds=seconds)),
    }
    held = None
    while held is None:  # a lease released between the two statements leaves nothing to look at
        if insert_if_new(connection, leases, {"asset_id": asset_id, **row}):
            return token
        held = connection.execute(
            select(leases).where(leases.c.asset_id == asset_id).with_for_update()
        ).first()
    if not has_ended(held, now):
        raise _busy(held, asset_uri)
    connection.execute(update(leases).where(leases.c.asset_id == asset_id).values(row))
    return token


def has_ended(held: Row[Any], now: datetime) -> bool:
    """Whether a row of leases (or sinks) no longer protects anything."""
    return held.expires_at <= moment(now) or is_dead(Owner(held.host, held.pid, held.process))


def renew(connection: Connection, asset_id: str, token: str, now: datetime, seconds: float) -> bool:
    """Prolong a lease that is still ours; False when it is not."""
    changed = connection.execute(
        update(leases)
        .where(leases.c.asset_id == asset_id, leases.c.token == token)
        .values(expires_at=moment(now + timedelta(seconds=seconds)))
    )
    return bool(changed.rowcount == 1)


def release(connection: Connection, asset_id: str, token: str) -> None:
    """Give the lease back; harmless when it is no longer ours."""
    connection.execute(delete(leases).where(leases.c.asset_id == asset_id, leases.c.token == token))


def lost(asset_uri: str, run_id: str) -> BusyError:
    """The error of a writer that finds its lease or its checkpoint taken over."""
    return BusyError(
        "another sweep has taken over this asset; nothing of this batch was stored",
        where=asset_uri,
        expected=f"the lease and the checkpoint of run {run_id}",
        found="that another process holds the lease or has moved the checkpoint",
        remedy="Stop this sweep and let the other one finish, or resume when it has ended.",
    )


def _busy(held: Row[Any], asset_uri: str) -> BusyError:
    owner = Owner(held.host, held.pid, held.process)
    since = time_of(held.acquired_at).strftime("%Y-%m-%d %H:%M:%S UTC")
    until = time_of(held.expires_at).strftime("%H:%M:%S UTC")
    return BusyError(
        "the asset is being swept by another process",
        where=asset_uri,
        expected="one sweep at a time per asset",
        found=f"run {held.run_id} of {owner}, since {since}",
        remedy="Wait for it to end, or stop that process; its lease ends with it on the same host "
        f"and at {until} at the latest if it is no longer alive.",
    )
