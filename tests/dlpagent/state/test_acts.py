"""Administrative acts leave a trace of themselves: another policy, another pack, letters tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dlpagent.findings import PackRef
from dlpagent.outbox import drain
from dlpagent.ports import Receipt
from dlpagent.state.audit import local_actor
from dlpagent.state.audit_verify import stored_acts
from dlpagent.violations import PolicyRef


def _acts(state):
    with state.database.read() as connection:
        return [(act.act, act.subject, act.actor) for act in stored_acts(connection)]


@pytest.mark.parametrize(
    ("more", "acts"),
    [
        ({}, []),
        ({"policy": None}, ["policy.change"]),
        ({"policy": PolicyRef("policy", "Policy", "8")}, ["policy.change"]),
        ({"pack": PackRef("pack", "1", "hash-2")}, ["pack.change"]),
        (
            {"policy": PolicyRef("other", "O", "1"), "pack": PackRef("q", "1", "h")},
            ["policy.change", "pack.change"],
        ),
    ],
)
def test_a_job_under_another_policy_or_pack_is_an_act(state, some, more, acts):
    some.begin(state, job="nightly")
    some.begin(state, job="another", policy=None)
    some.begin(state, job="nightly", **more)
    assert _acts(state) == [(act, "nightly", local_actor()) for act in acts]


class _Refusing:
    def deliver(self, events):
        return [Receipt(event.id, ok=False, detail="no", retry=False) for event in events]

    def close(self): ...


def test_dead_letters_tried_again_and_older_events_sent_are_acts(state, some, clock):
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, violations=(some.violation(),), sinks=("file",))
    drain(state, {"file": _Refusing()}, clock=clock, sleep=clock.sleep)
    assert state.requeue_dead("file", "ann") == 1
    assert state.requeue_dead("file", "ann") == 0
    assert state.enqueue_since("later", datetime(2020, 1, 1, tzinfo=UTC), "ann") == 1
    assert _acts(state) == [
        ("push.dead_letters", "file", "ann"),
        ("push.since", "later", "ann"),
    ]
