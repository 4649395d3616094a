"""The folder of Milvus Lite 3: telling it from others, and which state a collection in it is in."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlpagent.connectors.sources._files import reading
from dlpagent.errors import SourceError, missing_extra

_uses: Counter[str] = Counter()
_guard = threading.Lock()


def is_store(path: Path) -> bool:
    """True for a folder that Milvus Lite 3 wrote."""
    try:
        return (path / "LOCK").is_file() and (path / "collections").is_dir()
    except OSError:
        return False


def change_key(folder: Path, database: str, collection: str) -> str | None:
    """Made of the number of the last write, the data files and the journal; None when unknown.

    Opening the store writes its manifest anew, with the same numbers.
    """
    place = _place(folder, database, collection)
    if not (place / "manifest.json").is_file():
        return None
    with reading(place):
        try:
            manifest: Any = json.loads((place / "manifest.json").read_bytes())
            state = [manifest["current_seq"], manifest["partitions"], manifest["schema_version"]]
        except (ValueError, KeyError, TypeError):
            return None
        journal = [
            (file.name, file.stat().st_size)
            for file in sorted((place / "wal").glob("*"))
            if file.stat().st_size
        ]
    return hashlib.sha256(json.dumps([state, journal], sort_keys=True).encode()).hexdigest()[:32]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which Milvus Lite serves the folder within this process, while it is needed.

    Milvus Lite by itself would keep the folder locked for every other process until this one ends.
    Raises SourceError when another process has it open.
    """
    try:
        from milvus_lite.server_manager import server_manager_instance as manager  # noqa: PLC0415
    except ImportError:
        raise missing_extra("milvus-lite", "milvus", "reading a folder of Milvus Lite") from None
    path = str(folder.resolve())
    with _guard:
        address = manager.start_and_get_uri(path)
        if address is None:
            raise SourceError(
                "cannot be opened",
                where=path,
                expected="a whole folder of Milvus Lite 3 that no other process has open",
                found="one that Milvus Lite refuses",
                remedy="Stop the application that has it open, or scan a copy.",
            )
        _uses[path] += 1
    try:
        yield address
    finally:
        with _guard:
            _uses[path] -= 1
            if not _uses[path]:
                manager.release_server(path)


def _place(folder: Path, database: str, collection: str) -> Path:
    top = folder if database == "default" else folder / "databases" / database
    return top / "collections" / collection
