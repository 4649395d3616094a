"""What the state keeps of a scheduled job: paused or not, and until when failures are waited out.

One row of meta for each job, named agenda:JOB. Every agent on the same state sees the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from dlpagent.state.audit import record_act
from dlpagent.state.database import Database
from dlpagent.state.sql import insert_or_update
from dlpagent.state.tables import meta


@dataclass(frozen=True, slots=True)
class Waiting:
    """Failures in a row, and until when (ISO 8601, UTC) nothing is tried."""

    failures: int
    until: str


@dataclass(frozen=True, slots=True)
class Agenda:
    """paused: since when, "" when it is not; known: since when the job is scheduled; waiting: target
    of a source (or "" for the job itself) → how long it is left alone."""

    paused: str = ""
    known: str = ""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)


def agenda_of(db: Database, job: str) -> Agenda:
    """The agenda of a job; an empty one when it has none."""
    with db.read() as connection:
        return _read(connection, job)


def change_agenda(db: Database, job: str, change: Callable[[Agenda], Agenda]) -> Agenda:
    """Change it in one transaction; returns what is stored then."""
    with db.write() as connection:
        changed = change(_read(connection, job))
        _write(connection, job, changed)
    return changed


def set_paused(db: Database, job: str, *, paused: bool, actor: str) -> bool:
    """Pause a job or let it go on; an act in the audit log. False when it was so already."""
    with db.write() as connection:
        agenda = _read(connection, job)
        if bool(agenda.paused) == paused:
            return False
        at = db.moment() if paused else ""
        _write(connection, job, Agenda(at, agenda.known, agenda.waiting))
        act = "sweep.pause" if paused else "sweep.unpause"
        record_act(connection, actor, act, job, {}, clock=db.clock)
    return True


def _read(connection: Connection, job: str) -> Agenda:
    query = select(meta.c.value).where(meta.c.name == _name(job))
    value: Any = connection.scalar(query)
    if not isinstance(value, dict):
        return Agenda()
    waiting = {
        target: Waiting(int(each["failures"]), str(each["until"]))
        for target, each in value.get("waiting", {}).items()
    }
    return Agenda(str(value.get("paused", "")), str(value.get("known", "")), waiting)


def _write(connection: Connection, job: str, agenda: Agenda) -> None:
    insert_or_update(connection, meta, [{"name": _name(job), "value": asdict(agenda)}])


def _name(job: str) -> str:
    return f"agenda:{job}"
