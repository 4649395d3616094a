"""Tar archives and packed files made to hurt."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable

import zstandard

from tests.connectors.documents.hostile_damage import Maker, flipped
from tests.connectors.documents.hostile_zips import CARD, MB, OUTSIDE


def _tar(change: Callable[[tarfile.TarInfo, int], None], count: int, format_: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as writer:
        for number in range(count):
            info = tarfile.TarInfo(f"{number}.html")
            info.size = 10
            change(info, number)
            writer.addfile(info, io.BytesIO(b"<html>0123" * 2) if info.isreg() else None)
    return out.getvalue()


def tar_hostile(chance: random.Random) -> bytes:
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
             tarfile.REGTYPE, tarfile.CONTTYPE]  # fmt: skip
    names = [f"../../tmp/{OUTSIDE}", f"/tmp/{OUTSIDE}", "/dev/sda", "a" * 5_000, "..", "ok.html"]

    def change(info: tarfile.TarInfo, number: int) -> None:
        if number:  # the first one makes it an archive of documents
            info.type, info.name = chance.choice(kinds), chance.choice(names)
            info.linkname = "/etc/passwd"
            info.size = 10 if info.isreg() else 0

    return _tar(change, 40, tarfile.GNU_FORMAT) + b"\x01" * 700


def tar_lying_size(chance: random.Random) -> bytes:
    raw = bytearray(_tar(lambda *_: None, 3, tarfile.USTAR_FORMAT))
    size = chance.choice([b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-0000000001\0"])
    raw[512 * 2 + 124 : 512 * 2 + 136] = size
    block = raw[1024:1536]
    block[148:156] = b" " * 8
    raw[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(block)
    return bytes(raw)


def tar_big_headers(chance: random.Random) -> bytes:
    def change(info: tarfile.TarInfo, number: int) -> None:
        if number:
            info.pax_headers = {"comment": "x" * chance.choice([100_000, 3_000_000])}

    return _tar(change, 4, tarfile.PAX_FORMAT)[: -chance.randint(1_100, 30_000)]


@functools.lru_cache(maxsize=8)
def _packed_bomb(kind: str) -> bytes:
    zeros = b"bomb" * (MB // 4)
    if kind == "xz":
        packer = lzma.LZMACompressor(preset=1)
        return b"".join([*(packer.compress(zeros) for _ in range(400)), packer.flush()])
    if kind == "bz2":
        return bz2.compress(zeros) * 400
    if kind == "zst":
        return zstandard.compress(zeros, 19) * 400
    return gzip.compress(zeros) * 400


def packed_bomb(kind: str) -> Maker:
    return lambda _: _packed_bomb(kind)


def packed_damaged(chance: random.Random) -> bytes:
    raw = chance.choice([gzip.compress, bz2.compress, lzma.compress, zstandard.compress])(
        chance.randbytes(5_000)
    )
    return flipped(raw, chance, 10)[: chance.randint(12, len(raw))]


def gzip_very_deep(chance: random.Random) -> bytes:
    raw = CARD.encode()
    for _ in range(chance.randint(20, 300)):
        raw = gzip.compress(raw)
    return raw


def zstd_window(_: random.Random) -> bytes:
    return b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x01\x00\x00" * 40
