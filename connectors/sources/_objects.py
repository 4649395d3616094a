"""Objects of a store (S3, Azure, Google, whatever fsspec opens) as paths that file sources can read.

An ObjectPath does what sources ask of a pathlib.Path. It is bound to the version that was listed:
when the object changes while it is read, that is told (SourceError), never read half and half.
Credentials come as each store's own tools take them, by the environment, never in the address.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from dlpagent.connectors.sources._object_file import ObjectFile
from dlpagent.connectors.sources._object_store import (
    call,
    changed,
    file_system,
    is_object_url,
    without_password,
)
from dlpagent.errors import SourceError

__all__ = ["ObjectPath", "is_object_url"]
_GLOB = "*?["
_HEAD_BYTES = 1 << 16
# What stores call the version of an object, the surest first.
_VERSIONS = ("VersionId", "generation", "ETag", "etag", "Content-MD5", "Digest")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created", "Last-Modified")


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What os.stat would say. st_mtime_ns is 0 when the store keeps no time."""

    st_size: int
    st_mtime_ns: int = 0


class ObjectPath:
    """An object, or a prefix of objects. info: what a listing said of it, if one has been made."""

    def __init__(self, url: str, info: Mapping[str, Any] | None = None) -> None:
        self._url = without_password(url)
        self._info = dict(info) if info is not None else None
        self._head: bytes | None = None

    def __str__(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return f"ObjectPath({self._url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)

    def __lt__(self, other: ObjectPath) -> bool:
        return self._url < other._url

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectPath, (self._url, self._info)

    # --- names ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self._url.rstrip("/").rsplit("/", 1)[-1]

    @property
    def suffix(self) -> str:
        """The name from its last dot on."""
        stem, dot, end = self.name.rpartition(".")
        return dot + end if stem else ""

    @property
    def parent(self) -> ObjectPath:
        """The prefix it lies in."""
        return ObjectPath(self._url.rstrip("/").rsplit("/", 1)[0])

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(f"{self._url.rstrip('/')}/{name}")

    def with_name(self, name: str) -> ObjectPath:
        """Its neighbour of another name."""
        return self.parent / name

    def resolve(self) -> ObjectPath:
        """Itself: objects have no links."""
        return self

    def as_uri(self) -> str:
        """The address, as it was given."""
        return self._url

    def relative_to(self, other: ObjectPath) -> ObjectPath:
        """The rest behind a prefix, for showing."""
        return ObjectPath(self._url[len(str(other).rstrip("/")) + 1 :])

    def as_posix(self) -> str:
        """The address."""
        return self._url

    # --- looking ----------------------------------------------------------------------------------

    def info(self) -> Mapping[str, Any]:
        """What the store says of it. Raises SourceError."""
        if self._info is None:
            self._info = self._asked()
        return self._info

    def _asked(self) -> dict[str, Any]:
        system, path = file_system(self._url)
        system.invalidate_cache()
        return dict(call(self._url, lambda: system.info(path)))

    def is_file(self) -> bool:
        """False too when there is no such object."""
        return self._type() == "file"

    def is_dir(self) -> bool:
        """True for a prefix of objects, a bucket too."""
        return self._type() == "directory"

    def exists(self) -> bool:
        """Whether it is an object or a prefix of some."""
        return self._type() is not None

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def _type(self) -> str | None:
        if self._info is None:
            try:
                self.info()
            except SourceError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    return None
                raise
        return str(self.info().get("type", "file"))

    def stat(self) -> ObjectStat:
        """Size, and time where the store keeps one. Raises SourceError."""
        info = self.info()
        moment = next((info[name] for name in _TIMES if info.get(name)), None)
        ns = int(moment.timestamp() * 1e9) if isinstance(moment, datetime) else 0
        return ObjectStat(int(info.get("size") or 0), ns)

    def change_key(self) -> str | None:
        """Equal while the object is: its version, ETag or time, with its size. None: no such thing."""
        return key_of(self.info())

    def iterdir(self) -> Iterator[ObjectPath]:
        """Objects and prefixes right below."""
        system, path = file_system(self._url)
        for info in call(self._url, lambda: system.ls(path, detail=True)):
            if info["name"].rstrip("/") != path.rstrip("/"):
                yield self._below(path, info)

    def rglob(self, pattern: str) -> Iterator[ObjectPath]:
        """Objects of such a name anywhere below."""
        yield from self._matching(f"**/{pattern}")

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Objects that match below."""
        yield from self._matching(pattern)

    def _matching(self, pattern: str) -> Iterator[ObjectPath]:
        system, path = file_system(self._url)
        found = call(self._url, lambda: system.glob(f"{path.rstrip('/')}/{pattern}", detail=True))
        for name in sorted(found):
            yield self._below(path, found[name])

    def _below(self, path: str, info: Mapping[str, Any]) -> ObjectPath:
        rest = str(info["name"])[len(path.rstrip("/")) :].strip("/")
        return ObjectPath(f"{self._url.rstrip('/')}/{rest}", info)

    def matches(self) -> list[ObjectPath]:
        """Itself when it is there, else what its signs * ? [ ] match, in order of their names."""
        if self.exists():
            return [self]
        if not any(sign in self._url for sign in _GLOB):
            return []
        first = min(place for sign in _GLOB if (place := self._url.find(sign)) >= 0)
        base = self._url[: self._url.rindex("/", 0, first)]
        if base.endswith("/"):  # the bucket itself must be named
            return []
        return list(ObjectPath(base).glob(self._url[len(base) + 1 :]))

    # --- reading ----------------------------------------------------------------------------------

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes, read in ranges as they are asked for. Raises SourceError."""
        if mode != "rb":
            raise io.UnsupportedOperation(mode)
        system, path = file_system(self._url)
        size = int(self.info().get("size") or 0)

        def fetch(start: int, stop: int) -> bytes:
            return bytes(call(self._url, lambda: system.cat_file(path, start=start, end=stop)))

        return io.BufferedReader(ObjectFile(size, fetch, self.check_unchanged), 1 << 16)

    def head(self, size_bytes: int) -> bytes:
        """Its first bytes (64 KiB at most), fetched once."""
        if self._head is None:
            with self.open() as file:
                self._head = file.read(_HEAD_BYTES)
        return self._head[:size_bytes]

    def check_unchanged(self) -> None:
        """Raises SourceError when the object is not the one that was listed any more."""
        if key_of(self._asked()) != self.change_key():
            raise changed(self._url)


def key_of(info: Mapping[str, Any]) -> str | None:
    """The change key in what a store says of an object."""
    for name in (*_VERSIONS, *_TIMES):
        value = info.get(name)
        if value not in (None, ""):
            plain = value.isoformat() if isinstance(value, datetime) else str(value)
            return f"{info.get('size')}-{plain.strip(chr(34))}"
    return None
