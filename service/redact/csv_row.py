"""A row of a CSV file whose cells are changed where they stand: quotes and delimiters are kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from dlpagent.service.redact.rewriting import Rewritten, Text, apply

_ENDS = "\r\n"


class RowForm(NamedTuple):
    """How rows are written. contexts: the words of each column's heading."""

    delimiter: str
    contexts: tuple[str | None, ...] = ()


class CsvRowText:
    """One row, with its line end, as a record (see settling.Record). is_plain: quotes mean nothing."""

    def __init__(self, raw: str, form: RowForm, *, is_plain: bool = False) -> None:
        self._form, self._is_plain = form, is_plain
        body = raw.rstrip(_ENDS)
        self._end = raw[len(body) :]
        self._cells = body.split(form.delimiter) if is_plain else _cells(body, form.delimiter)
        values = [cell if is_plain else _value(cell) for cell in self._cells]
        self.problem: str | None = None
        if not is_plain and values != _as_read(raw, form.delimiter):
            self.problem = "expected quotes around whole cells, found others"
        if any("\ud800" <= char <= "\udfff" for char in raw):
            self.problem = "found bytes that are not of the file's encoding"
        width = len(form.contexts)
        self.texts: list[Text] = [
            Text(value, form.contexts[at] if at < width else None)
            for at, value in enumerate(values)
        ]

    def edited(self, found: Sequence[Rewritten]) -> str:
        """The row with the edits in its cells; all other cells as they were written."""
        cells = [
            self._written(cell, apply(text.text, answer.edits)) if answer.edits else cell
            for cell, text, answer in zip(self._cells, self.texts, found, strict=True)
        ]
        return self._form.delimiter.join(cells) + self._end

    def _written(self, cell: str, value: str) -> str:
        if self._is_plain:
            return value.replace(self._form.delimiter, "_")
        needs = any(char in value for char in (self._form.delimiter, '"', *_ENDS))
        if cell.startswith('"') or needs:
            return '"' + value.replace('"', '""') + '"'
        return value


def _cells(body: str, delimiter: str) -> list[str]:
    """The cells as they are written, quotes and all."""
    cells: list[str] = []
    start, place, size = 0, 0, len(body)
    while True:
        if body.startswith('"', place):
            place = _behind_quotes(body, place)
        place = body.find(delimiter, place)
        if place < 0:
            return [*cells, body[start:size]]
        cells.append(body[start:place])
        start = place = place + 1


def _behind_quotes(body: str, place: int) -> int:
    place += 1
    while True:
        place = body.find('"', place)
        if place < 0:
            return len(body)
        if not body.startswith('""', place):
            return place + 1
        place += 2


def _value(cell: str) -> str:
    if not cell.startswith('"'):
        return cell
    end = _behind_quotes(cell, 0)
    closed = end <= len(cell) and cell[end - 1 : end] == '"' and end > 1
    return cell[1 : end - 1 if closed else end].replace('""', '"') + cell[end:]


def _as_read(raw: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter))
    except csv.Error:
        return []
    return rows[0] if len(rows) == 1 else []
