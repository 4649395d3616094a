"""Remedies in SQLite files with vectors of sqlite-vec, without the extension.

A row of a virtual table lies in ordinary tables beside it (see sources._vec0_tables). It is deleted
there as the extension does it: its place in the chunk becomes free. What stood in that place is
overwritten, which the extension does not do, and afterwards the file is written anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dlpagent.connectors.remedies._names import gone, quarantine_of
from dlpagent.connectors.remedies._sqlite import vacuum, writing
from dlpagent.connectors.sources._store_pages import records_in
from dlpagent.connectors.sources._store_rows import Unread
from dlpagent.connectors.sources._vec0_tables import Plain, Vec0, pages_of, quoted, tables_in
from dlpagent.contents import MARK
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_FIXED = "tables of vec0 have fixed columns, so nothing can be marked; move or delete"


class SqliteVecRemedy:
    """Acts on one table of a file."""

    def __init__(self, target: str) -> None:
        """target: the address of the asset or of its file; what counts is the asset's."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Tables of vec0 cannot be tagged."""
        with writing(_path(asset)) as connection:
            is_virtual = isinstance(_named(connection, asset), Vec0)
        return _FIXED if is_virtual and action == "tag" else ""

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[Vec0Hands | PlainHands]:
        """The table; until its purge or the end no other writes to the file."""
        with writing(_path(asset)) as connection:
            table = _named(connection, asset)
            made = Vec0Hands if isinstance(table, Vec0) else PlainHands
            yield made(connection, table)  # type: ignore[arg-type]  # each its own


class PlainHands:
    """An ordinary table. See dlpagent.ports.Hands."""

    def __init__(self, connection: sqlite3.Connection, table: Plain) -> None:
        self._connection, self._table = connection, table

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """As a column of its own; its value is a fraction, which is no part of a record."""
        name = quoted(self._table.name)
        if MARK not in _columns(self._connection, self._table.name):
            self._connection.execute(f"ALTER TABLE {name} ADD COLUMN {MARK} REAL")
        self._each(f"UPDATE {name} SET {MARK} = 0.5", record_ids)  # noqa: S608 - quoted

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a table of the same file with the same columns, and the key if it is none of them."""
        name, mine = quarantine_of(self._table.name, to), quoted(self._table.name)
        columns = _columns(self._connection, self._table.name)
        chosen = [f"{one} AS key_{one}" for one in self._table.keys if one not in columns]
        fields = ", ".join([*chosen, *map(quoted, columns)])
        select = f"SELECT {fields} FROM {mine}"  # noqa: S608 - quoted identifiers
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} AS {select} WHERE 0")
        self._each(f"INSERT INTO {quoted(name)} {select}", record_ids)
        self.delete(record_ids)
        return name

    def delete(self, record_ids: Sequence[str]) -> None:
        """By key."""
        self._each(f"DELETE FROM {quoted(self._table.name)}", record_ids)  # noqa: S608 - quoted

    def settle(self) -> None:
        """Commit, which lets others write."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Writes the file anew."""
        vacuum(self._connection)
        return _ERASED

    def _each(self, change: str, record_ids: Sequence[str]) -> None:
        keys = self._table.keys
        is_number = keys in (("rowid",), ("_rowid_",), ("oid",))
        joined = " || ',' || ".join(f"CAST({quoted(one)} AS TEXT)" for one in keys)
        condition = f"{keys[0]} = ?" if is_number else f"{joined} = ?"
        values = [[int(one) if is_number else one] for one in record_ids]
        self._connection.executemany(f"{change} WHERE {condition}", values)


