"""Milvus: folders of Milvus Lite, and servers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources import _milvus_lite as lite
from dlpagent.connectors.sources._http_store import base_url, secret
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_pages import PageSize, RecordPage, content_key
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.connectors.sources._vector_payload import is_made_up
from dlpagent.errors import SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = (
    "milvus:///folder, or milvus://host:19530, perhaps with "
    "?database=…&tls=true&load=true&changes=ignore and #collection"
)
_SETTINGS = ("database", "tls", "load", "changes")
# Types of fields from this number on are vectors, or structs that hold some.
_FIRST_VECTOR_TYPE = 100
_INT64 = 5
# Milvus Lite looks at every record for each page, so pages are large; the server's limit is 16,384.
_PAGE, _FIRST_PAGE = 10_000, 1_000
_LOADED = 3


class _Form(NamedTuple):
    """What a collection's schema says. key: the field of the primary key; fields: what is read."""

    key: str
    is_text: bool
    is_made_up: bool
    fields: tuple[str, ...]


class Milvus:
    """Every collection of every database: `milvus:///folder#collection`, `milvus://host:19530`.

    Cursor: after, the primary key of the last record.
    """

    name = "milvus"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a path or URI. Raises ConfigurationError for settings it does not know."""
        is_uri = target.startswith("milvus:")
        uri = target if is_uri else f"milvus://{quote(str(Path(target).resolve()))}"
        self._address: Address = address_of(uri, _EXAMPLE, _SETTINGS)
        for name, allowed in (("changes", ("content", "ignore")), *_flags("tls", "load")):
            self._address.choice(name, allowed)
        self._folder = (
            None if self._address.host else Path(self._address.path if uri == target else target)
        )
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder that Milvus Lite 3 wrote."""
        return lite.is_store(path)

    def discover(self) -> Iterator[Asset]:
        """Every collection. Raises SourceError when the store cannot be read."""
        return found_or_refused(self._assets(), self._address.only, self._address.shown)

    def _assets(self) -> Iterator[Asset]:
        only = self._address.settings.get("database")
        with self.client("") as client:
            databases = [only] if only else sorted(client.list_databases())
        for database in databases:
            with self.client(database) as client:
                for name in sorted(client.list_collections()):
                    if self._address.only in ("", name):
                        yield self._asset(client, database, name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of records by primary key. Raises SourceError when the store cannot be read."""
        if after is None or not after.done:
            start = None if after is None else after.cursor["after"]
            yield from with_checkpoints(self._batches(asset, start))

    def _asset(self, client: Any, database: str, name: str) -> Asset:
        place = f"?database={quote(database, safe='')}#{quote(name, safe='')}"
        if self._folder is not None:
            folder = self._folder.resolve()
            return Asset(f"milvus://{quote(str(folder))}{place}", "vector_collection", self.name,
                         change_key=lite.change_key(folder, database, name))  # fmt: skip
        key = None
        hashes = self._address.choice("changes", ("content", "ignore")) == "content"
        if hashes and (self._address.flag("load") or _is_loaded(client, name)):
            self.load(client, name)
            key = content_key(_pages(client, name, None))
        host = self._address.host if ":" not in self._address.host else f"[{self._address.host}]"
        uri = f"milvus://{host}:{self._address.port or 19530}/{place}"
        return Asset(uri, "vector_collection", self.name, change_key=key)

    def _batches(
        self, asset: Asset, start: Any
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        parts = urlsplit(asset.uri)
        database = parse_qs(parts.query)["database"][-1]
        name = unquote(parts.fragment)
        place = None if self._folder is None else str(self._folder.resolve())
        rows = StoreRows(asset.uri, place=place, max_rows=self._batch_rows)
        with self.client(database) as client:
            if not client.has_collection(name):
                raise _gone(asset)
            self.load(client, name)
            pages = _pages(client, name, start)
            yield from keyed_batches(rows, pages, lambda key: {"after": key}, start)

    def load(self, client: Any, name: str) -> None:
        """Records can be read only of collections in memory. A server's are loaded if told so."""
        if _is_loaded(client, name):
            return
        if self._folder is None and not self._address.flag("load"):
            raise SourceError(
                "is not loaded",
                where=f"{self._address.shown}#{name}",
                expected="a collection the server has in memory",
                found="one that is released",
                remedy="Load it, or add ?load=true to have it loaded (it stays so).",
            )
        client.load_collection(name)

    @contextmanager
    def client(self, database: str) -> Iterator[Any]:
        """A client. What it raises becomes SourceError, without its words."""
        try:
            from pymilvus import MilvusClient  # noqa: PLC0415
            from pymilvus.exceptions import MilvusException  # noqa: PLC0415
        except ImportError:
            raise missing_extra("pymilvus", "milvus", "reading Milvus") from None
        import grpc  # noqa: PLC0415 - it comes with pymilvus

        for name in ("pymilvus", "milvus_lite", "grpc._server"):  # what Milvus Lite does not know
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            with self._target() as uri:
                client = MilvusClient(uri, token=secret("MILVUS_TOKEN") or "", db_name=database)
                try:
                    yield client
                finally:
                    client.close()
        except (MilvusException, grpc.RpcError, OSError, RuntimeError) as error:
            raise SourceError(
                "cannot be read",
                where=self._address.shown,
                expected="a server, or a folder of Milvus Lite that no other process has open",
                found=f"{type(error).__name__} {getattr(error, 'code', '')}".strip(),
                remedy="Check that it can be reached; stop the application that holds the folder.",
            ) from None

    def _target(self) -> AbstractContextManager[str]:
        if self._folder is None:
            is_tls, port = self._address.flag("tls"), self._address.port or 19530
            return nullcontext(
                base_url(self._address.host, port, is_tls=is_tls, where=self._address.shown)
            )
        if not lite.is_store(self._folder):
            raise SourceError(
                "holds no Milvus Lite",
                where=str(self._folder),
                expected="a folder that Milvus Lite 3 wrote",
                found="a file" if self._folder.is_file() else "none",
                remedy="Name the folder itself. Files of Milvus Lite 2 must be migrated first.",
            )
        return lite.served(self._folder)


def _is_loaded(client: Any, name: str) -> bool:
    return int(client.get_load_state(name)["state"]) == _LOADED


def _pages(client: Any, name: str, start: Any) -> Iterator[RecordPage]:
    """Pages in the order of the primary key: a new iterator whenever the size should change."""
    form, size = _form_of(client.describe_collection(name)), PageSize(_FIRST_PAGE, _PAGE)
    after = start
    while True:
        asked, is_empty = size.now, True
        for page in _iterated(client, name, form, after, asked):
            is_empty = False
            yield page
            size.saw(page)
            after = page[-1][0]
            if not asked // 2 <= size.now <= asked * 2:
                break
        else:
            return
        if is_empty:
            return


def _iterated(client: Any, name: str, form: _Form, after: Any, size: int) -> Iterator[RecordPage]:
    iterator = client.query_iterator(
        name, batch_size=size, filter=_behind(form, after), output_fields=list(form.fields)
    )
    try:
        while found := iterator.next():
            yield _page(found, form)
    finally:
        iterator.close()


def _page(found: Sequence[Mapping[str, Any]], form: _Form) -> RecordPage:
    ids = [str(record[form.key]) for record in found]
    hidden = {form.key} if form.is_made_up or all(map(is_made_up, ids)) else set()
    return [
        (
            record[form.key],
            one,
            {name: _plain(v) for name, v in record.items() if name not in hidden},
        )
        for one, record in zip(ids, found, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Arrays of the wire as lists."""
    if value is None or isinstance(value, (str, int, float, bool, bytes, dict, list)):
        return value
    return list(value)


def _behind(form: _Form, after: Any) -> str:
    if after is None:
        return ""
    if not form.is_text:
        return f"{form.key} > {int(after)}"
    text = str(after).replace("\\", "\\\\").replace('"', '\\"')
    return f'{form.key} > "{text}"'


def _form_of(schema: Mapping[str, Any]) -> _Form:
    (key,) = [field for field in schema["fields"] if field.get("is_primary")]
    names = [field["name"] for field in schema["fields"] if int(field["type"]) < _FIRST_VECTOR_TYPE]
    if schema.get("enable_dynamic_field"):
        names.append("$meta")
    is_text = int(key["type"]) != _INT64
    return _Form(key["name"], is_text, bool(key.get("auto_id")), tuple(names))


def _flags(*names: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, ("false", "true")) for name in names]


def _gone(asset: Asset) -> SourceError:
    return SourceError(
        "is not there any more",
        where=unquote(asset.uri),
        expected="the collection that was found when the sweep began",
        found="none of that name",
        remedy="Sweep again without --resume.",
    )
