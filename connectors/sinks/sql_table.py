"""Violations as rows of a table in a SQL database: each event once, in one transaction per batch.

The event id is the primary key, so a repeat changes nothing. The table is made when it is not
there; an existing one keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._azure import secret_of
from dlpagent.connectors.sinks._event import (
    DEFAULT_PLACES,
    extension,
    object_id,
    top_confidence,
    total_count,
)
from dlpagent.errors import ConfigurationError, SinkError, missing_extra
from dlpagent.ports import Receipt
from dlpagent.state.sql import insert_new
from dlpagent.state.types import storable
from dlpagent.violations import Event

DEFAULT_TABLE: Final = "dlpagent_events"
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class SqlTable:
    """Inserts events. target: sqlite:///path or postgresql://user@host/database.

    table: its name, with schema.name where wanted. password_env: the environment variable with the
    password. max_places: places of masked evidence in the column body.
    """

    name = "sql"

    def __init__(
        self,
        target: str,
        *,
        table: str = DEFAULT_TABLE,
        password_env: str | None = None,
        max_places: int = DEFAULT_PLACES,
    ) -> None:
        self._url = _url_of(target, password_env)
        schema, _, name = table.rpartition(".")
        self._table = table_of(name, schema or None)
        self._max_places = max_places
        self._engine: Engine | None = None

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Insert events in one transaction; rows the database refuses are found and refused."""
        try:
            self._insert(events)
        except (DataError, IntegrityError) as error:
            return self._divided(events, type(error).__name__)
        except SQLAlchemyError as error:  # only the type: statements hold what was to be inserted
            self.close()
            raise SinkError(
                f"the database did not take the events ({type(error).__name__})",
                where=self._place,
                remedy="Check address, rights and password; the events stay in the outbox.",
            ) from None
        return [Receipt(event.id, ok=True, detail=f"{self._table.fullname}") for event in events]

    def close(self) -> None:
        """Let go of connections."""
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    @property
    def _place(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _divided(self, events: Sequence[Event], problem: str) -> list[Receipt]:
        if len(events) == 1:
            return [Receipt(events[0].id, ok=False, detail=problem, retry=False)]
        middle = len(events) // 2
        return [*self.deliver(events[:middle]), *self.deliver(events[middle:])]

    def _insert(self, events: Sequence[Event]) -> None:
        rows = [self.row(event) for event in events]
        with self._opened().begin() as connection:
            insert_new(connection, self._table, rows)

    def _opened(self) -> Engine:
        if self._engine is None:
            try:
                engine = create_engine(self._url, hide_parameters=True)
            except ModuleNotFoundError:
                raise missing_extra("psycopg", "postgres", "the sink sql") from None
            self._table.metadata.create_all(engine)
            self._engine = engine
        return self._engine

    def row(self, event: Event) -> dict[str, Any]:
        """The row of an event. body: the extension of docs/events.md as JSON."""
        violation = event.violation
        texts = {
            "event_id": event.id,
            "kind": event.kind,
            "at": event.at,
            "tenant_id": event.tenant_id,
            "violation_id": violation.id,
            "policy": violation.policy.name,
            "rule": violation.rule_name,
            "severity": violation.severity,
            "mode": violation.mode,
            "asset": violation.asset_uri,
            "item": object_id(violation),
            "actor": violation.actor_id,
            "app": violation.app,
            "label": violation.existing_label.name if violation.existing_label else None,
            "body": encode(extension(event, self._max_places)).decode(),
        }
        numbers = {
            "confidence": top_confidence(violation),
            "findings": total_count(violation),
            "incomplete": violation.incomplete,
        }
        return {n: None if text is None else storable(text) for n, text in texts.items()} | numbers


def table_of(name: str, schema: str | None) -> Table:
    """The table of events; times are ISO 8601 text in UTC, whose order is their order."""
    needed = ("kind", "at", "tenant_id", "violation_id", "policy", "rule", "severity", "mode",
              "asset", "item", "body")  # fmt: skip
    return Table(
        name,
        MetaData(),
        Column("event_id", Text, primary_key=True),
        *(Column(each, Text, nullable=False) for each in needed),
        *(Column(each, Text) for each in ("actor", "app", "label")),
        Column("confidence", Integer, nullable=False),
        Column("findings", BigInteger, nullable=False),
        Column("incomplete", Boolean, nullable=False),
        schema=schema,
    )


def _url_of(target: str, password_env: str | None) -> URL:
    url = URL.create("none")
    backend = ""
    try:
        url = make_url(target)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        pass
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            "the target of the sink sql is no database it knows",
            expected="sqlite:///path or postgresql://user@host/database",
            found=backend or "something else",
        )
    if url.password:
        raise ConfigurationError(
            "the target of the sink sql holds a password",
            expected="an address without one",
            found="one with a password",
            remedy="Put it into an environment variable and name that in password_env.",
        )
    return url.set(password=secret_of(password_env)) if password_env else url
