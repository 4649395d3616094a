"""Whether the audit log is whole: every act in its place, sealed, and none missing at the end.

What only the log itself could tell is not enough against a copy of an older, whole log (a backup
put back). So the place of the head is kept a second time outside the database, by whoever looks:
as a *witness* beside the key at every check, or as the text `acts:hash` anywhere a person likes.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from dlpagent.errors import StateError
from dlpagent.home import home_folder
from dlpagent.state.audit import HEAD, Act, AuditKey, Head, act_from, beginning, hash_of
from dlpagent.state.tables import acts, audit_head, meta

WITNESS_FILE = "audit-heads.json"
_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One sign of tampering. seq: the act it shows at; 0 is the log as a whole."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. head: where the log stands by its rows, None when it is empty."""

    acts: int
    head: Head | None
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        return not self.faults


def stored_rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Every act as it is stored, in the order of its number."""
    after: Any = None
    while True:
        query = select(acts).order_by(acts.c.seq).limit(_PAGE)
        rows = connection.execute(query if after is None else query.where(acts.c.seq > after)).all()
        yield from (row._asdict() for row in rows)
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def stored_acts(connection: Connection, limit: int | None = None) -> list[Act]:
    """Acts as values, oldest first; only the newest when limited."""
    query = select(acts).order_by(acts.c.seq.desc())
    if limit is not None:
        query = query.limit(limit)
    return [act_from(row) for row in connection.execute(query).all()][::-1]


def stored_head(connection: Connection) -> Mapping[str, Any] | None:
    """The head as it is stored."""
    row = connection.execute(select(audit_head).where(audit_head.c.name == HEAD)).first()
    return None if row is None else row._asdict()


def log_id(connection: Connection) -> str | None:
    """The name of this log; None before its first act."""
    name = connection.scalar(select(meta.c.value).where(meta.c.name == "audit_id"))
    return None if name is None else str(name)


def verify(connection: Connection, keys: Sequence[AuditKey], known: Iterable[Head] = ()) -> Verdict:
    """Check the log of a database. known: heads it had before; it must still contain them."""
    return verify_rows(
        stored_rows(connection), stored_head(connection), beginning(connection), keys, known
    )


def verify_rows(
    rows: Iterable[Mapping[str, Any]],
    head: Mapping[str, Any] | None,
    begins: str,
    keys: Sequence[AuditKey],
    known: Iterable[Head] = (),
) -> Verdict:
    """Check rows as they were stored or exported, and their head."""
    by_id = {key.id: key for key in keys}
    wanted = {each.acts: each.hash for each in known if each.acts}
    faults: list[Fault] = []
    expected, previous, last = 1, begins, 0
    for row in rows:
        faults += _row_faults(row, expected, previous, by_id)
        if type(row["seq"]) is int:
            last = row["seq"]
        if wanted.get(last) == row["hash"]:
            del wanted[last]
        expected, previous = last + 1, str(row["hash"])
    end = Head(last, previous) if last else None
    faults += _head_faults(head, end, by_id)
    faults += [
        Fault(number, "is not the act that was seen here before: the log was cut or replaced")
        for number in wanted
    ]
    return Verdict(last, end, tuple(faults))


def _row_faults(
    row: Mapping[str, Any], expected: int, previous: str, keys: Mapping[str, AuditKey]
) -> Iterator[Fault]:
    number = row["seq"] if type(row["seq"]) is int else expected
    if row["seq"] != expected:
        yield Fault(number, f"follows act {expected - 1}: acts between them are missing or moved")
    if row["previous"] != previous:
        yield Fault(number, "does not continue the act before it")
    if hash_of(row) != row["hash"]:
        yield Fault(number, "was changed: its hash does not match what it says")
    yield from _seal_faults(number, row, keys, "act", row["hash"])


def _head_faults(
    head: Mapping[str, Any] | None, end: Head | None, keys: Mapping[str, AuditKey]
) -> Iterator[Fault]:
    if head is None:
        if end is not None:
            yield Fault(0, "has no head, which says how long it is")
        return
    if end is None or (head["acts"], head["hash"]) != (end.acts, end.hash):
        stands = end.acts if end else 0
        yield Fault(0, f"ends at act {stands}, but its head names act {head['acts']}, or another")
    yield from _seal_faults(0, head, keys, "head", head["acts"], head["hash"])


def _seal_faults(
    number: int, row: Mapping[str, Any], keys: Mapping[str, AuditKey], *said: object
) -> Iterator[Fault]:
    key = keys.get(row["key_id"])
    if key is None:
        yield Fault(number, f"is sealed with key {row['key_id']}, which is not at hand (--key)")
    elif not hmac.compare_digest(key.seal(*said).encode(), str(row["seal"]).encode()):
        yield Fault(number, "has a seal that is not ours")


# --- the witness ----------------------------------------------------------------------------------


def witnessed(place: str, log: str | None, folder: Path | None = None) -> list[Head]:
    """The heads this installation has seen of a log, by its id or at its place."""
    seen = _read_witness(folder)
    heads = [seen[name] for name in (f"log {log}", f"place {place}") if name in seen]
    return [Head(int(each["acts"]), str(each["hash"])) for each in heads]


def witness(place: str, log: str, head: Head, folder: Path | None = None) -> None:
    """Remember a head outside the database; written whole or not at all."""
    path = (folder or home_folder()) / WITNESS_FILE
    entry = {"acts": head.acts, "hash": head.hash}
    seen = _read_witness(folder) | {f"log {log}": entry, f"place {place}": entry}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(seen, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read_witness(folder: Path | None) -> dict[str, dict[str, Any]]:
    path = (folder or home_folder()) / WITNESS_FILE
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StateError(
            "the heads seen before cannot be read",
            where=str(path),
            expected="the file as the last check wrote it",
            found=type(error).__name__,
            remedy="Restore it from a backup, or remove it to begin anew.",
        ) from None
    return data if isinstance(data, dict) else {}
