"""A file over ranged reads: what is asked for and little more is fetched, sequential reading ahead."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from dlpagent.errors import SourceError

BLOCK_BYTES = 1 << 18
_MAX_AHEAD_BLOCKS = 32
_KEPT_BLOCKS = 64
# So often the version is asked for while reading; and once more at the end.
_CHECK_BYTES = 64 << 20


class ObjectFile(io.RawIOBase):
    """Reads by blocks of BLOCK_BYTES and keeps the last few. Sequential reading fetches up to 8 MiB.

    fetch(start, stop): those bytes. check: raises when they are no longer of the same version.
    """

    def __init__(
        self, size: int, fetch: Callable[[int, int], bytes], check: Callable[[], None]
    ) -> None:
        self._size, self._fetch, self._check = size, fetch, check
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._ahead, self._next_block, self._unchecked = 1, -1, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._at < self._size:
            number, skip = divmod(self._at, BLOCK_BYTES)
            piece = self._block(number, len(view) - done)[skip : skip + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._at += len(piece)
        return done

    def _block(self, number: int, wanted: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        self._ahead = min(2 * self._ahead, _MAX_AHEAD_BLOCKS) if number == self._next_block else 1
        asked = min(-(-wanted // BLOCK_BYTES), _MAX_AHEAD_BLOCKS)
        many = max(self._ahead, asked)
        start = number * BLOCK_BYTES
        stop = min(start + many * BLOCK_BYTES, self._size)
        data = self._fetch(start, stop)
        if len(data) != stop - start:
            self._check()
            raise SourceError(
                "cannot be read",
                expected=f"{stop - start} bytes at byte {start}",
                found=f"{len(data)}",
                remedy="Run again with --resume; the store answered with less than it lists.",
            )
        self._unchecked += len(data)
        if self._unchecked >= _CHECK_BYTES:
            self._unchecked = 0
            self._check()
        for place in range(0, len(data), BLOCK_BYTES):
            self._blocks[number + place // BLOCK_BYTES] = data[place : place + BLOCK_BYTES]
        self._next_block = number + -(-len(data) // BLOCK_BYTES)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]
