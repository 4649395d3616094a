"""Documents by real programs, damaged from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data" / "documents"
Maker = Callable[[random.Random], bytes]


def sample(suffix: str) -> bytes:
    return (DATA / f"sample.{suffix}").read_bytes()


def flipped(raw: bytes, chance: random.Random, most: int) -> bytes:
    out = bytearray(raw)
    for _ in range(chance.randint(1, most)):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def damaged(suffix: str) -> Maker:
    """A document by a real program, bits flipped."""
    return lambda chance: flipped(sample(suffix), chance, 40)


def cut(suffix: str) -> Maker:
    """A document by a real program, its end missing."""

    def make(chance: random.Random) -> bytes:
        raw = sample(suffix)
        return raw[: chance.randint(len(raw) // 20 + 300, len(raw) * 9 // 10)]

    return make


def shuffled(suffix: str) -> Maker:
    """A document with stretches moved, repeated and lost."""

    def make(chance: random.Random) -> bytes:
        raw = sample(suffix)
        begin, pieces = raw[:64], []
        for _ in range(chance.randint(2, 12)):
            at = chance.randrange(len(raw))
            pieces.append(raw[at : at + chance.randint(1, len(raw) // 2)])
        return begin + b"".join(pieces)

    return make
