"""A JSON-lines file that only grows: every line whole, every id once, readable by its owner only.

The first bytes of every line are fixed (prefix, then the id in quotes), so that ids are read back
without decoding JSON and a file of something else is recognised before it is touched.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from dlpagent.errors import SinkError
from dlpagent.ports import Receipt
from dlpagent.records import without_surrogates

# How many of the latest ids are remembered: about 20 MB. An older repeat is written a second time,
# with the same id, and left to the reader.
DEFAULT_WINDOW: Final = 100_000

# No id is longer; ids of events are GUIDs of 36 characters.
_MAX_ID_BYTES: Final = 256

if sys.platform == "win32":

    def _locked(_: int) -> bool:
        return True  # two writers are kept apart by the outbox lock alone

else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of JSON, without the line end. Lone surrogates (file names) become U+FFFD."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(record))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, Mapping):
        return {without_surrogates(key): _encodable(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(held) for held in value]
    return value


class AppendFile:
    """The open file of one sink; opened (and repaired) at the first append.

    prefix: the bytes before the id in every line, ending in a quote: b'{"Id":"'.
    window: how many of the latest ids are known for repeats.
    """

    def __init__(self, target: str | Path, *, prefix: bytes, window: int = DEFAULT_WINDOW) -> None:
        self.path = Path(target)
        self._prefix = prefix
        self._window = window
        self._descriptor: int | None = None
        self._recent: dict[bytes, int] = {}  # id → offset of its line, oldest first

    def append(self, lines: Sequence[tuple[str, bytes]]) -> list[Receipt]:
        """Write (event id, line) pairs in order and sync; one receipt each: "file:offset".

        An id that the file holds already is not written again; its receipt names the first place.
        When the disk refuses, nothing of this call stays in the file and the receipts ask for a
        retry. Raises SinkError when the file cannot be opened, is not ours, or is in use.
        """
        descriptor = self._opened()
        start = end = os.lseek(descriptor, 0, os.SEEK_END)
        fresh: dict[bytes, int] = {}
        blob: list[bytes] = []
        for _, line in lines:
            ident = self._id_of(line)
            if ident not in self._recent and ident not in fresh:
                fresh[ident] = end
                blob += (line, b"\n")
                end += len(line) + 1
        problem = ""
        try:
            if blob:
                _write_all(descriptor, b"".join(blob))
                os.fsync(descriptor)
            self._remember(fresh)
        except OSError as error:
            problem = f"{self.path}: {error.strerror}"
            fresh = {}
            self._abandon(descriptor, start)
        return [self._receipt(event_id, line, fresh, problem) for event_id, line in lines]

    def close(self) -> None:
        """Let go of the file; a later append opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
        self._recent = {}

    def _receipt(
        self, event_id: str, line: bytes, fresh: Mapping[bytes, int], problem: str
    ) -> Receipt:
        ident = self._id_of(line)
        offset = fresh.get(ident, self._recent.get(ident))
        if offset is None:
            return Receipt(event_id, ok=False, detail=problem, retry=True)
        return Receipt(event_id, ok=True, detail=f"{self.path}:{offset}")

    def _id_of(self, line: bytes) -> bytes:
        """The id a line begins with, b"" when the line is not one of ours."""
        if not line.startswith(self._prefix):
            return b""
        end = line.find(b'"', len(self._prefix))
        return line[len(self._prefix) : end] if end > 0 else b""

    def _remember(self, fresh: Mapping[bytes, int]) -> None:
        self._recent.update(fresh)
        while len(self._recent) > self._window:
            del self._recent[next(iter(self._recent))]

    def _abandon(self, descriptor: int, size: int) -> None:
        """Take back what a failed write left; if even that fails, the next open repairs it."""
        known = self._recent
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            known = {}
        self.close()
        self._recent = known  # receipts of repeats in the failed call still name their places

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_still_there(self._descriptor):
            self.close()  # rotated or removed by someone: go on in a new file
        if self._descriptor is None:
            self._recent = {}
            self._descriptor = self._open()
        return self._descriptor

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(descriptor))
        except OSError:
            return False

    def _open(self) -> int:
        descriptor = -1
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._take(descriptor)
        except OSError as error:
            _close(descriptor)
            raise SinkError(
                f"the event file cannot be opened ({error.strerror})",
                where=str(self.path),
                remedy="Name a file this user can write; the events stay in the outbox.",
            ) from None
        except SinkError:
            _close(descriptor)
            raise
        return descriptor

    def _take(self, descriptor: int) -> None:
        """Make an open file ours: lock, check, repair, restrict, index."""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise self._refused("something that is not a regular file")
        if not _locked(descriptor):
            raise SinkError(
                "the event file is in use by another process",
                where=str(self.path),
                remedy="Wait for it to end, or name another file; the events stay in the outbox.",
            )
        head = os.pread(descriptor, len(self._prefix), 0)
        if not self._prefix.startswith(head.rstrip(b"\0")):
            raise self._refused("a file of something else")
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)
        self._index(descriptor)
        os.fsync(descriptor)
        _sync_folder(self.path.parent)

    def _refused(self, found: str) -> SinkError:
        return SinkError(
            "the event file was left untouched",
            where=str(self.path),
            expected="a new file, or one this sink has written",
            found=found,
            remedy="Name another file.",
        )

    def _index(self, descriptor: int) -> None:
        """Cut off what a crash left half written and remember the latest ids."""
        size = os.fstat(descriptor).st_size
        if not size:
            return
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as view:
            whole = self._whole_bytes(view)
            found: list[tuple[bytes, int]] = []
            end = whole
            while end > 0 and len(found) < self._window:
                start = view.rfind(b"\n", 0, end - 1) + 1
                found.append((self._id_of(view[start : start + _MAX_ID_BYTES]), start))
                end = start
        if whole < size:
            os.ftruncate(descriptor, whole)
        self._recent = {ident: offset for ident, offset in reversed(found) if ident}

    def _whole_bytes(self, view: mmap.mmap) -> int:
        """Where the last line that was written whole ends.

        A power cut can leave a line end behind bytes that never reached the disk: such a line
        holds NUL, or begins like ours and is not JSON.
        """
        end = view.rfind(b"\n") + 1
        while end > 0:
            start = view.rfind(b"\n", 0, end - 1) + 1
            line = view[start : end - 1]
            if b"\0" not in line and (not line.startswith(self._prefix) or _is_json(line)):
                return end
            end = start
        return 0


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only when its folder's entry does."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
