"""CSV and TSV files: every row a record, every column a part."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._csv_batches import CsvBatches
from dlpagent.connectors.sources._csv_form import HEAD_BYTES, Form, form_of
from dlpagent.connectors.sources._csv_rows import CsvRows
from dlpagent.connectors.sources._files import file_asset, opened, path_of
from dlpagent.connectors.sources._line_portions import WORTH_CUTTING, row_cuts
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._table_rows import or_else
from dlpagent.errors import ConfigurationError
from dlpagent.portions import Portion
from dlpagent.records import Asset, Checkpoint, PartRows

_SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
# Encodings in which a quote or a line end is the same byte as in ASCII, and nothing else is.
_ASCII_LIKE = frozenset({"utf-8", "ascii", "cp1252", "latin-1", "iso8859-1"})
_Batches = Iterator[tuple[pa.RecordBatch, dict[str, Any]]]


class CsvFile:
    """One CSV file, plain or packed with gzip or Zstandard, as a data set.

    encoding, delimiter, header: what the file is, when its head does not tell it rightly.
    Cursor: offset (byte of the unpacked file where a row begins), row, plain_until (see CsvRow).
    """

    name = "csv"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        encoding: str | None = None,
        delimiter: str | None = None,
        header: bool | None = None,
    ) -> None:
        self._path = path_of(target)
        self._batch_rows = batch_rows
        self._encoding, self._delimiter = _codec(encoding), _mark(delimiter)
        self._header = header

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for files named .csv, .tsv, .tab or .psv, or these with .gz or .zst behind."""
        name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
        return name.endswith(_SUFFIXES) and not path.is_dir()

    def discover(self) -> Iterator[Asset]:
        """The one file. Raises SourceError when it is not there."""
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of the file. Raises SourceError when it cannot be opened."""
        return self.read_portion(asset, Portion(after))

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """Stretches between rows, as far as quotes are regular; from the first odd one on one more."""
        place = dict(after.cursor) if after is not None else None
        size = (asset.size_bytes or 0) - (place["offset"] if place else 0)
        if size > WORTH_CUTTING * size_bytes and not (place and "plain_until" in place):
            with opened(self._path) as file:
                form = self._form(ByteStream(file))
                file.seek(0)
                stream = ByteStream(file)
                is_plain = stream.compression is None and form.encoding in _ASCII_LIKE
                if is_plain and form.delimiter.isascii():
                    heading = 1 if place is None and form.heading is not None else 0
                    begin = place or _start(form)
                    for cut in row_cuts(
                        stream.blocks(begin["offset"]), begin["offset"], begin["row"] - heading,
                        size_bytes, form.delimiter.encode(),
                    ):  # fmt: skip
                        if cut.rows < 0:  # the heading is still to come
                            continue
                        here = {"v": 1, "offset": cut.offset, "row": cut.rows}
                        yield Portion(after, here)
                        after = Checkpoint(here, bytes_read=cut.offset)
        yield Portion(after)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The rows of a portion."""
        after = portion.after
        if after is not None and after.done:
            return
        until = None if portion.until is None else int(portion.until["offset"])
        with opened(self._path) as file:
            form = self._form(ByteStream(file))
            file.seek(0)
            stream = ByteStream(file, until)
            cursor = None if after is None else after.cursor
            found = or_else(
                self._batches(asset, stream, form, cursor),
                lambda: (PartRows(asset.uri).take(), _start(form)),
            )
            for batch, place, last in mark_last(found):
                is_end = last and until is None
                yield batch, Checkpoint(place, done=is_end, bytes_read=stream.consumed)

    def _form(self, stream: ByteStream) -> Form:
        head = b""
        for block in stream.blocks():
            head += block
            if len(head) >= HEAD_BYTES:
                break
        name = self._path.name.lower().removesuffix(".gz").removesuffix(".zst")
        return form_of(
            head[:HEAD_BYTES],
            encoding=self._encoding,
            delimiter=self._delimiter,
            header=self._header,
            tabs=name.endswith((".tsv", ".tab")),
        )

    def _batches(
        self, asset: Asset, stream: ByteStream, form: Form, cursor: Mapping[str, Any] | None
    ) -> _Batches:
        place = dict(cursor) if cursor else _start(form)
        file = str(self._path.resolve())
        gathered = CsvBatches(
            asset.uri, file, form, max_rows=self._batch_rows, next_row=int(place["row"])
        )
        rows = CsvRows(stream, encoding=form.encoding, delimiter=form.delimiter)
        heading = form.heading if cursor is None else None
        last = place
        for row in rows.rows(place["offset"], place.get("plain_until", 0)):
            if heading is not None:
                last = {"v": 1, "offset": row.end, "row": 0}
                if not form.is_sure:
                    yield _heading(asset, file, heading, row.start), last
                heading = None
                continue
            gathered.add(row)
            if gathered.is_full():
                for batch, last in gathered.take():
                    yield batch, last
        for batch, last in gathered.take():
            yield batch, last
        end = _end(asset, file, stream, rows, last)
        if end.num_rows:
            yield end, last


def _start(form: Form) -> dict[str, Any]:
    return {"v": 1, "offset": form.skip_bytes, "row": 0}


def _heading(asset: Asset, file: str, names: tuple[str, ...], offset: int) -> pa.RecordBatch:
    """The heading as a record: its words may be a first row of data after all."""
    parts = PartRows(asset.uri)
    for seq, name in enumerate(names):
        locator = {"file": file, "offset": offset}
        parts.add(record_id="#heading", part=f"col{seq}", seq=seq, text=name, locator=locator)
    return parts.take()


def _end(
    asset: Asset, file: str, stream: ByteStream, rows: CsvRows, cursor: Mapping[str, Any]
) -> pa.RecordBatch:
    """What could not be read at the end of the file; empty when it ended as it should."""
    parts = PartRows(asset.uri)
    for seq, problem in enumerate(p for p in (stream.problem, rows.problem) if p is not None):
        parts.add(
            record_id="#file",
            part="#end",
            seq=seq,
            text=None,
            status="unread",
            problem=problem,
            locator={"file": file, "offset": cursor["offset"]},
        )
    return parts.take()


def _codec(encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "".encode(encoding)
    except LookupError as error:
        raise ConfigurationError(
            "is no encoding of text",
            where=f"csv: encoding {encoding[:40]!r}",
            expected="a name such as utf-8, cp1252 or utf-16-le",
            remedy="Leave it out to have it told from the file.",
        ) from error
    # These two only say that a byte order mark tells.
    return None if name in ("utf-16", "utf-8-sig") else name


def _mark(delimiter: str | None) -> str | None:
    if delimiter is None or (len(delimiter) == 1 and delimiter not in '\r\n"'):
        return delimiter
    raise ConfigurationError(
        "is no delimiter",
        where=f"csv: delimiter {delimiter[:10]!r}",
        expected="one character such as , ; | or a tab",
        remedy="Leave it out to have it told from the file.",
    )
