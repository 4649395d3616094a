"""Whatever goes wrong on the way: nothing is lost, nothing is twice after de-duplication, in order.

Random sequences of faults, kills between sending and receipt, and events that are refused for good;
the real outbox, the real sinks, real sockets. The slow suite tries a thousand sequences per sink.
"""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sinks.cef_syslog import CefSyslog
from dlpagent.connectors.sinks.o365_file import O365File
from dlpagent.connectors.sinks.ocsf_file import OcsfFile
from dlpagent.connectors.sinks.purview import Purview
from dlpagent.connectors.sinks.purview_content import PurviewContent
from dlpagent.connectors.sinks.sentinel import Sentinel
from dlpagent.connectors.sinks.sql_table import SqlTable
from dlpagent.connectors.sinks.webhook import Webhook
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID
from dlpagent.outbox import Retry, drain
from dlpagent.ports import Receipt, Sink
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, State, open_state
from dlpagent.state.tables import outbox
from dlpagent.violations import Event, Violation, stable_id

USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
TIMEOUT_S = 0.4


class Killed(BaseException):
    """The process dies: after the sink has delivered, before the receipts are stored."""


@dataclass
class Case:
    """A sink and what is at the other end of it.

    ids: what arrived, in order, repeats and all. fail: make a fault happen, None where only kills
    can. refuse: let these ids be refused for good.
    """

    open: Callable[[], Sink]
    ids: Callable[[], Sequence[str]]
    clear: Callable[[], None]
    fail: Callable[[Fault], None] | None = None
    refuse: Callable[[frozenset[str]], None] | None = None
    faults: tuple[Fault, ...] = ()


STATUSES = tuple(
    Fault("status", status=status, retry_after=after)
    for status, after in (
        (429, "7"),
        (429, None),
        (503, "2"),
        (500, None),
        (502, None),
        (401, None),
    )
)
CUTS = (Fault("cut_before"), Fault("cut_after"), Fault("cut_body"))
OVER_HTTP = (*STATUSES, *CUTS, Fault("malformed"), Fault("hang"), Fault("empty", status=202))
AT_MICROSOFT = (*OVER_HTTP, Fault("expire_tokens"), Fault("none"))
IN_BATCHES = tuple(
    Fault("batch_item", status=status, item=item) for status in (429, 500, 503) for item in (0, 3)
)


@pytest.fixture
def purview(running_microsoft: Any, login: dict[str, Any]) -> Case:
    def refuse(ids: frozenset[str]) -> None:
        running_microsoft.graph.refused = ids

    return Case(
        lambda: Purview(running_microsoft.url, user_id=USER, **login | {"timeout_s": TIMEOUT_S}),
        running_microsoft.graph.activities.ids,
        running_microsoft.clear,
        running_microsoft.fail,
        refuse,
        AT_MICROSOFT + IN_BATCHES,
    )


@pytest.fixture
def purview_content(running_microsoft: Any, login: dict[str, Any], purview: Case) -> Case:
    graph = running_microsoft.graph

    def clear() -> None:
        running_microsoft.clear()
        graph.set_scopes(("uploadText", "evaluateInline"), ("uploadFile", "evaluateOffline"))

    purview.open = lambda: PurviewContent(
        running_microsoft.url, user_id=USER, **login | {"timeout_s": TIMEOUT_S}
    )
    purview.ids, purview.clear, purview.faults = graph.contents.ids, clear, AT_MICROSOFT
    return purview


@pytest.fixture
def sentinel(running_microsoft: Any, login: dict[str, Any]) -> Case:
    def refuse(ids: frozenset[str]) -> None:
        running_microsoft.ingestion.refused = ids

    return Case(
        lambda: Sentinel(
            running_microsoft.url, rule_id=RULE_ID, **login | {"timeout_s": TIMEOUT_S}
        ),
        running_microsoft.ingestion.received.ids,
        running_microsoft.clear,
        running_microsoft.fail,
        refuse,
        AT_MICROSOFT,
    )


