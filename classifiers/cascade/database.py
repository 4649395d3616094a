"""Hyperscan databases: compiled once, kept on disk, scanned for (pattern number, end) pairs.

A file in the cache is named by everything that makes it usable: patterns, library version,
processor. One that is torn, foreign or old is ignored and made anew.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hyperscan
import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.sealed import read_sealed, write_sealed

Ints = npt.NDArray[np.int64]
Wanted = tuple[bytes, int]
"""A pattern with its Hyperscan flags."""

DatabaseError: type[Exception] = hyperscan.error
CASELESS = int(hyperscan.HS_FLAG_CASELESS)
_MAGIC = b"dlpagent cascade 1\n"
_NONE: Ints = np.empty(0, dtype=np.int64)
_END_BITS = 40
_TRIED_AT_ONCE = 8


@dataclass(slots=True)
class Database:
    """Patterns scanned for together. A copy sent to another process compiles or loads its own."""

    patterns: tuple[Wanted, ...]
    cache: Path | None = None
    _database: hyperscan.Database | None = field(default=None, init=False, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        return (Database, (self.patterns, self.cache))

    def scan(self, data: bytes) -> tuple[Ints, Ints]:
        """Numbers of patterns and byte offsets of match ends, in the order of the text."""
        database = self.ready() if data else None
        if database is None:
            return _NONE, _NONE
        events: list[int] = []
        add = events.append
        database.scan(
            data,
            match_event_handler=lambda number, _start, end, _flags, _context: add(
                number << _END_BITS | end
            ),
        )
        found = np.array(events, dtype=np.int64)
        return found >> _END_BITS, found & ((1 << _END_BITS) - 1)

    def ready(self) -> hyperscan.Database | None:
        """The compiled database, from the cache if it holds one; None when there are no patterns."""
        if self._database is None and self.patterns:
            database = _load(self.cache, self.patterns)
            if database is None:
                database = _compiled(self.patterns)
                _store(self.cache, self.patterns, database)
            database.scratch = hyperscan.Scratch(database)
            self._database = database
        return self._database


def _compiled(patterns: Sequence[Wanted]) -> hyperscan.Database:
    database = hyperscan.Database()
    database.compile(
        expressions=[pattern for pattern, _ in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[flags for _, flags in patterns],
    )
    return database


def accepted(patterns: Sequence[Wanted], cache: Path | None) -> frozenset[Wanted]:
    """The patterns Hyperscan takes; the answer is kept in the cache, for asking is slow."""
    place = place_of(cache, patterns).with_suffix(".accepted") if cache else None
    body = read_sealed(place, _MAGIC) if place else None
    if body is not None and len(body) == len(patterns):
        return frozenset(one for one, good in zip(patterns, body, strict=True) if good)
    good = frozenset(_accepted(list(patterns)))
    if place:
        write_sealed(place, _MAGIC, bytes(one in good for one in patterns))
    return good


def _accepted(patterns: list[Wanted]) -> list[Wanted]:
    """Halves are tried until what is refused stands alone: compiling many at once is slow."""
    if not patterns:  # a pack of detectors only
        return []
    if len(patterns) > _TRIED_AT_ONCE:
        middle = len(patterns) // 2
        return _accepted(patterns[:middle]) + _accepted(patterns[middle:])
    try:
        _compiled(patterns)
    except hyperscan.error:
        if len(patterns) == 1:
            return []
        middle = len(patterns) // 2
        return _accepted(patterns[:middle]) + _accepted(patterns[middle:])
    return patterns


# --- the cache --------------------------------------------------------------------------------


def place_of(folder: Path, patterns: Sequence[Wanted]) -> Path:
    """The file a database is kept in."""
    digest = hashlib.sha256()
    for pattern, flags in patterns:
        digest.update(b"%d:%d:%s" % (flags, len(pattern), pattern))
    digest.update(_facts())
    return folder / f"cascade-{digest.hexdigest()[:32]}.db"


@functools.cache
def _facts() -> bytes:
    """What a compiled database depends on beside its patterns."""
    version = importlib.metadata.version("hyperscan")
    return "".join((version, platform.machine(), processor())).encode()


@functools.cache
def processor() -> str:
    """The processor's model and features: a database made for more features cannot run on fewer."""
    try:
        with Path("/proc/cpuinfo").open(errors="replace") as file:
            head = file.read(8192)
    except OSError:
        return platform.processor()
    kept = [
        line for line in head.splitlines() if line.startswith(("model name", "flags", "Features"))
    ]
    return "\n".join(kept[:2])


def _load(folder: Path | None, patterns: Sequence[Wanted]) -> hyperscan.Database | None:
    body = read_sealed(place_of(folder, patterns), _MAGIC) if folder else None
    if body is None:
        return None
    try:
        return hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:
        return None


def _store(folder: Path | None, patterns: Sequence[Wanted], database: hyperscan.Database) -> None:
    if folder:
        write_sealed(place_of(folder, patterns), _MAGIC, hyperscan.dumpb(database))
