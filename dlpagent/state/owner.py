"""Who holds a lease: a process on a host, and whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. process tells apart two that got the same pid (restart, container, reboot)."""

    host: str
    pid: int
    process: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """The process that calls; asked anew each time because a fork changes the answer."""
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, _birth_of(pid))


def is_dead(owner: Owner) -> bool:
    """True only when it is certain: a process of this host that has ended.

    Of another host, and where the system does not tell, the answer is False; then only the
    expiry of the lease counts.
    """
    if owner.host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    birth = _birth_of(owner.pid)
    return bool(birth and owner.process and birth != owner.process)


def _birth_of(pid: int) -> str:
    """Boot and start time of a process on Linux ("" elsewhere): pids are reused, this pair is not.

    A zombie counts as ended: it can hold nothing any more.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = line.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return "ended"
    return f"{_boot()}:{fields[19]}"


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        return ""
