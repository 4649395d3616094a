"""Elasticsearch and OpenSearch: every index with a field of vectors."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from dlpagent.connectors.sources._http_collections import collections_at
from dlpagent.connectors.sources._http_store import HttpStore, RefusedError, secret
from dlpagent.connectors.sources._store_pages import Page, PageSize
from dlpagent.connectors.sources._store_rows import Unread
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "elasticsearch://host:9200 or opensearch://host:9200, perhaps with ?tls=true and #index"
_VECTORS = frozenset({"dense_vector", "knn_vector", "sparse_vector", "rank_features"})
# Text whose vectors the server makes and keeps by itself.
_EMBEDDED = frozenset({"semantic_text", "semantic"})
_NO_SOURCE = "expected the document's _source, found none: the index does not keep it"


class Elasticsearch:
    """Every index with vectors: `elasticsearch://host:9200#index`.

    Cursor: seq, the sequence number of the last document, and ids of those read that have it (one in
    each shard may). A document that is written to gets a higher number, so none can be missed.
    """

    name = "elasticsearch"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        self._server = collections_at(
            target, self.name, _EXAMPLE, port=9200, headers=_headers(), batch_rows=batch_rows
        )

    def discover(self) -> Iterator[Asset]:
        """Every index with vectors. Raises SourceError when the server cannot be read."""
        with self._server.connected() as store:
            found = [
                name
                for name, one in sorted(store.get("/_mapping").items())
                if self._is_meant(name) and any(_vector_paths(one.get("mappings") or {}))
            ]
            if not found:
                raise SourceError(
                    "holds no vectors",
                    where=self._server.address.shown,
                    expected="an index with a field of vectors (dense_vector, knn_vector, …)",
                    found="none that this user may see",
                    remedy="Name an index behind #, and a user with the right to read it.",
                )
            for name in found:
                yield self._server.asset(name, change_key=_change_key(store, name))

    def _is_meant(self, name: str) -> bool:
        """Not the server's own indexes, unless named; data streams lie in such as well."""
        is_own = name.startswith(".") and not name.startswith(".ds-")
        return self._server.wants(name) and (bool(self._server.address.only) or not is_own)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of writing. Raises SourceError when the index cannot be read."""
        if after is None or not after.done:
            cursor: Mapping[str, Any] = {"seq": None, "ids": []} if after is None else after.cursor
            name = self._server.collection_of(asset)
            with self._server.connected() as store:
                start = cursor["seq"], cursor["ids"]
                yield from self._server.batches(
                    asset,
                    _pages(store, name, *start),
                    cursor_of=lambda key: {"seq": key[0], "ids": key[1]},
                    start=start,
                )


def _pages(store: HttpStore, name: str, seq: int | None, ids: list[str]) -> Iterator[Page]:
    path, size = f"/{quote(name, safe='')}", PageSize()
    mapping = store.get(f"{path}/_mapping")[name]["mappings"]
    excludes = list(_vector_paths(mapping))
    while True:
        body = {
            "size": size.now,
            "sort": [{"_seq_no": "asc"}],
            "query": _behind(seq, ids),
            "_source": {"excludes": excludes},
            "track_total_hits": False,
        }
        found = store.post(f"{path}/_search", body)
        shards = found.get("_shards", {})
        if found.get("timed_out") or shards.get("failed"):
            raise SourceError(
                "a part of the index does not answer",
                where=name,
                expected="all of its shards",
                found=f"{shards.get('failed', 0)} that failed, timed out: {found.get('timed_out')}",
                remedy="Check the health of the cluster, then run again with --resume.",
            )
        page = []
        for hit in found["hits"]["hits"]:
            number = int(hit["sort"][0])
            ids = [*ids, hit["_id"]] if number == seq else [hit["_id"]]
            seq = number
            page.append(((seq, ids), str(hit["_id"]), hit.get("_source") or Unread(_NO_SOURCE)))
        if not page:
            return
        yield page
        size.saw(page)


def _behind(seq: int | None, ids: list[str]) -> Mapping[str, Any]:
    if seq is None:
        return {"match_all": {}}
    return {
        "bool": {
            "filter": [{"range": {"_seq_no": {"gte": seq}}}],
            "must_not": [{"ids": {"values": ids}}],
        }
    }


def _vector_paths(mapping: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The paths of vectors, also those that the server keeps with its own embedded texts."""
    for name, field in (mapping.get("properties") or {}).items():
        kind = field.get("type")
        if kind in _VECTORS:
            yield above + name
        elif kind in _EMBEDDED:
            yield f"{above}{name}.inference.chunks.embeddings"
        yield from _vector_paths(field, f"{above}{name}.")


def _change_key(store: HttpStore, name: str) -> str | None:
    """Made of the highest sequence number of each shard; None when it may not be asked.

    The index is refreshed before, so that every write that is counted can be found, too.
    """
    path = f"/{quote(name, safe='')}"
    try:
        store.post(f"{path}/_refresh", {})
        found = store.get(f"{path}/_stats/docs", level="shards")["indices"][name]
        numbers = sorted(
            (shard, max(copy["seq_no"]["max_seq_no"] for copy in copies))
            for shard, copies in found["shards"].items()
        )
    except (RefusedError, KeyError, TypeError, ValueError):
        return None
    return f"{found.get('uuid', '')}-" + "-".join(str(number) for _, number in numbers)


def _headers() -> dict[str, str]:
    key = secret("ELASTIC_API_KEY")
    user, password = (
        secret("ELASTIC_USER", "OPENSEARCH_USER"),
        secret("ELASTIC_PASSWORD", "OPENSEARCH_PASSWORD"),
    )
    if key:
        return {"Authorization": f"ApiKey {key}"}
    if user and password:
        given = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {given}"}
    return {}
