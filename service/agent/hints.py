"""Paths that the system says have changed. Hints only: they may be lost, late, doubled or too many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.errors import missing_extra
from dlpagent.service.agent.json_log import say

# Beyond so many paths that wait, none is kept: the next rescan finds them all.
MAX_WAITING = 20_000


@dataclass(slots=True)
class Hints:
    """Gathers paths from the observer's thread; wake is called when the first one comes."""

    wake: Callable[[], None]
    _paths: set[str] = field(default_factory=set)
    _lost: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *paths: str) -> None:
        """Note paths; from any thread."""
        with self._lock:
            was_empty = not self._paths
            if len(self._paths) < MAX_WAITING:
                self._paths.update(path for path in paths if path)
            else:
                self._lost = True
        if was_empty:
            self.wake()

    def take(self) -> tuple[set[Path], bool]:
        """The paths noted since the last call, and whether some were lost."""
        with self._lock:
            paths, self._paths = self._paths, set()
            lost, self._lost = self._lost, False
        return {Path(path) for path in paths}, lost


@contextmanager
def hints_of(folders: Sequence[Path], wake: Callable[[], None]) -> Iterator[Hints]:
    """Watch folders while the context lasts. Where the system refuses, rescans must do alone."""
    try:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer
    except ImportError:
        raise missing_extra("watchdog", "agent", "dlpagent watch") from None

    hints = Hints(wake)

    class Noting(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            ours = event.event_type in ("opened", "closed_no_write")  # our own reading
            said_by_files = event.is_directory and event.event_type == "modified"
            if not ours and not said_by_files:
                hints.add(_text(event.src_path), _text(event.dest_path))

    observer = Observer()
    try:
        for folder in folders:
            observer.schedule(Noting(), str(folder), recursive=True)
        observer.start()
    except OSError as error:
        say("no-hints", level=logging.WARNING, reason=error.strerror,
            remedy="raise fs.inotify.max_user_watches; until then rescans find what has changed")  # fmt: skip
    try:
        yield hints
    finally:
        if observer.is_alive():
            observer.stop()
            observer.join()


def _text(path: bytes | str) -> str:
    return path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
