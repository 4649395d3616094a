"""Remedies in tables of LanceDB.

A deleted row stays in its data file: a later reader leaves it out. It is gone once its file was
written anew and the versions before were removed. optimize() writes only files with many deleted
rows anew, so every row is updated to itself first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit
from warnings import catch_warnings, simplefilter

from dlpagent.connectors.remedies._names import failed, gone, quarantine_of
from dlpagent.connectors.sources.lancedb import ID_COLUMNS
from dlpagent.contents import MARK
from dlpagent.errors import SourceError, missing_extra
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_AT_ONCE = 500
_NO_IDS = f"rows have no ids: none of {', '.join(ID_COLUMNS)} is a column, and places change"


class LanceDbRemedy:
    """Acts on one table of a folder."""

    def __init__(self, target: str) -> None:
        """target: the address of the asset or of its folder; what counts is the asset's."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Rows without ids cannot be named."""
        with _table(asset) as (_, table):
            return "" if _id_column(table) else _NO_IDS

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[LanceDbHands]:
        """The table. LanceDB has no locks: writers are not kept out."""
        with _table(asset) as (database, table):
            yield LanceDbHands(database, table)


class LanceDbHands:
    """See dlpagent.ports.Hands."""

    def __init__(self, database: Any, table: Any) -> None:
        self._database, self._table = database, table
        self._column = _id_column(table)

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """As a column of its own."""
        if MARK not in self._table.schema.names:
            self._table.add_columns({MARK: "false"})
        for ids in self._wheres(record_ids):
            self._table.update(where=f"{ids} AND {MARK} IS NOT TRUE", values={MARK: True})

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a table of the same folder, made like this one."""
        name = quarantine_of(self._table.name, to)
        for ids in self._wheres(record_ids):
            rows = self._table.search().where(ids).limit(None).to_arrow()
            if not rows.num_rows:
                continue
            rows = rows.select(self._table.schema.names)
            if name in self._database.list_tables().tables:
                merge = self._database.open_table(name).merge_insert(self._column)
                merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
            else:
                self._database.create_table(name, rows)
        self.delete(record_ids)
        return name

    def delete(self, record_ids: Sequence[str]) -> None:
        """By id."""
        for ids in self._wheres(record_ids):
            self._table.delete(ids)

    def settle(self) -> None:
        """LanceDB does so with each call."""

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Writes every row anew and removes all versions but the newest."""
        with catch_warnings():
            simplefilter("ignore")  # of readers of older versions: docs/quarantine.md says so
            self._table.update(where="true", values_sql={self._column: f"`{self._column}`"})
            self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        return Erasure(True, "the table was written anew, its older versions were removed")

    def _wheres(self, record_ids: Sequence[str]) -> Iterator[str]:
        is_text = "string" in str(self._table.schema.field(self._column).type)
        for start in range(0, len(record_ids), _AT_ONCE):
            some = record_ids[start : start + _AT_ONCE]
            marks = (_quoted(one) if is_text else str(int(one)) for one in some)
            yield f"`{self._column}` IN ({', '.join(marks)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _id_column(table: Any) -> str:
    """The column whose values are the record ids: as the source chooses it, of this type."""
    for name in ID_COLUMNS:
        if name in table.schema.names:
            kind = str(table.schema.field(name).type)
            if ("int" in kind or "string" in kind) and not table.count_rows(f"`{name}` IS NULL"):
                return name
    return ""


@contextmanager
def _table(asset: Asset) -> Iterator[tuple[Any, Any]]:
    try:
        import lancedb  # noqa: PLC0415
    except ImportError:
        raise missing_extra("lancedb", "lancedb", "changing LanceDB") from None
    parts = urlsplit(asset.uri)
    try:
        database = lancedb.connect(unquote(parts.path))
        name = unquote(parts.fragment)
        if name not in database.list_tables().tables:
            raise gone(asset)
        yield database, database.open_table(name)
    except SourceError:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        raise failed(asset.uri, error, "Check the permissions of its files.") from None
