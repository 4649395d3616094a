"""Verdicts are kept as given, change in place, and every change is an act in the audit log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from dlpagent.state.audit import AuditKey, act_from
from dlpagent.state.tables import acts
from dlpagent.state.verdicts import (
    set_verdicts,
    stored_verdicts,
    suppressions_of,
    verdict_id,
    withdraw_verdicts,
)
from dlpagent.suppressions import Verdict

KEY = AuditKey(b"k" * 32, "test")
FALSE = Verdict("k1", "sit-1", "false", "a \x00 part number", "ann", key_id="e1", masked="****11")


def told(state):
    with state.database.read() as connection:
        rows = [act_from(row) for row in connection.execute(select(acts).order_by(acts.c.seq))]
    return [(item.actor, item.act, item.details) for item in rows]


def test_a_verdict_comes_back_as_it_was_given_with_who_and_when(opened):
    state = opened()
    (stored,) = set_verdicts(state.database, "ann@x", [FALSE], audit_key=KEY)
    assert stored_verdicts(opened().database) == [stored]
    assert replace(stored, actor="", created_at="", updated_at="") == FALSE
    assert (stored.actor, stored.created_at) == ("ann@x", state.database.moment())


def test_a_second_verdict_on_the_same_value_replaces_the_first_and_the_log_has_both(opened, clock):
    state = opened()
    set_verdicts(state.database, "ann", [FALSE], audit_key=KEY)
    clock.advance(60)
    set_verdicts(state.database, "bob", [replace(FALSE, ruling="true")], audit_key=KEY)
    (found,) = stored_verdicts(state.database)
    assert (found.ruling, found.actor) == ("true", "bob")
    assert found.created_at < found.updated_at
    assert [(who, act, d["before"], d["ruling"]) for who, act, d in told(state)] == [
        ("ann", "verdict.set", None, "false"), ("bob", "verdict.set", "false", "true"),
    ]  # fmt: skip


@pytest.mark.parametrize("other", [{"key": "k2"}, {"sit_id": "sit-2"}, {"scope": "file:///a/*"}])
def test_another_value_sit_or_scope_is_another_verdict(opened, other):
    state = opened()
    set_verdicts(state.database, "ann", [FALSE, replace(FALSE, **other)], audit_key=KEY)
    assert len(stored_verdicts(state.database)) == 2
    assert verdict_id(FALSE) != verdict_id(replace(FALSE, **other))


def test_a_withdrawn_verdict_is_gone_and_told_and_twice_is_nothing(opened):
    state = opened()
    set_verdicts(state.database, "ann", [FALSE], audit_key=KEY)
    assert withdraw_verdicts(state.database, "bob", [FALSE], reason="wrong", audit_key=KEY) == 1
    assert withdraw_verdicts(state.database, "bob", [FALSE], audit_key=KEY) == 0
    assert stored_verdicts(state.database) == []
    assert told(state)[-1] == ("bob", "verdict.withdraw", {
        "before": "false", "key": "k1", "sit": "sit-1", "scope": "*", "reason": "wrong"})  # fmt: skip


def test_many_from_one_origin_are_one_act(opened):
    state = opened()
    many = [replace(FALSE, key=f"k{number}") for number in range(1_200)]
    set_verdicts(
        state.database, "ann", many, act="verdict.import", origin="base.json", audit_key=KEY
    )
    assert len(stored_verdicts(state.database)) == 1_200
    assert told(state) == [("ann", "verdict.import", {"verdicts": 1_200})]


def test_what_suppresses_is_false_or_accepted_and_not_expired(opened):
    state = opened()
    later, before = "2026-01-02T03:04:06.000000Z", "2026-01-02T03:04:05.000000Z"
    given = [
        FALSE,
        replace(FALSE, key="k2", ruling="accepted", expires_at=later),
        replace(FALSE, key="k3", ruling="accepted", expires_at=before),
        replace(FALSE, key="k4", ruling="true"),
    ]
    set_verdicts(state.database, "ann", given, audit_key=KEY)
    more = [replace(FALSE, key="k5")]
    assert sorted(item.key for item in suppressions_of(state.database, more).verdicts) == [
        "k1", "k2", "k5",
    ]  # fmt: skip
