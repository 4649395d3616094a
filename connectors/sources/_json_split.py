"""Cutting a stream of bytes into the records of JSON Lines, JSON arrays and runs of JSON values.

Only line ends, or quotes and brackets, are looked at: one bad record spoils itself, not the rest.
All offsets are bytes of the (decompressed) stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_RECORD_BYTES = 64 << 20
_BLANK = b" \t\r\n"
# Between values: commas, the record separator of RFC 7464, a byte order mark (no value begins so).
_BETWEEN = _BLANK + b",\x1e\xef\xbb\xbf"

_QUOTE, _BACKSLASH, _COMMA, _OPEN_ARRAY = b'"\\,['
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1
_IS_MARK = _STEP != 0
_IS_MARK[_COMMA] = True
_NONE = np.zeros(0, np.int64)


class Span(NamedTuple):
    """The bytes of one record. raw is None when there are more than the limit allows.

    goes_on: the offset where the next record may begin. in_array: whether that is inside an array.
    torn: the stream ended before the record did.
    """

    offset: int
    raw: bytes | None
    size: int
    goes_on: int
    in_array: bool = False
    torn: bool = False


class _Pending:
    """The bytes of the record being gathered; beyond the limit they are counted, not kept."""

    def __init__(self, offset: int, max_bytes: int) -> None:
        self.offset, self._max_bytes = offset, max_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max_bytes:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def take(
        self, *, skip: int = 0, strip: bytes = _BLANK, in_array: bool = False, torn: bool = False
    ) -> Span | None:
        """What was gathered, without blanks at its ends; skip bytes behind it belong to nobody."""
        offset, size = self.offset, self._size
        raw = b"".join(self._pieces) if size <= self._max_bytes else None
        self._pieces.clear()
        self._size = 0
        self.offset = goes_on = offset + size + skip
        if raw is not None:
            begun = raw.lstrip(strip)
            offset += size - len(begun)
            raw = begun.rstrip(strip)
            size = len(raw)
            if not raw:
                return None
        return Span(offset, raw, size, goes_on, in_array, torn)


def lines(blocks: Iterable[bytes], start: int, max_bytes: int = MAX_RECORD_BYTES) -> Iterator[Span]:
    """One span per line, blank lines too (raw is b""), without its line end."""
    pending: list[bytes] = []
    size, offset = 0, start
    for block in blocks:
        first, *rest = block.split(b"\n")
        size += len(first)
        if size <= max_bytes:
            pending.append(first)
        else:
            pending.clear()
        if not rest:
            continue
        line = b"".join(pending) if size <= max_bytes else None
        yield Span(offset, line, size, offset + size + 1)
        offset += size + 1
        last = rest.pop()
        for line in rest:
            size = len(line)
            yield Span(offset, line if size <= max_bytes else None, size, offset + size + 1)
            offset += size + 1
        pending, size = [last], len(last)
        if size > max_bytes:
            pending.clear()
    if size:
        line = b"".join(pending) if size <= max_bytes else None
        yield Span(offset, line, size, offset + size, torn=True)


def values(
    blocks: Iterable[bytes], start: int, in_array: bool, max_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Span]:
    """One span per element of the outermost arrays and per value outside of them.

    A stream that ends inside an array or a value gives a last span with torn=True, which may be
    empty. A bracket too many ends the splitting: all behind it is one torn span.
    """
    pending = _Pending(start, max_bytes)
    marks = _Marks(depth=1 if in_array else 0)
    for block in blocks:
        done = 0
        for place, step in marks.of(block):
            if step > 0 and block[place] != _OPEN_ARRAY:
                in_array = False
                continue
            span: Span | None
            if step > 0:
                pending.add(block[done:place])
                span, in_array = pending.take(skip=1, strip=_BETWEEN, in_array=True), True
            elif in_array:
                in_array = step == 0
                pending.add(block[done:place])
                span = pending.take(skip=1, in_array=in_array)
            elif step < 0:
                pending.add(block[done : place + 1])
                span = pending.take(strip=_BETWEEN)
            else:
                continue
            done = place + 1
            if span is not None:
                yield span
        pending.add(block[done:])
    yield from _last(pending, in_array, marks)


def _last(pending: _Pending, in_array: bool, marks: _Marks) -> Iterator[Span]:
    torn = marks.depth != 0 or marks.in_string or marks.is_broken
    span = pending.take(strip=_BLANK if in_array else _BETWEEN, in_array=in_array, torn=torn)
    if span is not None:
        yield span
    elif torn:
        yield Span(pending.offset, b"", 0, pending.offset, in_array, torn=True)


class _Marks:
    """The brackets and commas that bound records, found block by block.

    Strings are skipped by the parity of the quotes before a mark, as vectors: quick however many
    marks there are. is_broken: a closing bracket came that nothing had opened.
    """

    def __init__(self, depth: int) -> None:
        self.depth, self.in_string, self.is_broken = depth, False, False
        self._is_escaped = False

    def of(self, block: bytes) -> list[tuple[int, int]]:
        """(place, step) of each mark at the outer two levels: step 1 opens, -1 closes, 0 a comma.

        Openings lead to depth 1, closings to depth 0, commas stand at depth 1.
        """
        if self.is_broken:
            return []
        data = np.frombuffer(block, np.uint8)
        quotes = self._quotes(block, data)
        places = np.flatnonzero(_IS_MARK[data])
        inside = np.searchsorted(quotes, places) + int(self.in_string)
        places = places[inside % 2 == 0]
        steps = _STEP[data[places]]
        depths = np.cumsum(steps, dtype=np.int64) + self.depth
        self.in_string ^= bool(len(quotes) % 2)
        below = np.flatnonzero(depths < 0)
        if len(below):
            self.is_broken = True
            places, steps, depths = (array[: below[0]] for array in (places, steps, depths))
        if len(depths):
            self.depth = int(depths[-1])
        outer = np.flatnonzero(depths == np.where(steps < 0, 0, 1))
        return list(zip(places[outer].tolist(), steps[outer].tolist(), strict=True))

    def _quotes(self, block: bytes, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Where the quotes are that open or close a string: those not behind a backslash."""
        quotes = np.flatnonzero(data == _QUOTE)
        slashes = np.flatnonzero(data == _BACKSLASH) if b"\\" in block else _NONE
        escaped = np.zeros(len(block) + 1, bool)
        if self._is_escaped:
            escaped[0] = True
            slashes = slashes[1:] if len(slashes) and slashes[0] == 0 else slashes
        if len(slashes):  # an odd run of backslashes escapes the byte behind it
            begins = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
            lengths = np.diff(begins, append=len(slashes))
            escaped[(slashes[begins] + lengths)[lengths % 2 == 1]] = True
        self._is_escaped = bool(escaped[len(block)])
        return quotes[~escaped[quotes]]
