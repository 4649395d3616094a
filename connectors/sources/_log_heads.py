"""The first records of a JSON file, for telling whose log it is by what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._json_split import values
from dlpagent.connectors.sources._streams import ByteStream

SNIFF_BYTES = 1 << 16
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".jsonlines", ".log", ".txt")
_MAX_VALUES = 20

Head = tuple[Mapping[str, Any], ...]


def head_records(path: Path) -> Head:
    """The objects among the first values of a JSON file (elements, when it is an array).

    The last one may be incomplete. Empty for anything else, and when the file cannot be read.
    """
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if not name.endswith(_SUFFIXES):
        return ()
    try:
        stat = path.stat()
        return _head(path, stat.st_size, stat.st_mtime_ns) if path.is_file() else ()
    except Exception:  # noqa: BLE001  a question about a file of any kind must not fail
        return ()


# A file is shown to every source in turn: it is read once.
@lru_cache(maxsize=4)
def _head(path: Path, _size: int, _mtime_ns: int) -> Head:
    with path.open("rb") as file:
        head = next(ByteStream(file).blocks(), b"")[:SNIFF_BYTES]
    return records_in(head)


def records_in(head: bytes) -> Head:
    """The objects among the first values of some bytes of JSON."""
    found: list[Mapping[str, Any]] = []
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return ()
    for span in values([head], 0, False):
        parsed = parse(span.raw or b"")
        value = salvage(span.raw or b"").value if parsed.problem else parsed.value
        if isinstance(value, dict):
            found.append(value)
        if len(found) >= _MAX_VALUES:
            break
    return tuple(found)
