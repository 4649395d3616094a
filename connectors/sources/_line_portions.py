"""Where a file of lines or of CSV rows may be cut, found without parsing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# A file is looked through for places to cut only if it is larger than so many portions.
WORTH_CUTTING = 1.5
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
# Longer rows may be ones with a quote that is never closed: what they are is told by reading them.
_MAX_ROW_BYTES = 4_000_000


class Cut(NamedTuple):
    """A line (or row) begins at byte `offset`; rows: how many lie before it."""

    offset: int
    rows: int


def line_cuts(blocks: Iterable[bytes], offset: int, rows: int, size: int) -> Iterator[Cut]:
    """Beginnings of lines about every `size` bytes; offset and rows: where the blocks begin."""
    begin = offset
    for block in blocks:
        done = 0
        while begin + size <= offset + len(block):
            end = block.find(b"\n", max(done, begin + size - offset - 1))
            if end < 0:
                break
            rows += block.count(b"\n", done, end + 1)
            done = end + 1
            begin = offset + done
            yield Cut(begin, rows)
        rows += block.count(b"\n", done)
        offset += len(block)


def row_cuts(
    blocks: Iterable[bytes], offset: int, rows: int, size: int, delimiter: bytes
) -> Iterator[Cut]:
    """Beginnings of CSV rows about every `size` bytes, up to where quotes are not as RFC 4180 has them.

    There it ends: what a stray quote does is told only by reading on from the last place given.
    Blank lines are no rows.
    """
    held: list[bytes] = []
    length = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length < size:
            continue
        chunk = b"".join(held)
        found = _rows_in(chunk, delimiter)
        if found is None:
            return
        cut, many = found
        offset, rows = offset + cut, rows + many
        yield Cut(offset, rows)
        held, length = [chunk[cut:]], len(chunk) - cut


def _rows_in(chunk: bytes, delimiter: bytes) -> tuple[int, int] | None:
    """Where the last whole row ends, and the rows before; None when that is not certain."""
    if b"\0" in chunk:
        return None
    data = np.frombuffer(chunk, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    newlines = _outside(np.flatnonzero(data == _NEWLINE), quotes)
    if not len(newlines):
        return None
    cut = int(newlines[-1]) + 1
    quotes = quotes[quotes < cut]
    returns = _outside(np.flatnonzero(data[:cut] == _RETURN), quotes)
    if not np.all(data[returns + 1] == _NEWLINE) or not _are_regular(data, quotes, delimiter):
        return None
    lengths = np.diff(newlines, prepend=-1) - 1
    if int(lengths.max()) > _MAX_ROW_BYTES:
        return None
    ends_in_return = data[np.maximum(newlines - 1, 0)] == _RETURN
    blank = (lengths == 0) | ((lengths == 1) & ends_in_return)
    return cut, len(newlines) - int(np.count_nonzero(blank))


def _outside(places: npt.NDArray[np.intp], quotes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Those places that an even number of quotes stands before."""
    return places[np.searchsorted(quotes, places) % 2 == 0] if len(quotes) else places


def _are_regular(
    data: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: bytes
) -> bool:
    """True when every quote opens a cell, closes one, or is one of two for a quote in a cell."""
    opens, closes = quotes[0::2], quotes[1::2]
    if len(opens) != len(closes):
        return False
    around = np.frombuffer(delimiter + b'"\r\n', np.uint8)
    before = data[np.maximum(opens - 1, 0)]
    behind = data[np.minimum(closes + 1, len(data) - 1)]
    fits = (opens == 0) | np.isin(before, around)
    return bool(np.all(fits) and np.all(np.isin(behind, around)))
