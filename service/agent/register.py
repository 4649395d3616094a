"""The logs that are followed: which file is which, and under what name each is known in the state.

The state is where it is kept: every checkpoint of a followed log carries the mark of its file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from dlpagent.follow import MARK
from dlpagent.service.agent.identity import FileMark, is_packed_copy, mark_from
from dlpagent.state import AssetProgress

MAX_PAST = 200
Found = Literal["new", "known", "twin"]


@dataclass(frozen=True, slots=True)
class Followed:
    """One log: its uri in the state, for good, its file as it was last read, and what reads it."""

    uri: str
    mark: FileMark
    connector: str

    def as_json(self) -> dict[str, Any]:
        """What its checkpoint carries."""
        return {"connector": self.connector, **self.mark.as_json()}


@dataclass(slots=True)
class Register:
    """All followed logs, by uri. taken: uris that were ever given, so that none is given twice;
    past: the latest logs that are gone, known by again when they come back packed."""

    logs: dict[str, Followed] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    past: list[FileMark] = field(default_factory=list)

    def load(self, assets: Iterable[AssetProgress]) -> None:
        """Those of an earlier run, by the marks in its checkpoints."""
        for progress in assets:
            self.taken.add(progress.asset_uri)
            cursor = progress.checkpoint.cursor if progress.checkpoint else {}
            carried = cursor.get(MARK, {})
            mark = mark_from(carried)
            if mark is not None and progress.status != "running":
                self._remember(mark)
            elif mark is not None:
                connector = str(carried.get("connector", "jsonl"))
                self.logs[progress.asset_uri] = Followed(progress.asset_uri, mark, connector)

    def recognise(self, path: Path, file: BinaryIO) -> tuple[Found, Followed | None]:
        """Which log an open file is.

        known: that log, wherever it lies now. twin: it holds what a log holds that is still where
        it was: a copy under way, before the truncation of the original. new: none of them.
        """
        stat = os.fstat(file.fileno())
        same = [
            log for log in self.logs.values()
            if (log.mark.device, log.mark.inode) == (stat.st_dev, stat.st_ino)
        ]  # fmt: skip
        for log in same:
            if log.mark.is_in(file):
                return "known", self._moved(log, path)
        for log in self.logs.values():
            if log not in same and log.mark.offset and log.mark.is_in(file):
                if _is_where_it_was(log.mark):
                    return "twin", log
                return "known", self._moved(log, path, stat)
        return "new", None

    def has_read_packed(self, file: BinaryIO) -> bool:
        """Whether a gzip file is the packed rotation of a log of which all has been read."""
        marks = [*(log.mark for log in self.logs.values()), *self.past]
        return any(mark.offset and is_packed_copy(file, mark) for mark in marks)

    def name_for(self, path: Path) -> str:
        """The uri of a new log: that of its path, numbered when another log had it before."""
        base = path.resolve().as_uri()
        uri, number = base, 1
        while uri in self.taken:
            number += 1
            uri = f"{base}#{number}"
        self.taken.add(uri)
        return uri

    def note(self, log: Followed) -> None:
        """A log has been read up to mark.offset."""
        self.logs[log.uri] = log

    def gone(self) -> list[Followed]:
        """Logs whose file lies nowhere it was seen."""
        return [log for log in self.logs.values() if not _is_where_it_was(log.mark)]

    def forget(self, uri: str) -> None:
        """A log is not followed any more; its uri stays taken."""
        log = self.logs.pop(uri, None)
        if log is not None:
            self._remember(log.mark)

    def _remember(self, mark: FileMark) -> None:
        self.past.append(mark)
        del self.past[:-MAX_PAST]

    def _moved(self, log: Followed, path: Path, stat: os.stat_result | None = None) -> Followed:
        mark = replace(log.mark, path=str(path))
        if stat is not None:
            mark = replace(mark, device=stat.st_dev, inode=stat.st_ino)
        moved = Followed(log.uri, mark, log.connector)
        self.logs[log.uri] = moved
        return moved


def _is_where_it_was(mark: FileMark) -> bool:
    with opened_file(Path(mark.path)) as file:
        if file is None:
            return False
        stat = os.fstat(file.fileno())
        return (stat.st_dev, stat.st_ino) == (mark.device, mark.inode) and mark.is_in(file)


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO | None]:
    """The file for reading; None when it is not there, not a file, or not ours to read."""
    file: BinaryIO | None = None
    try:
        # a pipe would wait for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        file = os.fdopen(descriptor, "rb")
    except OSError:
        pass
    try:
        yield file
    finally:
        if file is not None:
            file.close()
