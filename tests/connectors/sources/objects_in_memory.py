"""A store in memory, opened by fsspec as any other: it counts what is fetched and fails when told to."""

from __future__ import annotations

from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import register_implementation


class TriedFileSystem(MemoryFileSystem):
    """tried://… failing: errors for the next calls. fetched: (path, start, stop) of every read."""

    protocol = "tried"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fetched: ClassVar[list[tuple[str, int, int]]] = []
    failing: ClassVar[list[Exception]] = []

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        self.fetched.append((path, start, end))
        if self.failing:
            raise self.failing.pop()
        return bytes(super().cat_file(path, start=start, end=end, **kwargs))

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return MemoryFileSystem._strip_protocol(str(path).replace("tried://", "memory://"))


def tried_store() -> TriedFileSystem:
    """The one store, empty."""
    register_implementation("tried", TriedFileSystem, clobber=True)
    system = TriedFileSystem(skip_instance_cache=True)
    for held in (system.store, system.fetched, system.failing):
        held.clear()
    system.pseudo_dirs[:] = [""]
    return system
