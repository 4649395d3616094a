"""Weaviate: every collection, and every tenant of those that have some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa

from dlpagent.connectors.sources._http_collections import collections_at
from dlpagent.connectors.sources._http_store import HttpStore, secret
from dlpagent.connectors.sources._leaves import NoText
from dlpagent.connectors.sources._store_pages import Page, PageSize, keyset_pages
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "weaviate://host:8080, perhaps with ?tls=true&changes=ignore and #Collection/tenant"


class Weaviate:
    """Every collection of a server: `weaviate://host:8080#Collection/tenant`.

    Cursor: after, the UUID of the last object.
    """

    name = "weaviate"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        key = secret("WEAVIATE_API_KEY")
        self._server = collections_at(
            target,
            self.name,
            _EXAMPLE,
            port=8080,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            batch_rows=batch_rows,
        )

    def discover(self) -> Iterator[Asset]:
        """Every collection and tenant. Raises SourceError when the server cannot be read."""
        return self._server.found(self._assets())

    def _assets(self) -> Iterator[Asset]:
        with self._server.connected() as store:
            found = store.get("/v1/schema")["classes"] or []
            for one in sorted(found, key=lambda one: str(one["class"])):
                name = one["class"]
                for tenant in _tenants(store, one):
                    full = f"{name}/{quote(tenant, safe='')}" if tenant else name
                    if self._server.wants(name, full, f"{name}/{tenant}"):
                        yield self._server.asset(full, pages=partial(_pages, store, full, None))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of UUIDs. Raises SourceError when the server cannot be read."""
        if after is None or not after.done:
            start = None if after is None else after.cursor["after"]
            with self._server.connected() as store:
                pages = _pages(store, self._server.collection_of(asset), start)
                yield from self._server.batches(asset, pages, start=start)


def _tenants(store: HttpStore, one: Mapping[str, Any]) -> list[str]:
    """The names of the tenants; one empty name for a collection that knows none."""
    if not (one.get("multiTenancyConfig") or {}).get("enabled"):
        return [""]
    found = store.get(f"/v1/schema/{quote(one['class'], safe='')}/tenants")
    return sorted(tenant["name"] for tenant in found)


def _pages(store: HttpStore, full: str, start: str | None) -> Iterator[Page]:
    name, _, tenant = full.partition("/")
    schema = store.get(f"/v1/schema/{quote(name, safe='')}")
    blobs = {one["name"] for one in schema.get("properties") or [] if one["dataType"] == ["blob"]}

    def fetch(after: str | None, limit: int) -> Page:
        # An empty `after` begins at the smallest UUID; without it the order is another one.
        asked = {
            "class": name,
            "limit": limit,
            "after": after or "",
            "tenant": unquote(tenant) or None,
        }
        found = store.get("/v1/objects", **asked).get("objects") or []
        return [(one["id"], str(one["id"]), _fields(one, blobs)) for one in found]

    return keyset_pages(fetch, start, PageSize())


def _fields(one: Mapping[str, Any], blobs: set[str]) -> Mapping[str, Any]:
    fields = dict(one.get("properties") or {})
    for name in blobs.intersection(fields):
        if fields[name]:
            fields[name] = NoText(len(fields[name]), "characters of base64 media")
    return fields
