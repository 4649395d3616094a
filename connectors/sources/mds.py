"""MDS data sets (MosaicML Streaming): a folder with index.json and shards, packed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import (
    change_key_of_file,
    file_asset,
    head_of,
    opened,
    path_of,
    path_of_uri,
)
from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._mds_shard import (
    Samples,
    Shard,
    decoded,
    shards_of,
    unpacked,
    values_of,
)
from dlpagent.connectors.sources._record_rows import RecordRows, mark_last
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint

_INDEX = "index.json"
_MAX_INDEX_BYTES = 256 << 20


class Mds:
    """Every shard is an asset, every sample a record. Cursor: row, the first sample not yet read."""

    name = "mds"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._folder = path_of(target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder with an index.json that names MDS shards."""
        if not path.is_dir() or not (path / _INDEX).is_file():
            return False
        head = head_of(path / _INDEX, 1 << 16)
        return b'"shards"' in head and b'"format"' in head and b'"mds"' in head

    def discover(self) -> Iterator[Asset]:
        """The shards in the order of the index; one that is missing too. Raises SourceError."""
        index = change_key_of_file(self._folder / _INDEX)
        for shard in self._shards():
            path = self._path_of(shard)
            if path.is_file():
                asset = file_asset(path, "dataset", self.name)
                key = None if asset.change_key is None else f"{asset.change_key};{index}"
                yield replace(asset, change_key=key, rows=shard.samples)
            else:
                yield Asset(path.resolve().as_uri(), "dataset", self.name, "asset")

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The samples of a shard. Raises SourceError when its table of offsets cannot be read."""
        if after is not None and after.done:
            return
        path = path_of_uri(asset.uri)
        shard = next((one for one in self._shards() if self._path_of(one).name == path.name), None)
        if shard is None:
            raise SourceError(
                "is not in the index any more",
                where=str(path),
                expected=f"a shard that {_INDEX} names",
                found="none of that name",
                remedy="Scan the folder again.",
            )
        first = None if after is None else int(after.cursor["row"])
        with opened(path) as file:
            for batch, row, last in mark_last(self._batches(asset, path, shard, file, first)):
                size = (asset.size_bytes or 0) * row // max(1, shard.samples)
                yield batch, Checkpoint({"v": 1, "row": row}, done=last, bytes_read=size)

    def _batches(
        self, asset: Asset, path: Path, shard: Shard, file: Any, first: int | None
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        rows = RecordRows(asset.uri, str(path.resolve()), max_rows=self._batch_rows)
        opaque = shard.opaque()
        if first is None:
            for place, (name, found) in enumerate(opaque.items()):
                shown = f"{{{place}}}" if is_value_like(name) else name
                why = f"expected text, found a column of {found}; none of it was read"
                rows.add_problem(
                    shown, why, row=-1, offset=None, record_id="#columns", status="opaque"
                )
            if rows:
                yield rows.take(), 0
        first = first or 0
        raw, size, problem = unpacked(file, shard, path)
        samples = Samples(raw, size, str(path))
        stop = samples.first_beyond()
        for number in range(first, stop):
            self._add(rows, shard, samples, number, opaque)
            if rows.is_full():
                yield rows.take(), number + 1
        many = max(samples.many, shard.samples)
        if (stop < many or problem) and first <= many:
            lost = f"expected {many} samples, found {stop}: the shard is cut off or damaged"
            rows.add_problem(
                "#shard", problem or lost, row=stop, offset=None, record_id=f"#rows:{stop}-{many}"
            )
        yield rows.take(), many + 1 if stop < many or problem else many

    def _add(
        self, rows: RecordRows, shard: Shard, samples: Samples, number: int, opaque: dict[str, str]
    ) -> None:
        raw = samples.raw(number)
        offset = samples.place(number)
        values = None if raw is None else values_of(raw, shard.columns)
        if values is None:
            found = "expected the columns that the index names, found other sizes; it was not read"
            rows.add_problem("#record", found, row=number, offset=offset)
            return
        record: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for place, ((name, encoding, _), value) in enumerate(
            zip(shard.columns, values, strict=True)
        ):
            if name in opaque:
                continue
            record[name], problem = decoded(value, encoding)
            if problem is not None:
                problems.append((f"{{{place}}}" if is_value_like(name) else name, problem))
        rows.add(record, row=number, offset=offset)
        for name, problem in problems:
            is_read = record.get(name) is not None
            rows.add_problem(
                f"{name}#encoding" if is_read else name,
                problem,
                row=number,
                offset=offset,
                status="unread" if is_read else "opaque",
            )

    def _path_of(self, shard: Shard) -> Path:
        name = shard.name.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            raise SourceError(
                "names a shard outside its folder",
                where=str(self._folder / _INDEX),
                expected="names of files in the folder",
                found="a name with .. or a leading /",
                remedy="Write the index again; nothing outside the folder is read.",
            )
        return self._folder / name

    def _shards(self) -> list[Shard]:
        path = self._folder / _INDEX
        with opened(path) as file:
            raw = file.read(_MAX_INDEX_BYTES)
        try:
            return shards_of(json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(
                "is no index of an MDS data set",
                where=str(path),
                expected="JSON with a list of shards, each with its columns and files",
                found=f"something else ({type(error).__name__})",
                remedy="Copy or write the data set again.",
            ) from None
