"""Bytes as they come out of a container: counted, never more than asked for, never trusted."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from dlpagent.connectors.documents.limits import Budget
from dlpagent.connectors.sources._streams import ByteStream

BLOCK_BYTES = 1 << 18
_XZ_MEMORY_BYTES = 128 << 20


class Flow:
    """A member's bytes. When read() has given b"", problem says why it ended early, or is None."""

    def __init__(
        self, blocks: Iterator[bytes], budget: Budget, problem: Callable[[], str | None]
    ) -> None:
        self._blocks, self._budget, self._problem = blocks, budget, problem
        self._held = b""
        self._is_over = False

    @property
    def problem(self) -> str | None:
        """Known once everything was read."""
        return self._problem() if self._is_over else None

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer only at the end. Raises LimitReachedError."""
        pieces, have = [self._held], len(self._held)
        while have < size and not self._is_over:
            block = next(self._blocks, None)
            if block is None:
                self._is_over = True
                break
            self._budget.take_bytes(len(block))
            pieces.append(block)
            have += len(block)
        raw = b"".join(pieces)
        self._held = raw[size:]
        return raw[:size]


def flow_of_bytes(raw: bytes, budget: Budget, problem: str | None = None) -> Flow:
    """Bytes that have come out of something already."""
    return Flow(iter([raw] if raw else []), budget, lambda: problem)


def unpacked(file: BinaryIO, kind: str, budget: Budget) -> Flow:
    """What a file packed with gzip, zstd, bzip2 or xz holds."""
    blocks = Blocks(file, kind)
    return Flow(blocks.blocks(), budget, lambda: blocks.problem)


class Blocks:
    """Unpacked blocks of a file; problem is as in ByteStream. kind "": it is not packed."""

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self._file, self._kind = file, kind
        self.problem: str | None = None

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Blocks of at most some megabytes, from byte `start` of what is unpacked."""
        self._file.seek(0)
        if self._kind in ("gzip", "zstd"):
            stream = ByteStream(self._file)
            yield from stream.blocks(start)
            self.problem = stream.problem
        elif self._kind in ("bzip2", "xz"):
            yield from self._other()
        else:
            self._file.seek(start)
            while block := self._file.read(BLOCK_BYTES):
                yield block

    def _other(self) -> Iterator[bytes]:
        make = bz2.BZ2Decompressor if self._kind == "bzip2" else _xz
        member = make()
        try:
            while data := self._file.read(BLOCK_BYTES):
                while data or not (member.needs_input or member.eof):
                    if member.eof:
                        data = data.lstrip(b"\0")
                        if not data:
                            break
                        member = make()
                    block = member.decompress(data, BLOCK_BYTES)
                    data = member.unused_data if member.eof else b""
                    if block:
                        yield block
        except (OSError, lzma.LZMAError, EOFError, MemoryError):
            self.problem = f"expected the whole {self._kind} stream, found damage"
            return
        if not member.eof:
            self.problem = f"expected the end of the {self._kind} stream, found the file cut off"


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)


def inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Raw deflate data unpacked. Raises zlib.error for damage and EOFError when it is cut off."""
    inflater = zlib.decompressobj(-15)
    for data in packed:
        rest = data
        while rest and not inflater.eof:
            block = inflater.decompress(rest, BLOCK_BYTES)
            if block:
                yield block
            rest = inflater.unconsumed_tail
        if inflater.eof:
            return
    tail = inflater.flush()
    if tail:
        yield tail
    if not inflater.eof:
        raise EOFError


def whole(flow: Flow, budget: Budget) -> tuple[bytes, bool]:
    """Everything up to max_member_bytes, and whether that was all."""
    raw = flow.read(budget.max_member_bytes + 1)
    return raw[: budget.max_member_bytes], len(raw) <= budget.max_member_bytes


def as_file(raw: bytes) -> BinaryIO:
    """Bytes as a file."""
    return io.BytesIO(raw)
