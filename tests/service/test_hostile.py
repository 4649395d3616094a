"""Hostile files, opened as a scan opens them: no crash, nothing written, little memory, all told."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from dlpagent.connectors.documents import parent
from dlpagent.errors import SourceError
from dlpagent.service.wiring import Unreachable, open_sources
from tests.connectors.documents.hostile import KINDS, Hostile, hostile_files
from tests.connectors.documents.hostile_zips import OUTSIDE

MAX_SECONDS = 30
MAX_MEMORY_MB = 1024


def read_all(path: Path) -> Counter[str]:
    """How many parts came with each status, and a SourceError as "refused"."""
    statuses: Counter[str] = Counter()
    for source in open_sources([str(path)]):
        assert not isinstance(source, Unreachable)
        try:
            for asset in source.discover():
                for batch, _ in source.read(asset):
                    statuses.update(batch["status"].to_pylist())
        except SourceError:
            statuses["refused"] += 1
    return statuses


def status_mb(pid: str, name: str) -> int:
    """A figure of a process (VmHWM: the most memory it ever had, VmRSS: what it has); 0 without /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) >> 10


def forget_peak() -> int:
    """Let the most memory this process ever had be what it has now, and return that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return status_mb("self", "VmRSS")


def memory_mb(before: int) -> int:
    """The most memory of the child that parses, or by which this process grew, whatever is more."""
    children = [status_mb(str(child._process.pid), "VmHWM") for child in parent._idle]
    return max(0, status_mb("self", "VmHWM") - before, *children)


def check(kind: Hostile, raw: bytes, folder: Path) -> tuple[float, int]:
    """Seconds and megabytes it took. The folder holds nothing but the file before and after."""
    path = folder / f"hostile{kind.suffix}"
    path.write_bytes(raw)
    had, begun = forget_peak(), time.monotonic()
    statuses = read_all(path)
    seconds = time.monotonic() - begun
    assert seconds <= MAX_SECONDS, kind.name
    assert not kind.reported or set(statuses) - {"read"}, (kind.name, statuses)
    assert [one.name for one in folder.iterdir()] == [path.name], kind.name
    for place in (folder.parent / OUTSIDE, Path("/tmp") / OUTSIDE, Path.cwd() / OUTSIDE):
        assert not place.exists(), (kind.name, place)
    path.unlink()
    memory = memory_mb(had)
    assert memory <= MAX_MEMORY_MB, kind.name
    return seconds, memory


QUICK = [kind for kind in KINDS if kind.weight > 1]


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.name)
def test_a_hostile_file_is_survived_and_told(kind: Hostile, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    check(kind, kind.make(random.Random(7)), folder)


@pytest.mark.slow
def test_two_thousand_hostile_files_are_survived_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    took = [(*check(kind, raw, folder), kind.name) for kind, raw in hostile_files(2026, 2_000)]
    assert len(took) == 2_000
    slowest, largest = max(took), max(memory for _, memory, _ in took)
    print(f"slowest {slowest[0]:.1f} s ({slowest[2]}), most memory {largest} MiB")  # noqa: T201
