"""Compiled databases kept on disk, so that a scan starts at once the next time.

A file is named by everything that makes it usable: patterns, library version, machine. One that is
torn, foreign or old is ignored and made anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
from collections.abc import Sequence
from pathlib import Path

import hyperscan

_MAGIC = b"dlpagent gate 1\n"


def _place(folder: Path, order: Sequence[tuple[bytes, int]]) -> Path:
    digest = hashlib.sha256()
    for pattern, flags in order:
        digest.update(b"%d:%d:%s" % (flags, len(pattern), pattern))
    for fact in (hyperscan.__version__, platform.machine(), _processor()):
        digest.update(fact.encode())
    return folder / f"gate-{digest.hexdigest()[:32]}.db"


def _processor() -> str:
    """The processor's model and features: a database made for more features cannot run on fewer."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()
    kept = [
        line for line in text.splitlines() if line.startswith(("model name", "flags", "Features"))
    ]
    return "\n".join(kept[:2])


def load_database(
    folder: Path | None, order: Sequence[tuple[bytes, int]]
) -> hyperscan.Database | None:
    """The database of these patterns, if the cache holds a whole one."""
    if folder is None:
        return None
    try:
        data = _place(folder, order).read_bytes()
    except OSError:
        return None
    head, body = data[: len(_MAGIC) + 32], data[len(_MAGIC) + 32 :]
    if head != _MAGIC + hashlib.sha256(body).digest():
        return None
    try:
        return hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:
        return None


def store_database(
    folder: Path | None, order: Sequence[tuple[bytes, int]], database: hyperscan.Database
) -> None:
    """Keep a database; a cache that cannot be written is done without."""
    if folder is None:
        return
    body = hyperscan.dumpb(database)
    place = _place(folder, order)
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).digest() + body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    except OSError:
        draft.unlink(missing_ok=True)
