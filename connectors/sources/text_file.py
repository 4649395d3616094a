"""Any file of text (.txt .md .log .html .py …): read whole, so that proximity is never cut."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from dlpagent.connectors.sources._decode import binary_kind, decode, mark_of
from dlpagent.connectors.sources._files import file_asset, head_of, opened, path_of
from dlpagent.connectors.sources._line_portions import WORTH_CUTTING
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._text_pieces import MAX_WHOLE_BYTES, add_binary, add_text, pieces
from dlpagent.errors import SourceError
from dlpagent.portions import Portion
from dlpagent.records import Asset, Checkpoint, PartRows

_SNIFF_BYTES = 1 << 16
_MIMES = {
    ".html": "text/html", ".htm": "text/html", ".md": "text/markdown", ".xml": "text/xml",
    ".csv": "text/csv", ".json": "application/json", ".yaml": "application/yaml",
}  # fmt: skip
_PIECE_BYTES = 8 << 20


class TextFile:
    """One record of one part `text`; files above 32 MB are cut at line ends into records of ~8 MB.

    record_id is the piece's number from 0. Markup is text: tags and attributes are kept.
    """

    name = "text"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        max_whole_bytes: int = MAX_WHOLE_BYTES,
        piece_bytes: int = _PIECE_BYTES,
    ) -> None:
        """max_whole_bytes: larger files are cut. piece_bytes: about the size of each piece."""
        self._path = path_of(target)
        self._batch_rows = batch_rows
        self._max_whole_bytes, self._piece_bytes = max_whole_bytes, piece_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """By content: no NUL bytes, few control characters, no known binary beginning."""
        return path.is_file() and binary_kind(head_of(path, _SNIFF_BYTES)) is None

    def discover(self) -> Iterator[Asset]:
        yield file_asset(self._path, "document", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """One batch per piece; the cursor holds v, offset (bytes) and row (pieces so far)."""
        return self.read_portion(asset, Portion(after))

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """The pieces of a large file, several if they are small; any other file is one."""
        size, done = asset.size_bytes or 0, after.cursor["offset"] if after else 0
        if self._is_large(asset) and size - done > WORTH_CUTTING * size_bytes:
            with opened(self._path) as file:
                head = file.read(_SNIFF_BYTES)
                encoding, mark = mark_of(head)
                offset, row = max(done, mark), after.cursor["row"] if after else 0
                begin = file.seek(offset)
                given = () if binary_kind(head) else self._pieces(file, encoding, asset)
                for raw in given:
                    offset, row = offset + len(raw), row + 1
                    if offset - begin >= size_bytes and offset < size:
                        here = {"v": 1, "offset": offset, "row": row}
                        yield Portion(after, here)
                        after, begin = Checkpoint(here, bytes_read=offset), offset
        yield Portion(after)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The pieces of a portion."""
        after = portion.after
        if after is not None and after.done:
            return
        cursor = dict(after.cursor) if after is not None else {}
        until = None if portion.until is None else int(portion.until["offset"])
        with opened(self._path) as file:
            place = int(cursor.get("offset", 0)), int(cursor.get("row", 0))
            for batch, position, last in mark_last(self._batches(file, asset, *place, until)):
                is_end = last and until is None
                yield batch, Checkpoint(position, done=is_end, bytes_read=position["offset"])

    def _is_large(self, asset: Asset) -> bool:
        return (asset.size_bytes or 0) > self._max_whole_bytes

    def _pieces(self, file: BinaryIO, encoding: str | None, asset: Asset) -> Iterator[bytes]:
        """The rest of the file. Where a piece ends hangs on where it begins, and on nothing else."""
        want = self._piece_bytes if self._is_large(asset) else self._max_whole_bytes
        return pieces(file, encoding, want, self._max_whole_bytes)

    def _batches(
        self, file: BinaryIO, asset: Asset, offset: int, row: int, until: int | None
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, int]]]:
        head = file.read(_SNIFF_BYTES)
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        kind = binary_kind(head)
        if kind is not None:
            add_binary(rows, kind, locator={"file": str(self._path.resolve()), "offset": 0})
            yield rows.take(), {"v": 1, "offset": asset.size_bytes or len(head), "row": 1}
            return
        encoding, mark = mark_of(head)
        mime = _MIMES.get(self._path.suffix.lower(), "text/plain")
        offset = max(offset, mark)
        if offset > file.seek(0, io.SEEK_END):
            raise SourceError(
                "is shorter than before",
                where=str(self._path),
                expected=f"the place where reading stopped, byte {offset}",
                found="the end of the file before it",
                remedy="Scan it again from the beginning, without --resume.",
            )
        file.seek(offset)
        for raw in self._pieces(file, encoding, asset):
            locator = {"file": str(self._path.resolve()), "offset": offset, "row": row}
            add_text(rows, decode(raw, encoding), record_id=str(row), mime=mime, locator=locator)
            offset, row = offset + len(raw), row + 1
            yield rows.take(), {"v": 1, "offset": offset, "row": row}
            if until is not None and offset >= until:
                return
        yield rows.take(), {"v": 1, "offset": offset, "row": row}
