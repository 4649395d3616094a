"""What the state answers to reports and to status."""

from __future__ import annotations

from dlpagent.ports import Receipt
from dlpagent.state import PartProblem


class Sink:
    """Refuses what is named, takes the rest."""

    def __init__(self, refused=()):
        self.refused = set(refused)

    def deliver(self, events):
        return [
            Receipt(event.id, event.violation.record_id not in self.refused, "no", retry=False)
            for event in events
        ]

    def close(self):
        pass


def _sweep(state, some, *violations, sinks=("file",), asset=None, **more):
    run_id = some.begin(state)
    lease = state.claim(run_id, asset or some.asset())
    some.commit(state, lease, None, 1, violations=violations, sinks=sinks, **more)
    state.finish_run(run_id, "complete")
    return run_id


def test_violations_are_counted_by_severity_in_all_and_by_run(state, some):
    first = _sweep(state, some, some.violation("a"), some.violation("b", severity="low"))
    second = _sweep(state, some, some.violation("c", severity="low"))
    assert state.violations_by_severity() == {"high": 1, "medium": 0, "low": 2}
    assert state.violations_by_severity(first) == {"high": 1, "medium": 0, "low": 1}
    assert state.violations_by_severity(second) == {"high": 0, "medium": 0, "low": 1}


def test_violations_are_listed_by_run_and_by_asset(state, some):
    first = _sweep(state, some, some.violation("a"))
    _sweep(state, some, some.violation("b"), asset=some.asset("other"))
    listed = {stored.violation.record_id for stored in state.violations()}
    assert listed == {"a", "b"}
    assert [each.violation.record_id for each in state.violations(first)] == ["a"]
    assert [each.violation.record_id for each in state.violations(asset=some.asset("other"))] == [
        "b"
    ]


def test_many_violations_are_read_in_pages(state, some, monkeypatch):
    monkeypatch.setattr("dlpagent.state.queries._PAGE", 3)
    _sweep(state, some, *(some.violation(f"v{number}") for number in range(9)))
    assert len({stored.violation.id for stored in state.violations()}) == 9


def test_problems_are_listed_in_order_and_by_asset_and_status(state, some):
    problems = (
        PartProblem("r1", "p", "unread", "broken"),
        PartProblem("r2", "p", "unchecked", "late", "sit-1", {"row": 2}),
    )
    run_id = _sweep(state, some, problems=problems)
    assert [each.record_id for each in state.problems(run_id)] == ["r1", "r2"]
    (late,) = state.problems(run_id, some.asset(), statuses=("unchecked",))
    assert (late.asset_uri, late.reason, late.sit_id, late.locator) == (
        some.asset().uri,
        "late",
        "sit-1",
        {"row": 2},
    )
    assert state.problems(run_id, "file:///other") == []
    assert len(state.problems(run_id, limit=1)) == 1


def test_the_lag_of_each_sink_tells_what_is_pending_sent_and_dead(state, some, clock):
    from dlpagent.outbox import drain

    violations = [some.violation(name) for name in "abc"]
    _sweep(state, some, *violations, sinks=("file", "http"))
    drain(state, {"file": Sink(refused="b")}, clock=clock, sleep=clock.sleep)
    file, http = state.outbox_lag()
    assert (file.sink, file.pending, file.sent, file.dead, file.oldest) == ("file", 0, 2, 1, None)
    assert (http.sink, http.pending, http.sent, http.dead) == ("http", 3, 0, 0)
    assert http.oldest == "2026-01-02T03:04:05.000000Z"
    (letter,) = state.dead_letters()
    assert (letter.sink, letter.kind, letter.reason, letter.attempts) == ("file", "new", "no", 1)
    assert state.dead_letters("http") == []
