"""Remedies in Milvus Lite folders and Milvus servers.

Milvus marks deleted records in a file beside the data. Its compaction rewrites a data file when it
sees fit, of which a client learns nothing: what was deleted counts as hidden. In a folder of Milvus
Lite the data files stay as they are (seen with 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dlpagent.connectors.remedies._names import gone, quarantine_of
from dlpagent.connectors.sources.milvus import Milvus
from dlpagent.contents import MARK
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_FIXED = "the collection has fixed fields and none of this name; move or delete"
_AT_ONCE = 500
_INT64 = 5


class MilvusRemedy:
    """Acts on one collection. The application that has a folder open must be stopped."""

    def __init__(self, target: str) -> None:
        """target: the address the sweep was given, for its settings; or the asset's own."""
        self._source = Milvus(target)

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Fields can be added only where the collection allows it."""
        with self.holding(asset) as hands:
            return _FIXED if action == "tag" and not hands.is_dynamic else ""

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[MilvusHands]:
        """The collection. A folder is locked for other processes; a server's writers are not kept out."""
        parts = urlsplit(asset.uri)
        with self._source.client(parse_qs(parts.query)["database"][-1]) as client:
            name = unquote(parts.fragment)
            if not client.has_collection(name):
                raise gone(asset)
            self._source.load(client, name)
            yield MilvusHands(client, name)


class MilvusHands:
    """See dlpagent.ports.Hands."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        form = client.describe_collection(name)
        self.is_dynamic = bool(form.get("enable_dynamic_field"))
        (key,) = [field for field in form["fields"] if field.get("is_primary")]
        self._key, self._is_text = key["name"], int(key["type"]) != _INT64

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """As a dynamic field; the whole record is written again with it."""
        for records in self._records(record_ids):
            self._client.upsert(self._name, [{**one, MARK: True} for one in records])

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a collection of the same database, made like this one."""
        name = quarantine_of(self._name, to)
        if not self._client.has_collection(name):
            self._make_like(name)
        for records in self._records(record_ids):
            self._client.upsert(name, records)
        self._client.flush(name)
        self.delete(record_ids)
        return name

    def delete(self, record_ids: Sequence[str]) -> None:
        """By primary key."""
        for ids in self._slices(record_ids):
            self._client.delete(self._name, ids=ids)

    def settle(self) -> None:
        """Write what is in memory to the store."""
        self._client.flush(self._name)

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """Asks for a compaction."""
        self._client.flush(self._name)
        self._client.compact(self._name)
        return Erasure(False, "a compaction was asked for; data files may still hold it")

    def _make_like(self, name: str) -> None:
        from pymilvus import CollectionSchema, DataType  # noqa: PLC0415

        form = self._client.describe_collection(self._name)
        schema = CollectionSchema.construct_from_dict(form)
        schema.auto_id = False
        for field in schema.fields:
            field.auto_id = False
        index = self._client.prepare_index_params()
        vectors = (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
        for field in schema.fields:
            if field.dtype in vectors:
                index.add_index(field.name, index_type="AUTOINDEX", metric_type="L2")
        self._client.create_collection(name, schema=schema, index_params=index)

    def _records(self, record_ids: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        for ids in self._slices(record_ids):
            found = self._client.get(self._name, ids=ids, output_fields=["*"])
            if found:
                yield [dict(one) for one in found]

    def _slices(self, record_ids: Sequence[str]) -> Iterator[list[Any]]:
        ids = list(record_ids) if self._is_text else [int(one) for one in record_ids]
        for start in range(0, len(ids), _AT_ONCE):
            yield ids[start : start + _AT_ONCE]