class Vec0Hands:
    """A virtual table. See dlpagent.ports.Hands."""

    def __init__(self, connection: sqlite3.Connection, table: Vec0) -> None:
        self._connection, self._table = connection, table

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """Is refused."""
        raise NotImplementedError(_FIXED)

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To an ordinary table of the same file: id, texts, and the vectors as bytes."""
        name, wanted = quarantine_of(self._table.name, to), set(record_ids)
        for page in pages_of(self._connection, self._table, None):
            for (number, *_), one, fields in records_in(page):
                if one in wanted and not isinstance(fields, Unread):
                    self._keep(name, {"record_id": one, **fields, **self._vectors(number)})
        self.delete(record_ids)
        return name

    def delete(self, record_ids: Sequence[str]) -> None:
        """From the tables in which the rows lie."""
        for number, chunk, place in self._places(record_ids):
            query = f"SELECT validity, rowids FROM {self._beside('_chunks')} WHERE chunk_id = ?"  # noqa: S608
            validity, numbers = map(bytearray, self._connection.execute(query, [chunk]).fetchone())
            validity[place // 8] &= ~(1 << place % 8)
            numbers[place * 8 : place * 8 + 8] = bytes(8)
            self._connection.execute(
                f"UPDATE {self._beside('_chunks')} SET validity = ?, rowids = ? WHERE chunk_id = ?",  # noqa: S608
                [bytes(validity), bytes(numbers), chunk],
            )
            for shadow in self._shadows("_rowids", "_auxiliary", "_metadatatext"):
                self._connection.execute(
                    f"DELETE FROM {quoted(shadow)} WHERE rowid = ?",  # noqa: S608 - quoted
                    [number],
                )

    def settle(self) -> None:
        """Commit, which lets others write."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Overwrites the free places of chunks, and writes the file anew."""
        query = f"SELECT chunk_id, size, validity FROM {self._beside('_chunks')}"  # noqa: S608
        for chunk, size, validity in self._connection.execute(query).fetchall():
            free = [one for one in range(size) if not validity[one // 8] >> one % 8 & 1]
            for shadow in self._shadows("_vector_chunks"):
                self._blank(shadow, "vectors", chunk, size, free)
            for shadow in self._shadows("_metadatachunks"):
                self._blank(shadow, "data", chunk, size, free)
        vacuum(self._connection)
        return _ERASED

    def _blank(self, shadow: str, column: str, chunk: int, size: int, free: Sequence[int]) -> None:
        query = f"SELECT {column} FROM {quoted(shadow)} WHERE rowid = ?"  # noqa: S608 - quoted
        found = self._connection.execute(query, [chunk]).fetchone()
        wide = len(found[0]) // size if found else 0
        if not wide:  # truths are packed to bits: they are no text
            return
        raw = bytearray(found[0])
        for place in free:
            raw[place * wide : (place + 1) * wide] = bytes(wide)
        if raw != found[0]:
            change = f"UPDATE {quoted(shadow)} SET {column} = ? WHERE rowid = ?"  # noqa: S608
            self._connection.execute(change, [bytes(raw), chunk])

    def _places(self, record_ids: Sequence[str]) -> list[tuple[int, int, int]]:
        """Row number, chunk and place in it of each record that is there."""
        query = (
            f"SELECT rowid, chunk_id, chunk_offset FROM {self._beside('_rowids')} "  # noqa: S608
            "WHERE CAST(coalesce(id, rowid) AS TEXT) = ?"
        )
        found = (self._connection.execute(query, [one]).fetchone() for one in record_ids)
        return [one for one in found if one is not None]

    def _vectors(self, number: int) -> dict[str, bytes]:
        query = f"SELECT chunk_id, chunk_offset FROM {self._beside('_rowids')} WHERE rowid = ?"  # noqa: S608
        chunk, place = self._connection.execute(query, [number]).fetchone()
        size_query = f"SELECT size FROM {self._beside('_chunks')} WHERE chunk_id = ?"  # noqa: S608
        (size,) = self._connection.execute(size_query, [chunk]).fetchone()
        found = {}
        for shadow in self._shadows("_vector_chunks"):
            query = f"SELECT vectors FROM {quoted(shadow)} WHERE rowid = ?"  # noqa: S608 - quoted
            (raw,) = self._connection.execute(query, [chunk]).fetchone()
            wide = len(raw) // size
            found[f"vector{shadow[-2:]}"] = raw[place * wide : (place + 1) * wide]
        return found

    def _keep(self, name: str, row: Mapping[str, Any]) -> None:
        columns = ", ".join(map(quoted, row))
        declared = ", ".join(
            f"{quoted(one)} BLOB" if isinstance(value, bytes) else quoted(one)
            for one, value in row.items()
        )
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({declared})")
        self._connection.execute(
            f"INSERT INTO {quoted(name)} ({columns}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
            list(row.values()),
        )

    def _beside(self, suffix: str) -> str:
        return quoted(f"{self._table.name}{suffix}")

    def _shadows(self, *suffixes: str) -> list[str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [name for (name,) in self._connection.execute(query).fetchall()]
        starts = tuple(self._table.name + suffix for suffix in suffixes)
        return [one for one in names if one.startswith(starts)]


_ERASED = Erasure(True, "freed places were overwritten and the file was written anew")


def _columns(connection: sqlite3.Connection, name: str) -> list[str]:
    rows = connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
    return [row[1] for row in rows]


def _path(asset: Asset) -> Path:
    return Path(unquote(urlsplit(asset.uri).path))


def _named(connection: sqlite3.Connection, asset: Asset) -> Vec0 | Plain:
    name = unquote(urlsplit(asset.uri).fragment)
    for table in tables_in(connection):
        if table.name == name:
            return table
    raise gone(asset)
