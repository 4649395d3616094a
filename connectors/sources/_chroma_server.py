"""The collections of a Chroma server, over its REST interface v2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dlpagent.connectors.sources._chroma_files import as_record
from dlpagent.connectors.sources._http_store import HttpStore, base_url, secret
from dlpagent.connectors.sources._store_address import Address
from dlpagent.connectors.sources._store_pages import Page, PageSize, listed_pages
from dlpagent.connectors.sources._store_rows import Fields

_LISTED = 1_000
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Remote:
    """A collection of a server: where it is, and what it is called."""

    tenant: str
    database: str
    name: str
    id: str

    @property
    def path(self) -> str:
        """Where the server keeps it."""
        return f"{_databases(self.tenant)}/{quote(self.database, safe='')}/collections/{self.id}"


def headers() -> dict[str, str]:
    """The key the environment gives, as Chroma Cloud and as other servers want it."""
    key, token = secret("CHROMA_API_KEY"), secret("CHROMA_TOKEN")
    found = {"X-Chroma-Token": key} if key else {}
    return found | ({"Authorization": f"Bearer {token}"} if token else {})


def url_of(address: Address, *, is_tls: bool) -> str:
    """Where the server answers."""
    return base_url(address.host, address.port or 8000, is_tls=is_tls, where=address.shown)


def remotes(store: HttpStore, address: Address) -> Iterator[Remote]:
    """Every collection of the tenant, in all its databases or in the one the address names."""
    tenant = address.settings.get("tenant", "default_tenant")
    only = address.settings.get("database")
    names = [only] if only else [one["name"] for one in _all(store, _databases(tenant))]
    for database in sorted(names):
        path = f"{_databases(tenant)}/{quote(database, safe='')}/collections"
        found = sorted(_all(store, path), key=lambda one: str(one["name"]))
        for one in found:
            if address.only in ("", one["name"]):
                yield Remote(tenant, database, one["name"], one["id"])


def pages_of(store: HttpStore, remote: Remote, start: str | None) -> Iterator[Page]:
    """Pages by id. The server pages by position only, so that ids are listed first."""

    def fetch(ids: Sequence[str]) -> Iterable[tuple[str, Fields]]:
        body = {"ids": list(ids), "include": ["documents", "metadatas"]}
        found = store.post(f"{remote.path}/get", body)
        return _records(found)

    ids = store.post(f"{remote.path}/get", {"include": []})["ids"]
    yield from listed_pages(ids, fetch, start, PageSize(_PAGE))


def _records(found: dict[str, Any]) -> Iterator[tuple[str, Fields]]:
    ids = found["ids"]
    documents = found.get("documents") or [None] * len(ids)
    metadatas = found.get("metadatas") or [None] * len(ids)
    for one, document, metadata in zip(ids, documents, metadatas, strict=True):
        # The server gives fields in another order each time: parts must always be in the same.
        yield one, as_record(document, None, dict(sorted((metadata or {}).items())))


def _databases(tenant: str) -> str:
    return f"/api/v2/tenants/{quote(tenant, safe='')}/databases"


def _all(store: HttpStore, path: str) -> list[dict[str, Any]]:
    """Every entry of a list that is paged by position; one that appears twice is kept once."""
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while True:
        page = store.get(path, limit=_LISTED, offset=offset)
        found |= {str(one["id"]): one for one in page}
        offset += len(page)
        if len(page) < _LISTED:
            return list(found.values())
