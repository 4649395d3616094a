"""Qdrant servers, over their REST interface."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from dlpagent.connectors.sources._http_collections import collections_at
from dlpagent.connectors.sources._http_store import HttpStore, secret
from dlpagent.connectors.sources._store_pages import Page, PageSize
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "qdrant://host:6333, perhaps with ?tls=true&changes=ignore and #collection"


class Qdrant:
    """Every collection of a server: `qdrant://host:6333#collection`.

    Cursor: after, the id of the first point not yet read (an integer, or a UUID as a string).
    """

    name = "qdrant"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        key = secret("QDRANT_API_KEY")
        self._server = collections_at(
            target,
            self.name,
            _EXAMPLE,
            port=6333,
            headers={"api-key": key} if key else {},
            batch_rows=batch_rows,
            prefix="payload",
        )

    def discover(self) -> Iterator[Asset]:
        """Every collection. Raises SourceError when the server cannot be read."""
        return self._server.found(self._assets())

    def _assets(self) -> Iterator[Asset]:
        with self._server.connected() as store:
            found = store.get("/collections")["result"]["collections"]
            for name in sorted(one["name"] for one in found):
                if self._server.wants(name):
                    yield self._server.asset(name, pages=partial(_pages, store, name, None))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of point ids: integers, then UUIDs.

        Raises SourceError when the server cannot be read.
        """
        if after is None or not after.done:
            start = None if after is None else after.cursor["after"]
            with self._server.connected() as store:
                pages = _pages(store, self._server.collection_of(asset), start)
                yield from self._server.batches(asset, pages, start=start)


def _pages(store: HttpStore, name: str, start: int | str | None) -> Iterator[Page]:
    """Pages whose keys are the ids of the points behind them: that is where scrolling goes on."""
    size, following = PageSize(), start
    path = f"/collections/{quote(name, safe='')}/points/scroll"
    while True:
        body: dict[str, Any] = {"limit": size.now, "with_payload": True, "with_vector": False}
        if following is not None:
            body["offset"] = following
        found = store.post(path, body)["result"]
        points, following = found["points"], found.get("next_page_offset")
        behind = [*(point["id"] for point in points[1:]), *([following] if points else [])]
        page = [
            (then, str(point["id"]), point.get("payload") or {})
            for point, then in zip(points, behind, strict=True)
        ]
        if page:
            yield page
        size.saw(page)
        if following is None:
            return
