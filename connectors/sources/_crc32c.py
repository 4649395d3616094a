"""CRC-32C (Castagnoli, RFC 3720), as TFRecord files carry it: by google-crc32c, else in plain Python."""

from __future__ import annotations

import importlib
from collections.abc import Callable

_POLYNOMIAL = 0x82F63B78  # reflected
_MASK_DELTA = 0xA282EAD8


def _table() -> list[int]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


_TABLE = _table()


def plain_crc32c(data: bytes) -> int:
    """A few MB/s: enough for the headers of records, slow for a corpus."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _quickest() -> Callable[[bytes], int]:
    try:
        quick: Callable[[bytes], int] = importlib.import_module("google_crc32c").value
    except ImportError:
        return plain_crc32c
    return quick


crc32c = _quickest()


def masked(crc: int) -> int:
    """As TFRecord stores it: turned by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
