"""Redis: the hashes and JSON documents behind every search index that has vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._http_store import secret
from dlpagent.connectors.sources._store_address import Address, address_of, found_or_refused
from dlpagent.connectors.sources._store_pages import Page, PageSize, content_key, listed_pages
from dlpagent.connectors.sources._store_rows import (
    Fields,
    StoreRows,
    Unread,
    keyed_batches,
    with_checkpoints,
)
from dlpagent.errors import SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "redis://host:6379/0, perhaps with ?tls=true&changes=ignore and #index"
_SCANNED = 1_000
_TIMEOUT_S = 60


class _Index(NamedTuple):
    """A search index: the keys it covers, and the fields that are vectors."""

    name: str
    is_json: bool
    prefixes: tuple[str, ...]
    vectors: frozenset[str]


class Redis:
    """Every search index with vectors: `redis://host:6379/0#index`. Cursor: after, the last key."""

    name = "redis"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a URI. Raises ConfigurationError for settings it does not know."""
        self._address: Address = address_of(target, _EXAMPLE, ("tls", "changes"))
        self._is_tls = self._address.flag("tls") or self._address.scheme == "rediss"
        self._address.choice("changes", ("content", "ignore"))
        self._batch_rows = batch_rows

    def discover(self) -> Iterator[Asset]:
        """Every index. Raises SourceError when the server cannot be read, or knows no search."""
        return found_or_refused(self._assets(), self._address.only, self._address.shown)

    def _assets(self) -> Iterator[Asset]:
        hashes = self._address.choice("changes", ("content", "ignore")) == "content"
        with self._connected() as client:
            for name in sorted(map(_text, client.execute_command("FT._LIST"))):
                index = _index(client, name)
                if index.vectors and self._address.only in ("", name):
                    key = content_key(_pages(client, index, None)) if hashes else None
                    yield Asset(self._uri(name), "vector_collection", self.name, change_key=key)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of keys. Raises SourceError when the server cannot be read."""
        if after is None or not after.done:
            start = None if after is None else after.cursor["after"]
            yield from with_checkpoints(self._batches(asset, start))

    def _batches(
        self, asset: Asset, start: str | None
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        rows = StoreRows(asset.uri, max_rows=self._batch_rows)
        with self._connected() as client:
            index = _index(client, unquote(urlsplit(asset.uri).fragment))
            pages = _pages(client, index, start)
            yield from keyed_batches(rows, pages, lambda key: {"after": key}, start)

    def _uri(self, index: str) -> str:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        place = f"{host or 'localhost'}:{self._address.port or 6379}/{self._database}"
        return f"redis://{place}#{quote(index, safe='')}"

    @property
    def _database(self) -> int:
        given = self._address.path.strip("/")
        return int(given) if given.isdigit() else 0

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A client. What it raises becomes SourceError, without its words."""
        try:
            import redis  # noqa: PLC0415
            from redis.backoff import ExponentialBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError:
            raise missing_extra("redis", "redis", "reading Redis") from None
        client = redis.Redis(
            host=self._address.host or "localhost",
            port=self._address.port or 6379,
            db=self._database,
            username=secret("REDIS_USERNAME"),
            password=secret("REDIS_PASSWORD"),
            ssl=self._is_tls,
            protocol=2,
            socket_timeout=_TIMEOUT_S,
            retry=Retry(ExponentialBackoff(), 4),
            retry_on_error=[redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError],
        )
        try:
            yield client
        except redis.RedisError as error:
            raise SourceError(
                "cannot be read",
                where=self._address.shown,
                expected="a Redis server with search (Redis 8, Redis Stack), that may be read",
                found=type(error).__name__,
                remedy="Check the address, REDIS_USERNAME and REDIS_PASSWORD, and FT._LIST.",
            ) from None
        finally:
            client.close()


def _index(client: Any, name: str) -> _Index:
    told = _pairs(client.execute_command("FT.INFO", name))
    definition = _pairs(told["index_definition"])
    attributes = [_pairs(one) for one in told["attributes"]]
    is_vector = [str(one.get("type", "")).upper() == "VECTOR" for one in attributes]
    return _Index(
        name,
        str(definition["key_type"]).upper() == "JSON",
        tuple(_text(one) for one in definition["prefixes"]),
        frozenset(
            str(one["identifier"]).removeprefix("$.")
            for one, it_is in zip(attributes, is_vector, strict=True)
            if it_is
        ),
    )


def _pages(client: Any, index: _Index, start: str | None) -> Iterator[Page]:
    """All keys are listed first: SCAN gives some more than once, in an order of the moment."""

    def fetch(keys: Sequence[str]) -> Iterable[tuple[str, Fields | Unread]]:
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            if index.is_json:
                pipeline.execute_command("JSON.GET", key.encode("utf-8", "surrogateescape"))
            else:
                pipeline.execute_command("HGETALL", key.encode("utf-8", "surrogateescape"))
        for key, found in zip(keys, pipeline.execute(raise_on_error=False), strict=True):
            # Deleted meanwhile, or of a type the index does not cover.
            if found and not isinstance(found, Exception):
                yield key, _fields(index, found)

    yield from listed_pages(_keys(client, index), fetch, start, PageSize(500))


def _keys(client: Any, index: _Index) -> Iterator[str]:
    for prefix in index.prefixes or ("",):
        pattern = "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in prefix) + "*"
        for key in client.scan_iter(match=pattern, count=_SCANNED):
            yield key.decode("utf-8", "surrogateescape")


def _fields(index: _Index, found: Any) -> Fields | Unread:
    if index.is_json:
        try:
            value = json.loads(found)
        except ValueError:
            return Unread("expected a JSON document, found something else")
        fields = value if isinstance(value, dict) else {"$": value}
    else:
        pairs = (
            found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        )
        fields = {_text(name): _readable(value) for name, value in pairs}
    return {name: value for name, value in fields.items() if name not in index.vectors}


def _readable(value: Any) -> Any:
    """Bytes as text where they are, so that what is not stays to be reported."""
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _pairs(flat: Any) -> dict[str, Any]:
    """A flat list of names and values as a dictionary; flags without a value are left out."""
    if isinstance(flat, dict):
        return {_text(name): _name_or_list(value) for name, value in flat.items()}
    return {
        _text(name): _name_or_list(value)
        for name, value in zip(flat[::2], flat[1::2], strict=False)
    }


def _name_or_list(value: Any) -> Any:
    return _text(value) if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
