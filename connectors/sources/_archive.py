"""The members of an export: a zip, an unpacked folder or one file; read in place, never extracted.

What a zip says of itself is not believed: bytes are counted as they come out, and a member that
unpacks to far more than text does is given up as a zip bomb.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dlpagent.connectors.sources._files import reading
from dlpagent.connectors.sources._streams import BLOCK_BYTES
from dlpagent.connectors.sources._zip_salvage import SalvagedZip
from dlpagent.errors import SourceError

# Deflate reaches 1032:1 on zeros; JSON of real conversations stays below 30:1.
_MAX_RATIO = 200
_MIN_BOMB_BYTES = 64 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an export. name: its path inside, with slashes. problem: why it is not opened.

    packed_bytes: what it takes up in the zip (or on disk). crc: the zip's checksum of it.
    """

    name: str
    index: int
    size_bytes: int
    packed_bytes: int
    crc: int | None = None
    is_protected: bool = False
    problem: str | None = None

    @property
    def basename(self) -> str:
        """The name without its folders."""
        return self.name.rsplit("/", 1)[-1]


class Archive:
    """An open export, for a with statement. members are in a fixed order.

    is_file: it is one plain file, and its only member.
    """

    def __init__(self, path: Path) -> None:
        """Raises SourceError when path is neither a folder, a file nor a whole zip."""
        self.path = path
        self._path = path.resolve()
        self.is_file = False
        self._zip: zipfile.ZipFile | None = None
        self._infos: list[zipfile.ZipInfo] = []
        self._salvaged: SalvagedZip | None = None
        with reading(path):
            if path.is_dir():
                self._root = self._path
                self.members = _members_of_folder(self._root)
            elif zipfile.is_zipfile(path):
                self._root = self._path.parent
                self._open_zip(path)
            elif _begins_as_zip(path):
                self._root = self._path.parent
                self._salvage(path, "no directory at its end")
            else:
                self.is_file = True
                self._root = self._path.parent
                size = path.stat().st_size
                self.members = [Member(self._path.name, 0, size, size)]

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()
        if self._salvaged is not None:
            self._salvaged.close()

    def _open_zip(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except _BROKEN as error:
            self._salvage(path, type(error).__name__)
            return
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        self.members = [_member(info, at) for at, info in enumerate(self._infos)]

    def _salvage(self, path: Path, found: str) -> None:
        """Members by their own headers, and one that says so. Raises SourceError when none is left."""
        self._salvaged = SalvagedZip(path)
        kept = self._salvaged.members
        if not kept:
            self._salvaged.close()
            raise _broken_zip(path, found)
        self.members = [
            Member(one.name, at, 0, one.packed or path.stat().st_size, one.crc, one.is_protected)
            for at, one in enumerate(kept)
        ]
        lost = f"expected a zip with its directory at the end, found {found}: members may be lost"
        self.members.append(Member("#directory", len(kept), 0, 0, problem=lost))

    def place_of(self, member: Member) -> str:
        """The member's absolute path; inside a zip `ARCHIVE.zip!member`."""
        if self._zip is not None or self._salvaged is not None:
            return f"{self._path}!{member.name}"
        return str(self._root / member.name)

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """The member's bytes, unpacked."""
        if self._zip is not None:
            with reading(self._path), self._zip.open(self._infos[member.index]) as packed:
                # zipfile keeps back the last block when the checksum is wrong; we read and tell.
                setattr(packed, "_expected_crc", None)  # noqa: B010  private, unknown to its types
                yield cast("BinaryIO", packed)
        elif self._salvaged is not None:
            with reading(self._path):
                yield cast("BinaryIO", self._salvaged.opened(member.index))
        else:
            path = self._root / member.name
            with reading(path), path.open("rb") as file:
                yield file


class MemberStream:
    """Blocks of one member. When blocks() has ended, problem says why early; None: it was all."""

    def __init__(self, archive: Archive, member: Member) -> None:
        self._archive, self._member = archive, member
        self.problem: str | None = None
        self.position = 0

    def blocks(self, start: int = 0) -> Generator[bytes, None, None]:
        """Blocks from the (unpacked) offset on."""
        if self._member.problem is not None:
            self.problem = self._member.problem
            return
        try:
            with self._archive.open(self._member) as file:
                yield from self._blocks_of(file, start)
        except _BROKEN as error:
            found = f"damage ({type(error).__name__}) after {self.position} bytes"
            self.problem = f"expected the whole member, found {found}"

    def _blocks_of(self, file: BinaryIO, start: int) -> Generator[bytes, None, None]:
        """A zip member is unpacked from its beginning, for the sake of its checksum."""
        limit = max(_MIN_BOMB_BYTES, self._member.packed_bytes * _MAX_RATIO)
        checksum = 0
        if self._member.crc is None and start:
            self.position = file.seek(start)
        while block := file.read(BLOCK_BYTES):
            skip = max(0, start - self.position)
            self.position += len(block)
            if self.position > limit:
                self.problem = (
                    f"expected at most {_MAX_RATIO} bytes per packed byte, found more "
                    f"(a zip bomb?): given up after {self.position} bytes"
                )
                return
            if self._member.crc is not None:
                checksum = zlib.crc32(block, checksum)
            if skip < len(block):
                yield block[skip:] if skip else block
        if self._member.crc not in (None, checksum):
            self.problem = "expected the whole member, found a wrong checksum"

    def read(self, max_bytes: int) -> bytes | None:
        """All of it; None when it cannot be read or is larger, and problem says so."""
        pieces: list[bytes] = []
        for block in self.blocks():
            pieces.append(block)
            if self.position > max_bytes:
                self.problem = f"expected at most {max_bytes} bytes, found more"
                return None
        return None if self.problem is not None else b"".join(pieces)


def change_key_of(archive: Archive, path: Path) -> str:
    """Size and time of the file; for a folder a digest of names, sizes and times of its members."""
    with reading(path):
        if not path.is_dir():
            stat = path.stat()
            return f"{stat.st_size}-{stat.st_mtime_ns}"
        digest = hashlib.sha256()
        for member in archive.members:
            stat = os.lstat(archive.place_of(member))
            digest.update(
                f"{member.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "replace")
            )
    return digest.hexdigest()[:32]


def _members_of_folder(root: Path) -> list[Member]:
    members: list[Member] = []
    for folder, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            path = Path(folder) / name
            link = path.is_symlink()
            size = 0 if link else path.stat().st_size
            problem = (
                "expected a file, found a symbolic link, which is not followed" if link else None
            )
            shown = path.relative_to(root).as_posix()
            members.append(Member(shown, len(members), size, size, problem=problem))
    return members


def _member(info: zipfile.ZipInfo, index: int) -> Member:
    locked = bool(info.flag_bits & 1)
    return Member(
        info.filename.replace("\\", "/"),
        index,
        info.file_size,
        info.compress_size,
        crc=info.CRC,
        is_protected=locked,
        problem="expected a readable member, found an encrypted one" if locked else None,
    )


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _broken_zip(path: Path, found: str) -> SourceError:
    return SourceError(
        "is not a whole zip",
        where=str(path),
        expected="a zip with its directory at the end",
        found=f"{found}: the file is damaged or was cut off",
        remedy="Download or copy the export again.",
    )
