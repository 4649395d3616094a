"""Rows of a batch as one text: each between line feeds, folded as the reference folds it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import re2

from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.ragged import distinct
from dlpagent.classifiers.cascade.shapes import LATE_BYTES
from dlpagent.classifiers.normalise import shadow_of

FOLDABLE_BLOCKS = (range(0x80, 0x20000), range(0x2F800, 0x2FA20), range(0xE0000, 0xE1000))
"""No character elsewhere is matched as another one. (To ask all a million takes a second.)"""

CHUNK_BYTES = 4 << 20
"""Text scanned in one go; a row longer than this is a chunk of its own."""


SMALL_BYTES = 4_096
"""A text up to here is searched sooner than windows are cut out of it."""
MOST = 0.6
"""Where windows hold more than this of a text, it is searched as it is."""


@dataclass(slots=True)
class Rows:
    """Some rows of a batch. data: LF row LF row LF …; row n is data[starts[n]:ends[n]], an LF behind.

    first: the batch row that row 0 is. moved: row → which characters its text lost on being folded:
    for each, how many are left before it.
    """

    data: bytes
    starts: Ints
    ends: Ints
    first: int
    moved: Mapping[int, Ints] = field(default_factory=dict)
    is_ascii: bool = field(init=False)
    char_starts: Ints = field(init=False)
    char_ends: Ints = field(init=False)
    _inner: npt.NDArray[np.uint32] | None = field(init=False, default=None, repr=False)
    _all: Windows | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self.is_ascii = self.data.isascii()
        if not self.is_ascii:
            octets = np.frombuffer(self.data, dtype=np.uint8)
            self._inner = np.flatnonzero((octets & 0xC0) == 0x80).astype(np.uint32)
        self.char_starts, self.char_ends = self.chars(self.starts), self.chars(self.ends)

    def all(self) -> Windows:
        """All rows as they are."""
        if self._all is None:
            self._all = Windows(self.data, self.ends, np.zeros(len(self.ends), dtype=np.int64))
        return self._all

    def rows_of(self, ends: Ints) -> Ints:
        """The rows in which matches end (an LF belongs to the row before it)."""
        if len(self.starts) == 1:
            return np.zeros(len(ends), dtype=np.int64)
        found = np.searchsorted(self.starts, ends - 1, side="right") - 1
        return np.maximum(found, 0)

    def chars(self, offsets: Ints) -> Ints:
        """Code point offsets in all of data, of byte offsets at the borders of characters."""
        if self._inner is None:
            return offsets
        return offsets - np.searchsorted(self._inner, offsets.astype(np.uint32))


def rows_of_texts(texts: pa.Array) -> Iterator[Rows]:
    """The texts of a column (string or large_string; null is empty) in chunks."""
    filled = pc.fill_null(texts, "")
    lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype(np.int64)
    for first, last in _chunks(lengths):
        yield _rows(filled.slice(first, last - first), lengths[first:last], first)


def _chunks(lengths: Ints) -> Iterator[tuple[int, int]]:
    sums = np.cumsum(lengths + 1)
    first, done = 0, 0
    while first < len(lengths):
        last = max(first + 1, int(np.searchsorted(sums, done + CHUNK_BYTES, side="right")))
        yield first, last
        first, done = last, int(sums[last - 1])


def _rows(texts: pa.Array, lengths: Ints, first: int) -> Rows:
    data = _joined(texts)
    moved: dict[int, Ints] = {}
    if not data.isascii():
        texts, lengths, moved = _shadowed(texts, lengths, data)
        data = _joined(texts)
    ends = np.cumsum(lengths + 1)
    return Rows(data, ends - lengths, ends, first, moved)


def _joined(texts: pa.Array) -> bytes:
    if len(texts) == 1:
        text = texts[0].as_py().encode()
        return b"".join((b"\n", text, b"\n"))
    kind = texts.type
    nothing, feed = pa.scalar("", kind), pa.scalar("\n", kind)
    joined = pc.binary_join_element_wise(texts, nothing, feed)
    width = np.int64 if pa.types.is_large_string(kind) else np.int32
    _, offsets, values = joined.buffers()
    at = np.frombuffer(offsets, dtype=width)[joined.offset : joined.offset + len(joined) + 1]
    return b"".join((b"\n", memoryview(values)[int(at[0]) : int(at[-1])]))


def _shadowed(
    texts: pa.Array, lengths: Ints, data: bytes
) -> tuple[pa.Array, Ints, dict[int, Ints]]:
    """The texts with those that fold to something else replaced by their shadow, and their lengths.

    Also gives what rows lost whose shadow is shorter in code points: see Rows.
    """
    ends = np.cumsum(lengths + 1)
    octets = np.frombuffer(data, dtype=np.uint8)
    rows = distinct(np.searchsorted(ends, np.flatnonzero(octets >= 128)))
    foldable, folding = _foldable()
    mask = np.zeros(len(texts), dtype=bool)
    changed: list[str] = []
    moved: dict[int, Ints] = {}
    starts = ends - lengths
    for row in rows.tolist():
        if foldable.search(data, int(starts[row]), int(ends[row])):
            text = texts[row].as_py()
            shadow = folding.sub(_folded, text)
            if len(shadow) != len(text):
                moved[row] = _lost(folding, text)
            mask[row] = True
            changed.append(shadow)
    if not changed:
        return texts, lengths, {}
    encoded = [text.encode("utf-8", "replace") for text in changed]
    lengths = lengths.copy()
    lengths[mask] = [len(text) for text in encoded]
    replacements = pa.array([text.decode() for text in encoded], type=texts.type)
    return pc.replace_with_mask(texts, pa.array(mask), replacements), lengths, moved


def _folded(match: re.Match[str]) -> str:
    return shadow_of(match[0])


def _lost(folding: re.Pattern[str], text: str) -> Ints:
    """For each character that folding removes, how many characters are left before it."""
    places = [
        place
        for match in folding.finditer(text)
        for place in range(*match.span())
        if not shadow_of(text[place])
    ]
    return np.array(places, dtype=np.int64) - np.arange(len(places))


@functools.cache
def _foldable() -> tuple[re2._Regexp, re.Pattern[str]]:
    """Finds characters that are matched as other ones, or not at all: one in bytes, runs in text."""
    runs: list[list[int]] = []
    for code in (code for block in FOLDABLE_BLOCKS for code in block):
        if 0xD800 <= code < 0xE000 or _is_plain(code):
            continue
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    spans = "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in runs)
    options = re2.Options()
    options.max_mem = 64 << 20
    inside = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in runs)
    return re2.compile(f"[{spans}]", options), re.compile(f"[{inside}]+")


def _is_plain(code: int) -> bool:
    char = chr(code)
    return shadow_of(char) == char


@dataclass(frozen=True, slots=True)
class Windows:
    """Parts of rows gathered into one text, an LF before and behind each.

    ends: where parts end in it; shifts: what an offset in a part lacks to the offset in the rows.
    """

    data: bytes
    ends: Ints
    shifts: Ints

    @property
    def separators(self) -> Ints:
        """Offsets of the LFs."""
        return np.concatenate([[0], self.ends])

    def back(self, ends: Ints) -> Ints:
        """Offsets in the rows of match ends (an LF belongs to the part before it)."""
        if len(self.ends) == 1:
            return np.asarray(ends + self.shifts[0])
        place = np.searchsorted(self.ends, ends - 1, side="left")
        return ends + self.shifts[np.minimum(place, len(self.ends) - 1)]


def windows_of(rows: Rows, hit_rows: Ints, hit_ends: Ints, reach: int | None) -> Windows:
    """The text around hits, reach bytes to both sides within their rows; None: their whole rows.

    Hits may be seen late: see shapes.LATE_BYTES.
    """
    if len(rows.data) <= SMALL_BYTES:
        return rows.all()
    if reach is None:
        wanted = distinct(hit_rows)
        return whole(rows, wanted)
    starts = np.maximum(rows.starts[hit_rows], hit_ends - reach - LATE_BYTES - 1)
    ends = np.minimum(rows.ends[hit_rows], hit_ends + reach)
    if np.any(starts[1:] < starts[:-1]):
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
    new = np.ones(len(starts), dtype=bool)
    # windows of one row that touch become one; the end of an earlier row never reaches a later one
    new[1:] = starts[1:] > np.maximum.accumulate(ends)[:-1]
    first = np.flatnonzero(new)
    starts, ends = starts[first], np.maximum.reduceat(ends, first)
    return gathered(rows, starts, ends)


def whole(rows: Rows, wanted: Ints) -> Windows:
    """Some rows, perhaps with others."""
    return gathered(rows, rows.starts[wanted], rows.ends[wanted])


def gathered(rows: Rows, starts: Ints, ends: Ints) -> Windows:
    """Parts of rows as one text, perhaps with more of the rows."""
    if int((ends - starts).sum()) > len(rows.data) * MOST:
        return rows.all()
    view = memoryview(rows.data)
    parts: list[bytes | memoryview] = [b""]
    parts.extend(view[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
    parts.append(b"")
    data = b"\n".join(parts)
    found = np.cumsum(ends - starts + 1)
    return Windows(data, found, ends - found)
