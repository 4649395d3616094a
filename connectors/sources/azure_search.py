"""Azure AI Search: every index, as far as its fields can be retrieved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa

from dlpagent.connectors.sources._http_collections import collections_at
from dlpagent.connectors.sources._http_store import HttpStore, secret
from dlpagent.connectors.sources._store_pages import Page
from dlpagent.connectors.sources._store_rows import Fields
from dlpagent.connectors.sources._vector_payload import is_made_up
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_EXAMPLE = "azure-search://name.search.windows.net, perhaps with ?changes=ignore and #index"
_API = "2024-07-01"
_PAGE = 1_000
_TEXT_TYPES = ("Edm.String", "Collection(Edm.String)", "Edm.ComplexType", "Collection(Edm.Complex")


class _Form(NamedTuple):
    """What an index's definition says. hidden: fields of text that queries do not give."""

    key: str
    is_filterable: bool
    shown: tuple[str, ...]
    hidden: tuple[str, ...]


class AzureSearch:
    """Every index of a service: `azure-search://name.search.windows.net#index`.

    Cursor: after, the key of the last document.
    """

    name = "azure-search"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        key, token = secret("AZURE_SEARCH_KEY"), secret("AZURE_SEARCH_TOKEN")
        headers = {"api-key": key} if key else {}
        if token and not key:
            headers = {"Authorization": f"Bearer {token}"}
        self._server = collections_at(
            target,
            self.name,
            _EXAMPLE,
            port=None,
            headers=headers,
            batch_rows=batch_rows,
            tls="true",
        )

    def discover(self) -> Iterator[Asset]:
        """Every index. Raises SourceError when the service cannot be read."""
        return self._server.found(self._assets())

    def _assets(self) -> Iterator[Asset]:
        with self._server.connected() as store:
            found = store.get("/indexes", **{"api-version": _API})["value"]
            for name in sorted(one["name"] for one in found):
                if self._server.wants(name):
                    yield self._server.asset(name, pages=partial(_pages, store, name, None))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches by document key. Raises SourceError when the index cannot be read."""
        if after is not None and after.done:
            return
        start = None if after is None else after.cursor["after"]
        name = self._server.collection_of(asset)
        with self._server.connected() as store:
            hidden = _form_of(store, name).hidden if after is None else ()
            first = _told(asset, hidden) if hidden else None
            pages = _pages(store, name, start)
            yield from self._server.batches(asset, pages, start=start, first=first)


def _pages(store: HttpStore, name: str, start: str | None) -> Iterator[Page]:
    """Pages in the order of keys, for keys that can be compared but perhaps not sorted by.

    A range of keys with more documents than a page has is halved at the middle of those that came.
    """
    form = _form_of(store, name)
    if not form.is_filterable:
        raise SourceError(
            "cannot be read whole",
            where=name,
            expected=f"an index whose key {form.key} is filterable",
            found="one whose documents cannot be asked for by key",
            remedy="Rebuild the index with a filterable key; the service pages by position "
            "only up to 100,000 documents, and skips some when others are deleted.",
        )
    after, ends = start, list[str | None]([None])
    while ends:
        found, is_whole = _range(store, name, form, after, ends[-1])
        keys = sorted(str(one[form.key]) for one in found)
        if is_whole:
            after = ends.pop()
            if found:
                yield _page(found, form)
        else:
            middle = keys[(len(keys) - 1) // 2]
            if middle == ends[-1]:
                raise ValueError("a range of one key with more than one document")
            ends.append(middle)


def _range(
    store: HttpStore, name: str, form: _Form, after: str | None, end: str | None
) -> tuple[list[Mapping[str, Any]], bool]:
    """Documents with keys behind one and up to another, and whether that is all of them."""
    wanted = []
    if after is not None:
        wanted.append(f"{form.key} gt '{_escaped(after)}'")
    if end is not None:
        wanted.append(f"{form.key} le '{_escaped(end)}'")
    body = {"search": "*", "top": _PAGE, "count": True, "select": ",".join(form.shown)}
    if wanted:
        body["filter"] = " and ".join(wanted)
    path = f"/indexes/{quote(name, safe='')}/docs/search"
    found = store.post(path, body, **{"api-version": _API})
    return found["value"], int(found["@odata.count"]) <= len(found["value"])


def _page(found: list[Mapping[str, Any]], form: _Form) -> Page:
    page = []
    for one in sorted(found, key=lambda one: str(one[form.key])):
        key = str(one[form.key])
        fields: Fields = {
            name: value
            for name, value in one.items()
            if not name.startswith("@search.") and not (name == form.key and is_made_up(key))
        }
        page.append((key, key, fields))
    return page


def _form_of(store: HttpStore, name: str) -> _Form:
    found = store.get(f"/indexes/{quote(name, safe='')}", **{"api-version": _API})
    (key,) = [one for one in found["fields"] if one.get("key")]
    fields = [one for one in found["fields"] if not _is_vector(one)]
    shown = tuple(one["name"] for one in fields if one.get("retrievable", True))
    hidden = tuple(
        one["name"]
        for one in fields
        if not one.get("retrievable", True) and one["type"].startswith(_TEXT_TYPES)
    )
    return _Form(key["name"], bool(key.get("filterable")), shown, hidden)


def _is_vector(field: Mapping[str, Any]) -> bool:
    numbers = ("Edm.Single", "Edm.Half", "Edm.Int16", "Edm.SByte", "Edm.Byte")
    is_list = field["type"].removeprefix("Collection(").rstrip(")") in numbers
    return bool(field.get("dimensions")) or (field["type"].startswith("Collection(") and is_list)


def _told(asset: Asset, hidden: tuple[str, ...]) -> pa.RecordBatch:
    """A row for each field whose texts nobody can read."""
    rows = PartRows(asset.uri)
    for seq, name in enumerate(hidden):
        rows.add(
            record_id="#fields",
            part=name,
            seq=seq,
            text=None,
            status="unread",
            problem="expected a field that can be retrieved, found one that only can be searched",
        )
    return rows.take()


def _escaped(key: str) -> str:
    return key.replace("'", "''")
