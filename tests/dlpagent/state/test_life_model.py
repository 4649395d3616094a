"""The life of a violation against a plain model of it: statuses, events and who hears them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from dlpagent.errors import StateError
from dlpagent.outbox import drain
from dlpagent.ports import Receipt
from dlpagent.state import BatchCommit, Finish, open_state
from dlpagent.state.exempting import call_false_positive, override, reopen
from dlpagent.state.life import history_of
from dlpagent.state.tables import events
from dlpagent.state.types import moment

DAY = 86_400


@dataclass
class Model:
    """What docs/violations.md says, in as few words as possible."""

    status: str = ""
    evidence: str = ""
    exempt: tuple[str, str, str, float] | None = None  # kind, covers, evidence, end in days
    now: float = 0.0
    announced: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)

    def go(self, status: str, event: str | None) -> None:
        if event:
            self.told.append(event)
        if status != self.status or event:
            self.steps.append((self.status, status))
        self.status = status

    def expire(self) -> None:
        if self.exempt and self.exempt[3] <= self.now:
            self.exempt = None
            self.go("reopened", "reopened")

    def see(self, evidence: str) -> None:
        was, self.evidence = self.evidence, evidence
        if not self.status:
            self.announced.add(evidence)
            self.go("new", "new")
        elif self.status == "resolved":
            self.go("reopened", "reopened")
        elif self.exempt:
            _, covers, judged, _ = self.exempt
            if covers == "evidence" and judged != evidence:
                self.exempt = None
                self.go("reopened", "reopened")
        elif was != evidence:
            first = evidence not in self.announced
            self.announced.add(evidence)
            # evidence that returns to an earlier state is not announced a second time
            self.steps.append((self.status, "changed"))
            self.status = "changed"
            self.told += ["changed"] if first else []
        else:
            self.go("repeated", None)

    def miss(self, whole: bool) -> None:
        if whole and self.status not in ("", "resolved"):
            self.exempt = None
            self.go("resolved", "resolved")

    def say(self, kind: str, covers: str, days: float) -> bool:
        if self.status in ("", "resolved"):
            return False
        self.exempt = (kind, covers, self.evidence, self.now + days)
        self.go(kind, kind)
        return True

    def take_back(self) -> bool:
        if self.exempt is None:
            return False
        self.exempt = None
        self.go("reopened", "reopened")
        return True


OPS = st.one_of(
    st.tuples(st.just("see"), st.sampled_from(["e1", "e1", "e2", "e3"]), st.booleans()),
    st.tuples(st.just("miss"), st.just(""), st.booleans()),
    st.tuples(st.just("override"), st.sampled_from(["evidence", "item"]), st.booleans()),
    st.tuples(st.just("false_positive"), st.just("evidence"), st.just(False)),
    st.tuples(st.just("reopen"), st.just(""), st.just(False)),
    st.tuples(st.just("wait"), st.just(""), st.booleans()),
)


class _Hearing:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def deliver(self, given):
        self.heard += [(event.id, event.kind) for event in given]
        return [Receipt(event.id, ok=True, detail="taken") for event in given]

    def close(self) -> None: ...


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(OPS, min_size=3, max_size=14))
@example(script=[("see", "e1", True), ("override", "evidence", False), ("wait", "", True),
                 ("see", "e1", True), ("miss", "", True), ("see", "e1", True)])  # fmt: skip
def test_a_violation_lives_as_the_page_says_and_every_change_is_told_once(some, script):
    model, clock, asset = Model(), [datetime(2026, 1, 1, tzinfo=UTC)], some.asset()
    ident, sink = some.violation().id, _Hearing()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_state(Path(folder) / "s.db", clock=lambda: clock[0]) as state,
    ):
        db = state.database

        def sweep(found, whole):
            model.expire()
            run_id = some.begin(state)
            lease = state.claim(run_id, asset)
            finish = Finish("done" if whole else "incomplete")
            batch = BatchCommit(None, some.point(1), violations=found, finish=finish,
                                sinks=("file",))  # fmt: skip
            state.commit_batch(run_id, lease, batch)
            state.finish_run(run_id, "complete" if whole else "incomplete")

        def refused(deed):
            try:
                deed()
            except StateError:
                return True
            return False

        for op, what, flag in script:
            clock[0] += timedelta(seconds=1)
            model.now += 1 / DAY
            if op == "see":
                sweep((some.violation(evidence=what),), flag)
                model.see(what)
            elif op == "miss":
                sweep((), flag)
                model.miss(flag)
            elif op == "override":
                days = 5 if flag else 20
                end = moment(clock[0] + timedelta(days=days))
                assert model.say("overridden", what, days) is not refused(
                    lambda end=end, what=what: override(
                        db, "ann", ident, "why", until=end, covers=what
                    )
                )
            elif op == "false_positive":
                assert model.say("false_positive", what, 1e9) is not refused(
                    lambda: call_false_positive(db, "ann", ident, "why")
                )
            elif op == "reopen":
                assert model.take_back() is not refused(lambda: reopen(db, "bob", ident, ""))
            else:
                clock[0] += timedelta(days=7 if flag else 1)
                model.now += 7 if flag else 1
                model.expire()
                state.end_expired()
            drain(state, {"file": sink}, clock=lambda: clock[0])
            assert [each.status for each in state.violations()] == (
                [model.status] if model.status else []
            )
        with db.read() as connection:
            stored = list(connection.scalars(select(events.c.event_id)))
        assert [kind for _, kind in sink.heard] == model.told
        assert len({event_id for event_id, _ in sink.heard}) == len(sink.heard) == len(stored)
        past = [(step.before, step.after) for step in history_of(db, ident)]
        assert past == model.steps
