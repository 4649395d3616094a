"""What the sources of stores over HTTP share: the address, the assets, the batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._http_store import HttpStore, base_url, store_at
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_pages import Page, content_key
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_HASHES = ("content", "ignore")


@dataclass(frozen=True, slots=True)
class HttpCollections:
    """One server as a source sees it. prefix: what part names begin with."""

    connector: str
    address: Address
    default_port: int | None
    headers: Mapping[str, str]
    batch_rows: int
    is_tls: bool = False
    prefix: str = ""
    hashes: tuple[str, ...] = _HASHES

    def connected(self) -> AbstractContextManager[HttpStore]:
        """A connection. Raises ConfigurationError without a host or the package it needs."""
        port = self.address.port or self.default_port
        url = base_url(self.address.host, port, is_tls=self.is_tls, where=self.address.shown)
        return store_at(url + self.address.path.rstrip("/"), self.headers, self.connector)

    def wants(self, *names: str) -> bool:
        """True when the address names no collection, or this one by one of its names."""
        return not self.address.only or self.address.only in names

    def asset(
        self,
        collection: str,
        *,
        pages: Callable[[], Iterator[Page]] | None = None,
        change_key: str | None = None,
        rows: int | None = None,
    ) -> Asset:
        """A collection. pages: how it is read, for a store that cannot tell what changed."""
        if pages is not None and self.address.choice("changes", self.hashes) == "content":
            try:
                change_key = content_key(pages())
            except SourceError:  # told when it is read, so that the others are swept
                change_key = None
        return Asset(
            f"{self._server}#{quote(collection, safe='/')}",
            "vector_collection",
            self.connector,
            change_key=change_key,
            rows=rows,
        )

    def found(self, assets: Iterator[Asset]) -> Iterator[Asset]:
        """The assets. Raises SourceError when the address names one, and there is none."""
        return found_or_refused(assets, self.address.only, self.address.shown)

    def collection_of(self, asset: Asset) -> str:
        """The name of the collection an asset stands for."""
        return unquote(urlsplit(asset.uri).fragment)

    def batches(
        self,
        asset: Asset,
        pages: Iterator[Page],
        *,
        cursor_of: Callable[[Any], Mapping[str, Any]] = lambda key: {"after": key},
        start: Any = None,
        first: pa.RecordBatch | None = None,
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of the pages, with checkpoints made of the pages' keys; `first` before them."""
        rows = StoreRows(asset.uri, prefix=self.prefix, max_rows=self.batch_rows)
        before = [] if first is None else [(first, cursor_of(start))]
        yield from with_checkpoints(chain(before, keyed_batches(rows, pages, cursor_of, start)))

    @property
    def _server(self) -> str:
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        port = self.address.port or self.default_port
        place = host if port is None else f"{host}:{port}"
        return f"{self.connector}://{place}{quote(self.address.path)}"


def collections_at(
    target: str,
    connector: str,
    example: str,
    *,
    settings: Collection[str] = (),
    port: int | None,
    headers: Mapping[str, str],
    batch_rows: int,
    prefix: str = "",
    tls: str = "false",
    hashes: tuple[str, ...] = _HASHES,
) -> HttpCollections:
    """A server by its address. tls: whether it is encrypted unless the address says otherwise;
    hashes: what the setting `changes` may be, the first one by default.

    Raises ConfigurationError for settings it does not know.
    """
    address = address_of(target, example, ("tls", "changes", *settings))
    words = ("true", "false") if tls == "true" else ("false", "true")
    is_tls = address.choice("tls", words) == "true"
    address.choice("changes", hashes)
    return HttpCollections(connector, address, port, headers, batch_rows, is_tls, prefix, hashes)
