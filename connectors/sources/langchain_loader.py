"""Any LangChain document loader as a source: `langchain:module:factory`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._bridge import BridgeRow, bridge_asset, named_object, read_bridge
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.errors import ConfigurationError, missing_extra
from dlpagent.records import Asset, Checkpoint

_SCHEME = "langchain"
_PLACES = ("page", "row", "seq_num", "start_index")


class LangChainLoader:
    """A record is a Document: `page_content`, and every text of its metadata (`metadata.author`)."""

    name = "langchain"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: langchain:module:name of a BaseLoader, or of a function that gives one."""
        self._target = f"{_SCHEME}:{target.removeprefix(f'{_SCHEME}:').removeprefix('//')}"
        self._batch_rows = batch_rows

    def discover(self) -> Iterator[Asset]:
        yield bridge_asset(self._target, "document", self.name, "record", self._rows)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Goes on behind any document by walking past those before it."""
        return read_bridge(asset, after, self._rows, self._batch_rows)

    def _rows(self) -> Iterator[BridgeRow]:
        try:
            from langchain_core.document_loaders import BaseLoader  # noqa: PLC0415 - an extra
        except ImportError:
            raise missing_extra("langchain-core", "langchain", "the connector langchain") from None
        loader = named_object(self._target, _SCHEME)
        if callable(loader) and not isinstance(loader, BaseLoader):
            loader = loader()
        if not isinstance(loader, BaseLoader):
            raise ConfigurationError(
                "this is no document loader", where=self._target,
                expected="a BaseLoader of LangChain, or a function that gives one",
                found=type(loader).__name__,
            )  # fmt: skip
        for document in loader.lazy_load():
            yield _row(document)


def _row(document: Any) -> BridgeRow:
    metadata = document.metadata if isinstance(document.metadata, Mapping) else {}
    parts = [ShapePart("page_content", str(document.page_content))] if document.page_content else []
    parts += parts_of({"metadata": dict(metadata)})
    return BridgeRow(_identity(document, metadata), tuple(parts), {})


def _identity(document: Any, metadata: Mapping[str, Any]) -> str | None:
    """The document's own id, else its source and the place in it."""
    own = getattr(document, "id", None)
    if own:
        return str(own)
    source = metadata.get("source")
    if not isinstance(source, str) or not source:
        return None
    places = [f"{name}={metadata[name]}" for name in _PLACES if name in metadata]
    return "#".join([source, *places])
