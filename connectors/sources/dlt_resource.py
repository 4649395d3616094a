"""Any dlt resource or source as a source: `dlt:module:resource` (dlthub.com), read as it stands.

The pipeline of dlt is not used: nothing is loaded anywhere, no state of it is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._bridge import (
    BridgeRow,
    bridge_asset,
    guarded,
    named_object,
    read_bridge,
)
from dlpagent.connectors.sources._record_rows import as_record
from dlpagent.connectors.sources._shapes import parts_of, record_id_of
from dlpagent.errors import ConfigurationError, SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint

_SCHEME = "dlt"


class DltResource:
    """An asset for each resource; a record is named by the resource's primary key, if it has one."""

    name = "dlt"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: dlt:module:name of a resource, a source, or a function that gives one."""
        self._target = f"{_SCHEME}:{target.removeprefix(f'{_SCHEME}:').removeprefix('//')}"
        self._batch_rows = batch_rows

    def discover(self) -> Iterator[Asset]:
        for name in list(guarded(lambda: iter(self._resources()), self._target)):
            uri = f"{self._target}#{name}"
            yield bridge_asset(uri, "dataset", self.name, "record", partial(self._rows, name))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Goes on behind any record by walking past those before it."""
        name = asset.uri.rpartition("#")[2]
        return read_bridge(asset, after, partial(self._rows, name), self._batch_rows)

    def _resources(self) -> Mapping[str, Any]:
        """Resources by name, made anew: what was gone through once may be spent."""
        try:
            from dlt.extract import DltResource as Resource  # noqa: PLC0415 - an extra
            from dlt.extract import DltSource as Source  # noqa: PLC0415
        except ImportError:
            raise missing_extra("dlt", "dlt", "the connector dlt") from None
        found = named_object(self._target, _SCHEME)
        if callable(found) and not isinstance(found, Resource | Source):
            found = found()
        elif isinstance(found, Resource) and callable(found):
            found = _fresh(found)
        if isinstance(found, Source):
            return dict(found.selected_resources)
        if isinstance(found, Resource):
            return {found.name: found}
        raise ConfigurationError(
            "this is nothing of dlt", where=self._target,
            expected="a resource, a source, or a function that gives one",
            found=type(found).__name__,
        )  # fmt: skip

    def _rows(self, name: str) -> Iterator[BridgeRow]:
        resource = self._resources().get(name)
        if resource is None:
            raise SourceError("the resource is not there any more", where=self._target, found=name)
        keys = _primary_key(resource)
        for item in resource:
            for record in _records(item):
                yield BridgeRow(_identity(record, keys), tuple(parts_of(as_record(record))), {})


def _fresh(resource: Any) -> Any:
    """A copy that begins anew, of one that is made from a function."""
    return resource._clone() if hasattr(resource, "_clone") else resource


def _primary_key(resource: Any) -> list[str]:
    """Its columns; [] when it has none, or they hang on the data."""
    key = (getattr(resource, "_hints", None) or {}).get("primary_key")
    if isinstance(key, str):
        return [key] if key else []
    return [str(each) for each in key] if isinstance(key, list | tuple) else []


def _identity(record: Any, keys: list[str]) -> str | None:
    if not isinstance(record, Mapping):
        return None
    values = [record.get(key) for key in keys]
    if keys and all(isinstance(value, str | int) for value in values):
        return "/".join(map(str, values))
    return record_id_of(record)


def _records(item: Any) -> Iterator[Any]:
    """An item of a resource as records: a row, a list of rows, an Arrow table, a data frame."""
    if isinstance(item, pa.Table | pa.RecordBatch):
        yield from item.to_pylist()
    elif isinstance(item, list):
        for each in item:
            yield from _records(each)
    elif hasattr(item, "model_dump"):
        yield item.model_dump()
    elif hasattr(item, "to_dict") and hasattr(item, "columns"):
        yield from item.to_dict("records")
    else:
        yield item
