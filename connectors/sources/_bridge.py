"""What bridges to other loaders share: a named Python object, its rows hashed, then read.

Such a loader has no cursor. It is gone through twice: once to hash what it gives, so that what has
not changed is not classified again, and once to read it. Nothing is kept in between.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.errors import ConfigurationError, DlpAgentError, SourceError
from dlpagent.records import Asset, AssetKind, Checkpoint, ItemLevel, PartRows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BridgeRow:
    """One record: its own id or None, its parts, and columns that they share."""

    identity: str | None
    parts: tuple[ShapePart, ...]
    columns: Mapping[str, Any]


Rows = Callable[[], Iterator[BridgeRow]]


def named_object(target: str, scheme: str) -> Any:
    """The object behind scheme:module:name. Raises ConfigurationError."""
    rest = target.removeprefix(f"{scheme}:").removeprefix("//")
    module, _, name = rest.partition(":")
    if not module or not name:
        raise ConfigurationError(
            "this names no Python object", where=target,
            expected=f"{scheme}:module:name", found=rest[:60],
        )  # fmt: skip
    try:
        found: Any = importlib.import_module(module)
        for step in name.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            "this Python object is not there", where=target,
            expected=f"a module {module} that has {name}", found=type(error).__name__,
            remedy="Install the package, or name its folder in PYTHONPATH.",
        ) from None  # fmt: skip
    return found


def bridge_asset(uri: str, kind: AssetKind, connector: str, item: ItemLevel, rows: Rows) -> Asset:
    """The asset, its change key a hash over all its records in order. Raises SourceError."""
    digest, count = hashlib.sha256(), 0
    for row in guarded(rows, uri):
        count += 1
        digest.update(_bytes_of(row))
    return Asset(uri, kind, connector, item, change_key=f"{count}-{digest.hexdigest()}", rows=count)


def read_bridge(
    asset: Asset, after: Checkpoint | None, rows: Rows, batch_rows: int
) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
    """Batches of the rows; the cursor holds v and row, the records given so far.

    Going on walks past those again: their order must be the same, as the change key says it is.
    """
    if after is not None and after.done:
        return
    done = int(after.cursor["row"]) if after is not None else 0
    gathered = _batches(asset, rows, batch_rows, done)
    try:
        for batch, row, last in mark_last(gathered):
            yield batch, Checkpoint({"v": 1, "row": row}, done=last)
    finally:
        gathered.close()  # type: ignore[attr-defined]  # a generator


def _batches(
    asset: Asset, rows: Rows, batch_rows: int, done: int
) -> Iterator[tuple[pa.RecordBatch, int]]:
    parts = PartRows(asset.uri, max_rows=batch_rows)
    seen: set[bytes] = set()
    number = 0
    for number, row in enumerate(guarded(rows, asset.uri), 1):
        identity = _unique(row.identity, number - 1, seen)
        if number <= done:
            continue
        for seq, part in enumerate(row.parts):
            locator = {"row": number - 1}
            known = {"record_id": identity, "seq": seq, "locator": locator}
            parts.add(**{**known, **row.columns, **part._asdict()})
        if parts.is_full():
            yield parts.take(), number
    yield parts.take(), max(number, done)


def _unique(identity: str | None, position: int, seen: set[bytes]) -> str:
    """A record's name: its own id the first time that comes, else its position, too."""
    if identity is None:
        return str(position)
    short = hashlib.sha256(identity.encode("utf-8", "replace")).digest()[:12]
    if short in seen:
        return f"{identity}#{position}"
    seen.add(short)
    return identity


def guarded(rows: Callable[[], Iterator[T]], where: str) -> Iterator[T]:
    """What a loader gives; whatever it raises is a SourceError that says its kind only."""
    try:
        yield from rows()
    except (DlpAgentError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - foreign code: its message may hold content
        raise SourceError(
            "the loader failed", where=where, expected="records to its end",
            found=type(error).__name__,
            remedy="Run it on its own; one that can be gone through once only must be a function.",
        ) from None  # fmt: skip


def _bytes_of(row: BridgeRow) -> bytes:
    value = [row.identity, [[p.part, p.text, p.status] for p in row.parts]]
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"
