"""Who a file is: the same after a rename, another after a rotation or a truncation.

A path says where a file is, not which. Device and inode say which, until the inode is used again;
the first bytes, and those before the place where reading stopped, say so beyond that.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

HEAD_BYTES = 4096
TAIL_BYTES = 256
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file as it was when it had been read up to `offset`.

    head: SHA-256 of its first head_bytes (at most HEAD_BYTES, all there was then); tail: of the
    TAIL_BYTES before offset.
    """

    path: str
    device: int
    inode: int
    head_bytes: int
    head: str
    offset: int
    tail: str

    def as_json(self) -> dict[str, Any]:
        """A small JSON object; the inverse of mark_from."""
        return {name: getattr(self, name) for name in self.__slots__}

    def is_in(self, file: BinaryIO) -> bool:
        """Whether an open file begins as this one did and has the same bytes before the offset."""
        return (
            _size(file) >= self.offset
            and _digest(file, 0, self.head_bytes) == self.head
            and _digest(file, *_tail_range(self.offset)) == self.tail
        )


def mark_from(value: Mapping[str, Any]) -> FileMark | None:
    """A mark as it was stored; None for anything else."""
    try:
        return FileMark(**{name: value[name] for name in FileMark.__slots__})
    except (KeyError, TypeError):
        return None


def mark_of(file: BinaryIO, path: Path, offset: int) -> FileMark:
    """Who an open file is, read up to offset."""
    stat = os.fstat(file.fileno())
    head_bytes = min(stat.st_size, offset, HEAD_BYTES)
    return FileMark(
        str(path), stat.st_dev, stat.st_ino, head_bytes, _digest(file, 0, head_bytes),
        offset, _digest(file, *_tail_range(offset)),
    )  # fmt: skip


def whole_bytes(file: BinaryIO, start: int) -> int:
    """Behind the last line end at or after start; start when none has come since."""
    end = _size(file)
    while end > start:
        begin = max(start, end - _BLOCK)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start


def is_packed(file: BinaryIO) -> bool:
    """gzip or Zstandard, by the first bytes."""
    file.seek(0)
    return file.read(4).startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def is_packed_copy(file: BinaryIO, mark: FileMark) -> bool:
    """Whether a gzip file holds exactly what was read of a followed one: its packed rotation."""
    file.seek(0)
    size, digest, wanted = 0, hashlib.sha256(), mark.head_bytes
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            head = unpacked.read(wanted)
            digest.update(head)
            if len(head) < wanted or digest.hexdigest() != mark.head:
                return False
            size = len(head)
            while size <= mark.offset and (block := unpacked.read(_BLOCK)):
                size += len(block)
    except (OSError, EOFError, zlib.error):
        return False
    return size == mark.offset


def _tail_range(offset: int) -> tuple[int, int]:
    begin = max(0, offset - TAIL_BYTES)
    return begin, offset - begin


def _digest(file: BinaryIO, begin: int, size: int) -> str:
    file.seek(begin)
    return hashlib.sha256(file.read(size)).hexdigest()


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
