"""Clean copies of files of text: plain text, JSON, JSON Lines, CSV; packed ones are packed again."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard

from dlpagent.connectors.sources._csv_form import HEAD_BYTES, form_of
from dlpagent.connectors.sources._csv_rows import CsvRows
from dlpagent.connectors.sources._decode import decode, mark_of
from dlpagent.connectors.sources._json_split import lines
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._text_pieces import MAX_WHOLE_BYTES
from dlpagent.errors import SourceError
from dlpagent.service.redact.csv_row import CsvRowText, RowForm
from dlpagent.service.redact.json_text import JsonText
from dlpagent.service.redact.plain_text import PlainText
from dlpagent.service.redact.rewriting import Rewriter
from dlpagent.service.redact.settling import Record, settle

_STEP = 2_000


class Unread(NamedTuple):
    """A record that cannot be vouched for. place: its number in the file, from 0."""

    place: str
    problem: str


class Done(NamedTuple):
    """What became of a file: records read, those changed, those that cannot be vouched for."""

    records: int
    changed: int
    unread: tuple[Unread, ...]


class _Piece(NamedTuple):
    """A record as written, and how to read it; read None: copied as it is (blank lines, marks)."""

    raw: str
    read: Callable[[str], Record] | None
    problem: str | None = None


def copy_text(source: Path, target: BinaryIO, rewriter: Rewriter) -> Done:
    """One record: the whole file. Raises SourceError."""
    return _copy(source, target, rewriter, partial(_whole, read=PlainText))


def copy_json(source: Path, target: BinaryIO, rewriter: Rewriter) -> Done:
    """One record: the whole document. Raises SourceError."""
    return _copy(source, target, rewriter, partial(_whole, read=JsonText))


def copy_jsonl(source: Path, target: BinaryIO, rewriter: Rewriter) -> Done:
    """A record per line. Raises SourceError."""
    return _copy(source, target, rewriter, _json_lines)


def copy_csv(source: Path, target: BinaryIO, rewriter: Rewriter) -> Done:
    """A record per row. Raises SourceError."""
    is_tabs = ".tsv" in source.suffixes or ".tab" in source.suffixes
    return _copy(source, target, rewriter, partial(_csv_rows, tabs=is_tabs))


_Pieces = Iterator[tuple[_Piece, str]]
"""Pieces with the encoding they are written in."""


def _copy(
    source: Path,
    target: BinaryIO,
    rewriter: Rewriter,
    cut: Callable[[ByteStream], _Pieces],
) -> Done:
    records = changed = 0
    unread: list[Unread] = []
    with source.open("rb") as file:
        stream = ByteStream(file)
        out = packed(target, stream.compression)
        with closing(out):
            pieces = cut(stream)
            while step := list(islice(pieces, _STEP)):
                settled = _settled([piece for piece, _ in step], rewriter)
                for (piece, encoding), (raw, problem) in zip(step, settled, strict=True):
                    if problem is not None:
                        unread.append(Unread(str(records), problem))
                    else:
                        out.write(raw.encode(encoding, "surrogateescape"))
                    if piece.read is not None:
                        records += 1
                        changed += problem is None and raw != piece.raw
        if stream.problem:
            unread.append(Unread("#end", stream.problem))
    return Done(records, changed, tuple(unread))


def _settled(pieces: Sequence[_Piece], rewriter: Rewriter) -> list[tuple[str, str | None]]:
    """Each piece as it is in the copy, with what is wrong with it."""
    result = [(piece.raw, piece.problem) for piece in pieces]
    wanted = [at for at, piece in enumerate(pieces) if piece.read and piece.problem is None]
    readers: dict[Any, list[int]] = {}
    for at in wanted:
        readers.setdefault(pieces[at].read, []).append(at)
    for read, places in readers.items():
        settled = settle([pieces[at].raw for at in places], read, rewriter)
        for at, item in zip(places, settled, strict=True):
            result[at] = item.raw, item.problem
    return result


def _whole(stream: ByteStream, *, read: Callable[[str], Record]) -> _Pieces:
    raw = b""
    for block in stream.blocks():
        raw += block
        if len(raw) > MAX_WHOLE_BYTES:
            raise SourceError(
                "the file is too large to be redacted as one text",
                expected=f"at most {MAX_WHOLE_BYTES >> 20} MiB",
                remedy="Cut it at line ends, or write it as JSON Lines.",
            )
    marked, skip = mark_of(raw)
    encoding = decode(raw[skip:], marked).encoding
    if skip:
        yield _Piece(raw[:skip].decode("latin-1"), None), "latin-1"
    try:
        text = raw[skip:].decode(encoding, "surrogateescape")
    except UnicodeDecodeError:
        yield _Piece("", read, f"expected {encoding}, found bytes that are not"), encoding
        return
    if text:
        yield _Piece(text, read), encoding


def _json_lines(stream: ByteStream) -> _Pieces:
    for span in lines(stream.blocks(), 0):
        if span.raw is None:
            yield _Piece("", JsonText, f"a line of {span.size} bytes"), "utf-8"
            continue
        raw = span.raw if span.torn else span.raw + b"\n"
        text = raw.decode("utf-8", "surrogateescape")
        yield _Piece(text, JsonText if text.strip("\ufeff \t\r\n") else None), "utf-8"


def _csv_rows(stream: ByteStream, *, tabs: bool) -> _Pieces:
    data = b"".join(stream.blocks())
    form = form_of(data[:HEAD_BYTES], encoding=None, delimiter=None, header=None, tabs=tabs)
    contexts = tuple(
        next((part.context for part in parts_of({name: "x"})), None) for name in form.columns
    )
    heading = RowForm(form.delimiter)
    row_form = RowForm(form.delimiter, contexts)
    quoted = partial(CsvRowText, form=row_form)
    plain = partial(CsvRowText, form=row_form, is_plain=True)
    top = partial(CsvRowText, form=heading)
    rows = CsvRows(_Bytes(data), encoding=form.encoding, delimiter=form.delimiter)
    behind, is_first = 0, form.heading is not None
    for row in rows.rows(form.skip_bytes):
        if row.start > behind:
            yield _Piece(data[behind : row.start].decode("latin-1"), None), "latin-1"
        behind = row.end
        try:
            text = data[row.start : row.end].decode(form.encoding, "surrogateescape")
        except UnicodeDecodeError:
            yield _Piece("", quoted, "found bytes that are not of the file's encoding"), "utf-8"
            continue
        problem = "a line too long to be read" if row.cells is None else None
        read = plain if row.plain_until > row.start else top if is_first else quoted
        yield _Piece(text, read, problem), form.encoding
        is_first = False
    if behind < len(data):
        yield _Piece(data[behind:].decode("latin-1"), None), "latin-1"
    stream.problem = stream.problem or rows.problem


class _Bytes(ByteStream):
    """Bytes at hand as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data, self.problem, self.consumed = data, None, 0

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        if start < len(self._data):
            yield self._data[start:]


class _Held:
    """Writes through and leaves the file open."""

    def __init__(self, target: BinaryIO) -> None:
        self.write = target.write

    def close(self) -> None:
        """Nothing: the file belongs to whoever opened it."""


def packed(target: BinaryIO, compression: str | None) -> Any:
    if compression == "gzip":  # no name and no time, so that equal data gives equal bytes
        return gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor().stream_writer(target, closefd=False)
    return _Held(target)
