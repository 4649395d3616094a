"""Findings in bulk: Parquet files in a folder beside the state.

A segment is written as a draft, flushed to the disk and renamed inside the write transaction that
names it, so a named file is always whole, and a file that nobody names is left from a crash.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dlpagent.errors import StateError
from dlpagent.findings import FINDING_SCHEMA

_ROWS_PER_BATCH = 64_000
_SUFFIX = ".parquet"
_DRAFT = ".draft"


class SegmentFolder:
    """The folder of one state. prefix begins the names of its files and no others.

    Two states may be given one folder; each touches only its own files.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self.path = path
        self._prefix = prefix

    def write(self, run_asset: int, first: int, batches: Sequence[pa.RecordBatch]) -> Segment:
        """Make findings durable as one file. first: how many of the run-asset come before it."""
        table = pa.Table.from_batches(list(batches), schema=FINDING_SCHEMA)
        name = f"{self._prefix}.{run_asset}.{first}.{secrets.token_hex(4)}{_SUFFIX}"
        draft = self.path / (name + _DRAFT)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            draft.rename(self.path / name)
            _flush_folder(self.path)
        except OSError as error:
            self.remove([draft.name])
            raise StateError(
                f"a file of findings cannot be written ({error.strerror or 'input/output error'})",
                where=str(draft),
                remedy="Make room or correct the permissions of the folder, then resume the run.",
            ) from None
        return Segment(name, table.num_rows, size)

    def read(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The findings of a segment, in order. Raises StateError for a file gone or broken."""
        wanted = list(columns) if columns is not None else FINDING_SCHEMA.names
        schema = pa.schema([FINDING_SCHEMA.field(name) for name in wanted])
        if columns is None:
            schema = FINDING_SCHEMA
        try:
            with pq.ParquetFile(self.path / name) as file:
                for batch in file.iter_batches(_ROWS_PER_BATCH, columns=wanted):
                    arrays = [batch.column(field.name).cast(field.type) for field in schema]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (OSError, pa.ArrowException) as error:
            raise StateError(
                "a file of findings is missing or cannot be read",
                where=str(self.path / name),
                expected="the file as the sweep wrote it",
                found=type(error).__name__,
                remedy="Restore the folder from a backup, or sweep the asset again.",
            ) from None

    def remove(self, names: Collection[str]) -> None:
        """Delete files; what cannot be deleted now is removed as an orphan later."""
        for name in names:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError:
                continue

    def names(self) -> set[str]:
        """Every file of this state that lies there, drafts included."""
        try:
            return {
                entry.name
                for entry in self.path.iterdir()
                if entry.name.startswith(self._prefix + ".")
            }
        except FileNotFoundError:
            return set()


class Segment:
    """A file of findings as the database names it."""

    __slots__ = ("bytes", "name", "rows")

    def __init__(self, name: str, rows: int, size: int) -> None:
        self.name, self.rows, self.bytes = name, rows, size


def _flush_folder(path: Path) -> None:
    """Make a rename durable; Windows has no handle for folders and does not need one."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
