"""The data of an EDM store: rows of a file separated by commas, tabs or pipes, in chunks.

A line that is not a row is counted and named by its number, never by what it holds; even the header
is not repeated in a message, as a file without one begins with data.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

from dlpagent.classifiers.edm_schema import Schema
from dlpagent.errors import ConfigurationError

CHUNK_ROWS = 16_384
MAX_LISTED = 20
MAX_CELL_CHARS = 10_000
SEPARATORS = {"comma": ",", "tab": "\t", "pipe": "|"}
_SUFFIXES = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}

Row = list[str]


@dataclass(slots=True)
class BadLines:
    """Lines that are no rows: how many, and the numbers of the first."""

    many: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int, lines: int = 1) -> None:
        """Count lines from that one on: an open quotation mark swallows those after it."""
        self.many += lines
        room = max(0, MAX_LISTED - len(self.first))
        self.first.extend(range(line, line + min(lines, room)))

    def __str__(self) -> str:
        lines = ", ".join(map(str, self.first))
        return f"line {lines}" + (" and more" if self.many > len(self.first) else "")


@dataclass(slots=True)
class RowFile:
    """A file of rows. separator: "" tells it by the name of the file, else by the header."""

    path: Path
    schema: Schema
    separator: str = ""
    bad: BadLines = field(default_factory=BadLines)

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[list[Row]]:
        """Rows with their cells in the order of the schema. Raises ConfigurationError."""
        try:
            with self.path.open(encoding=self._encoding(), newline="") as file:
                found = self._rows(file)
                while chunk := list(islice(found, rows)):
                    yield chunk
        except UnicodeDecodeError as error:
            raise self._wrong(
                "the data is not text in UTF-8 or UTF-16",
                f"a byte that does not belong there, {error.start} bytes into a piece of the file",
                "Save it as UTF-8.",
            ) from None
        except OSError as error:
            raise self._wrong(f"the data cannot be read ({error.strerror})", "", "") from None

    def _encoding(self) -> str:
        with self.path.open("rb") as file:
            head = file.read(4)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        if head[1:2] == b"\0":
            return "utf-16-le"
        return "utf-16-be" if head[:1] == b"\0" else "utf-8-sig"

    def _rows(self, file: TextIO) -> Iterator[Row]:
        header = file.readline(1_000_000)
        separator = self.separator or _SUFFIXES.get(self.path.suffix.lower()) or _told(header)
        order = self._order(header, separator)
        reader = csv.reader(file, delimiter=separator, strict=True)
        width = len(order)
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                cells = [""] * (width + 1)
            if not cells:
                continue
            if len(cells) != width or max(map(len, cells)) > MAX_CELL_CHARS:
                # lines are counted from 1, and the header was the first
                self.bad.add(before + 2, max(1, reader.line_num - before))
                continue
            yield [cells[place] for place in order]

    def _order(self, header: str, separator: str) -> list[int]:
        """Where each field of the schema stands in the file."""
        try:
            names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
        except csv.Error:
            names = []
        wanted = self.schema.names
        missing = [name for name in wanted if names.count(name) != 1]
        unknown = [str(place) for place, name in enumerate(names, 1) if name not in wanted]
        if missing or unknown:
            parts = [f"{len(names)} column(s)"]
            parts += ["without or twice: " + ", ".join(missing)] if missing else []
            parts += ["not of the schema: column " + ", ".join(unknown[:10])] if unknown else []
            raise self._wrong(
                "the first line does not name the fields of the schema",
                "; ".join(parts),
                "Write the names as the schema has them, case included; if columns are separated by "
                "something else, say --separator comma, tab or pipe.",
                expected=f"{len(wanted)} columns: {', '.join(wanted)}",
                line=1,
            )
        return [names.index(name) for name in wanted]

    def _wrong(
        self, what: str, found: str, remedy: str, expected: str = "", line: int = 0
    ) -> ConfigurationError:
        where = f"{self.path}:{line}" if line else str(self.path)
        return ConfigurationError(what, where=where, expected=expected, found=found, remedy=remedy)


def _told(header: str) -> str:
    """The separator a header is written with."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max((",", "\t", "|"), key=outside.count)
