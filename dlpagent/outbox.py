"""Draining the outbox: every event reaches every sink at least once, or is kept as a dead letter.

An event is marked sent only after the sink's receipt, so a crash between the two sends it again,
with the same id. Events of one violation go in order; others do not wait for a stuck one. A sink
that is away or busy costs events no tries: its circuit opens, they wait, and the next try is one
event, until that gets through.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dlpagent.errors import SinkError
from dlpagent.ports import Receipt, Sink
from dlpagent.state import State, outbox_rows
from dlpagent.state.model import OutboxRow, Outcome
from dlpagent.state.types import Clock, utc_now


@dataclass(frozen=True, slots=True)
class Retry:
    """How delivery is tried again. Times in seconds.

    The wait before try n+1 is random between 0 and base·2ⁿ, at most cap ("full jitter": many
    senders that failed together do not come back together), and never less than a sink asks for.
    max_attempts: tries of one event before it is a dead letter. patience: how long one drain waits
    for further tries in all; what is left then stays pending for the next drain.
    """

    base: float = 1.0
    cap: float = 300.0
    max_attempts: int = 8
    patience: float = 20.0

    def wait(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row; chance is random in [0, 1)."""
        widest = min(self.cap, self.base * 2.0 ** min(failures, 60))
        return max(0.05 * self.base, chance * widest)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a drain did: events sent and given up now, and events still waiting for its sinks.

    busy: sinks that another process is draining; errors: sink → why it could not be reached.
    """

    sent: int = 0
    dead: int = 0
    pending: int = 0
    busy: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


_RENEWALS = 10  # in the time a right to drain lasts


def drain(
    state: State,
    sinks: Mapping[str, Sink],
    *,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
    retry: Retry | None = None,
    batch_size: int = 250,
    at_once: bool = False,
) -> Delivered:
    """Deliver what is pending for the sinks; they stay open. Raises StateError only.

    at_once: try everything now, whatever waits earlier failures have set (a person asked for it).
    """
    work = _Drain(state, clock, chance, retry or Retry(), batch_size)
    deadline = clock() + timedelta(seconds=work.retry.patience)
    try:
        for name in sinks:
            work.take(name)
            if at_once and name in work.tokens:
                outbox_rows.forget_waits(state.database, name, clock())
        while True:
            for name in list(work.tokens):
                work.deliver_due(name, sinks[name])
            wake = work.next_try()
            if wake is None or wake > deadline:
                break
            sleep(max(0.0, (wake - clock()).total_seconds()))
    finally:
        work.give_back()
    return Delivered(
        sent=work.sent,
        dead=work.dead,
        pending=outbox_rows.pending_of(state.database, list(sinks)),
        busy=tuple(work.busy),
        errors=work.errors,
    )


class _Drain:
    """One drain at work: the rights it holds and what it has done so far."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        chance: Callable[[], float],
        retry: Retry,
        batch_size: int,
    ) -> None:
        self.db, self.clock, self.chance = state.database, clock, chance
        self.retry, self.batch_size = retry, batch_size
        self.tokens: dict[str, str] = {}
        self.renewed: dict[str, datetime] = {}
        self.busy: list[str] = []
        self.errors: dict[str, str] = {}
        self.sent = self.dead = 0

    def take(self, name: str) -> None:
        """Take the right to drain a sink, or note that another process has it."""
        token = outbox_rows.open_drain(self.db, name, self.clock())
        if token is None:
            self.busy.append(name)
        else:
            self.tokens[name] = token
            self.renewed[name] = self.clock()

    def give_back(self) -> None:
        """Give back every right."""
        for name, token in self.tokens.items():
            outbox_rows.close_drain(self.db, name, token)

    def next_try(self) -> datetime | None:
        """When any of the sinks may be tried again; None when nothing is pending."""
        times = [outbox_rows.next_due(self.db, name) for name in self.tokens]
        return min((time for time in times if time is not None), default=None)

    def deliver_due(self, name: str, sink: Sink) -> None:
        """Deliver batch after batch until nothing is due for the sink now."""
        while rows := self._due(name):
            try:
                receipts = sink.deliver([row.event for row in rows])
            except SinkError as error:
                self._put_off(rows)
                self._leave_alone(name, error.what)
                return
            except Exception as error:  # noqa: BLE001 - a faulty sink must not stop the others
                # Only the type: what an unknown error says may hold content.
                self._put_off(rows)
                self._leave_alone(name, f"unexpected {type(error).__name__} in the sink")
                return
            if not self._settle(name, rows, receipts):
                return

    def _settle(self, name: str, rows: Sequence[OutboxRow], receipts: Sequence[Receipt]) -> bool:
        """Store what became of a batch; False when the sink is to be left alone."""
        away = [receipt for receipt in receipts if not receipt.ok and receipt.blame != "event"]
        untried = {receipt.event_id for receipt in away if receipt.blame == "sink"}
        tried = [row for row in rows if row.event.id not in untried]
        answered = any(receipt.ok or not receipt.retry for receipt in receipts)
        if tried:
            outcomes = self._outcomes(tried, receipts)
            token, now = self.tokens[name], self.clock()
            outbox_rows.settle(self.db, name, token, outcomes, now, answered=answered)
        if away:
            self._put_off(rows)
            wait = max(receipt.retry_after_s or 0.0 for receipt in away)
            self._leave_alone(name, away[0].detail, wait)
        elif answered:
            self.errors.pop(name, None)
        return not away

    def _due(self, name: str) -> list[OutboxRow]:
        """What to try now: nothing when another process has taken the sink over meanwhile."""
        if name not in self.tokens:
            return []
        if not self._still_ours(name):
            self.busy.append(name)
            del self.tokens[name]
            return []
        # A sink that failed last is asked with one event: half open, as circuits are called.
        if outbox_rows.failures_of(self.db, name):
            return outbox_rows.due_rows(self.db, name, self.clock(), 1, longest_waiting=True)
        return outbox_rows.due_rows(self.db, name, self.clock(), self.batch_size)

    def _still_ours(self, name: str) -> bool:
        """Prolong the right to drain, unless that was done just now: it is a commit each time."""
        now = self.clock()
        if (now - self.renewed[name]).total_seconds() < self.db.lease_seconds / _RENEWALS:
            return True
        self.renewed[name] = now
        return outbox_rows.renew_drain(self.db, name, self.tokens[name], now)

    def _put_off(self, rows: Sequence[OutboxRow]) -> None:
        """Let the next try be another event: one that chokes its sink must not hold up the others."""
        if len(rows) == 1:
            outbox_rows.put_off(self.db, rows[0].number, self.clock())

    def _leave_alone(self, name: str, error: str, at_least: float = 0.0) -> None:
        failures = outbox_rows.failures_of(self.db, name)
        wait = max(at_least, self.retry.wait(failures, self.chance()))
        until = self.clock() + timedelta(seconds=wait)
        outbox_rows.leave_alone(self.db, name, self.tokens[name], error, until)
        self.errors[name] = error

    def _outcomes(self, rows: Sequence[OutboxRow], receipts: Sequence[Receipt]) -> list[Outcome]:
        by_event = {receipt.event_id: receipt for receipt in receipts}
        outcomes = []
        for row in rows:
            missing = Receipt(row.event.id, ok=False, detail="the sink gave no receipt")
            outcomes.append(self._outcome(row, by_event.get(row.event.id, missing)))
        statuses = [outcome.status for outcome in outcomes]
        self.sent += statuses.count("sent")
        self.dead += statuses.count("dead")
        return outcomes

    def _outcome(self, row: OutboxRow, receipt: Receipt) -> Outcome:
        if receipt.ok:
            return Outcome(row.number, "sent", receipt.detail)
        if not receipt.retry:
            return Outcome(row.number, "dead", receipt.detail or "the sink refused the event")
        if row.attempts + 1 >= self.retry.max_attempts:
            tries = f"{self.retry.max_attempts} tries"
            return Outcome(row.number, "dead", f"given up after {tries}: {receipt.detail}")
        wait = max(self.retry.wait(row.attempts, self.chance()), receipt.retry_after_s or 0.0)
        again = self.clock() + timedelta(seconds=wait)
        return Outcome(row.number, "pending", receipt.detail, again)
