"""What reading one file may cost, and the count of what it has cost so far."""

from __future__ import annotations

from dataclasses import dataclass, field

_MB = 1 << 20
# What really lies on the disk buys more: a large archive of honest documents is not a bomb.
_UNPACKED_PER_BYTE = 30
_SECONDS_PER_MB = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """max_seconds: of work on one file, plus 0.1 per megabyte of it. max_memory_mb: address space
    of the child. max_depth: archives, mails and documents inside each other. max_entries: members,
    attachments and pages in all. max_unpacked_mb: bytes that really come out, at all levels, or 30
    times the file. max_member_mb: a document inside an archive or mail, which is held in memory.
    """

    max_seconds: float = 20.0
    max_memory_mb: int = 768
    max_depth: int = 8
    max_entries: int = 10_000
    max_unpacked_mb: int = 128
    max_member_mb: int = 64

    def seconds_for(self, size_bytes: int) -> float:
        """How long the child may work on a file of that size."""
        return self.max_seconds + _SECONDS_PER_MB * size_bytes / _MB


class LimitReachedError(Exception):
    """A limit of the whole file: nothing more of it is read. problem: in the report's words."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(slots=True)
class Budget:
    """What is left for one file. Raises LimitReachedError when something has run out."""

    limits: Limits
    file_bytes: int
    _unpacked: int = field(init=False, default=0)
    _entries: int = field(init=False, default=0)

    @property
    def max_member_bytes(self) -> int:
        """The most one member held in memory may have."""
        return self.limits.max_member_mb * _MB

    def take_bytes(self, count: int) -> None:
        """Note bytes that came out of an archive, an attachment or a packed part."""
        self._unpacked += count
        most = max(self.limits.max_unpacked_mb * _MB, _UNPACKED_PER_BYTE * self.file_bytes)
        if self._unpacked > most:
            raise LimitReachedError(
                f"expected at most {most >> 20} MiB unpacked, found more (a bomb?): "
                "the rest was not read (setting max_unpacked_mb)"
            )

    def take_entry(self) -> None:
        """Note a member, an attachment or a page."""
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise LimitReachedError(
                f"expected at most {self.limits.max_entries} entries, found more: "
                "the rest was not read (setting max_entries)"
            )
