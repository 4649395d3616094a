"""One Parquet file for reading text: which columns, in steps of how many rows, what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from dlpagent.connectors.sources._columns import Leaf, begins_as_text, leaves_of
from dlpagent.connectors.sources._files import arrow_source, reading
from dlpagent.connectors.sources._objects import ObjectPath
from dlpagent.errors import SourceError

# One step of decoding: enough rows to be fast, few enough for a flat memory.
_STEP_BYTES = 8 << 20
_STEP_ROWS = 8192
_BUFFER_BYTES = 1 << 20
# Writers give up a dictionary above 1 MiB by default; 4 bytes a row is room for its indices.
_DICTIONARY_BYTES = 2 << 20
_PROBE_ROWS = 16
# What pyarrow raises on damaged pages. Its words may quote a value and are never passed on.
DAMAGE = (pa.ArrowException, OSError, ValueError, MemoryError)


def is_encrypted(path: Path) -> bool:
    """True for a file whose footer is encrypted: nothing of it can be read without keys."""
    if isinstance(path, ObjectPath) and path.head(4) != b"PARE":
        return False
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0, 2)
        if file.tell() < 8:
            return False
        file.seek(-4, 2)
        return head == b"PARE" and file.read(4) == b"PARE"


class ParquetText:
    """An open file and its plan. Raises SourceError when the footer cannot be read.

    opaque: innermost columns that hold no text and are not read. json_columns: declared as JSON.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path):
            self._source = arrow_source(path)
        metadata = _footer(path, self._source)
        self.groups: int = metadata.num_row_groups
        self._metadata = metadata
        self._file = pq.ParquetFile(self._source, metadata=metadata, **_options())
        try:
            self._plan(self._file.schema_arrow)
        except BaseException:
            self.close()
            raise

    def _plan(self, schema: pa.Schema) -> None:
        stored = [self._metadata.schema.column(i) for i in range(self._metadata.num_columns)]
        leaves = leaves_of(schema)
        if len(leaves) != len(stored):  # a type whose fields we cannot tell apart
            leaves = [Leaf(c.path.split(".")[0], c.path, "text", "") for c in stored]
        binary = {leaf.path for leaf in leaves if leaf.kind == "bytes"}
        textual = {path for path in binary if self._begins_as_text(path)}
        wanted = [
            (index, leaf)
            for index, leaf in enumerate(leaves)
            if leaf.kind == "text" or leaf.path in textual
        ]
        self.opaque = [
            leaf
            for leaf in leaves
            if leaf.kind == "opaque" or (leaf.kind == "bytes" and leaf.path not in textual)
        ]
        self._paths = [(leaf.column, stored[index].path) for index, leaf in wanted]
        self._indices = [index for index, _ in wanted]
        json = [leaf.column for index, leaf in wanted if _is_json(stored[index])]
        self.json_columns = frozenset(json)
        dictionaries = [stored[i].path for i in self._indices if self._is_dictionary(i, stored[i])]
        if dictionaries:
            self._file.close()
            self._file = pq.ParquetFile(
                self._source, metadata=self._metadata, read_dictionary=dictionaries, **_options()
            )
        sizes = [self._metadata.row_group(g).total_byte_size for g in range(self.groups)]
        self._size, self._weights = self._path.stat().st_size, sizes

    def __enter__(self) -> ParquetText:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        if not isinstance(self._source, str):
            self._source.close()

    @property
    def columns(self) -> frozenset[str]:
        """The top-level columns of which something is read."""
        return frozenset(column for column, _ in self._paths)

    def rows_in(self, group: int) -> int:
        """Rows of a row group, as the footer has it."""
        return int(self._metadata.row_group(group).num_rows)

    def rows_before(self, group: int) -> int:
        """Rows of all row groups before it."""
        return sum(self.rows_in(earlier) for earlier in range(group))

    def text_bytes(self, group: int) -> int:
        """Bytes of a row group that reading decodes."""
        chunks = self._metadata.row_group(group)
        return sum(int(chunks.column(i).total_uncompressed_size) for i in self._indices)

    def bytes_before(self, group: int, row: int) -> int:
        """About how much of the file lies before a row, for progress."""
        done: float = sum(self._weights[:group])
        if group < self.groups and self.rows_in(group):
            done += self._weights[group] * row / self.rows_in(group)
        return int(self._size * done / max(1, sum(self._weights)))

    def stream(self, group: int, columns: frozenset[str], skip: int) -> Iterator[pa.RecordBatch]:
        """The row group from its row `skip` on. Raises one of DAMAGE where a page is damaged."""
        paths = [path for column, path in self._paths if column in columns]
        step = self._step(group, columns)
        for batch in self._file.iter_batches(
            batch_size=step, row_groups=[group], columns=paths, use_threads=False
        ):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            _check_indices(batch)
            yield batch.slice(skip) if skip else batch
            skip = 0

    def can_read(self, group: int, column: str) -> bool:
        """True when the column of the row group decodes to its end."""
        try:
            rows = sum(batch.num_rows for batch in self.stream(group, frozenset({column}), 0))
        except DAMAGE:
            return False
        return bool(rows == self.rows_in(group))

    def _step(self, group: int, columns: frozenset[str]) -> int:
        chunks = self._metadata.row_group(group)
        size = sum(
            chunks.column(index).total_uncompressed_size
            for index, (column, _) in zip(self._indices, self._paths, strict=True)
            if column in columns
        )
        per_row = max(1, int(size) // max(1, int(chunks.num_rows)))
        return max(1, min(_STEP_ROWS, _STEP_BYTES // per_row))

    def _is_dictionary(self, index: int, stored: Any) -> bool:
        """True when every chunk is small for being a dictionary: spelt out it may be huge."""
        if stored.physical_type != "BYTE_ARRAY" or stored.max_repetition_level or not self.groups:
            return False
        if stored.logical_type.type not in ("STRING", "JSON", "ENUM"):
            return False
        chunks = [self._metadata.row_group(group).column(index) for group in range(self.groups)]
        return all(
            chunk.has_dictionary_page
            and chunk.total_uncompressed_size <= _DICTIONARY_BYTES + 4 * chunk.num_values
            for chunk in chunks
        )

    def _begins_as_text(self, column: str) -> bool:
        """True when the first values of a binary column are UTF-8 without NUL (or all are null)."""
        for group in range(self.groups):
            try:
                batches = self._file.iter_batches(
                    batch_size=_PROBE_ROWS, row_groups=[group], columns=[column], use_threads=False
                )
                for batch in batches:
                    is_text = begins_as_text(batch.column(0))
                    if is_text is not None:
                        return is_text
            except DAMAGE:
                continue
        return True


class Group:
    """Reading one row group, going round what is damaged. row: the first one not yet given."""

    def __init__(self, file: ParquetText, index: int, row: int, lost: frozenset[str]) -> None:
        self._file, self.index, self.row, self.lost = file, index, row, lost
        self.rows = file.rows_in(index)
        self.first_row = file.rows_before(index)

    def cursor(self) -> dict[str, Any]:
        """Where to go on."""
        lost = {"lost": sorted(self.lost)} if self.lost else {}
        return {"v": 1, "row_group": self.index, "row": self.row, **lost}

    def tables(self) -> Iterator[pa.RecordBatch | frozenset[str]]:
        """Tables from self.row on (whoever takes one moves row behind it); columns newly lost."""
        while columns := self._file.columns - self.lost:
            tables = self._file.stream(self.index, columns, self.row)
            try:
                while self.row < self.rows:
                    table = next(tables, None)
                    if table is None:
                        break
                    yield table
            except DAMAGE:
                pass
            if self.row >= self.rows:
                return
            damaged = {name for name in columns if not self._file.can_read(self.index, name)}
            self.lost |= damaged or columns
            yield frozenset(damaged or columns)


def _check_indices(batch: pa.RecordBatch) -> None:
    """Raises ValueError when a damaged page points outside its dictionary: pyarrow does not look."""
    for column in batch.columns:
        if pt.is_dictionary(column.type) and len(column.indices) > column.indices.null_count:
            ends = pc.min_max(column.indices)
            if not 0 <= ends["min"].as_py() <= ends["max"].as_py() < len(column.dictionary):
                raise ValueError


def _options() -> dict[str, Any]:
    return {
        "buffer_size": _BUFFER_BYTES,  # else whole column chunks are read into memory
        "pre_buffer": False,
        "page_checksum_verification": True,
    }


def _footer(path: Path, source: Any) -> pq.FileMetaData:
    with reading(path), ExitStack() as stack:
        file = stack.enter_context(path.open("rb")) if isinstance(source, str) else source
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - 8))
        tail = file.read(8)
    found = ""
    if size < 12 or tail[4:] != b"PAR1":
        found = f"{size} bytes that do not end as Parquet does: the file is cut off or no Parquet"
    elif int.from_bytes(tail[:4], "little") + 12 > size:
        found = "a footer longer than the file: the file is cut off or damaged"
    else:
        try:
            return pq.read_metadata(source)
        except DAMAGE as error:
            found = f"a footer that does not decode ({type(error).__name__})"
    raise SourceError(
        "cannot be read as Parquet",
        where=str(path),
        expected="a Parquet file with its footer at the end",
        found=found,
        remedy="Copy or write the file again; a Parquet file without its footer cannot be read.",
    )


def _is_json(stored: Any) -> bool:
    return bool(stored.logical_type.type == "JSON")
