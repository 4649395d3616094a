"""Every event reaches every sink at least once, in order, or is kept with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dlpagent.errors import SinkError
from dlpagent.outbox import Delivered, Retry, drain
from dlpagent.ports import Receipt
from dlpagent.state.tables import outbox, sinks


class Sink:
    """Takes what it is told to take; `script` says per call what happens, then all is taken."""

    def __init__(self, *script):
        self.script = list(script)
        self.calls = []

    def deliver(self, events):
        self.calls.append([event.id for event in events])
        step = self.script.pop(0) if self.script else {}
        if isinstance(step, BaseException):
            raise step
        return [self._receipt(event, step) for event in events if step.get("receipts", True)]

    def _receipt(self, event, step):
        refused = step.get("refuse", {}).get(event.violation.record_id, step.get("all"))
        if refused is None:
            return Receipt(event.id, ok=True, detail=f"line {len(self.calls)}")
        return Receipt(event.id, ok=False, **refused)

    def close(self):
        raise AssertionError("the caller closes sinks")

    @property
    def taken(self):
        return [event_id for call in self.calls for event_id in call]


@pytest.fixture
def emit(state, some):
    """Commits violations (name or (name, evidence)) for sinks; returns their event ids in order."""

    def commit(*violations, sinks=("s",)):
        made = [some.violation(*([v] if isinstance(v, str) else v)) for v in violations]
        run_id = some.begin(state)
        lease = state.claim(run_id, some.asset())
        some.commit(state, lease, None, 1, violations=tuple(made), sinks=sinks)
        state.finish_run(run_id, "complete")
        return [violation.event_id for violation in made]

    return commit


@pytest.fixture
def push(state, clock):
    """Drains with the fake clock and the widest of every random wait."""

    def run(sink, *, chance=1.0, retry=None, **more):
        sinks_given = sink if isinstance(sink, dict) else {"s": sink}
        given = {"clock": clock, "sleep": clock.sleep, "chance": lambda: chance, "retry": retry}
        return drain(state, sinks_given, **given, **more)

    return run


def test_pending_events_are_delivered_in_order_with_their_receipts(state, emit, push):
    ids = emit("a", "b", "c")
    sink = Sink()
    assert push(sink) == Delivered(sent=3)
    assert sink.calls == [ids]
    with state.database.read() as connection:
        rows = connection.execute(outbox.select().order_by(outbox.c.seq)).all()
    assert [(row.status, row.receipt, row.sent_at) for row in rows] == [
        ("sent", "line 1", "2026-01-02T03:04:05.000000Z")
    ] * 3


def test_an_event_is_handed_over_whole(state, some, push):
    from dlpagent.violations import Event

    seen = []

    class Keeping(Sink):
        def deliver(self, events):
            seen.extend(events)
            return super().deliver(events)

    violation = some.violation("x")
    lease = state.claim(some.begin(state), some.asset())
    more = {"violations": (violation,), "sinks": ("s",), "tenant_id": "tenant"}
    some.commit(state, lease, None, 1, **more)
    push(Keeping())
    at = "2026-01-02T03:04:05.000000Z"
    assert seen == [Event(violation.event_id, "new", at, "tenant", violation)]


def test_nothing_is_sent_twice(emit, push):
    emit("a")
    sink = Sink()
    push(sink)
    assert push(sink) == Delivered()
    assert len(sink.calls) == 1


def test_events_go_in_batches(emit, push):
    ids = emit(*"abcde")
    sink = Sink()
    push(sink, batch_size=2)
    assert sink.calls == [ids[:2], ids[2:4], ids[4:]]


def test_each_sink_gets_its_own_events_and_a_broken_one_does_not_stop_the_others(emit, push):
    ids = emit("a", "b", sinks=("good", "bad"))
    good, bad = Sink(), Sink(*[SinkError("cannot be reached")] * 99)
    done = push({"bad": bad, "good": good})
    assert (done.sent, done.pending, good.taken) == (2, 2, ids)
    assert done.errors == {"bad": "cannot be reached"}


def test_sinks_that_are_not_given_keep_their_events(state, emit, push):
    emit("a", sinks=("s", "later"))
    assert push(Sink()) == Delivered(sent=1)
    assert [(lag.sink, lag.pending) for lag in state.outbox_lag()] == [("later", 1), ("s", 0)]


def test_a_failed_event_is_tried_again_with_growing_waits(emit, push, clock):
    (event,) = emit("a")
    sink = Sink(*[{"all": {"detail": "503"}}] * 4)
    done = push(sink, retry=Retry(base=1, cap=3, patience=60))
    assert done == Delivered(sent=1)
    assert sink.taken == [event] * 5
    assert clock.slept == [1, 2, 3, 3]  # doubling up to the cap


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 0.5), (0.25, 2.5), (1.0, 10.0)])
def test_the_wait_is_random_between_next_to_nothing_and_the_full_step(chance, wait):
    assert Retry(base=10, cap=100).wait(0, chance) == wait


def test_a_sink_that_says_when_to_come_back_is_left_alone_until_then(emit, push, clock):
    emit("a")
    sink = Sink({"all": {"retry_after_s": 17.0}})
    assert push(sink, chance=0.5) == Delivered(sent=1)
    assert clock.slept == [17.0]


def test_what_cannot_be_sent_in_time_stays_pending_for_the_next_drain(emit, push, clock):
    (event,) = emit("a")
    sink = Sink({"all": {"retry_after_s": 120.0}})
    assert push(sink, retry=Retry(patience=30)) == Delivered(pending=1)
    assert clock.slept == []  # it is not waited for at all
    assert push(sink) == Delivered(pending=1)
    assert sink.taken == [event]
    clock.advance(120)
    assert push(sink) == Delivered(sent=1)
    assert sink.taken == [event, event]


def test_a_person_who_asks_for_it_need_not_wait(emit, push):
    emit("a", sinks=("s", "t"))
    slow = {"all": {"retry_after_s": 3600.0}}
    both = {"s": Sink(slow), "t": Sink(SinkError("down"))}
    assert push(both, retry=Retry(base=600, cap=600, patience=5)).pending == 2
    assert push(both).pending == 2
    assert push(both, at_once=True) == Delivered(sent=2)


def test_an_event_is_given_up_after_so_many_tries_and_kept_with_the_reason(state, emit, push):
    (event,) = emit("a")
    sink = Sink(*[{"all": {"detail": "500"}}] * 99)
    done = push(sink, retry=Retry(base=0.1, max_attempts=3, patience=60))
    assert done == Delivered(dead=1)
    assert sink.taken == [event] * 3
    (letter,) = state.dead_letters()
    assert (letter.event_id, letter.attempts) == (event, 3)
    assert letter.reason == "given up after 3 tries: 500"


def test_an_event_the_sink_refuses_for_good_is_not_tried_again(state, emit, push):
    first, second = emit("a", "b")
    sink = Sink({"refuse": {"a": {"retry": False, "detail": "400 no such table"}}})
    assert push(sink) == Delivered(sent=1, dead=1)
    assert sink.taken == [first, second]
    assert [letter.reason for letter in state.dead_letters("s")] == ["400 no such table"]


def test_dead_letters_can_be_tried_again(state, emit, push):
    emit("a", "b", sinks=("s", "t"))
    refuse = {"all": {"retry": False}}
    push({"s": Sink(refuse), "t": Sink(refuse)})
    assert state.requeue_dead("s") == 2
    assert push(Sink()) == Delivered(sent=2)
    assert len(state.dead_letters()) == 2
    assert state.requeue_dead() == 2


def test_events_of_one_violation_never_overtake_each_other(emit, push):
    (new,) = emit(("a", "e1"))
    (other,) = emit("b")
    (changed,) = emit(("a", "e2"))
    sink = Sink({"refuse": {"a": {"detail": "busy"}}}, {"refuse": {"a": {"detail": "busy"}}})
    assert push(sink) == Delivered(sent=3)
    assert sink.calls == [[new, other], [new], [new], [changed]]


def test_a_dead_event_does_not_hold_up_its_successor(emit, push):
    (new,) = emit(("a", "e1"))
    (changed,) = emit(("a", "e2"))
    sink = Sink({"all": {"retry": False}})
    assert push(sink) == Delivered(sent=1, dead=1)
    assert sink.calls == [[new], [changed]]


def test_a_sink_that_cannot_be_reached_costs_events_no_tries(state, emit, push, clock):
    emit("a", "b")
    retry = Retry(base=1, cap=4, max_attempts=2, patience=25)
    sink = Sink(*[SinkError("connection refused")] * 8)
    done = push(sink, retry=retry)
    assert (done.sent, done.dead, done.pending) == (0, 0, 2)
    assert done.errors == {"s": "connection refused"}
    assert clock.slept == [1, 2, 4, 4, 4, 4, 4]
    assert state.outbox_lag()[0].last_error == "connection refused"
    clock.advance(60)
    assert push(Sink(), retry=retry) == Delivered(sent=2)
    assert state.outbox_lag()[0].last_error is None


def test_a_faulty_sink_is_reported_by_type_only(emit, push):
    emit("a")
    done = push(Sink(ValueError("4111111111111111")), retry=Retry(base=600, patience=1))
    assert done.errors == {"s": "unexpected ValueError in the sink"}
    assert done.pending == 1


def test_an_event_without_a_receipt_is_tried_again(emit, push):
    (event,) = emit("a")
    sink = Sink({"receipts": False})
    assert push(sink) == Delivered(sent=1)
    assert sink.taken == [event, event]


def test_a_crash_between_sending_and_its_receipt_sends_the_same_event_again(emit, push):
    ids = emit("a", "b")

    class Dying(Sink):
        def deliver(self, events):
            super().deliver(events)
            raise KeyboardInterrupt

    dying = Dying()
    with pytest.raises(KeyboardInterrupt):
        push(dying)
    sink = Sink()
    assert push(sink) == Delivered(sent=2)
    assert dying.taken == sink.taken == ids


def test_only_one_process_drains_a_sink_at_a_time(state, emit, push, clock):
    emit("a", "b", sinks=("s", "t"))
    inner = []

    class Nested(Sink):
        """While it delivers, somebody else tries to drain as well."""

        def deliver(self, events):
            other = {"s": Sink(), "t": Sink()}
            inner.append(drain(state, other, clock=clock, sleep=clock.sleep))
            return super().deliver(events)

    assert push(Nested()) == Delivered(sent=2)
    assert inner == [Delivered(sent=2, pending=2, busy=("s",))]


def test_the_right_to_drain_ends_with_its_process(state, emit, push, dead_owner):
    emit("a")
    with state.database.write() as connection:
        connection.execute(
            sinks.insert().values(
                sink="s", token="x", expires_at="2099-01-01T00:00:00.000000Z", **dead_owner
            )
        )
    assert push(Sink()) == Delivered(sent=1)


def test_the_right_to_drain_ends_with_its_time(state, emit, push, clock):
    emit("a")
    held = {"host": "elsewhere", "pid": 1, "process": "", "token": "x"}
    with state.database.write() as connection:
        connection.execute(
            sinks.insert().values(sink="s", expires_at="2026-01-02T03:05:00.000000Z", **held)
        )
    assert push(Sink()) == Delivered(pending=1, busy=("s",))
    clock.advance(60)
    assert push(Sink()) == Delivered(sent=1)


def test_who_lost_the_right_while_delivering_keeps_the_receipts_and_stops(state, emit, push, clock):
    ids = emit(*"abcd")

    class Slow(Sink):
        """So slow that its time runs out and another drain takes over."""

        def deliver(self, events):
            clock.advance(400)
            with state.database.write() as connection:
                connection.execute(sinks.update().values(token="another"))
            return super().deliver(events)

    slow = Slow()
    done = push(slow, batch_size=2)
    assert (done.sent, done.pending, done.busy) == (2, 2, ("s",))
    assert slow.taken == ids[:2]


def test_long_details_are_cut(state, emit, push):
    emit("a")
    push(Sink({"all": {"retry": False, "detail": "x" * 5000}}))
    assert len(state.dead_letters()[0].reason) == 500


AWAY = {"blame": "sink", "detail": "429"}


def test_a_busy_sink_costs_its_events_no_tries_and_is_left_alone(emit, push, clock):
    first, second = emit("a", "b")
    sink = Sink({"refuse": {"b": AWAY | {"retry_after_s": 17.0}}}, {"all": AWAY}, {"all": AWAY})
    done = push(sink, retry=Retry(base=1, cap=4, max_attempts=1, patience=60))
    assert done == Delivered(sent=2)
    # One was taken, so the sink is there; then it is asked with growing waits.
    assert sink.calls == [[first, second], [second], [second], [second]]
    assert clock.slept == [17.0, 2.0, 4.0]


def test_after_a_failure_a_sink_is_asked_with_one_event_until_it_answers(emit, push):
    a, b, c, d = emit(*"abcd")
    sink = Sink(SinkError("down"), SinkError("down"))
    assert push(sink, retry=Retry(base=1, patience=60)) == Delivered(sent=4)
    assert sink.calls == [[a, b, c, d], [a], [b], [a, c, d]]


def test_a_refusal_for_good_shows_that_the_sink_is_there(emit, push):
    ids = emit(*"abc")
    sink = Sink(SinkError("down"), {"all": {"retry": False}})
    assert push(sink, retry=Retry(base=1, patience=60)) == Delivered(sent=2, dead=1)
    assert sink.calls == [ids, ids[:1], ids[1:]]


def test_the_circuit_of_a_sink_is_told(state, emit, push, clock):
    emit("a")
    retry = Retry(base=600, cap=600, patience=1)
    push(Sink(SinkError("down")), retry=retry)
    (lag,) = state.outbox_lag()
    assert (lag.circuit, lag.failures, lag.retry_at) == ("open", 1, "2026-01-02T03:14:05.000000Z")
    clock.advance(600)
    assert state.outbox_lag()[0].circuit == "half-open"
    push(Sink())
    (lag,) = state.outbox_lag()
    assert (lag.circuit, lag.failures, lag.retry_at) == ("closed", 0, None)


def test_a_sink_named_later_gets_older_events_only_when_asked(state, emit, push, clock):
    (first,) = emit("a")
    clock.advance(60)
    since = clock()
    (second, third) = emit("b", "c")
    sink = Sink()
    assert push({"late": sink}) == Delivered()
    assert state.enqueue_since("late", since) == 2
    assert state.enqueue_since("late", since) == 0
    assert push({"late": sink}) == Delivered(sent=2)
    assert sorted(sink.taken) == sorted([second, third])
    assert state.enqueue_since("late", since - timedelta(days=1)) == 1
    push({"late": sink})
    assert sink.taken[-1] == first


def test_an_older_event_is_not_sent_behind_a_newer_one_of_its_violation(state, emit, push, clock):
    start = clock()
    emit(("a", "e1"))
    emit(("b", "e1"))
    clock.advance(60)
    (newer,) = emit(("a", "e2"), sinks=("s", "late"))
    assert state.enqueue_since("late", start) == 1  # that of b
    sink = Sink()
    push({"late": sink})
    assert sink.taken[0] == newer
    assert len(sink.taken) == 2


def test_what_a_new_sink_is_given_keeps_the_order_of_each_violation(state, emit, push, clock):
    start = clock()
    expected = []
    for evidence in ("e1", "e2", "e3"):
        expected += emit(("a", evidence))
        clock.advance(1)
    assert state.enqueue_since("late", start) == 3
    sink = Sink()
    push({"late": sink})
    assert sink.taken == expected


def test_an_event_that_upsets_its_sink_is_given_up_and_holds_up_no_other(state, emit, push):
    bad, good = emit("a", "b")

    class Upset(Sink):
        """Fails whenever it sees one event; alone, it cannot be told which of the two is at fault."""

        def deliver(self, events):
            ids = [event.id for event in events]
            self.calls.append(ids)
            if bad not in ids:
                return [Receipt(ident, ok=True) for ident in ids]
            blame = "either" if len(ids) == 1 else "sink"
            return [Receipt(ident, ok=False, detail="500", blame=blame) for ident in ids]

    sink = Upset()
    done = push(sink, retry=Retry(base=1, max_attempts=3, patience=600))
    assert (done.sent, done.dead, done.pending) == (1, 1, 0)
    assert [letter.event_id for letter in state.dead_letters()] == [bad]
    assert sink.calls.count([bad]) == 3
    assert [good] in sink.calls


def test_an_event_that_chokes_its_sink_does_not_hold_up_the_others(emit, push):
    bad, *others = emit(*"abcd")

    class Choking(Sink):
        """Cannot be reached any more whenever it is sent one event."""

        def deliver(self, events):
            if bad in [event.id for event in events]:
                raise SinkError("no answer")
            return super().deliver(events)

    sink = Choking()
    done = push(sink, retry=Retry(base=1, patience=60))
    assert (done.sent, done.pending, done.dead) == (3, 1, 0)
    assert sorted(sink.taken) == sorted(others)
