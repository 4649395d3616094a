"""The members of a zip: by its directory, or by its local headers where that is damaged.

What the directory claims of sizes is not used: a member ends where its data ends, and bytes are
counted as they come out.
"""

from __future__ import annotations

import bz2
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from dlpagent.connectors.documents.flow import BLOCK_BYTES, Flow, inflated
from dlpagent.connectors.documents.limits import Budget

_LOCAL = b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED, _BZIP2 = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2
_ENCRYPTED, _SIZES_FOLLOW = 0x0001, 0x0008
_AES = 99
_LINK, _KIND_MASK = 0o120000, 0o170000
_DEVICES = {0o020000: "a device", 0o060000: "a device", 0o010000: "a pipe", 0o140000: "a socket"}
_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "ppmd"}
_DAMAGE = (zlib.error, OSError, EOFError, struct.error, ValueError)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """offset: where its local header begins. packed: bytes of its data, None when not known."""

    name: str
    offset: int
    method: int
    packed: int | None
    crc: int | None
    is_protected: bool = False
    is_folder: bool = False
    kind: str | None = None
    overlaps: bool = False


class Zip:
    """An open zip. problem says that its directory is damaged; members are those found without it.

    Raises nothing for damage: a zip of which nothing is left has no members.
    """

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file, self._budget = file, budget
        self.problem: str | None = None
        try:
            with zipfile.ZipFile(file) as opened:
                self.members = [_member(info) for info in opened.infolist()]
        except (zipfile.BadZipFile, *_DAMAGE, NotImplementedError, IndexError) as error:
            found = f"damage or the file cut off ({type(error).__name__})"
            self.problem = f"expected a zip with its directory at the end, found {found}"
            self.members = list(_local_members(file))
        self.members = _marked_overlaps(self.members)

    def named(self, name: str) -> ZipMember | None:
        """The last member of that name, as unpackers have it."""
        return next((one for one in reversed(self.members) if one.name == name), None)

    def flow(self, member: ZipMember) -> Flow:
        """The member's bytes; the checksum is compared at the end."""
        found: list[str] = []
        blocks = self._blocks(member, found)
        return Flow(blocks, self._budget, lambda: found[0] if found else None)

    def _blocks(self, member: ZipMember, found: list[str]) -> Iterator[bytes]:
        if member.is_protected:
            found.append("expected a readable member, found an encrypted one")
            return
        if member.method not in (_STORED, _DEFLATED, _BZIP2):
            method = _METHODS.get(member.method, f"number {member.method}")
            found.append(f"expected deflate, bzip2 or stored data, found the method {method}")
            return
        checksum = 0
        try:
            for block in self._unpacked(member):
                checksum = zlib.crc32(block, checksum)
                yield block
        except _DAMAGE as error:
            found.append(f"expected the whole member, found damage ({type(error).__name__})")
            return
        if member.crc is not None and member.crc != checksum:
            found.append("expected the whole member, found a wrong checksum")

    def _unpacked(self, member: ZipMember) -> Iterator[bytes]:
        packed = self._packed(member)
        if member.method == _DEFLATED:
            yield from inflated(packed)
        elif member.method == _BZIP2:
            yield from _bunzipped(packed)
        else:
            yield from packed

    def _packed(self, member: ZipMember) -> Iterator[bytes]:
        """Data behind the local header. Read by position: members may be read by turns."""
        self._file.seek(member.offset)
        header = self._file.read(_LOCAL_HEADER.size)
        fields = _LOCAL_HEADER.unpack(header)
        if fields[0] != _LOCAL:
            raise ValueError
        at = member.offset + _LOCAL_HEADER.size + fields[9] + fields[10]
        left = member.packed
        while left is None or left > 0:
            self._file.seek(at)
            block = self._file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
            if not block:
                if left:
                    raise EOFError
                return
            at += len(block)
            left = None if left is None else left - len(block)
            yield block


def _bunzipped(packed: Iterator[bytes]) -> Iterator[bytes]:
    stream = bz2.BZ2Decompressor()
    for data in packed:
        rest = data
        while not stream.eof and (rest or not stream.needs_input):
            yield stream.decompress(rest, BLOCK_BYTES)
            rest = b""
    if not stream.eof:
        raise EOFError


def _member(info: zipfile.ZipInfo) -> ZipMember:
    mode = info.external_attr >> 16 & _KIND_MASK
    kind = "a symbolic link" if mode == _LINK else _DEVICES.get(mode)
    return ZipMember(
        info.filename.replace("\\", "/"),
        info.header_offset,
        info.compress_type,
        info.compress_size,
        info.CRC,
        bool(info.flag_bits & _ENCRYPTED) or info.compress_type == _AES,
        info.is_dir(),
        kind,
    )


def _marked_overlaps(members: list[ZipMember]) -> list[ZipMember]:
    """Members whose data begin inside those of another: no honest program writes that."""
    ends, marked = -1, set()
    for member in sorted(members, key=lambda one: one.offset):
        if member.offset < ends:
            marked.add(member)
        ends = max(ends, member.offset + _LOCAL_HEADER.size + (member.packed or 0))
    if not marked:
        return members
    return [replace(one, overlaps=True) if one in marked else one for one in members]


def _local_members(file: BinaryIO) -> Iterator[ZipMember]:
    """Members by their local headers, wherever one stands."""
    at = 0
    while (at := _find(file, _LOCAL, at)) >= 0:
        file.seek(at)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            return
        _, _, flags, method, _, _, crc, packed, size, name_size, _ = _LOCAL_HEADER.unpack(header)
        raw = file.read(name_size)
        name = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace").replace("\\", "/")
        follows = bool(flags & _SIZES_FOLLOW) or packed == 0xFFFFFFFF
        if method in (_STORED, _DEFLATED, _BZIP2, 14, _AES, *_METHODS) and name:
            yield ZipMember(
                name, at, method, None if follows else packed, None if follows else crc,
                bool(flags & _ENCRYPTED) or method == _AES, name.endswith("/") and size == 0,
            )  # fmt: skip
        at += _LOCAL_HEADER.size + name_size + (0 if follows else packed)


def _find(file: BinaryIO, mark: bytes, start: int) -> int:
    """Where the mark stands next, -1 when nowhere."""
    file.seek(start)
    held, at = b"", start
    while block := file.read(BLOCK_BYTES):
        found = (held + block).find(mark)
        if found >= 0:
            return at - len(held) + found
        at += len(block)
        held = (held + block)[-len(mark) + 1 :]
    return -1
