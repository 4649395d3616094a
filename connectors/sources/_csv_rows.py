"""Rows of a CSV file with the byte each begins at, whatever its quotes and line ends do.

The rules of RFC 4180 as Python's csv module reads them. A quote that is opened and never closed
would swallow the file: after MAX_ROW_CHARS or MAX_ROW_LINES (or at the end) its lines are read again
without quotes, and the first of those rows says so.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

from dlpagent.connectors.sources._streams import ByteStream

MAX_ROW_CHARS = 16_000_000
# Each line is held with its size: millions of short ones would take a gigabyte.
MAX_ROW_LINES = 500_000
# One field may be as long as the longest line that is read whole.
MAX_LINE_CHARS = 120_000_000
_UNCLOSED = "expected a closing quote, found none; the row was read without quotes"
_TOO_LONG = f"expected a line of at most {MAX_LINE_CHARS} characters, found a longer one"


class CsvRow(NamedTuple):
    """Bytes count in the decoded file. plain_until: rows before this byte are read without quotes.

    cells is None when the line was too long to be read; invalid_bytes stand as lone surrogates.
    """

    cells: list[str] | None
    start: int
    end: int
    plain_until: int = 0
    problem: str | None = None


class _Line(NamedTuple):
    text: str | None
    size: int


class _Unclosed(Exception):  # noqa: N818  a signal between two functions of this module
    pass


class CsvRows:
    """Reads rows from a byte on. problem: what is wrong with the file's end, known afterwards.

    Bytes that do not decode come as lone surrogates, so that every row's length in bytes is known.
    """

    def __init__(self, stream: ByteStream, *, encoding: str, delimiter: str) -> None:
        self._stream, self._encoding, self._delimiter = stream, encoding, delimiter
        self.problem: str | None = None
        self._ascii_bytes = {"utf-16": 2, "utf-32": 4}.get(encoding[:6], 1)
        self._errors = "surrogateescape" if self._ascii_bytes == 1 else "surrogatepass"
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE_CHARS))

    def rows(self, start: int, plain_until: int = 0) -> Iterator[CsvRow]:
        """Every row that is not blank. start must be where a row begins."""
        feed = _Feed(self._lines(start), start, plain_until)
        while not feed.ended:
            if feed.end < feed.plain_until:
                yield from self._plain(feed)
            else:
                yield from self._quoted(feed)

    def _quoted(self, feed: _Feed) -> Iterator[CsvRow]:
        """Rows until the end, a line too long, or a quote that is not closed."""
        reader = csv.reader(feed, delimiter=self._delimiter)
        while True:
            feed.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (_Unclosed, csv.Error):
                feed.again(_UNCLOSED)
                return
            if feed.ran_out:  # it asked for another line to close a quote
                feed.again(_UNCLOSED)
                return
            if feed.too_long:
                yield CsvRow(None, feed.start, feed.end, 0, _TOO_LONG)
                feed.too_long = False
            elif cells:
                yield CsvRow(cells, feed.start, feed.end)

    def _plain(self, feed: _Feed) -> Iterator[CsvRow]:
        feed.begin()
        line = next(feed, None)
        if line is None:
            return
        until = feed.plain_until
        if feed.too_long:
            feed.too_long = False
            yield CsvRow(None, feed.start, feed.end, until, _TOO_LONG)
            return
        cells = line.rstrip("\r\n").split(self._delimiter)
        if cells != [""]:
            problem, feed.problem = feed.problem, None
            yield CsvRow(cells, feed.start, feed.end, until, problem)

    def _lines(self, start: int) -> Iterator[_Line]:
        """Lines with their ends, and their bytes; text None for one too long to hold."""
        skipped = 0
        for text, is_cut in self._texts(start):
            if is_cut:
                skipped += self._size(text)
                continue
            for line in io.StringIO(text, newline=""):
                if skipped:
                    yield _Line(None, skipped + self._size(line))
                    skipped = 0
                else:
                    yield _Line(line, self._size(line))
        if skipped:
            yield _Line(None, skipped)

    def _texts(self, start: int) -> Iterator[tuple[str, bool]]:
        """Texts that end where a line ends; True with pieces of a line too long to hold."""
        decoder = codecs.getincrementaldecoder(self._encoding)(errors=self._errors)
        held: list[str] = []
        chars = 0
        for block in self._stream.blocks(start):
            text = decoder.decode(block)
            after_return = bool(held) and held[-1].endswith("\r")
            if after_return or "\n" in text or "\r" in text:
                text = "".join([*held, text])
                # \r may be the first half of a line end: what follows tells.
                cut = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
                if cut:
                    yield text[:cut], False
                held, chars, text = [], 0, text[cut:]
            held.append(text)
            chars += len(text)
            if chars > MAX_LINE_CHARS:
                yield "".join(held), True
                held, chars = [], 0
        try:
            held.append(decoder.decode(b"", final=True))
        except UnicodeDecodeError:
            self.problem = f"expected {self._encoding}, found half a character at the end"
        if rest := "".join(held):
            yield rest, False

    def _size(self, text: str) -> int:
        if text.isascii():
            return len(text) * self._ascii_bytes
        return len(text.encode(self._encoding, errors=self._errors))


class _Feed:
    """The lines for csv.reader, remembering those of the row being read."""

    def __init__(self, lines: Iterator[_Line], start: int, plain_until: int) -> None:
        self._lines = lines
        self._repeat: list[_Line] = []
        self.start = self.end = start
        self.plain_until = plain_until
        self.held: list[_Line] = []
        self._chars = 0
        self.ran_out = self.ended = self.too_long = False
        self.problem: str | None = None

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._repeat.pop() if self._repeat else next(self._lines, None)
        if line is None:
            self.ran_out = True
            self.ended = not self.held
            raise StopIteration
        self.held.append(line)
        self.end += line.size
        if line.text is None:
            self.too_long = True
            return "\n"
        self._chars += len(line.text)
        is_long = self._chars > MAX_ROW_CHARS or len(self.held) > MAX_ROW_LINES
        if is_long and len(self.held) > 1:
            raise _Unclosed
        return line.text

    def begin(self) -> None:
        """A new row begins here."""
        self.start = self.end
        self.held = []
        self._chars = 0

    def again(self, problem: str) -> None:
        """Give the lines of this row once more, to be read without quotes."""
        self.plain_until, self.end = self.end, self.start
        self._repeat = [*self._repeat, *reversed(self.held)]
        self.problem = problem
        self.ran_out = self.ended = self.too_long = False
