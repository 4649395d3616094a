"""Clean copies of Parquet files: schema, metadata, row groups and types stay; values are rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from dlpagent.connectors.sources._parquet_groups import DAMAGE, is_encrypted
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.connectors.sources._table_rows import JSON_COLUMNS
from dlpagent.errors import SourceError
from dlpagent.service.redact.json_text import JsonText
from dlpagent.service.redact.rewriting import Rewriter, Rewritten, Text, apply
from dlpagent.service.redact.settling import Record, settle
from dlpagent.service.redact.text_files import Done, Unread

_KEYS = 3
"""Names of a nested column that are its context, as sources take them."""


class _Value:
    """A text or a number of a column as a record (see settling.Record)."""

    def __init__(self, raw: str, context: str | None, *, is_number: bool) -> None:
        self._raw = raw
        self.texts: list[Text] = [Text(raw, context, is_number)]
        self.problem: str | None = None

    def edited(self, found: Sequence[Rewritten]) -> str:
        """The value with the edits."""
        return apply(self._raw, found[0].edits)


def copy_parquet(source: Path, target: BinaryIO, rewriter: Rewriter) -> Done:
    """A record per row; a row group that cannot be read is told as one. Raises SourceError."""
    try:
        if is_encrypted(source):
            raise SourceError("is encrypted", where=str(source), remedy="Decrypt it first.")
        file = pq.ParquetFile(source, page_checksum_verification=True)
    except DAMAGE as error:
        raise SourceError(
            "cannot be read as Parquet",
            where=str(source),
            found=f"a footer that does not decode ({type(error).__name__})",
        ) from None
    with file:
        return _copy(file, target, rewriter)


def _copy(file: pq.ParquetFile, target: BinaryIO, rewriter: Rewriter) -> Done:
    schema, cleaner = file.schema_arrow, _Cleaner(rewriter)
    changed = 0
    unread: list[Unread] = []
    with pq.ParquetWriter(target, schema, compression=compression_of(file)) as writer:
        extra = file.metadata.metadata or {}
        writer.add_key_value_metadata(
            {key: value for key, value in extra.items() if key != b"ARROW:schema"}
        )
        for group in range(file.num_row_groups):
            try:
                table = file.read_row_group(group)
            except DAMAGE:
                unread.append(Unread(f"row group {group}", "found damaged pages"))
                continue
            clean = cleaner.table(table)
            changed += _rows_changed(table, clean)
            for column, problem in cleaner.problems:
                unread.append(Unread(f"row group {group}, column {column}", problem))
            if not cleaner.problems:
                writer.write_table(clean, row_group_size=max(1, table.num_rows))
            cleaner.problems.clear()
    return Done(file.metadata.num_rows, changed, tuple(unread))


def compression_of(file: pq.ParquetFile) -> Any:
    """What each column is packed with, told from the first row group."""
    if not file.num_row_groups or not file.metadata.num_columns:
        return "snappy"
    group = file.metadata.row_group(0)
    columns = (group.column(at) for at in range(file.metadata.num_columns))
    found = {column.path_in_schema: column.compression for column in columns}
    return {path: "none" if name == "UNCOMPRESSED" else name for path, name in found.items()}


def _rows_changed(one: pa.Table, other: pa.Table) -> int:
    """How many rows differ."""
    differs = [False] * one.num_rows
    for before, after in zip(one.columns, other.columns, strict=True):
        if before is after:
            continue
        pairs = zip(before.to_pylist(), after.to_pylist(), strict=True)
        differs = [old or a != b for old, (a, b) in zip(differs, pairs, strict=True)]
    return sum(differs)


class _Cleaner:
    """Rewrites tables. problems: (column, why) of what could not be read or written."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self.problems: list[tuple[str, str]] = []

    def table(self, table: pa.Table) -> pa.Table:
        """The table with its texts and numbers rewritten; columns without changes are the same."""
        for at, item in enumerate(table.schema):
            column = table.column(at)
            try:
                chunks = [self._array(chunk, (item.name,), item.name) for chunk in column.chunks]
            except (pa.ArrowException, NotImplementedError, OverflowError) as error:
                self.problems.append((item.name, f"cannot be rewritten ({type(error).__name__})"))
                continue
            same = all(one is other for one, other in zip(chunks, column.chunks, strict=True))
            if not same:
                table = table.set_column(at, item, pa.chunked_array(chunks, type=item.type))
        return table

    def _array(self, array: pa.Array, keys: tuple[str, ...], column: str) -> pa.Array:
        kind = array.type
        if pt.is_dictionary(kind):
            values = self._array(array.dictionary, keys, column)
            if values is array.dictionary:
                return array
            return pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered)
        if pt.is_string(kind) or pt.is_large_string(kind) or str(kind) == "string_view":
            return self._values(array, keys, column)
        if pt.is_integer(kind) or (pt.is_decimal(kind) and kind.scale == 0):
            return self._values(array, keys, column, is_number=True)
        if pt.is_floating(kind):
            return self._values(array, keys, column, is_number=True)
        if pt.is_binary(kind) or pt.is_large_binary(kind):
            return self._binary(array, keys, column)
        if pt.is_struct(kind) or pt.is_list(kind) or pt.is_large_list(kind) or pt.is_map(kind):
            return self._nested(array, keys, column)
        if pt.is_fixed_size_list(kind):
            return self._nested(array, keys, column)
        if pt.is_fixed_size_binary(kind) and array.null_count < len(array):
            self.problems.append((column, f"a column of {kind} holds no text that could be read"))
        return array

    def _nested(self, array: pa.Array, keys: tuple[str, ...], column: str) -> pa.Array:
        """Nested values as Python values and back: slower than by offsets, and plain."""
        kind = array.type
        if pt.is_struct(kind):
            # children as seen from outside, so that slices and nulls are those of the parent
            children = array.flatten()
            names = [kind.field(at).name for at in range(kind.num_fields)]
            done = [
                self._array(child, (*keys, name)[-_KEYS:], column)
                for child, name in zip(children, names, strict=True)
            ]
            if all(one is other for one, other in zip(done, children, strict=True)):
                return array
            fields = [kind.field(at) for at in range(kind.num_fields)]
            return pa.StructArray.from_arrays(done, fields=fields, mask=array.is_null())
        if pt.is_map(kind):
            inside = array.keys, array.items
            done = [self._array(child, keys, column) for child in inside]
            if done[0] is inside[0] and done[1] is inside[1]:
                return array
            pairs = iter(zip(done[0].to_pylist(), done[1].to_pylist(), strict=True))
            rows = [
                None if row is None else [next(pairs) for _ in row] for row in array.to_pylist()
            ]
            return pa.array(rows, kind)
        flat = array.flatten()
        clean = self._array(flat, keys, column)
        if clean is flat:
            return array
        values = iter(clean.to_pylist())
        rows = [None if row is None else [next(values) for _ in row] for row in array.to_pylist()]
        return pa.array(rows, kind)

    def _binary(self, array: pa.Array, keys: tuple[str, ...], column: str) -> pa.Array:
        try:
            texts = array.cast(pa.large_string())
        except pa.ArrowInvalid:
            self.problems.append((column, "binary values that are not UTF-8 text"))
            return array
        clean = self._values(texts, keys, column)
        return array if clean is texts else clean.cast(array.type)

    def _values(
        self, array: pa.Array, keys: tuple[str, ...], column: str, *, is_number: bool = False
    ) -> pa.Array:
        """Each distinct value is read once."""
        distinct = [value for value in pc.unique(array).to_pylist() if value is not None]
        texts = {value: text for value in distinct if (text := _text(value))}
        context = _context(keys)

        def read(raw: str) -> Record:
            if not is_number and column in JSON_COLUMNS and raw.startswith(("{", "[")):
                record = JsonText(raw)
                if record.problem is None:
                    return record
            return _Value(raw, context, is_number=is_number)

        settled = settle(list(texts.values()), read, self._rewriter)
        self.problems += [(column, item.problem) for item in settled if item.problem]
        new = {
            value: item.raw
            for value, item in zip(texts, settled, strict=True)
            if item.raw != texts[value]
        }
        if not new:
            return array
        return pa.array(list(_replaced(array, new)), array.type)


def _replaced(array: pa.Array, new: Mapping[Any, str]) -> Iterator[Any]:
    for value in array.to_pylist():
        yield type(value)(new[value]) if value is not None and value in new else value


def _text(value: Any) -> str | None:
    """The text of a value as sources give it; None for fractions."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2.0**53 else None
    return str(value)


def _context(keys: tuple[str, ...]) -> str | None:
    nested: Any = "x"
    for key in reversed(keys):
        nested = {key: nested}
    return next((part.context for part in parts_of(nested)), None)
