"""The audit log checked, shown and exported; an export can be checked where the database is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError
from dlpagent.state import State
from dlpagent.state.audit import Act, AuditKey, Head, beginning, load_audit_key
from dlpagent.state.audit_verify import (
    Verdict,
    log_id,
    stored_acts,
    stored_head,
    stored_rows,
    verify,
    verify_rows,
    witness,
    witnessed,
)

FORMAT = "dlpagent-audit"


def keys_of(files: Sequence[Path]) -> list[AuditKey]:
    """The key of this installation and those in files. Raises StateError, ConfigurationError."""
    for file in files:
        if not file.is_file():
            raise ConfigurationError(
                "there is no such key",
                where="--key",
                expected="a copy of the audit.key of another installation",
                found=str(file),
            )
    return [load_audit_key(), *(load_audit_key(file) for file in files)]


def parsed_head(text: str) -> Head:
    """A head as `audit verify` prints it: the number of acts, a colon, the hash."""
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise ConfigurationError(
            "this is not a head of an audit log",
            where="--head",
            expected="acts:hash, as an earlier check printed it",
            found=text[:80],
        )
    return Head(int(number), digest)


def checked(state: State, files: Sequence[Path], heads: Sequence[str]) -> Verdict:
    """Check the log of a state, also against every head seen before; remember its head if whole."""
    with state.database.read() as connection:
        log = log_id(connection)
        known = [*witnessed(state.place, log), *map(parsed_head, heads)]
        verdict = verify(connection, keys_of(files), known)
    if verdict.whole and verdict.head is not None and log is not None:
        witness(state.place, log, verdict.head)
    return verdict


def checked_file(file: Path, files: Sequence[Path], heads: Sequence[str]) -> Verdict:
    """Check an export. Raises ConfigurationError for a file that is none."""
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
        first, rows, last = lines[0], lines[1:-1], lines[-1]
        whole = first["format"] == FORMAT and first["v"] == 1
        begins, head = first["begins"], last["head"]
        complete = whole and all(set(row) >= _COLUMNS for row in rows)
    except OSError as error:
        raise ConfigurationError(
            f"the export cannot be read ({error.strerror})", where=str(file)
        ) from None
    except (ValueError, KeyError, IndexError, TypeError):
        complete = False
    if not complete:
        raise ConfigurationError(
            "this is not a whole export of an audit log",
            where=str(file),
            expected="the file as dlpagent audit export wrote it",
            found="something else",
        )
    return verify_rows(rows, head, begins, keys_of(files), map(parsed_head, heads))


_COLUMNS = frozenset(("seq", "at", "actor", "act", "subject", "details", "previous", "hash",
                      "key_id", "seal"))  # fmt: skip


def exported(state: State) -> Iterator[str]:
    """The log as JSON lines: what it begins with, every act as it is stored, its head."""
    with state.database.read() as connection:
        yield _line({"format": FORMAT, "v": 1, "begins": beginning(connection)})
        for row in stored_rows(connection):
            yield _line(dict(row))
        head = stored_head(connection)
        yield _line({"head": None if head is None else dict(head)})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True) + "\n"


def newest_acts(state: State, limit: int, act: str = "", subject: str = "") -> list[Act]:
    """The newest acts, oldest of them first; whose name begins with act, and of one subject."""
    with state.database.read() as connection:
        found = [
            each
            for each in stored_acts(connection, None if act or subject else limit)
            if each.act.startswith(act) and each.subject.startswith(subject)
        ]
    return found[-limit:]


def act_json(act: Act) -> dict[str, Any]:
    """An act as JSON."""
    return {"v": 1, **asdict(act)}


def act_line(act: Act) -> str:
    """An act for people."""
    details = ", ".join(f"{name} {value}" for name, value in act.details.items() if value)
    return f"{act.seq:>5}  {act.at[:19]}Z  {act.actor}  {act.act}  {act.subject}  {details}"
