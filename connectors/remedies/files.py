"""Remedies in files of JSON Lines and Parquet: rows taken out, and perhaps kept in another file.

The file is written anew beside itself and put in its place in one step. What was taken out is kept
in a file named after it and the act, so that an act that is done twice leaves one copy. A note
beside the file, until the act is over, says that the new file is in place: after a crash nothing
is taken out twice, even where the place of a row is its id.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlpagent.connectors.remedies._names import failed
from dlpagent.connectors.sources._files import path_of_uri
from dlpagent.connectors.sources._objects import ObjectPath
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_NO_PAYLOAD = "a row of a file has no place for a mark; move or delete"
_REMOTE = "objects of a store are not changed; act on a local copy and put it back"
_COMPRESSED = "a compressed file cannot be changed; unpack it first"
_OTHER = "only files of JSON Lines and Parquet can be changed; make a clean copy: dlpagent redact"


class FileRemedy:
    """Acts on one file."""

    def __init__(self, target: str) -> None:
        """target: the file's address; what counts is the asset's."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Rows cannot be tagged; only local, uncompressed files of the two forms can be changed."""
        path = path_of_uri(asset.uri)
        if isinstance(path, ObjectPath):
            return _REMOTE
        if asset.connector not in ("jsonl", "parquet"):
            return _OTHER
        if path.suffix.lower() in (".gz", ".zst"):
            return _COMPRESSED
        return _NO_PAYLOAD if action == "tag" else ""

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[FileHands]:
        """The file. Files have no locks: a writer that has it open meanwhile writes to the old one."""
        path = path_of_uri(asset.uri)
        try:
            hands = FileHands(asset, path)
            yield hands
            hands.note.unlink(missing_ok=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise failed(str(path), error, "Check its permissions and the disk.") from None


class FileHands:
    """See dlpagent.ports.Hands."""

    def __init__(self, asset: Asset, path: Path) -> None:
        self._asset, self._path = asset, path
        self.note = path.with_name(f".{path.name}.dlpagent-act.json")
        self._links = path.stat().st_nlink

    def finished(self, record_ids: Sequence[str]) -> bool:
        """By the note."""
        try:
            note = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return bool(note["records"] == _digest(record_ids) and note["after"] == _sha256(self._path))

    def tag(self, record_ids: Sequence[str]) -> None:
        """Is refused."""
        raise NotImplementedError(_NO_PAYLOAD)

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a file in the folder `to`, else beside this one."""
        folder = Path(to) if to else self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        mark = hashlib.sha256(f"{self._asset.change_key} {_digest(record_ids)}".encode())
        name = f"{self._path.stem}.quarantine-{mark.hexdigest()[:12]}{self._path.suffix}"
        self._split(record_ids, folder / name)
        return str(folder / name)

    def delete(self, record_ids: Sequence[str]) -> None:
        """The rows with these ids."""
        self._split(record_ids, None)

    def settle(self) -> None:
        """It is already."""

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """The old file is gone unless it has another name."""
        if self._links > 1:
            return Erasure(False, f"the old file has {self._links - 1} other name(s) on this disk")
        return Erasure(True, "the file was written anew and its old form removed")

    def _split(self, record_ids: Sequence[str], aside: Path | None) -> None:
        split = _split_parquet if self._asset.connector == "parquet" else _split_lines
        kept = self._path.with_name(f".{self._path.name}.dlpagent-new")
        taken = aside and aside.with_name(f".{aside.name}.dlpagent-new")
        try:
            split(self._path, _places(self._asset, record_ids), kept, taken)
            shutil.copystat(self._path, kept)
            os.utime(kept)
            if aside and taken:
                taken.chmod(0o600)
                _settle(taken)
                taken.replace(aside)
            _settle(kept)
            self.note.write_text(
                json.dumps({"v": 1, "records": _digest(record_ids), "after": _sha256(kept)})
            )
            _settle(self.note)
            kept.replace(self._path)
        finally:
            kept.unlink(missing_ok=True)
            if taken:
                taken.unlink(missing_ok=True)


def _places(asset: Asset, record_ids: Sequence[str]) -> set[int]:
    """Where the records lie: offsets in bytes of lines, numbers of rows in Parquet."""
    path = str(path_of_uri(asset.uri))
    wanted = pa.array(list(record_ids), pa.string())
    name = "row" if asset.connector == "parquet" else "offset"
    source = ParquetFile(path) if asset.connector == "parquet" else JsonLines(path)
    found: set[int] = set()
    for batch, _ in source.read(asset):
        mine = batch.filter(pc.is_in(batch.column("record_id"), value_set=wanted))
        found.update(pc.struct_field(mine.column("locator"), name).drop_null().to_pylist())
    return found


def _split_lines(path: Path, places: set[int], kept: Path, taken: Path | None) -> None:
    with path.open("rb") as file, kept.open("wb") as rest:
        aside = taken.open("wb") if taken else None
        try:
            place = 0
            for line in file:
                if place not in places:
                    rest.write(line)
                elif aside:
                    aside.write(line if line.endswith(b"\n") else line + b"\n")
                place += len(line)
        finally:
            if aside:
                aside.close()


def _split_parquet(path: Path, places: set[int], kept: Path, taken: Path | None) -> None:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    codec = file.metadata.row_group(0).column(0).compression if file.num_row_groups else "SNAPPY"
    given: dict[str, Any] = {"compression": "none" if codec == "UNCOMPRESSED" else codec.lower()}
    first = 0
    aside = pq.ParquetWriter(taken, schema, **given) if taken else None
    try:
        with pq.ParquetWriter(kept, schema, **given) as rest:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                rows = np.arange(first, first + table.num_rows)
                mine = np.isin(rows, list(places))
                rest.write_table(table.filter(pa.array(~mine)))
                if aside and mine.any():
                    aside.write_table(table.filter(pa.array(mine)))
                first += table.num_rows
    finally:
        file.close()
        if aside:
            aside.close()


def _settle(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _digest(record_ids: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(record_ids)).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