@pytest.fixture
def posted(webhook: Any) -> Case:
    def refuse(ids: frozenset[str]) -> None:
        webhook.refused = ids

    return Case(
        lambda: Webhook(
            webhook.url, secret_env="HOOK", ca_file=str(webhook.ca_file), timeout_s=TIMEOUT_S
        ),
        webhook.received.ids,
        webhook.clear,
        webhook.fail,
        refuse,
        OVER_HTTP,
    )


@pytest.fixture
def cef(syslog: Any) -> Case:
    return Case(
        lambda: CefSyslog(syslog.url, ca_file=str(syslog.ca_file), timeout_s=TIMEOUT_S),
        syslog.received.ids,
        syslog.clear,
        syslog.fail,
        faults=(*CUTS, Fault("hang"), Fault("empty")),
    )


@pytest.fixture
def sql(tmp_path: Path) -> Case:
    path = tmp_path / "there" / "events.db"
    path.parent.mkdir()

    def ids() -> list[str]:
        with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
            return [row[0] for row in connection.execute(
                "SELECT event_id FROM dlpagent_events ORDER BY rowid")]  # fmt: skip
        return []

    def refuse(refused: frozenset[str]) -> None:
        made = SqlTable(f"sqlite:///{path}")
        made.deliver([])
        made.close()
        with closing(sqlite3.connect(path)) as connection:
            for ident in refused:
                connection.execute(
                    f"CREATE TRIGGER 'no {ident}' BEFORE INSERT ON dlpagent_events "
                    f"WHEN NEW.event_id = '{ident}' BEGIN SELECT RAISE(ABORT, 'no'); END"
                )

    return Case(
        lambda: SqlTable(f"sqlite:///{path}"),
        ids,
        lambda: path.unlink(missing_ok=True),
        None,
        refuse,
    )


@pytest.fixture
def o365(tmp_path: Path) -> Case:
    return _file(tmp_path / "o365.jsonl", O365File, b'{"Id":"')


@pytest.fixture
def ocsf(tmp_path: Path) -> Case:
    return _file(tmp_path / "ocsf.jsonl", OcsfFile, b'{"metadata":{"uid":"')


def _file(path: Path, made: Any, prefix: bytes) -> Case:
    def ids() -> list[str]:
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [line[len(prefix) : len(prefix) + 36].decode() for line in lines]

    return Case(lambda: made(path), ids, lambda: path.unlink(missing_ok=True))


