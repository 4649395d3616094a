"""Acts are added in order, by one writer at a time, and never mend what was broken before."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, update

from dlpagent.errors import StateError
from dlpagent.state import open_state
from dlpagent.state.audit import load_audit_key, local_actor, record_act
from dlpagent.state.audit_verify import stored_acts, verify
from dlpagent.state.tables import acts, audit_head


@pytest.fixture
def record(state, clock):
    """Records an act in a transaction of its own."""

    def add(name="policy.change", subject="p", details=None, **more):
        with state.database.write() as connection:
            return record_act(connection, "ann@host", name, subject, details, clock=clock, **more)

    return add


def _verdict(state, known=()):
    with state.database.read() as connection:
        return verify(connection, [load_audit_key()], known)


def test_acts_are_kept_as_they_were_said_in_order(state, record):
    record(details={"from": "6", "to": "7"})
    head = record("violation.override", "v\x00\ud800", {"until": None})
    with state.database.read() as connection:
        first, second = stored_acts(connection)
    assert (first.seq, first.actor, first.act, first.subject) == (
        1,
        "ann@host",
        "policy.change",
        "p",
    )
    assert (first.at, first.details) == ("2026-01-02T03:04:05.000000Z", {"from": "6", "to": "7"})
    assert (second.seq, second.hash) == (head.acts, head.hash)
    assert _verdict(state).whole


def test_the_newest_acts_can_be_asked_for(state, record):
    for number in range(5):
        record(subject=str(number))
    with state.database.read() as connection:
        assert [act.subject for act in stored_acts(connection, 2)] == ["3", "4"]


def test_an_empty_log_is_whole(state):
    assert _verdict(state).whole
    assert _verdict(state).head is None


def test_an_act_is_not_kept_when_what_it_was_about_fails(state, record):
    record()

    def fail():
        with state.database.write() as connection:
            record_act(connection, "ann", "x.y", "s")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _verdict(state).acts == 1
    assert _verdict(state).whole


def test_writers_at_once_make_one_chain(state):
    def add(number):
        with state.database.write() as connection:
            record_act(connection, f"writer-{number}", "x.y", "s")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(24)))
    assert _verdict(state).whole
    assert _verdict(state).acts == 24


@pytest.mark.parametrize("lost", ["last act", "head", "acts but the first"])
def test_going_on_does_not_heal_a_log_that_was_cut(state, record, lost):
    for _ in range(4):
        record()
    with state.database.write() as connection:
        if lost == "head":
            connection.execute(delete(audit_head))
        else:
            keep = 3 if lost == "last act" else 1
            connection.execute(delete(acts).where(acts.c.seq > keep))
    record()
    assert not _verdict(state).whole


def test_a_log_of_another_database_does_not_fit(state, record, tmp_path):
    record()
    with open_state(tmp_path / "other.db") as other:
        with state.database.read() as connection:
            rows = connection.execute(acts.select()).all()
            heads = connection.execute(audit_head.select()).all()
        with other.database.write() as connection:
            connection.execute(acts.insert(), [dict(row._mapping) for row in rows])
            connection.execute(audit_head.insert(), [dict(row._mapping) for row in heads])
        assert not _verdict(other).whole


def test_acts_sealed_with_a_key_that_is_not_at_hand_are_said_so(state, record, tmp_path):
    other = load_audit_key(tmp_path / "other.key")
    record(key=other)
    record()
    assert [fault.seq for fault in _verdict(state).faults] == [1]
    assert other.id in _verdict(state).faults[0].what
    with state.database.read() as connection:
        assert verify(connection, [load_audit_key(), other]).whole


def test_the_key_is_made_for_its_owner_only(record, home):
    record()
    key = home / "audit.key"
    assert key.stat().st_mode & 0o777 == 0o600 or os.name != "posix"
    assert load_audit_key().secret.hex() not in repr(load_audit_key())
    key.chmod(0o644)
    if os.name == "posix":
        with pytest.raises(StateError, match="audit key can be read by others"):
            record()


def test_the_seal_is_not_the_hash(state, record):
    """Whoever changes a row and its hash, and everything behind it, still lacks the key."""
    record()
    with state.database.write() as connection:
        connection.execute(update(acts).values(actor="mallory"))
    assert not _verdict(state).whole


def test_the_local_actor_has_a_name():
    account, _, machine = local_actor().partition("@")
    assert account
    assert machine
