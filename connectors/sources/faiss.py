"""Folders of FAISS indexes as LangChain and LlamaIndex keep them: the texts beside the vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources import _faiss_files as files
from dlpagent.connectors.sources._files import file_asset, reading
from dlpagent.connectors.sources._store_address import Address, address_of
from dlpagent.connectors.sources._store_pages import Page
from dlpagent.connectors.sources._store_rows import StoreRows, keyed_batches, with_checkpoints
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_EXAMPLE = "faiss:///folder or faiss:///folder/index.pkl"
_PAGE = 200


class Faiss:
    """A folder, or one file of texts: `faiss:///folder`. Cursor: row, the number of records read."""

    name = "faiss"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a path or URI. Raises ConfigurationError for an address it does not know."""
        address: Address | None = None
        if target.startswith("faiss:"):
            address = address_of(target, _EXAMPLE)
        self._path = Path(address.path if address else target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder of indexes and nothing else, and for the files in mixed folders."""
        try:
            if path.is_dir():
                return files.files_in(path)[1]
            return (path.suffix == ".pkl" and files.is_docstore(path)) or files.is_index(path)
        except OSError:
            return False

    def discover(self) -> Iterator[Asset]:
        """Every file of texts, and every index without one. Raises SourceError when there is none."""
        with reading(self._path):
            self._path.stat()
            found = files.files_in(self._path)[0] if self._path.is_dir() else [self._path]
        if not found or not (self._path.is_dir() or _is_mine(self._path)):
            raise SourceError(
                "holds no index",
                where=str(self._path),
                expected="index.faiss with index.pkl (LangChain), or docstore.json (LlamaIndex)",
                found="none of them",
                remedy="Name the folder the index was saved to.",
            )
        for path in found:
            given = file_asset(path, "vector_collection", self.name, item="record")
            uri = f"faiss://{quote(str(path.resolve()))}"
            yield Asset(uri, "vector_collection", self.name, change_key=given.change_key,
                        size_bytes=given.size_bytes)  # fmt: skip

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches of records in the order of the file. Raises SourceError when it cannot be read."""
        if after is not None and after.done:
            return
        path = Path(unquote(urlsplit(asset.uri).path))
        start = 0 if after is None else int(after.cursor["row"])
        if files.is_index(path):
            if files.is_bare_index(path):
                yield _opaque(asset, path), Checkpoint({"v": 1, "row": 1}, done=True)
            else:  # its texts are another asset
                yield PartRows(asset.uri).take(), Checkpoint({"v": 1, "row": 0}, done=True)
            return
        yield from with_checkpoints(self._batches(asset, path, start))

    def _batches(
        self, asset: Asset, path: Path, start: int
    ) -> Iterator[tuple[pa.RecordBatch, Mapping[str, Any]]]:
        rows = StoreRows(asset.uri, place=str(path), max_rows=self._batch_rows)
        pages = _pages(path, start)
        yield from keyed_batches(rows, pages, lambda row: {"row": row}, start)


def _is_mine(path: Path) -> bool:
    return files.is_docstore(path) or files.is_index(path)


def _pages(path: Path, start: int) -> Iterator[Page]:
    records = enumerate(files.records_of(path), 1)
    rest = islice(records, start, None)
    while page := [(row, one, fields) for row, (one, fields) in islice(rest, _PAGE)]:
        yield page


def _opaque(asset: Asset, path: Path) -> pa.RecordBatch:
    total, dimension = files.size_of_index(path)
    rows = PartRows(asset.uri)
    rows.add(
        record_id=path.name,
        part="vectors",
        seq=0,
        text=None,
        status="opaque",
        problem=f"expected the texts beside the index, found {total} vectors of {dimension} alone",
        locator={"file": str(path)},
    )
    return rows.take()
