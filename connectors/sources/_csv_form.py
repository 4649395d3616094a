"""The form of a CSV file, told from its head: encoding, delimiter, and whether it has a heading."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlpagent.connectors.sources._decode import decode, mark_of
from dlpagent.connectors.sources._keys import is_value_like, words_of

HEAD_BYTES = 1 << 16
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_MAX_HEADING_CHARS = 64
# No spreadsheet has more columns; a longer row is a broken one.
_MAX_COLUMNS = 20_000
_IDENTIFIER = re.compile(
    r"[a-z]+[a-z0-9]*(?:[._-][a-z0-9]+)*|[A-Z0-9]+(?:_[A-Z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]*)+"
)

_HEADING = re.compile(r"[^\W\d][\w .,/()#&%$€'?:-]*")
_HEADING_WORDS = frozenset({
    "id", "name", "text", "email", "mail", "phone", "address", "date", "number", "no", "code",
    "type", "title", "content", "prompt", "response", "label", "comment", "notes", "description",
    "status", "city", "country", "state", "zip", "customer", "account", "user", "created", "url",
    "message", "question", "answer", "instruction", "input", "output", "category", "amount", "time",
    "subject", "body", "from", "to", "role", "score", "value", "key", "first", "last", "birth",
})  # fmt: skip


class Form(NamedTuple):
    """skip_bytes: the byte order mark. heading: the cells of the first row if it names the columns.

    is_sure: the heading cannot be a row of data (else it is read as a record too). columns: the
    names of the parts, as many as most rows have fields.
    """

    encoding: str
    skip_bytes: int
    delimiter: str
    heading: tuple[str, ...] | None
    is_sure: bool
    columns: tuple[str, ...]


def form_of(
    head: bytes, *, encoding: str | None, delimiter: str | None, header: bool | None, tabs: bool
) -> Form:
    """The form of a file that begins so; what is given is believed.

    tabs: prefer the tab when the sample leaves it open (the file is named .tsv).
    """
    found, skip = _encoding_of(head)
    found = encoding or found
    text = head[skip:].decode(found, errors="replace")
    cut = max(text.rfind("\n"), text.rfind("\r"))
    if len(head) >= HEAD_BYTES and cut > 0:
        text = text[: cut + 1]
    mark = delimiter or _delimiter_of(text, tabs)
    rows = _rows(text, mark)
    has_heading = header if header is not None else _has_heading(rows)
    heading = tuple(rows[0]) if has_heading and rows else None
    is_sure = header is True or (heading is not None and all(map(_is_formal, heading)))
    width = _width_of(rows[1:] if heading else rows, len(heading or ()))
    columns = tuple(_names(heading or (), width))
    return Form(found, skip, mark, heading, is_sure, columns)


def _encoding_of(head: bytes) -> tuple[str, int]:
    """What a byte order mark names, and its length; else what the head decodes as."""
    marked, length = mark_of(head)
    if marked is not None:
        return marked, length
    if len(head) >= 4 and head.count(0) * 3 > len(head):  # every second byte of Latin in UTF-16
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    return decode(head[: head.rfind(b"\n") + 1] or head).encoding, 0


def _delimiter_of(text: str, tabs: bool) -> str:
    """The candidate that cuts most rows into the same number of fields; then the more fields."""
    order = ("\t", ",", ";", "|") if tabs else DELIMITERS
    best, best_score = order[0], (0.0, 0)
    for mark in order:
        widths = Counter(len(row) for row in _rows(text, mark))
        if not widths:
            continue
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        score = (round(rows / widths.total(), 1), width) if width > 1 else (0.0, 0)
        if score > best_score:
            best, best_score = mark, score
    return best


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) >= _SAMPLE_ROWS:
                break
    except csv.Error:  # a field longer than the limit; what came before it is sample enough
        pass
    return rows


def _has_heading(rows: Sequence[Sequence[str]]) -> bool:
    """True when the first row names columns. When in doubt False: a row is then read as data."""
    if not rows:
        return False
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    if not named or not all(_is_heading(cell) for cell in named):
        return False
    repeats = len({cell.lower() for cell in named}) < len(named)
    if repeats and not all(_is_formal(cell) for cell in named):
        return False
    known = sum(_is_known(cell) for cell in named)
    return known * 2 >= len(named) or (len(rows) > 1 and _has_types(rows))


def _is_known(cell: str) -> bool:
    words = words_of(cell).lower().split()
    return 0 < len(words) <= 4 and not _HEADING_WORDS.isdisjoint((words[0], words[-1]))


def _is_formal(cell: str) -> bool:
    """True for names written for programs (snake_case, camelCase) or of known words only."""
    words = words_of(cell).lower().split()
    return _IDENTIFIER.fullmatch(cell) is not None or _HEADING_WORDS.issuperset(words)


def _is_heading(cell: str) -> bool:
    return (
        len(cell) <= _MAX_HEADING_CHARS
        and not is_value_like(cell)
        and _HEADING.fullmatch(cell) is not None
    )


def _has_types(rows: Sequence[Sequence[str]]) -> bool:
    """True when a column has digits or addresses in nearly every row but not in its first cell."""
    below = rows[1:]
    for place, cell in enumerate(rows[0]):
        if any(char.isdigit() or char == "@" for char in cell):
            continue
        typed = sum(
            place < len(row) and any(char.isdigit() or char == "@" for char in row[place])
            for row in below
        )
        if typed * 10 >= len(below) * 9:
            return True
    return False


def _width_of(rows: Sequence[Sequence[str]], heading: int) -> int:
    """The number of fields more than half of the rows have; else that of the heading."""
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda width: (widths[width], width), default=heading)
    return width if widths[width] * 2 > len(rows) else heading or width


def _names(heading: Sequence[str], width: int) -> Iterator[str]:
    """Column names: the heading's cells, colN for an empty one, repeated ones with their place."""
    seen: set[str] = set()
    for place in range(min(max(width, len(heading)), _MAX_COLUMNS)):
        name = heading[place].strip() if place < len(heading) else ""
        name = name or f"col{place}"
        yield f"{name}~{place}" if name in seen else name
        seen.add(name)
