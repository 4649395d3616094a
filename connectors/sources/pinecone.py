"""Pinecone: every namespace of every serverless index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa

from dlpagent.connectors.sources._http_collections import collections_at
from dlpagent.connectors.sources._http_store import HttpStore, RefusedError, secret, store_at
from dlpagent.connectors.sources._store_pages import Page
from dlpagent.connectors.sources._vector_payload import is_made_up
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "pinecone://api.pinecone.io, perhaps with ?changes=content and #index/namespace"
_API = "2025-04"
_LISTED = 100
_MAX_ID_CHARS = 1_500
# What a page token that is no longer good is answered with.
_EXPIRED = frozenset({400, 404, 410})


class Pinecone:
    """Every namespace of every index: `pinecone://api.pinecone.io#index/namespace`.

    Cursor: after, the last id; token, that of the page it was on. A token that is no longer good is
    done without: ids are listed in their order, so those already read can be told.
    """

    name = "pinecone"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        key = secret("PINECONE_API_KEY")
        self._headers = {"X-Pinecone-API-Version": _API} | ({"Api-Key": key} if key else {})
        self._server = collections_at(
            target,
            self.name,
            _EXAMPLE,
            port=None,
            headers=self._headers,
            batch_rows=batch_rows,
            tls="true",
            hashes=("ignore", "content"),  # every read is charged
        )

    def discover(self) -> Iterator[Asset]:
        """Every namespace. Raises SourceError when the service cannot be read."""
        return self._server.found(self._assets())

    def _assets(self) -> Iterator[Asset]:
        with self._server.connected() as store:
            found = store.get("/indexes")["indexes"] or []
        for one in sorted(found, key=lambda one: str(one["name"])):
            with self._index(one["host"]) as index:
                stats = index.post("/describe_index_stats", {})
                spaces = stats.get("namespaces") or {}
                for space in sorted(spaces):
                    full = f"{one['name']}/{quote(space, safe='')}"
                    if self._server.wants(one["name"], full, f"{one['name']}/{space}"):
                        yield self._server.asset(
                            full,
                            pages=partial(_pages, index, space, None, None),
                            rows=spaces[space].get("vectorCount"),
                        )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of ids. Raises SourceError when the index cannot be read."""
        if after is not None and after.done:
            return
        cursor = {} if after is None else after.cursor
        start = cursor.get("after"), cursor.get("token")
        name, _, space = self._server.collection_of(asset).partition("/")
        with self._server.connected() as store:
            host = store.get(f"/indexes/{quote(name, safe='')}")["host"]
        with self._index(host) as index:
            yield from self._server.batches(
                asset,
                _pages(index, unquote(space), *start),
                cursor_of=lambda key: {"after": key[0], "token": key[1]},
                start=start,
            )

    @contextmanager
    def _index(self, host: str) -> Iterator[HttpStore]:
        """The host of an index; it is told by the service itself, and gets the same key."""
        scheme = "https" if self._server.is_tls else "http"
        with store_at(
            f"{scheme}://{host.rsplit('://', maxsplit=1)[-1]}", self._headers, "pinecone"
        ) as index:
            yield index


def _pages(index: HttpStore, space: str, after: str | None, token: str | None) -> Iterator[Page]:
    while True:
        try:
            for ids, used in _listed(index, space, token):
                for some in _asked_at_once([one for one in ids if after is None or one > after]):
                    if page := _fetched(index, space, some, used):
                        yield page
                    after = some[-1]
        except RefusedError as error:
            if token is None or error.status not in _EXPIRED:
                raise
            token = None
        except _ExpiredError:
            token = None
        else:
            return


def _asked_at_once(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in portions that fit into one address."""
    some: list[str] = []
    for one in ids:
        if some and sum(map(len, some)) + len(one) > _MAX_ID_CHARS:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


class _ExpiredError(Exception):
    """A page token that was good a moment ago is not any more."""


def _listed(
    index: HttpStore, space: str, token: str | None
) -> Iterator[tuple[list[str], str | None]]:
    """The ids of each page, with the token that gives the page again."""
    is_first = True
    while True:
        try:
            found = index.get(
                "/vectors/list", namespace=space, limit=_LISTED, paginationToken=token
            )
        except RefusedError as error:
            if not is_first and error.status in _EXPIRED:
                raise _ExpiredError from None
            raise
        yield [one["id"] for one in found.get("vectors") or []], token
        is_first = False
        token = (found.get("pagination") or {}).get("next")
        if not token:
            return


def _fetched(index: HttpStore, space: str, ids: Sequence[str], token: str | None) -> Page:
    """The records of some ids; those deleted meanwhile are left out."""
    try:
        found: dict[str, Any] = index.get("/vectors/fetch", ids=list(ids), namespace=space)[
            "vectors"
        ]
    except RefusedError as error:
        raise SourceError(
            "the records of a page cannot be fetched", where=error.where, found=error.found,
            expected="the records whose ids were listed", remedy=error.remedy,
        ) from None  # fmt: skip
    page = []
    for one in ids:
        if one in found:
            fields = dict(found[one].get("metadata") or {})
            if not is_made_up(one):
                fields["id"] = fields.get("id", one)
            page.append(((one, token), one, fields))
    return page
