"""A file as an asset, and opening it so that only SourceError can come of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dlpagent.errors import SourceError
from dlpagent.records import Asset, AssetKind, ItemLevel


def file_asset(
    path: Path,
    kind: AssetKind,
    connector: str,
    *,
    item: ItemLevel = "asset",
    app: str | None = None,
) -> Asset:
    """The file as an asset; its change key is made of size and modification time.

    Raises SourceError when there is no such file.
    """
    with reading(path):
        stat = path.stat()
        uri = path.resolve().as_uri()
    if not path.is_file():
        raise SourceError(
            "is not a file",
            where=str(path),
            expected=f"a file for the connector {connector}",
            found="a folder" if path.is_dir() else "a device or pipe",
            remedy="Name the files themselves, or a glob such as folder/**/*.jsonl.",
        )
    key = f"{stat.st_size}-{stat.st_mtime_ns}"
    return Asset(uri, kind, connector, item, change_key=key, size_bytes=stat.st_size, app=app)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading bytes, closed behind it. Raises SourceError, also for errors within."""
    with reading(path), path.open("rb") as file:
        yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the operating system says of the path into SourceError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(
            "cannot be read",
            where=str(path),
            expected="a file that can be opened and read to its end",
            found=reason,
            remedy="Check the path, its permissions and the disk, then run again with --resume.",
        ) from error


def head_of(path: Path, size_bytes: int = 4096) -> bytes:
    """The first bytes of a file, or none when it cannot be read: for recognising only.

    Only of a file: whoever opens a pipe waits until somebody writes to it.
    """
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(size_bytes)
    except OSError:
        return b""
