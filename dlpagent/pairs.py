"""Distinct (SIT, value key) pairs, counted and digested with bounded memory.

The evidence digest of an item is the sum, modulo 2^128, of one 128-bit number per distinct pair.
A sum does not depend on order, so it can be built in any order, in parts, and without holding all
pairs in memory at once. It tells "same evidence or not"; it is no signature: value keys are secret
HMACs already, so nobody without the installation's secret can choose the numbers that are added.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

# A pair at rest: its number in two halves, its SIT as a code, the confidence it was found with.
PAIR = np.dtype([("a", "<u8"), ("b", "<u8"), ("sit", "<i4"), ("confidence", "u1")])

_KEY_CHARS = 32
_IS_KEY = re.compile("[0-9a-f]{32}")
_NIBBLES = np.full(256, 255, dtype=np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)
# Multipliers of the 64-bit finaliser in MurmurHash3, public domain.
_MIX_1, _MIX_2, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def pair_words(sit_ids: pa.DictionaryArray, keys: pa.Array) -> tuple[Words, Words]:
    """The 128-bit number of each (SIT, key), as two arrays of 64-bit halves."""
    names = sit_ids.dictionary.to_pylist()
    of_sit = np.array([_text_words(name) for name in names], dtype=np.uint64).reshape(-1, 2)
    codes = sit_ids.indices.to_numpy(zero_copy_only=False)
    words = _key_words(keys)
    first, second = _mixed(words[:, 0] ^ of_sit[codes, 0]), _mixed(words[:, 1] ^ of_sit[codes, 1])
    # Each half must depend on all 128 bits, as in MurmurHash3's 128-bit ending.
    first = first + second
    second = second + first
    first, second = _mixed(first), _mixed(second)
    first = first + second
    return first, second + first


def int_array(array: Any) -> Ints:
    """An Arrow array of integers for numpy."""
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.int64)


def pairs_of(
    sits: pa.DictionaryArray, keys: pa.Array, confidences: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """An array of PAIR; sit is the code in the dictionary of sits."""
    pairs = np.empty(len(keys), dtype=PAIR)
    pairs["a"], pairs["b"] = pair_words(sits, keys)
    pairs["sit"] = int_array(sits.indices)
    pairs["confidence"] = confidences
    return pairs


def _mixed(words: Words) -> Words:
    words = (words ^ (words >> _SHIFT)) * _MIX_1
    words = (words ^ (words >> _SHIFT)) * _MIX_2
    return words ^ (words >> _SHIFT)


@lru_cache(maxsize=4096)
def _text_words(text: str) -> tuple[int, int]:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def _key_words(keys: pa.Array) -> Words:
    """Keys as 128-bit numbers: 32 hexadecimal digits are the number, other text is hashed."""
    many = len(keys)
    offsets = np.frombuffer(keys.buffers()[1], dtype=np.int32)[keys.offset : keys.offset + many + 1]
    if many and np.all(np.diff(offsets) == _KEY_CHARS):
        text = np.frombuffer(keys.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
        nibbles = _NIBBLES[text].reshape(many, _KEY_CHARS)
        if nibbles.max() < 16:
            packed = (nibbles[:, 0::2] << 4) | nibbles[:, 1::2]
            return packed.view(">u8").astype(np.uint64)
    words = [
        (int(key[:16], 16), int(key[16:], 16)) if _IS_KEY.fullmatch(key) else _text_words(key)
        for key in keys.to_pylist()
    ]
    return np.array(words, dtype=np.uint64).reshape(-1, 2)


def modular_sums(first: Words, second: Words, starts: npt.NDArray[np.intp]) -> list[int]:
    """Sums of 128-bit numbers modulo 2^128, one per run of rows beginning at each start."""
    if not len(starts):
        return []
    # Halves of 32 bits cannot overflow 64 bits below 4 billion rows.
    high, low = _exact_sums(first, starts), _exact_sums(second, starts)
    return [((a << 64) + b) % (1 << 128) for a, b in zip(high, low, strict=True)]


def _exact_sums(words: Words, starts: npt.NDArray[np.intp]) -> Iterator[int]:
    upper = np.add.reduceat(words >> _HALF, starts).tolist()
    lower = np.add.reduceat(words & _LOW, starts).tolist()
    return ((a << 32) + b for a, b in zip(upper, lower, strict=True))


def digest_text(total: int) -> str:
    """An evidence digest as it is written: 32 hexadecimal digits; all zero for no evidence."""
    return f"{total:032x}"


def dictionary_of(values: Any) -> pa.DictionaryArray:
    """The values dictionary-encoded (unchanged if they are)."""
    return values if pa.types.is_dictionary(values.type) else values.dictionary_encode()


def run_starts(*columns: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where rows of sorted columns differ from the row before; the first row always does."""
    if not len(columns[0]):
        return np.empty(0, dtype=np.intp)
    differs = np.zeros(len(columns[0]), dtype=bool)
    differs[0] = True
    for column in columns:
        differs[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(differs)


class DistinctPairs:
    """Gathers pairs without limit; keeps at most `limit` in memory and the rest in scratch files.

    Pairs that differ lie in the file their first byte names, so each file is made distinct on its
    own. A scratch file holds keyed numbers, never a value; the folder is private and is removed by
    close().
    """

    _FILES = 256

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit = limit
        self._held: list[npt.NDArray[Any]] = []
        self._many = 0
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> DistinctPairs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, pairs: npt.NDArray[Any]) -> None:
        """Take in an array of PAIR."""
        self._held.append(pairs)
        self._many += len(pairs)
        if self._many > self._limit:
            self._held = [distinct(np.concatenate(self._held))]
            self._many = len(self._held[0])
            if self._many > self._limit // 2:
                self._spill()

    def parts(self) -> Iterator[npt.NDArray[Any]]:
        """Every distinct pair once, at its highest confidence, in parts that fit into memory."""
        if self._scratch is None:
            if self._held:
                yield distinct(np.concatenate(self._held))
            return
        self._spill()
        for path in sorted(Path(self._scratch.name).iterdir()):
            yield distinct(np.fromfile(path, dtype=PAIR))

    def close(self) -> None:
        """Remove the scratch files."""
        self._held = []
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _spill(self) -> None:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="dlpagent-")
        if not self._held:
            return
        pairs = np.concatenate(self._held)
        self._held, self._many = [], 0
        files = (pairs["a"] >> np.uint64(56)).astype(np.uint8)
        pairs = pairs[np.argsort(files, kind="stable")]
        bounds = np.append(0, np.cumsum(np.bincount(files, minlength=self._FILES)))
        for number in range(self._FILES):
            piece = pairs[bounds[number] : bounds[number + 1]]
            if len(piece):
                with (Path(self._scratch.name) / f"{number:03d}").open("ab") as file:
                    file.write(piece.tobytes())


def distinct(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each pair once, at its highest confidence."""
    if len(pairs) < 2:
        return pairs
    first = np.ascontiguousarray(pairs["a"])
    order = np.argsort(first)
    first, second = first[order], pairs["b"][order]
    starts = run_starts(first)
    if len(starts) < len(run_starts(first, second)):
        # Two pairs share one half of their numbers (once in 2^64): the slow way, by both halves.
        order = np.lexsort((pairs["b"], pairs["a"]))
        starts = run_starts(pairs["a"][order], pairs["b"][order])
    best = np.maximum.reduceat(pairs["confidence"][order], starts)
    pairs = pairs[order[starts]]
    pairs["confidence"] = best
    return pairs
