"""Whatever is done to an audit log behind its back is noticed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from dlpagent.errors import StateError
from dlpagent.state import open_state
from dlpagent.state.audit import (
    AuditKey,
    Head,
    beginning,
    hash_of,
    load_audit_key,
    record_act,
)
from dlpagent.state.audit_verify import (
    log_id,
    stored_head,
    stored_rows,
    verify,
    verify_rows,
    witness,
    witnessed,
)
from dlpagent.state.tables import acts, audit_head

Rows = list[dict[str, Any]]
FORGED = AuditKey(b"x" * 32, "forged")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Forty acts and every head on the way, of a real state."""
    folder = tmp_path_factory.mktemp("log")
    key = load_audit_key(folder / "audit.key")
    heads = []
    with open_state(folder / "state.db") as state:
        for number in range(40):
            with state.database.write() as connection:
                details = {"number": number, "why": "because"}
                record_act(connection, "ann", "x.y", f"s{number}", details, key=key)
                heads.append(dict(stored_head(connection)))
        with state.database.read() as connection:
            rows = [dict(row) for row in stored_rows(connection)]
            return rows, heads, beginning(connection), key


def _flip(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    """One character of one column of one act becomes another."""
    row = chance.choice(rows)
    column = chance.choice(list(row))
    if column == "seq":
        row["seq"] += chance.choice([-1, 1, 40, 10**6])
        return heads[-1]
    at = chance.randrange(len(row[column]))
    other = chance.choice([char for char in '0123456789abcdefXYZ "{' if char != row[column][at]])
    row[column] = row[column][:at] + other + row[column][at + 1 :]
    return heads[-1]


def _flip_head(_rows: Rows, heads: Rows, chance: random.Random) -> Any:
    head = dict(heads[-1])
    column = chance.choice(["acts", "hash", "seal", "key_id"])
    head[column] = head["acts"] + 1 if column == "acts" else head[column][1:] + "0x"
    return head


def _drop(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    del rows[chance.randrange(len(rows))]
    return heads[-1]


def _drop_head(_rows: Rows, _heads: Rows, _chance: random.Random) -> Any:
    return None


def _reorder(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    """Two acts change places; half the time they change numbers too."""
    one, other = chance.sample(range(len(rows)), 2)
    rows[one], rows[other] = rows[other], rows[one]
    if chance.random() < 0.5:
        rows[one]["seq"], rows[other]["seq"] = rows[other]["seq"], rows[one]["seq"]
    return heads[-1]


def _truncate(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    """The end is cut off; the head is left, made to fit, or put back as it once was."""
    keep = chance.randrange(len(rows))
    del rows[keep:]
    how = chance.choice(["left", "fits", "old"])
    if how == "left" or not keep:
        return heads[-1]
    if how == "old":
        return heads[keep - 1]
    return {**heads[-1], "acts": keep, "hash": rows[-1]["hash"]}


def _repeat(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    """An act is there twice."""
    at = chance.randrange(len(rows))
    rows.insert(at, dict(rows[at]))
    return heads[-1]


def _rechain(rows: Rows, heads: Rows, chance: random.Random) -> Any:
    """An act is changed, put in or left out, and every hash behind it is made anew, and the head.

    The seals are left, moved along, or made with another key under its name or ours.
    """
    at = chance.randrange(len(rows))
    how = chance.choice(["change", "insert", "drop"])
    if how == "insert":
        rows.insert(at, dict(rows[at]))
    if how == "drop":
        del rows[at]
    else:
        rows[at]["actor"] = "mallory"
    seal = chance.choice(["left", "forged", "forged, our name"])
    previous = rows[at - 1]["hash"] if at else rows[0]["previous"] if at < len(rows) else ""
    for number in range(at, len(rows)):
        row = rows[number]
        row |= {"seq": number + 1, "previous": previous}
        previous = row["hash"] = hash_of(row)
        if seal != "left":
            row["seal"] = FORGED.seal("act", row["hash"])
            row["key_id"] = FORGED.id if seal == "forged" else row["key_id"]
    head = {**heads[-1], "acts": len(rows), "hash": previous}
    if seal != "left":
        head["seal"] = FORGED.seal("head", len(rows), previous)
    return head


MUTATIONS: list[Callable[[Rows, Rows, random.Random], Any]] = [
    _flip,
    _flip_head,
    _drop,
    _drop_head,
    _reorder,
    _truncate,
    _repeat,
    _rechain,
]


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__.strip("_"))
def test_every_one_of_250_random_mutations_is_noticed(log, mutate):
    rows, heads, begins, key = log
    newest = [Head(heads[-1]["acts"], heads[-1]["hash"])]
    for seed in range(250):
        changed = [dict(row) for row in rows]
        chance = random.Random(f"{mutate.__name__} {seed}")
        head = mutate(changed, [dict(each) for each in heads], chance)
        assert not verify_rows(changed, head, begins, [key], newest).whole, seed


def test_untouched_the_same_log_is_whole(log):
    rows, heads, begins, key = log
    known = [Head(head["acts"], head["hash"]) for head in heads]
    verdict = verify_rows(rows, heads[-1], begins, [key], known)
    assert verdict.whole
    assert verdict.acts == 40


def test_only_a_whole_older_log_needs_a_head_seen_before_to_be_noticed(log):
    rows, heads, begins, key = log
    older = (rows[:20], heads[19], begins, [key])
    assert verify_rows(*older).whole
    assert not verify_rows(*older, [Head(heads[-1]["acts"], heads[-1]["hash"])]).whole
    assert verify_rows(*older, [Head(heads[7]["acts"], heads[7]["hash"])]).whole


@pytest.mark.parametrize("column", [column.name for column in acts.columns])
def test_a_change_in_the_database_is_noticed_in_every_column(state, column):
    for number in range(3):
        with state.database.write() as connection:
            record_act(connection, "ann", "x.y", f"s{number}")
    value = 9 if column == "seq" else "x"
    with state.database.write() as connection:
        connection.execute(update(acts).where(acts.c.seq == 3).values({column: value}))
        assert not verify(connection, [load_audit_key()]).whole


@pytest.mark.parametrize("table", [acts, audit_head], ids=lambda table: table.name)
def test_an_emptied_table_is_noticed(state, table):
    with state.database.write() as connection:
        record_act(connection, "ann", "x.y", "s")
        connection.execute(delete(table))
        assert not verify(connection, [load_audit_key()]).whole


def test_rows_are_read_in_pages(state, monkeypatch):
    monkeypatch.setattr("dlpagent.state.audit_verify._PAGE", 3)
    for number in range(7):
        with state.database.write() as connection:
            record_act(connection, "ann", "x.y", f"s{number}")
    with state.database.read() as connection:
        assert [row["seq"] for row in stored_rows(connection)] == [1, 2, 3, 4, 5, 6, 7]
        assert verify(connection, [load_audit_key()]).acts == 7


# --- the witness ----------------------------------------------------------------------------------


def test_a_head_seen_before_is_remembered_by_log_and_by_place(home):
    witness("here", "a", Head(1, "h1"))
    witness("here", "a", Head(2, "h2"))
    witness("there", "b", Head(7, "h7"))
    assert witnessed("elsewhere", "a") == [Head(2, "h2")]
    assert witnessed("here", None) == [Head(2, "h2")]  # wiped: no log any more, but a place
    assert witnessed("nowhere", "c") == []
    assert (home / "audit-heads.json").stat().st_mode & 0o077 == 0


def test_a_log_wiped_with_its_name_is_noticed_at_its_place(state):
    with state.database.write() as connection:
        head = record_act(connection, "ann", "x.y", "s")
        witness(state.place, log_id(connection) or "", head)
        for table in (acts, audit_head):
            connection.execute(delete(table))
        known = witnessed(state.place, None)
        assert not verify(connection, [load_audit_key()], known).whole
        assert connection.execute(select(acts)).all() == []


def test_a_witness_that_cannot_be_read_is_not_taken_for_none(home):
    (home / "audit-heads.json").write_text("{")
    with pytest.raises(StateError, match="seen before"):
        witnessed("here", "a")
