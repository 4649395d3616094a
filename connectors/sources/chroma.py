"""Chroma: folders of the embedded store, and servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources import _chroma_files as files
from dlpagent.connectors.sources import _chroma_server as server
from dlpagent.connectors.sources._http_store import store_at
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_pages import Page, content_key
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = (
    "chroma:///folder, or chroma://host:8000, perhaps with "
    "?tenant=…&database=…&tls=true&changes=ignore and #collection"
)
_SETTINGS = ("tenant", "database", "tls", "changes")


class Chroma:
    """Every collection of every database: `chroma:///folder#collection`, `chroma://host:8000`.

    Cursor: of a folder row and seq (in the tables of Chroma), of a server after (the last id).
    """

    name = "chroma"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a path or URI. Raises ConfigurationError for settings it does not know."""
        is_uri = target.startswith("chroma:")
        self._address = address_of(target, _EXAMPLE, _SETTINGS) if is_uri else None
        if self._address is not None:
            self._address.flag("tls")
            self._address.choice("changes", ("content", "ignore"))
        self._folder = Path(target if self._address is None else self._address.path)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder of the embedded store."""
        try:
            return (path / files.FILE).is_file()
        except OSError:
            return False

    def discover(self) -> Iterator[Asset]:
        """Every collection. Raises SourceError when the store cannot be read."""
        only = self._address.only if self._address else ""
        where = self._address.shown if self._address else str(self._folder)
        return found_or_refused(self._assets(), only, where)

    def _assets(self) -> Iterator[Asset]:
        if self._address is not None and self._address.host:
            yield from self._remote_assets(self._address)
            return
        only = self._address.only if self._address else ""
        for one in self._collections():
            if only in ("", one.name):
                uri = f"chroma://{quote(str(self._folder.resolve()))}{_place(one)}"
                yield Asset(
                    uri,
                    "vector_collection",
                    self.name,
                    change_key=one.change_key,
                    rows=one.rows,
                )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of records. Raises SourceError when the store cannot be read."""
        if after is not None and after.done:
            return
        cursor = {} if after is None else after.cursor
        if urlsplit(asset.uri).netloc:
            yield from with_checkpoints(self._remote_batches(asset, cursor.get("after")))
        else:
            yield from with_checkpoints(self._file_batches(asset, cursor))

    def _collections(self) -> list[files.Collection]:
        with files.opened_file(self._folder) as connection:
            return files.collections_in(connection)

    def _file_batches(
        self, asset: Asset, cursor: Mapping[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        place = str((self._folder / files.FILE).resolve())
        rows = StoreRows(asset.uri, place=place, max_rows=self._batch_rows)
        start = int(cursor.get("row", 0)), int(cursor.get("seq", 0))
        with files.opened_file(self._folder) as connection:
            named = {_place(one): one for one in files.collections_in(connection)}
            collection = named.get(asset.uri.removeprefix(_folder_uri(self._folder)))
            if collection is None:
                raise _gone(asset)
            pages = files.pages_of(connection, collection, *start)
            yield from keyed_batches(rows, pages, _row_cursor, start)

    def _remote_assets(self, address: Address) -> Iterator[Asset]:
        url = server.url_of(address, is_tls=address.flag("tls"))
        hashes = address.choice("changes", ("content", "ignore"))
        with store_at(url, server.headers(), "chroma") as store:
            for one in server.remotes(store, address):
                pages: Iterator[Page] = server.pages_of(store, one, None)
                key = content_key(pages) if hashes == "content" else None
                yield Asset(_remote_uri(address, one), "vector_collection", self.name,
                            change_key=key)  # fmt: skip

    def _remote_batches(
        self, asset: Asset, start: str | None
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        address = address_of(asset.uri, _EXAMPLE, _SETTINGS)
        settings = self._address.settings if self._address else {}
        rows = StoreRows(asset.uri, max_rows=self._batch_rows)
        url = server.url_of(address, is_tls=settings.get("tls") == "true")
        with store_at(url, server.headers(), "chroma") as store:
            one = next(iter(server.remotes(store, address)), None)
            if one is None:
                raise _gone(asset)
            yield from keyed_batches(rows, server.pages_of(store, one, start), _id_cursor, start)


def _place(one: files.Collection) -> str:
    database = "" if (one.tenant, one.database) == ("default_tenant", "default_database") else (
        f"?tenant={quote(one.tenant, safe='')}&database={quote(one.database, safe='')}")  # fmt: skip
    return f"{database}#{quote(one.name, safe='')}"


def _folder_uri(folder: Path) -> str:
    return f"chroma://{quote(str(folder.resolve()))}"


def _remote_uri(address: Address, one: server.Remote) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    tenant, database, name = (quote(x, safe="") for x in (one.tenant, one.database, one.name))
    return f"chroma://{host}:{address.port or 8000}/?tenant={tenant}&database={database}#{name}"


def _row_cursor(key: tuple[int, int]) -> Mapping[str, Any]:
    return {"row": key[0], "seq": key[1]}


def _id_cursor(key: str | None) -> Mapping[str, Any]:
    return {"after": key}


def _gone(asset: Asset) -> SourceError:
    return SourceError(
        "is not there any more",
        where=unquote(asset.uri),
        expected="the collection that was found when the sweep began",
        found="none of that name",
        remedy="Sweep again without --resume.",
    )
