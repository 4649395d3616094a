"""The members of a tar archive in the order they lie, read from a stream of bytes.

tarfile's own stream mode ends without a word where a header is damaged, so the walk from header to
header is made here; each header is decoded by tarfile. Nothing is ever written to disk, and what a
header says of a size is only believed as far as bytes come.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from dlpagent.connectors.sources._streams import ByteStream

_BLOCK = tarfile.BLOCKSIZE
_ZEROS = bytes(_BLOCK)
# Long names and extended headers: real ones take a few hundred bytes.
_MAX_EXTRA_BYTES = 1 << 20
_CUT_OFF = "expected the rest of the archive, found the file cut off"
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


@dataclass(frozen=True, slots=True)
class TarMember:
    """offset: byte of the unpacked archive where its first header begins.

    kind says what it is when it is no file to read. problem: damage found instead of a member.
    """

    name: str
    offset: int
    size: int = 0
    kind: str | None = None
    problem: str | None = None


class TarMembers:
    """Walks an archive from the header at byte `start`; content() reads of the one last given."""

    def __init__(self, stream: ByteStream, start: int) -> None:
        self._stream = stream
        self._blocks = stream.blocks(start)
        self._held = b""
        self._at = 0
        self._offset = start
        self._content_left = self._to_next = 0
        self._extra: dict[str, str] = {}
        self._begins: int | None = None

    def __iter__(self) -> Iterator[TarMember]:
        """Files, links and devices; folders are left out. Damage is a member with a problem."""
        has_end = self._offset == 0  # an empty file is an empty archive
        while True:
            if self._skip(self._to_next):
                yield self._damage(self._offset, self._stream.problem or _CUT_OFF)
                return
            self._to_next = self._content_left = 0
            offset = self._offset
            block = self._take(_BLOCK)
            if not block and has_end and not self._stream.problem:
                return
            if len(block) < _BLOCK:
                yield self._damage(offset, self._stream.problem or _CUT_OFF)
                return
            if block == _ZEROS:  # archives may be joined end to end: read on
                has_end = True
                continue
            header = _header(block)
            if header is None:
                yield self._resynchronise(offset)
                continue
            has_end = False
            member = self._member(header, offset, block)
            if member is not None:
                yield member

    def content(self, at_most: int) -> bytes:
        """Up to so many more bytes of the member; fewer when the archive is cut off."""
        raw = self._take(min(at_most, self._content_left))
        self._content_left -= len(raw)
        self._to_next -= len(raw)
        return raw

    def _member(self, header: tarfile.TarInfo, offset: int, block: bytes) -> TarMember | None:
        size = header.size
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            self._note(offset, size, "path" if header.type == tarfile.GNUTYPE_LONGNAME else "link")
            return None
        if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE):
            self._note(offset, size, None if header.type != tarfile.XGLTYPE else "global")
            return None
        name = self._extra.get("path", header.name)
        if self._extra.get("size", "").isdigit():
            size = int(self._extra["size"][:20])
        begins = offset if self._begins is None else self._begins
        self._extra, self._begins = {}, None
        if header.type == tarfile.GNUTYPE_SPARSE:
            self._skip_sparse_headers(block)
        if header.isreg() or header.type not in tarfile.SUPPORTED_TYPES:
            self._content_left, self._to_next = size, -(-size // _BLOCK) * _BLOCK
        if header.isdir():
            return None
        known = header.type in tarfile.REGULAR_TYPES and header.type not in _KINDS
        kind = None if known else _KINDS.get(header.type, "a member of an unknown type")
        return TarMember(name, begins, size, kind)

    def _note(self, offset: int, size: int, what: str | None) -> None:
        """Keep what an extra header says of the member behind it."""
        self._begins = offset if self._begins is None else self._begins
        raw = self._take(min(size, _MAX_EXTRA_BYTES))
        self._to_next = -(-size // _BLOCK) * _BLOCK - len(raw)
        if what == "path":
            self._extra["path"] = raw.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif what is None:
            self._extra |= _pax(raw)

    def _skip_sparse_headers(self, block: bytes) -> None:
        is_extended = block[482:483] not in (b"\0", b"")
        while is_extended:
            block = self._take(_BLOCK)
            is_extended = len(block) == _BLOCK and block[504] != 0

    def _resynchronise(self, offset: int) -> TarMember:
        """Go on to the next block that is a header, or all zeros."""
        while True:
            ahead = self._peek(_BLOCK)
            if len(ahead) < _BLOCK or ahead == _ZEROS or _header(ahead) is not None:
                break
            self._take(_BLOCK)
        self._extra, self._begins = {}, None
        lost = self._offset - offset
        found = f"expected a tar header, found {lost} bytes of something else; they were not read"
        return self._damage(offset, found)

    def _damage(self, offset: int, problem: str) -> TarMember:
        return TarMember("", offset if self._begins is None else self._begins, problem=problem)

    def _peek(self, size: int) -> bytes:
        pieces = [self._held[self._at :]]
        have = len(pieces[0])
        while have < size:
            block = next(self._blocks, b"")
            if not block:
                break
            pieces.append(block)
            have += len(block)
        if len(pieces) > 1:
            self._held, self._at = b"".join(pieces), 0
        return self._held[self._at : self._at + size]

    def _take(self, size: int) -> bytes:
        raw = self._peek(size)
        self._at += len(raw)
        self._offset += len(raw)
        return raw

    def _skip(self, size: int) -> int:
        """How many of so many bytes were not there to be skipped."""
        while size:
            step = len(self._take(min(size, 1 << 20)))
            if not step:
                break
            size -= step
        return size


def _header(block: bytes) -> tarfile.TarInfo | None:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return None
    return header if header.size >= 0 else None


def _pax(raw: bytes) -> dict[str, str]:
    """The records `<length> <key>=<value>\\n` of an extended header (POSIX.1-2001)."""
    found: dict[str, str] = {}
    while raw:
        length, _, _ = raw.partition(b" ")
        if not length.isdigit() or not 0 < int(length[:9]) <= len(raw):
            break
        key, _, value = raw[len(length) + 1 : int(length[:9]) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        raw = raw[int(length[:9]) :]
    return found