CASES = ("purview", "purview_content", "sentinel", "posted", "cef", "sql", "o365", "ocsf")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every sink in turn."""
    found: Case = request.getfixturevalue(request.param)
    return found


@dataclass
class Clock:
    """Moves only when somebody sleeps."""

    now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Struck:
    """A sink that is struck by the steps of a script, one for each delivery."""

    case: Case
    script: list[Fault | None]
    sink: Sink = field(init=False)

    def __post_init__(self) -> None:
        self.sink = self.case.open()

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        step = self.script.pop(0) if self.script else Fault("none")
        if step is not None and self.case.fail is not None and step.kind != "none":
            self.case.fail(step)
        receipts = self.sink.deliver(events)
        if step is None:
            raise Killed
        return receipts

    def close(self) -> None:
        self.sink.close()


@dataclass
class Desk:
    """One state for all examples, each with violations and a name of the sink of its own."""

    state: State
    clock: Clock
    examples: int = 0

    def emit(
        self, make: Callable[..., Violation], steps: Sequence[tuple[int, bool]]
    ) -> tuple[str, dict[str, list[str]]]:
        """Commit violations (number, whether a chat) in order, each with new evidence.

        Returns the name of the sink and the event ids of each violation.
        """
        self.examples += 1
        sink, first = f"s{self.examples}", make()
        made: dict[str, list[str]] = {}
        held = []
        for number, (which, is_chat) in enumerate(steps):
            ident = stable_id("violation", sink, str(which), str(is_chat))
            event_id = stable_id("event", ident, str(number))
            kind = "chat_log" if is_chat else "dataset"
            held.append(make(id=ident, event_id=event_id, asset_kind=kind, evidence=str(number)))
            made.setdefault(ident, []).append(event_id)
        run = self.state.begin_run(job=sink, command="sweep", pack=first.pack, policy=first.policy)
        lease = self.state.claim(run, Asset(uri=f"file:///{sink}", kind="dataset", connector="x"))
        batch = BatchCommit(None, Checkpoint({"n": 1}), violations=tuple(held), sinks=(sink,))
        self.state.commit_batch(run, lease, batch)
        self.state.finish_run(run, "complete")
        return sink, made


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    clock = Clock()
    with open_state(tmp_path_factory.mktemp("desk") / "state.db", clock=clock) as state:
        yield Desk(state, clock)


def delivered(desk: Desk, name: str, case: Case, script: list[Fault | None]) -> None:
    """Drain, starting anew after every kill, until nothing is pending."""
    for _ in range(60):
        struck = Struck(case, script)
        try:
            done = drain(
                desk.state,
                {name: struck},
                clock=desk.clock,
                sleep=desk.clock.sleep,
                chance=lambda: 1.0,
                retry=Retry(base=1.0, cap=60.0, patience=3_600.0),
                batch_size=6,
            )
        except Killed:
            continue
        finally:
            struck.close()
        if not done.pending:
            return
    raise AssertionError("something stays pending")


def check(
    case: Case,
    desk: Desk,
    make: Callable[..., Violation],
    plan: tuple[list[tuple[int, bool]], list[int], frozenset[int]],
) -> None:
    steps, picks, refused_steps = plan
    script = [None if pick == 0 or not case.faults else case.faults[pick % len(case.faults)]
              for pick in picks]  # fmt: skip
    case.clear()
    sink, events = desk.emit(make, steps)
    everything = [ident for ids in events.values() for ident in ids]
    refused: frozenset[str] = frozenset()
    if case.refuse:
        refused = frozenset(everything[index % len(everything)] for index in refused_steps)
        case.refuse(refused)
    delivered(desk, sink, case, script)
    # a request of an earlier example may still arrive after its sender gave up on it
    arrived = [ident for ident in dict.fromkeys(case.ids()) if ident in everything]
    letters = {letter.event_id: letter for letter in desk.state.dead_letters(sink)}
    with desk.state.database.read() as connection:
        rows = connection.execute(outbox.select().where(outbox.c.sink == sink)).all()
    assert set(letters) == refused
    assert all(letter.reason for letter in letters.values())
    assert sorted(arrived) == sorted(set(everything) - refused)
    for ids in events.values():
        assert [ident for ident in arrived if ident in ids] == [i for i in ids if i not in refused]
    assert {row.event_id for row in rows if row.status == "sent"} == set(arrived)
    assert all(row.receipt for row in rows if row.status == "sent")


PLANS = st.tuples(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=14),
    st.lists(st.integers(0, 40), max_size=7),
    st.frozensets(st.integers(0, 13), max_size=2),
)
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=50, suppress_health_check=CHECKS)
@given(plan=PLANS)
def test_nothing_is_lost_nothing_is_twice_and_order_is_kept(
    case: Case, desk: Desk, make_violation: Any, plan: Any
) -> None:
    check(case, desk, make_violation, plan)


@pytest.mark.slow
@settings(max_examples=1_000, suppress_health_check=CHECKS)
@given(plan=PLANS)
def test_a_thousand_sequences_of_faults_lose_nothing(
    case: Case, desk: Desk, make_violation: Any, plan: Any
) -> None:
    check(case, desk, make_violation, plan)


def test_memory_does_not_grow_with_the_backlog(desk: Desk, make_violation: Any) -> None:
    class Taking:
        def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
            return [Receipt(event.id, ok=True, detail="taken") for event in events]

        def close(self) -> None: ...

    held = make_violation(places=make_violation().places * 10)

    def peak(many: int) -> int:
        steps = [(number, False) for number in range(many)]
        name, _ = desk.emit(lambda **more: replace(held, **more), steps)
        tracemalloc.start()
        try:
            assert drain(desk.state, {name: Taking()}, clock=desk.clock, batch_size=20).sent == many
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # what is compiled once and kept
    assert peak(400) < 1.5 * peak(60)
