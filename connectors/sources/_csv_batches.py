"""Gathers CSV rows and gives them as batches of record parts, with what is odd about a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dlpagent.connectors.sources._csv_form import Form
from dlpagent.connectors.sources._csv_rows import CsvRow
from dlpagent.connectors.sources._table_rows import TableRows

# Rows gathered before they become columns; the batches made of them are cut smaller.
_MAX_ROWS, _MAX_CHARS = 4_096, 4_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")
Problems = dict[int, list[tuple[str, str]]]


class CsvBatches:
    """Takes rows in order; is_full() is asked between them. next_row counts from the file's start.

    A cell beyond the columns of the file joins the others of its row in one part `colN+`.
    """

    def __init__(
        self, asset_uri: str, file: str, form: Form, *, max_rows: int, next_row: int
    ) -> None:
        self._form = form
        self._names = form.columns
        self._tables = TableRows(asset_uri, file, max_rows=max_rows)
        self.next_row = next_row
        self._begin()

    def _begin(self) -> None:
        self._rows: list[CsvRow] = []
        self._chars = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: CsvRow) -> None:
        """Append the next row."""
        self._rows.append(row)
        self._chars += row.end - row.start
        self.next_row += 1

    def is_full(self) -> bool:
        """True when take() should come before the next row."""
        return len(self._rows) >= _MAX_ROWS or self._chars >= _MAX_CHARS

    def take(self) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        """Batches of the gathered rows, each with the cursor behind it; nothing is held then."""
        rows, first = self._rows, self.next_row - len(self._rows)
        self._begin()
        if not rows:
            return
        problems: Problems = {}
        table = self._table(rows, problems)
        offsets = np.array([row.start for row in rows], np.int64)
        end = cursor_behind(rows[-1], self.next_row)
        for batch, stop in self._tables.batches(table, first, offsets=offsets, problems=problems):
            yield batch, end if stop == self.next_row else _cursor_at(rows[stop - first], stop)

    def _table(self, rows: list[CsvRow], problems: Problems) -> pa.RecordBatch:
        width = len(self._names)
        if all(row.problem is None and len(row.cells or ()) == width for row in rows):
            try:
                return _table_of(self._names, [row.cells or [] for row in rows])
            except UnicodeEncodeError:  # bytes that did not decode
                pass
        even = [self._evened(row, problems.setdefault(at, [])) for at, row in enumerate(rows)]
        for place, row in enumerate(rows):
            if row.problem is not None:
                problems[place].append(("#row", row.problem))
        for place in [place for place, found in problems.items() if not found]:
            del problems[place]
        return _table_of((*self._names, f"col{width}+"), even)

    def _evened(self, row: CsvRow, problems: list[tuple[str, str]]) -> list[str | None]:
        """The cells at the width of the table and one more, what is wrong noted in problems."""
        width = len(self._names)
        cells: list[str | None] = []
        invalid = 0
        for cell in row.cells or []:
            text, count = _SURROGATE.subn("\ufffd", cell)
            cells.append(text)
            invalid += count
        if invalid:
            found = f"{invalid} bytes that are not; they were read as U+FFFD"
            problems.append(("#encoding", f"expected {self._form.encoding}, found {found}"))
        more = [cell or "" for cell in cells[width:]]
        if row.cells is not None and (len(cells) < width or any(more)):
            found = f"{len(cells)}; all were read"
            problems.append(("#fields", f"expected {width} fields, found {found}"))
        missing = [None] * (width - len(cells))
        return [*cells[:width], *missing, self._form.delimiter.join(more) if any(more) else None]


def cursor_behind(row: CsvRow, next_row: int) -> dict[str, Any]:
    """Where to go on after the row; next_row: the number of the row there."""
    return _cursor(row.end, next_row, row.plain_until)


def _cursor_at(row: CsvRow, number: int) -> dict[str, Any]:
    return _cursor(row.start, number, row.plain_until)


def _cursor(offset: int, row: int, plain_until: int) -> dict[str, Any]:
    plain = {"plain_until": plain_until} if plain_until > offset else {}
    return {"v": 1, "offset": offset, "row": row, **plain}


def _table_of(names: tuple[str, ...], rows: list[Any]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=list(names))
