"""Remedies in tables of PostgreSQL with vectors.

One transaction holds the table against other writers from before the records are looked at until
they are changed. VACUUM overwrites nothing by itself, so the purge is VACUUM FULL, which writes the
table anew. What was written lies in the write-ahead log (and its archive, replicas, backups) until
that is recycled: therefore a record is called hidden as long as its log has not been.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from dlpagent.connectors.remedies._names import failed, gone, quarantine_of
from dlpagent.connectors.sources import _pg_tables as tables
from dlpagent.connectors.sources._store_address import address_of
from dlpagent.connectors.sources.pgvector import EXAMPLE, without_user
from dlpagent.contents import MARK
from dlpagent.errors import missing_extra
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_METADATA = ("cmetadata", "metadata_", "metadata", "langchain_metadata")
_NO_KEY = "its rows have no key: no primary key, and no unique index over columns never null"


class PgVectorRemedy:
    """Acts on one table. The user must be its owner, or may UPDATE, DELETE and CREATE."""

    def __init__(self, target: str) -> None:
        """target: the address the sweep was given, for its user and `?host=`; or the asset's own."""
        self._user, plain = without_user(target)
        self._host = address_of(plain, EXAMPLE, ("host",)).settings.get("host")

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Rows without a key cannot be named."""
        with self._connected(asset) as connection:
            return "" if _named(connection, asset).keys else _NO_KEY

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[PgVectorHands]:
        """The table, locked against writers. What is done is committed at the end or by purge()."""
        with self._connected(asset) as connection:
            table = _named(connection, asset)
            connection.execute("BEGIN")
            connection.execute(f"LOCK TABLE {table.source} IN SHARE ROW EXCLUSIVE MODE")
            yield PgVectorHands(connection, table)
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self, asset: Asset) -> Iterator[Any]:
        try:
            import psycopg  # noqa: PLC0415
        except ImportError:
            raise missing_extra("psycopg", "pgvector", "changing PostgreSQL") from None
        parts = urlsplit(asset.uri)
        place, _, port = parts.netloc.rpartition(":")
        given: dict[str, Any] = {
            "host": self._host or unquote(place),
            "port": port,
            "user": self._user or os.environ.get("PGUSER"),
            "dbname": unquote(parts.path).strip("/"),
            "application_name": "dlpagent",
            "connect_timeout": "30",
        }
        try:
            with psycopg.connect(
                **{name: value for name, value in given.items() if value}, autocommit=True
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise failed(
                asset.uri, error, "Check address, user, PGPASSWORD and the right to change it."
            ) from None


class PgVectorHands:
    """See dlpagent.ports.Hands."""

    def __init__(self, connection: Any, table: tables.Table) -> None:
        self._connection, self._table = connection, table

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """In the metadata, if they are jsonb; else in a column of its own."""
        source = self._table.source
        kinds = dict(self._connection.execute(_TYPES, self._place()).fetchall())
        field = next((n for n in _METADATA if kinds.get(n) in ("jsonb", "json")), None)
        if field:
            name, kind = tables.quoted(field), kinds[field]
            change = f"{name} = (coalesce({name}, '{{}}')::jsonb || %s::jsonb)::{kind}"
            # quoted identifiers
            self._each(f"UPDATE {source} SET {change}", record_ids, [f'{{"{MARK}": true}}'])  # noqa: S608
            return
        column = tables.quoted(MARK)
        plain = source.removeprefix("ONLY ")
        self._connection.execute(f"ALTER TABLE {plain} ADD COLUMN IF NOT EXISTS {column} boolean")
        self._each(f"UPDATE {source} SET {column} = true", record_ids)  # noqa: S608

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a table of the same schema, made like this one."""
        name = quarantine_of(self._table.name, to)
        target = f"{tables.quoted(self._table.schema)}.{tables.quoted(name)}"
        plain = self._table.source.removeprefix("ONLY ")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {target} (LIKE {plain} INCLUDING ALL)"
        )
        insert = f"INSERT INTO {target} SELECT * FROM {self._table.source}"  # noqa: S608
        self._each(insert, record_ids, behind="ON CONFLICT DO NOTHING")
        self.delete(record_ids)
        return f"{self._table.schema}.{name}"

    def delete(self, record_ids: Sequence[str]) -> None:
        """By key."""
        self._each(f"DELETE FROM {self._table.source}", record_ids)  # noqa: S608 - quoted

    def settle(self) -> None:
        """Commit, which lets others write."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Commits, and writes the table anew."""
        self._connection.execute("COMMIT")
        self._connection.execute(f"VACUUM FULL {self._table.source.removeprefix('ONLY ')}")
        self._connection.execute("BEGIN")
        return Erasure(
            False, "the table was written anew; the write-ahead log keeps it until it is recycled"
        )

    def _place(self) -> list[str]:
        return [self._table.schema, self._table.name]

    def _each(
        self, change: str, record_ids: Sequence[str], first: Sequence[str] = (), behind: str = ""
    ) -> None:
        """A change of the rows with these ids, which are their keys as texts joined by commas."""
        texts = " || ',' || ".join(f"{tables.quoted(name)}::text" for name, _ in self._table.keys)
        self._connection.execute(
            f"{change} WHERE {texts} = ANY(%s) {behind}", [*first, list(record_ids)]
        )


_TYPES = """
    SELECT a.attname, t.typname FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped"""


def _named(connection: Any, asset: Asset) -> tables.Table:
    fragment = urlsplit(asset.uri).fragment
    for table in tables.tables_in(connection):
        if fragment == f"{quote(table.schema, safe='')}.{quote(table.name, safe='')}":
            return table
    raise gone(asset)
