"""Words of many texts at once, as 64-bit numbers with their places: what forms and classes look at.

A word is a run of letters, marks and digits, case ignored; in scripts written without blanks every
character is one. Everything is array arithmetic: some tens of megabytes per second on one core.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.normalise import Subject

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

BLOCK_CHARS = 1 << 18
"""Code points hashed at a time: bounds memory, fits a processor's cache."""

STEM_CHARS = 5
"""Code points of a word that its stem keeps: enough to join the forms of an inflected word."""

# How a code point takes part in words.
_UNKNOWN, _APART, _JOINS, _ALONE = 0, 1, 2, 3

# Odd, so that it has an inverse modulo 2^64; otherwise arbitrary. Changing it changes every stored
# form and model: their format versions must then rise.
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts, one after the other.

    hashes: one per word. stems: 32 bits of its first STEM_CHARS code points. starts, ends: half-open
    code points of the word's own text (the shadow). owners: which text a word is of, ascending.
    """

    hashes: U64
    stems: U32
    starts: I32
    ends: I32
    owners: I32
    _runs: dict[int, U64] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.hashes)

    def of(self, owner: int) -> slice:
        """Where the words of one text lie."""
        wanted = np.array([owner, owner + 1], dtype=self.owners.dtype)  # else all are converted
        first, last = np.searchsorted(self.owners, wanted)
        return slice(int(first), int(last))

    def runs(self, length: int) -> U64:
        """For every word the hash of it and the words after it, `length` in all; kept.

        The last `length` - 1 words begin none. Runs that lead into another text are among them.
        """
        if length not in self._runs:
            many = max(0, len(self) - length + 1)
            total = np.zeros(many, dtype=np.uint64)
            for step in range(length):
                total *= np.uint64(_BASE)
                total += self.hashes[step : step + many]
            self._runs[length] = scrambled(total)
        return self._runs[length]


def words_of(subjects: Sequence[Subject]) -> Words:
    """The words of texts. What was last looked at is kept: several detectors look at one batch."""
    global _LAST  # noqa: PLW0603 - one batch is remembered per process, whoever looks at it
    last = _LAST
    if last is None or last[0] is not subjects:
        last = _LAST = (subjects, hashed_words([subject.low for subject in subjects]))
    return last[1]


_LAST: tuple[Sequence[Subject], Words] | None = None


def hashed_words(texts: Sequence[str]) -> Words:
    """The words of lower-case texts."""
    parts = [_block(text, firsts, places) for text, firsts, places in _pieces(texts)]
    if not parts:
        parts = [_block("", np.zeros(1, dtype=np.int64), np.zeros((2, 1), dtype=np.int64))]
    hashes, stems, starts, ends, owners = zip(*parts, strict=True)
    return Words(
        np.concatenate(hashes),
        np.concatenate(stems),
        np.concatenate(starts),
        np.concatenate(ends),
        np.concatenate(owners),
    )


def _pieces(texts: Sequence[str]) -> Iterator[tuple[str, I64, I64]]:
    """Pieces to hash in one go: (text, where its parts begin, their (shifts, owners)).

    Short texts are joined by line feeds, long ones cut between words. A shift leads from a place in
    the piece to the place in the part's own text.
    """
    waiting: list[tuple[int, int, str]] = []
    size = 0
    for owner, text in enumerate(texts):
        for start, piece in _cut(text):
            if size + len(piece) >= BLOCK_CHARS and waiting:
                yield _joined(waiting)
                waiting, size = [], 0
            waiting.append((owner, start, piece))
            size += len(piece) + 1
    if waiting:
        yield _joined(waiting)


def _joined(waiting: list[tuple[int, int, str]]) -> tuple[str, I64, I64]:
    lengths = np.array([len(piece) + 1 for _, _, piece in waiting], dtype=np.int64)
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    shifts = np.array([start for _, start, _ in waiting], dtype=np.int64) - firsts
    owners = np.array([owner for owner, _, _ in waiting], dtype=np.int64)
    return (
        "\n".join(piece for _, _, piece in waiting),
        firsts,
        np.stack([shifts, owners]),
    )


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """A text in pieces of at most BLOCK_CHARS, cut at a blank where there is one near."""
    start = 0
    while len(text) - start > BLOCK_CHARS:
        end = start + BLOCK_CHARS
        blank = max(text.rfind(" ", end - 1000, end), text.rfind("\n", end - 1000, end))
        end = blank + 1 if blank > 0 else end
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:] if start else text


def _block(text: str, firsts: I64, places: I64) -> tuple[U64, U32, I32, I32, I32]:
    codes = _codes(text)
    kinds = _kinds(codes)
    word = kinds >= _JOINS
    alone = kinds == _ALONE
    begins = word.copy()
    begins[1:] &= ~word[:-1] | alone[1:] | alone[:-1]
    stops = word.copy()
    stops[:-1] &= ~word[1:] | alone[1:] | alone[:-1]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(stops) + 1
    up, down = _powers()
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(_scattered(codes.astype(np.uint64)) * up[: len(codes)], out=sums[1:])
    back = down[starts]
    hashes = scrambled((sums[ends] - sums[starts]) * back)
    stems = scrambled((sums[np.minimum(ends, starts + STEM_CHARS)] - sums[starts]) * back)
    part = np.searchsorted(firsts, starts, side="right") - 1
    shifts, owners = places[0][part], places[1][part]
    return (
        hashes,
        (stems >> np.uint64(32)).astype(np.uint32),
        (starts + shifts).astype(np.int32),
        (ends + shifts).astype(np.int32),
        owners.astype(np.int32),
    )


def _codes(text: str) -> npt.NDArray[np.uint32] | npt.NDArray[np.uint8]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@cache
def _powers() -> tuple[U64, U64]:
    """Powers of the base and of its inverse, modulo 2^64, for the places of a block."""
    size = BLOCK_CHARS + 1  # with the line feed
    inverse = pow(_BASE, -1, 1 << 64)
    up, down = (np.full(size, base, dtype=np.uint64) for base in (_BASE, inverse))
    up[0] = down[0] = 1
    return np.cumprod(up), np.cumprod(down)


def scrambled(values: U64) -> U64:
    """Each number with its bits well mixed (the finaliser of splitmix64, public domain)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _scattered(codes: U64) -> U64:
    """Code points spread over 64 bits, so that neighbours in the alphabet do not cancel out."""
    spread = (codes + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    return spread ^ (spread >> np.uint64(32))


# --- what joins into words --------------------------------------------------------------------

_KINDS = np.zeros(0x110000, dtype=np.uint8)

# Scripts written without blanks between words: Thai to Burmese, Khmer, CJK, kana, Hangul excepted
# (Korean has blanks, yet glues particles to words: characters serve it better).
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x30FF),
    (0x3130, 0x318F), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA960, 0xA97F),
    (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFF66, 0xFFDC), (0x20000, 0x3FFFF),
)  # fmt: skip


def _kinds(codes: npt.NDArray[np.uint32] | npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """How each code point takes part in words; worked out once per code point, when first met."""
    kinds = _KINDS[codes]
    if not kinds.all():
        for code in np.unique(codes[kinds == _UNKNOWN]).tolist():
            _KINDS[code] = _kind(code)
        kinds = _KINDS[codes]
    return kinds


def _kind(code: int) -> int:
    char = chr(code)
    if not char.isalnum() and unicodedata.category(char) not in ("Mn", "Mc"):
        return _APART
    if any(low <= code <= high for low, high in _UNSPACED):
        return _ALONE
    return _JOINS
