"""One shard of an MDS data set (MosaicML Streaming): the samples behind its table of offsets.

A shard is: samples (uint32), samples + 1 offsets from its beginning (uint32), then the samples. A
sample is the sizes (uint32) of its columns without a fixed one, then the values of all columns.
Nothing is ever unpickled. Source: the format's writer, mosaicml-streaming 0.13.
"""

from __future__ import annotations

import bz2
import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dlpagent.connectors.sources._decode import binary_kind
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.errors import SourceError

# A shard is unpacked in memory; writers make them of 64 MiB unless told otherwise.
MAX_SHARD_BYTES = 1 << 30
_INTS = {
    "int": "<i8", "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "uint8": "u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
}  # fmt: skip
_FLOATS = frozenset({"float16", "float32", "float64"})
_TEXTS = frozenset({"str", "str_int", "str_float", "str_decimal"})
_OPAQUE = {
    "pkl": "pickles, which are never opened", "ndarray": "arrays of numbers", "pil": "images",
    "jpeg": "images", "jpeg_array": "images", "jpegarray": "images", "png": "images",
    "list[pil]": "images", "list[jpeg]": "images", "list[png]": "images",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shard:
    """What index.json says of a shard. name: its file; packed: how it is compressed, or None."""

    name: str
    samples: int
    raw_bytes: int
    packed: str | None
    columns: tuple[tuple[str, str, int | None], ...]  # name, encoding, fixed size

    def opaque(self) -> dict[str, str]:
        """Columns that hold no text → what they hold."""
        found = {}
        for name, encoding, _ in self.columns:
            kind = encoding.split(":", 1)[0]
            if kind in _OPAQUE:
                found[name] = _OPAQUE[kind]
            elif not (kind in _INTS or kind in _FLOATS or kind in _TEXTS or kind in _READ):
                found[name] = f"values encoded as {kind[:20]!r}, which is not known"
        return found


_READ = frozenset({"bytes", "json"})


def shards_of(index: Any) -> list[Shard]:
    """The shards in the content of index.json. Raises ValueError, KeyError or TypeError."""
    return [_shard(entry) for entry in index["shards"] if entry.get("format") == "mds"]


def _shard(entry: Mapping[str, Any]) -> Shard:
    packed = entry.get("zip_data")
    columns = zip(
        entry["column_names"], entry["column_encodings"], entry["column_sizes"], strict=True
    )
    raw = entry["raw_data"]
    return Shard(
        name=str((packed or raw)["basename"]),
        samples=int(entry["samples"]),
        raw_bytes=int(raw["bytes"]),
        packed=str(entry.get("compression") or "").split(":")[0] or None if packed else None,
        columns=tuple((str(name), str(how), size or None) for name, how, size in columns),
    )


class Samples:
    """The samples of an open shard, by number. many: how many there are by its own table."""

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self._file, self._size = file, size
        head = _at(file, 0, 4)
        self.many = struct.unpack("<I", head)[0] if len(head) == 4 else 0
        table = _at(file, 4, 4 * (self.many + 1)) if self.many < size // 4 else b""
        if len(head) < 4 or len(table) < 4 * (self.many + 1):
            raise SourceError(
                "is no whole MDS shard",
                where=where,
                expected="its number of samples and the table of their offsets",
                found=f"{size} bytes that are too few for it, or something else",
                remedy="Copy or write the shard again.",
            )
        self._offsets = np.frombuffer(table, "<u4").astype(np.int64)

    def place(self, number: int) -> int:
        """The byte a sample begins at."""
        return int(self._offsets[number])

    def first_beyond(self) -> int:
        """The first sample that the file does not hold to its end; many: it holds all of them."""
        beyond = np.flatnonzero(self._offsets[1:] > self._size)
        return int(beyond[0]) if len(beyond) else self.many

    def raw(self, number: int) -> bytes | None:
        """The bytes of a sample; None when its offsets cannot be."""
        begin, end = int(self._offsets[number]), int(self._offsets[number + 1])
        if not 4 * (self.many + 2) <= begin <= end <= self._size:
            return None
        return _at(self._file, begin, end - begin)


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def unpacked(file: BinaryIO, shard: Shard, path: Path) -> tuple[BinaryIO, int, str | None]:
    """The raw shard, how many bytes of it there are, and what is wrong with its compression."""
    if shard.packed is None:
        size = file.seek(0, io.SEEK_END)
        return file, size, None
    if shard.packed == "bz2":
        data, problem = _bz2(file)
    elif shard.packed in ("zstd", "gz"):
        stream = ByteStream(file)
        data, problem = _limited(stream.blocks()), None
        problem = stream.problem
    else:
        raise SourceError(
            "is packed in a way that is not read",
            where=str(path),
            expected="an MDS shard packed with zstd, gz or bz2, or not at all",
            found=shard.packed[:20],
            remedy="Unpack the shards, or write the data set again with zstd.",
        )
    if len(data) > MAX_SHARD_BYTES:
        problem = f"expected at most {MAX_SHARD_BYTES} bytes in a shard, found more"
    return io.BytesIO(data), len(data), problem


def _limited(blocks: Iterator[bytes]) -> bytes:
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > MAX_SHARD_BYTES:
            break
    return bytes(data)


def _bz2(file: BinaryIO) -> tuple[bytes, str | None]:
    unpack, data = bz2.BZ2Decompressor(), bytearray()
    try:
        while not unpack.eof and len(data) <= MAX_SHARD_BYTES:
            block = file.read(1 << 16) if unpack.needs_input else b""
            if unpack.needs_input and not block:
                return bytes(data), "expected the end of the bz2 stream, found the file cut off"
            data += unpack.decompress(block, 1 << 20)
    except OSError:
        return bytes(data), "expected a bz2 stream, found damage"
    return bytes(data), None


def values_of(raw: bytes, columns: Sequence[tuple[str, str, int | None]]) -> list[bytes] | None:
    """The bytes of each column of a sample; None when their sizes are not those of the sample."""
    at, sizes = 0, []
    for _, _, size in columns:
        if size is None:
            if at + 4 > len(raw):
                return None
            size = int.from_bytes(raw[at : at + 4], "little")  # noqa: PLW2901
            at += 4
        sizes.append(size)
    if at + sum(sizes) != len(raw):
        return None
    found = []
    for size in sizes:
        found.append(raw[at : at + size])
        at += size
    return found


def decoded(raw: bytes, encoding: str) -> tuple[Any, str | None]:
    """A value as JSON would have it, and what is wrong with it. None for what holds no text."""
    kind = encoding.split(":", 1)[0]
    if kind in _INTS:
        if len(raw) != np.dtype(_INTS[kind]).itemsize:
            return None, f"expected a value of type {kind}, found {len(raw)} bytes"
        return int(np.frombuffer(raw, _INTS[kind])[0]), None
    if kind in _TEXTS or (kind == "bytes" and binary_kind(raw[: 1 << 16]) is None):
        try:
            return raw.decode(), None
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace"), "expected UTF-8, found bytes that are not"
    if kind == "json":
        parsed = parse(raw)
        if parsed.problem is not None:
            return raw.decode("utf-8", "replace"), parsed.problem
        return parsed.value, None
    return None, "expected text, found bytes that are none" if kind == "bytes" and raw else None
