"""Violations become events once, whatever is repeated."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from dlpagent.state.tables import events, outbox


@pytest.fixture
def sweep(state, some, clock):
    """Commits violations in runs of their own, one second apart; returns what the commit said."""

    def commit(*violations, sinks=("file",), **more):
        clock.advance(1)
        run_id = some.begin(state)
        lease = state.claim(run_id, some.asset())
        committed = some.commit(state, lease, None, 1, violations=violations, sinks=sinks, **more)
        state.finish_run(run_id, "complete")
        return committed

    return commit


def _kinds(state):
    with state.database.read() as connection:
        query = select(events.c.kind).join(outbox, outbox.c.event_id == events.c.event_id)
        return list(connection.scalars(query.order_by(outbox.c.seq)))


def test_a_new_violation_makes_an_event_for_every_sink(state, some, sweep):
    assert sweep(some.violation(), sinks=("a", "b")).new == 1
    assert _kinds(state) == ["new", "new"]
    assert [lag.sink for lag in state.outbox_lag()] == ["a", "b"]


def test_without_sinks_the_event_is_kept_all_the_same(state, some, sweep):
    assert sweep(some.violation(), sinks=()).new == 1
    with state.database.read() as connection:
        assert len(connection.execute(select(events)).all()) == 1


def test_a_repeated_violation_is_only_seen_again(state, some, sweep):
    sweep(some.violation())
    assert sweep(some.violation()).repeated == 1
    assert _kinds(state) == ["new"]
    (stored,) = state.violations()
    assert (stored.first_seen, stored.last_seen) == (
        "2026-01-02T03:04:06.000000Z",
        "2026-01-02T03:04:07.000000Z",
    )
    newest, oldest = state.runs()
    assert (stored.first_run, stored.last_run) == (oldest.id, newest.id)


def test_new_evidence_makes_a_changed_event_and_the_violation_holds_the_newest(state, some, sweep):
    sweep(some.violation(evidence="e1", severity="low"))
    assert sweep(some.violation(evidence="e2", severity="high")).changed == 1
    assert _kinds(state) == ["new", "changed"]
    (stored,) = state.violations()
    assert (stored.violation.evidence, stored.violation.severity) == ("e2", "high")
    assert stored.first_seen < stored.last_seen
    assert state.violations_by_severity() == {"high": 1, "medium": 0, "low": 0}


def test_an_event_holds_the_violation_as_it_was(state, some, sweep):
    sweep(some.violation(evidence="e1"), tenant_id="tenant-1")
    sweep(some.violation(evidence="e2"), tenant_id="tenant-1")
    with state.database.read() as connection:
        rows = connection.execute(select(events).order_by(events.c.at)).all()
    assert [(row.body["evidence"], row.tenant_id) for row in rows] == [
        ("e1", "tenant-1"),
        ("e2", "tenant-1"),
    ]


def test_evidence_that_returns_to_an_earlier_state_is_not_sent_twice(state, some, sweep):
    said = [sweep(some.violation(evidence=evidence)) for evidence in ("e1", "e2", "e1")]
    assert [(each.new, each.changed, each.repeated) for each in said] == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
    assert _kinds(state) == ["new", "changed"]
    (stored,) = state.violations()
    assert stored.violation.evidence == "e1"


def test_one_batch_may_hold_the_same_violation_twice(state, some, sweep):
    committed = sweep(
        some.violation(evidence="e1"), some.violation(evidence="e2"), some.violation(evidence="e2")
    )
    assert (committed.new, committed.changed, committed.repeated) == (1, 1, 1)
    (stored,) = state.violations()
    assert stored.violation.evidence == "e2"


def test_more_violations_than_one_statement_may_name_are_stored(state, some, sweep):
    many = [some.violation(f"v{number:04}") for number in range(1300)]
    assert sweep(*many).new == 1300
    assert sweep(*many).repeated == 1300
    assert len(list(state.violations())) == 1300
    assert len(_kinds(state)) == 1300
