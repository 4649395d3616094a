"""The bytes of a file, decompressed on the way when it is gzip or Zstandard, in small blocks.

Memory stays bounded whatever a hostile archive holds. A damaged archive gives what decodes before
the damage; the rest is told, not raised.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A Zstandard block of 4 bytes can hold 128 KiB: 1 KiB of input gives 32 MiB at most.
_ZSTD_INPUT_BYTES = 1024
# Larger windows need `zstd --long`; the format's own tools refuse them by default too.
_ZSTD_MAX_WINDOW = 1 << 27


def compression_of(head: bytes) -> str | None:
    """gzip, zstd or None, by the first bytes (names lie)."""
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    is_skippable = len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5
    return "zstd" if head.startswith(_ZSTD_MAGIC) or is_skippable else None


_SHRUNK = "expected the place where reading stopped before, found a file that is {} bytes shorter"


class ByteStream:
    """Decompressed blocks of an open file.

    After blocks() has ended: problem is None, or says why it ended early. consumed counts bytes of
    the file itself, offsets given to blocks() count decompressed bytes.
    """

    def __init__(self, file: BinaryIO, stop: int | None = None) -> None:
        """stop: the byte of a file that is not compressed where its blocks end."""
        self._file, self._stop = file, stop
        self.compression = compression_of(file.read(4))
        self.problem: str | None = None
        self.consumed = 0
        file.seek(0)

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Blocks from the decompressed offset on; compressed files are decoded up to it."""
        if self.compression is None:
            size = self._file.seek(0, io.SEEK_END)
            if start > size:
                self.problem = _SHRUNK.format(start - size)
            self.consumed = self._file.seek(min(start, size))
            yield from self._raw(BLOCK_BYTES, self._stop)
            return
        decoded = self._gzip() if self.compression == "gzip" else self._zstd()
        for block in decoded:
            if start >= len(block):
                start -= len(block)
                continue
            yield block[start:] if start else block
            start = 0
        if start and self.problem is None:
            self.problem = _SHRUNK.format(start)

    def _raw(self, size: int, stop: int | None = None) -> Iterator[bytes]:
        while block := self._file.read(size if stop is None else min(size, stop - self.consumed)):
            self.consumed += len(block)
            yield block

    def _gzip(self) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        for chunk in self._raw(1 << 16):
            data = chunk
            while data:
                if member.eof:
                    data = data.lstrip(b"\0")  # zero padding between members is allowed
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                try:
                    out = member.decompress(data, BLOCK_BYTES)
                except zlib.error as error:
                    self.problem = _broken("gzip", f"damage ({_code(error)})", self.consumed)
                    return
                if out:
                    yield out
                data = member.unused_data if member.eof else member.unconsumed_tail
        if not member.eof:
            self.problem = _broken("gzip", "the file cut off", self.consumed)

    def _zstd(self) -> Iterator[bytes]:
        make = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW).decompressobj
        frame = make()
        for chunk in self._raw(1 << 16):
            for place in range(0, len(chunk), _ZSTD_INPUT_BYTES):
                data = chunk[place : place + _ZSTD_INPUT_BYTES]
                while data:
                    if frame.eof:
                        frame = make()
                    try:
                        out = frame.decompress(data)
                    except (zstandard.ZstdError, MemoryError):
                        self.problem = _broken("Zstandard", "damage", self.consumed)
                        return
                    if out:
                        yield out
                    data = frame.unused_data if frame.eof else b""
        if not frame.eof:
            self.problem = _broken("Zstandard", "the file cut off", self.consumed)


def _code(error: zlib.error) -> str:
    """The code of zlib's message without its text ("Error -3 while …" gives "Error -3")."""
    return " ".join(str(error).split()[:2])


def _broken(what: str, found: str, near: int) -> str:
    return f"expected the end of the {what} stream, found {found} near byte {near} of the file"
