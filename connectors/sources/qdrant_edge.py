"""Vector stores embedded in an application by Qdrant Edge: the payloads of every point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._edge_shard import (
    content_of,
    engine,
    engine_errors,
    holds_only_shards,
    opened_shard,
    shards_in,
)
from dlpagent.connectors.sources._existing_labels import labels_of
from dlpagent.connectors.sources._files import reading
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.connectors.sources._vector_payload import parts_of_payload
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_SCHEME = "qdrant-edge"
# Payloads of one page are held at once; a chunk of a document is rarely above some thousand bytes.
_PAGE = 128
_MODES = ("copy", "in-place")


class QdrantEdge:
    """A folder with one shard, or with several as collections: `qdrant-edge:///dir?open=copy`.

    Cursor: next, the id of the first point not yet read (an integer, or a UUID as a string).
    """

    name = "qdrant-edge"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        """target: a path or URI. Raises ConfigurationError for settings it does not know."""
        self._path, self._in_place = _parsed(target)
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for a folder that is a shard, or holds shards and nothing else."""
        return holds_only_shards(path)

    def discover(self) -> Iterator[Asset]:
        """Every collection. Raises SourceError when there is none."""
        with reading(self._path):
            self._path.stat()
        shards = shards_in(self._path)
        if not shards:
            raise SourceError(
                "holds no vector store",
                where=str(self._path),
                expected="a folder of Qdrant Edge (segments, wal, edge_config.json), or of such",
                found="none" if self._path.is_dir() else "a file",
                remedy="Name the folder the application gave to the engine.",
            )
        for shard in shards:
            with reading(shard):
                key, size = content_of(shard)
            uri = f"{_SCHEME}://{quote(str(shard.resolve()))}"
            yield Asset(uri, "vector_collection", self.name, change_key=key, size_bytes=size)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of point ids: integers, then UUIDs.

        Raises SourceError when the shard is locked or damaged.
        """
        if after is not None and after.done:
            return
        path = Path(unquote(urlsplit(asset.uri).path))
        start = None if after is None else after.cursor["next"]
        with opened_shard(path, in_place=self._in_place) as shard:
            for batch, following, last in mark_last(self._batches(asset, path, shard, start)):
                yield batch, Checkpoint({"v": 1, "next": following}, done=last)

    def _batches(
        self, asset: Asset, path: Path, shard: Any, start: int | str | None
    ) -> Iterator[tuple[pa.RecordBatch, int | str | None]]:
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        for identity, payload in _points(shard, path, start):
            if rows.is_full():
                yield rows.take(), identity
            _add(rows, str(path), identity, payload)
        yield rows.take(), None


def _points(
    shard: Any, path: Path, start: int | str | None
) -> Iterator[tuple[int | str, Mapping[str, Any] | None]]:
    """Every point from an id on with its payload, None for one the engine cannot read."""
    package = engine()
    following = start
    while True:
        page = {"offset": following, "limit": _PAGE, "with_vector": False}
        try:
            with engine_errors(path):
                request = package.ScrollRequest(with_payload=True, **page)
                records, after = shard.scroll(request)
            points = [(_id(record.id), record.payload) for record in records]
        except SourceError:  # find out which one it is
            with engine_errors(path):
                request = package.ScrollRequest(with_payload=False, **page)
                records, after = shard.scroll(request)
            ids = [record.id for record in records]
            points = [(_id(one), _payload(shard, path, one)) for one in ids]
        yield from points
        if after is None:
            return
        following = _id(after)


def _payload(shard: Any, path: Path, identity: Any) -> Mapping[str, Any] | None:
    try:
        with engine_errors(path):
            found = shard.retrieve([identity], with_payload=True, with_vector=False)
        return found[0].payload if found else {}
    except SourceError:
        return None


def _add(rows: PartRows, path: str, identity: int | str, payload: Mapping[str, Any] | None) -> None:
    if payload is None:
        problem = "expected a payload, found one the engine cannot read"
        parts = iter((ShapePart("payload", None, None, None, "unread", problem),))
    else:
        parts = parts_of_payload(payload)
    labels = None if payload is None else labels_of(payload)
    for seq, part in enumerate(parts):
        rows.add(
            record_id=str(identity),
            part=part.part,
            seq=seq,
            text=part.text,
            context=part.context,
            role=part.role,
            status=part.status,
            problem=part.problem,
            labels=labels,
            locator={"file": path},
        )


def _id(given: Any) -> int | str:
    return given if isinstance(given, int) else str(given)


def _parsed(target: str) -> tuple[Path, bool]:
    if not target.startswith(f"{_SCHEME}:"):
        return Path(target), False
    parts = urlsplit(target)
    settings = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    mode = settings.pop("open", "copy")
    if settings or mode not in _MODES or parts.netloc:
        raise ConfigurationError(
            "is no address of a vector store",
            where=target,
            expected=f"{_SCHEME}:///folder, perhaps with ?open=copy or ?open=in-place",
            found="a host" if parts.netloc else ", ".join(settings) or f"open={mode}",
            remedy="Give the folder's full path behind three slashes.",
        )
    return Path(unquote(parts.path)), mode == "in-place"
