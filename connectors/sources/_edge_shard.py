"""A Qdrant Edge shard on disk: telling it from other folders, and opening it without touching it.

The engine has no read-only way to open a shard: it locks it for every other process, folds its
journals and may write its configuration anew in the form of its own version. So what is opened is a
private copy, made while a shared lock keeps the engine out of the shard, with holes where the
vectors were, and unlinked as soon as the engine has it open: the texts stay on disk for that moment
only, readable by the owner.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlpagent.errors import SourceError, missing_extra

_CONFIG, _WAL, _SEGMENTS = "edge_config.json", "wal", "segments"
# What marks the shard of a server, which has files beside it that the engine here does not know.
_OF_SERVER = ("replica_state.json", "shard_config.json")
_COPY_BYTES = 1 << 20
_HEADER_BYTES = 4096
# Files the engine writes when a shard is only opened and closed.
_BOOKKEEPING = frozenset(
    {_CONFIG, "segment.json", "status.dat", "tracker.dat", "tracker_journal.dat", "first-index"}
)


def is_shard(path: Path) -> bool:
    """True for a folder that holds a shard of Qdrant Edge."""
    try:
        if not (path / _SEGMENTS).is_dir() or any((path / name).exists() for name in _OF_SERVER):
            return False
        has_segment = any((path / _SEGMENTS).glob("*/segment.json"))
        return (path / _CONFIG).is_file() or (has_segment and (path / _WAL).is_dir())
    except OSError:
        return False


def shards_in(path: Path) -> list[Path]:
    """The folder itself when it is a shard, else those shards that lie directly in it."""
    if is_shard(path):
        return [path]
    try:
        return sorted(child for child in path.iterdir() if child.is_dir() and is_shard(child))
    except OSError:
        return []


def holds_only_shards(path: Path) -> bool:
    """True for a shard, and for a folder of nothing else: other files in it must not be missed."""
    if is_shard(path):
        return True
    try:
        children = [child for child in path.iterdir() if not child.name.startswith(".")]
    except OSError:
        return False
    return bool(children) and all(is_shard(child) for child in children)


def content_of(path: Path) -> tuple[str, int]:
    """A change key made of the files that hold points, and the bytes the shard takes on disk.

    Reading the shard does not change the key; opening it with the engine does not either.
    """
    digest, size = hashlib.sha256(), 0
    for file in sorted(_files(path)):
        stat = file.stat()
        size += getattr(stat, "st_blocks", stat.st_size // 512) * 512
        if file.name not in _BOOKKEEPING and not file.name.startswith("flags_"):
            mark = f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns}\n"
            digest.update(mark.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32], size


@contextmanager
def opened_shard(path: Path, *, in_place: bool) -> Iterator[Any]:
    """The engine's shard, closed afterwards. Raises SourceError when it cannot be opened.

    in_place: open the shard itself instead of a copy; it is locked, and the engine may write to it.
    """
    if in_place:
        shard = _load(path, path)
    else:
        copy = Path(tempfile.mkdtemp(prefix="dlpagent-shard-"))
        try:
            _copy(path, copy)
            shard = _load(copy, path)
        finally:  # the engine holds the files open by now
            shutil.rmtree(copy, ignore_errors=True)
    try:
        yield shard
    finally:
        with engine_errors(path):
            shard.close()


@contextmanager
def engine_errors(path: Path) -> Iterator[None]:
    """Turns what the engine raises, its panics too, into SourceError, without its words."""
    try:
        yield
    except (SourceError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001  a panic in Rust is no Exception
        raise SourceError(
            "the vector store's engine could not read it",
            where=str(path),
            expected="an intact shard of Qdrant Edge, of the installed engine's version or older",
            found=f"an error of the engine ({type(error).__name__})",
            remedy="Open it with the application that wrote it, or restore it from a snapshot.",
        ) from None


def engine() -> Any:
    """The engine's package. Raises ConfigurationError naming what to install."""
    try:
        import qdrant_edge  # noqa: PLC0415  loaded only where a shard is read
    except ImportError as error:
        raise missing_extra("qdrant-edge-py", "all", "Reading a Qdrant Edge shard") from error
    return qdrant_edge


def _load(folder: Path, shown: Path) -> Any:
    package = engine()
    with engine_errors(shown):
        return package.EdgeShard.load(str(folder))


def _files(path: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(path):
        for name in names:
            yield Path(folder) / name


def _copy(path: Path, copy: Path) -> None:
    try:
        with _kept_still(path):
            for file in _files(path):
                target = copy / file.relative_to(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy_file(file, target)
            (copy / _SEGMENTS).mkdir(exist_ok=True)
    except OSError as error:
        raise SourceError(
            "the shard could not be copied for reading",
            where=str(path),
            expected=f"room for its payloads in {tempfile.gettempdir()}",
            found=error.strerror or type(error).__name__,
            remedy="Set TMPDIR to a larger disk, or add ?open=in-place to the URI.",
        ) from error


def _copy_file(source: Path, target: Path) -> None:
    """Copy with holes for zeros (files are laid out far larger than filled), and for vectors."""
    folder, name = source.parent.name, source.name
    has_vectors = name == "matrix.dat" or (folder == "vectors" and name.startswith("chunk_"))
    with source.open("rb") as given, target.open("wb") as taken:
        size = os.fstat(given.fileno()).st_size
        if has_vectors:  # but for the header
            taken.write(given.read(_HEADER_BYTES))
        else:
            while block := given.read(_COPY_BYTES):
                if block.count(0) == len(block):
                    taken.seek(len(block), os.SEEK_CUR)
                else:
                    taken.write(block)
        taken.truncate(max(size, taken.tell()))


@contextmanager
def _kept_still(path: Path) -> Iterator[None]:
    """Holds the lock the engine takes to write, shared. Raises SourceError when it is taken."""
    try:
        import fcntl  # noqa: PLC0415  not on Windows: there the copy is made without the lock
    except ImportError:
        yield
        return
    wal = path / _WAL
    if not wal.is_dir():
        yield
        return
    handle = os.open(wal, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SourceError(
                "the shard is open in another process",
                where=str(path),
                expected="a shard no application holds open",
                found="its write-ahead log locked",
                remedy="Close the application, or scan a copy or snapshot of the folder.",
            ) from error
        yield
    finally:
        os.close(handle)
