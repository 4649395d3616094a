"""What lies below watched folders: files, and folders that are one store or export, each one unit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.service.wiring import SKIPPED_NAMES, is_one_source

# Equal while a unit is: device, inode, size and time of a file; of a folder, of all in it.
Signature = tuple[object, ...]


@dataclass(slots=True)
class Units:
    """A walk that asks every folder once whether it is one source, and again when it has changed."""

    roots: Sequence[Path]
    left_out: Sequence[Path] = ()
    _whole: dict[Path, tuple[int, bool]] = field(default_factory=dict)

    def walk(self) -> Iterator[tuple[Path, Signature]]:
        """Every unit with its signature. What vanishes meanwhile, or may not be read, is not met."""
        for root in self.roots:
            yield from self._below(root)

    def unit_of(self, path: Path) -> Path | None:
        """The unit a path belongs to: itself, or the folder above it that is one. None: left out."""
        if self._is_left_out(path):
            return None
        for root in self.roots:
            if path == root or root in path.parents:
                between = [root, *reversed([up for up in path.parents if root in up.parents]), path]
                if any(step.name in SKIPPED_NAMES for step in between[1:]):
                    return None
                return next((up for up in between[:-1] if self._is_whole(up)), path)
        return None

    def signature(self, path: Path) -> Signature | None:
        """The signature of a unit; None when it is not there."""
        try:
            stat = path.stat()
        except OSError:
            return None
        if path.is_dir():
            return tuple(sorted(_inside(path)))
        return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def _below(self, folder: Path) -> Iterator[tuple[Path, Signature]]:
        if self._is_whole(folder):
            found = self.signature(folder)
            if found is not None:
                yield folder, found
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            path = Path(entry.path)
            if entry.name in SKIPPED_NAMES or self._is_left_out(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(path)
            elif entry.is_file():
                found = self.signature(path)
                if found is not None:
                    yield path, found

    def _is_whole(self, folder: Path) -> bool:
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return False
        known = self._whole.get(folder)
        if known is None or known[0] != changed:
            known = self._whole[folder] = (changed, is_one_source(folder))
        return known[1]

    def _is_left_out(self, path: Path) -> bool:
        """Own files: a state beside the data must not be watched (its -wal and folders, too)."""
        return any(str(path).startswith(str(own)) for own in self.left_out)


def _inside(folder: Path) -> Iterator[tuple[str, int, int]]:
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                stat = os.stat(os.path.join(where, name))  # noqa: PTH116, PTH118 - many files
            except OSError:
                continue
            yield os.path.join(where, name), stat.st_size, stat.st_mtime_ns  # noqa: PTH118
