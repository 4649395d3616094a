"""PostgreSQL with pgvector: every table that has a column of vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources import _pg_tables as tables
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._store_address import Address, address_of
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.errors import SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint

EXAMPLE = "postgresql://user@host:5432/database, perhaps with ?host=/socket and #schema.table"


class PgVector:
    """Every vector table of a database, or of all: `postgresql://user@host/database#schema.table`.

    Cursor: after, the key of the last row as texts; for a table without a key place, that of the
    last row in the heap, and key, the change key of the table when reading began.
    """

    name = "pgvector"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know, or a password."""
        self._user, plain = without_user(target)
        self._address: Address = address_of(plain, EXAMPLE, ("host",))
        self._batch_rows = batch_rows

    def discover(self) -> Iterator[Asset]:
        """Every table with vectors. Raises SourceError when the server cannot be reached."""
        only, is_empty = self._address.only, True
        for database in self._databases():
            with self._connected(database) as connection:
                for table in tables.tables_in(connection):
                    if only in ("", table.name, f"{table.schema}.{table.name}"):
                        is_empty = False
                        yield self._asset(connection, database, table)
        if is_empty:
            raise SourceError(
                "holds no vectors",
                where=self._address.shown,
                expected="a table with a column of type vector, halfvec or sparsevec",
                found="none that this user may see",
                remedy="Name the database, and a user with the right to read its tables.",
            )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of rows by key. Raises SourceError when the table cannot be read."""
        if after is None or not after.done:
            yield from with_checkpoints(self._batches(asset, {} if after is None else after.cursor))

    def _databases(self) -> list[str]:
        given = self._address.path.strip("/")
        if given:
            return [given]
        query = (
            "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate "
            "AND has_database_privilege(datname, 'CONNECT') ORDER BY 1"
        )
        with self._connected("postgres") as connection:
            return [name for (name,) in connection.execute(query).fetchall()]

    def _asset(self, connection: Any, database: str, table: tables.Table) -> Asset:
        host = self._address.settings.get("host") or self._address.host or "localhost"
        place = f"{quote(host, safe='')}:{self._address.port or 5432}/{quote(database, safe='')}"
        name = f"{quote(table.schema, safe='')}.{quote(table.name, safe='')}"
        key: str | None = None
        psycopg = _driver()
        try:
            key = tables.change_key(connection, table)
        except psycopg.Error:  # no right to read it: told when it is read
            key = None
        return Asset(
            f"postgresql://{place}#{name}",
            "vector_collection",
            self.name,
            change_key=key,
            rows=table.rows or None,
        )

    def _batches(
        self, asset: Asset, cursor: Mapping[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        parts = urlsplit(asset.uri)
        rows = StoreRows(asset.uri, max_rows=self._batch_rows)
        with self._connected(unquote(parts.path).strip("/")) as connection:
            table = _named(connection, parts.fragment, asset)
            if table.keys:
                start = cursor.get("after")
                pages = tables.keyed_pages(connection, table, start)
                yield from keyed_batches(rows, pages, lambda key: {"after": key}, start)
            else:
                yield from _unkeyed_batches(connection, table, rows, cursor)

    @contextmanager
    def _connected(self, database: str) -> Iterator[Any]:
        """A connection that can only read. What it raises becomes SourceError, without its words."""
        psycopg = _driver()
        given: dict[str, Any] = {
            "host": self._address.settings.get("host") or self._address.host or None,
            "port": self._address.port,
            "user": self._user or os.environ.get("PGUSER"),
            "dbname": database,
            "application_name": "dlpagent",
            "connect_timeout": 30,
            # Rows that a policy of the database hides must not look like rows that are not there.
            "options": "-c default_transaction_read_only=on -c row_security=off",
        }
        try:
            with psycopg.connect(
                **{name: value for name, value in given.items() if value is not None},
                autocommit=True,
            ) as connection:
                psycopg.types.json.set_json_loads(_json, connection)
                yield connection
        except psycopg.Error as error:
            state = getattr(error, "sqlstate", None)
            raise SourceError(
                "cannot be read",
                where=f"{self._address.shown} {database}",
                expected="a database this user may connect to and read, row security included",
                found=f"{type(error).__name__}{f' ({state})' if state else ''}",
                remedy="Check address, PGUSER, PGPASSWORD and the user's rights to SELECT.",
            ) from None


def _unkeyed_batches(
    connection: Any, table: tables.Table, rows: StoreRows, cursor: Mapping[str, Any]
) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
    """All of it within one snapshot. What was written since a checkpoint starts it anew."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        key = tables.change_key(connection, table)
        start = str(cursor["place"]) if cursor.get("key") == key else "(0,0)"
        pages = tables.placed_pages(connection, table, start)
        yield from keyed_batches(rows, pages, lambda place: {"place": place, "key": key}, start)


def _named(connection: Any, fragment: str, asset: Asset) -> tables.Table:
    for table in tables.tables_in(connection):
        if fragment == f"{quote(table.schema, safe='')}.{quote(table.name, safe='')}":
            return table
    raise SourceError(
        "is not there any more",
        where=unquote(asset.uri),
        expected="the table that was found when the sweep began",
        found="none of that name with vectors",
        remedy="Sweep again without --resume.",
    )


def without_user(target: str) -> tuple[str, str]:
    """The user's name, and the address without it; a password is left in it, to be refused."""
    scheme, sign, rest = target.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if not at or ":" in user:
        return "", target
    return unquote(user), f"{scheme}{sign}{host}{slash}{path}"


def _json(raw: bytes | str) -> Any:
    """JSON as the other sources read it: faster, and with every digit of large numbers."""
    return parse(raw.encode() if isinstance(raw, str) else bytes(raw)).value


def _driver() -> Any:
    try:
        import psycopg  # noqa: PLC0415
        import psycopg.types.json  # noqa: PLC0415
    except ImportError:
        raise missing_extra("psycopg", "pgvector", "reading PostgreSQL") from None
    return psycopg
