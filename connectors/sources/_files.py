"""A file as an asset, and opening it so that only SourceError can come of it.

A path is one of this machine or, for the address of an object store, an ObjectPath that does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._objects import ObjectPath, is_object_url
from dlpagent.errors import SourceError
from dlpagent.records import Asset, AssetKind, ItemLevel


def path_of(target: str | Path) -> Path:
    """The path of a target; of an address such as s3://bucket/key an object's."""
    if isinstance(target, str) and is_object_url(target):
        return cast("Path", ObjectPath(target))
    return Path(target) if isinstance(target, str) else target


def path_of_uri(uri: str) -> Path:
    """The path behind the uri of an asset that file_asset made."""
    return path_of(uri) if is_object_url(uri) else Path(unquote(urlsplit(uri).path))


def change_key_of_file(path: Path) -> str | None:
    """Equal while the file is: size and time, of an object its version or ETag."""
    if isinstance(path, ObjectPath):
        return path.change_key()
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def arrow_source(path: Path) -> Any:
    """What pyarrow opens the file by: the name of a local one, else a file over ranged reads."""
    return pa.PythonFile(path.open("rb"), "r") if isinstance(path, ObjectPath) else str(path)


def file_asset(
    path: Path,
    kind: AssetKind,
    connector: str,
    *,
    item: ItemLevel = "asset",
    app: str | None = None,
) -> Asset:
    """The file as an asset; its change key is made of size and time, of an object's its ETag.

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
    key = change_key_of_file(path)
    return Asset(uri, kind, connector, item, change_key=key, size_bytes=stat.st_size, app=app)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading bytes, closed behind it. Raises SourceError, also for errors within."""
    with reading(path), path.open("rb") as file:
        yield file
    check_unchanged(path)


def check_unchanged(path: Path) -> None:
    """Raises SourceError when an object was changed while it was read; a local file is let be."""
    if isinstance(path, ObjectPath):
        path.check_unchanged()


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
    if isinstance(path, ObjectPath):
        return path.head(size_bytes)
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(size_bytes)
    except OSError:
        return b""
