"""WebDataset shards (.tar, .tar.gz, .tar.zst): members of the same base name are one record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import file_asset, head_of, opened, path_of
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._tar_members import TarMember, TarMembers
from dlpagent.connectors.sources._tar_parts import MAX_MEMBER_BYTES, TarRecord, add_member
from dlpagent.records import Asset, Checkpoint, PartRows, without_surrogates

_SUFFIXES = (".tar", ".tgz")
# WebDataset's rule: the key ends at the first dot of the base name.
_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)", re.DOTALL)
# More members than this under one name are no sample of a data set.
_MAX_MEMBERS = 1_000


class TarShards:
    """One tar archive as a data set, read in one pass, never unpacked to disk.

    Cursor: offset (byte of the unpacked archive where a record begins), row (its number).
    """

    name = "webdataset"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_member_bytes: int = MAX_MEMBER_BYTES
    ) -> None:
        """max_member_bytes: larger texts are reported unread, so that memory stays bounded."""
        self._path = path_of(target)
        self._batch_rows, self._max_member_bytes = batch_rows, max_member_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """True for tar archives by name (packed ones too) or by the mark in their first header."""
        if path.is_dir():
            return False
        name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
        return name.endswith(_SUFFIXES) or head_of(path, 262)[257:] == b"ustar"

    def discover(self) -> Iterator[Asset]:
        """The one file. Raises SourceError when it is not there."""
        yield file_asset(self._path, "dataset", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches in the order of the archive. Raises SourceError when it cannot be opened."""
        if after is not None and after.done:
            return
        place = {"offset": 0, "row": 0} if after is None else after.cursor
        with opened(self._path) as file:
            stream = ByteStream(file)
            for batch, cursor, last in mark_last(self._batches(asset, stream, place)):
                yield batch, Checkpoint(cursor, done=last, bytes_read=stream.consumed)

    def _batches(
        self, asset: Asset, stream: ByteStream, place: Mapping[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        members = TarMembers(stream, int(place["offset"]))
        record: TarRecord | None = None
        number, offset, count = int(place["row"]), int(place["offset"]), 0
        for member in members:
            key, field = _key_of(member)
            if record is None or record.key != key or count >= _MAX_MEMBERS:
                if record is not None:
                    record.finish(rows)
                    number += 1
                if rows.is_full():
                    yield rows.take(), {"v": 1, "offset": member.offset, "row": number}
                record = TarRecord(key, str(self._path.resolve()), number)
                count = 0
            add_member(record, members, member, field, self._max_member_bytes)
            offset, count = member.offset, count + 1
        if record is not None:
            record.finish(rows)
        yield rows.take(), {"v": 1, "offset": offset, "row": number}


def _key_of(member: TarMember) -> tuple[str, str]:
    """The record a member belongs to, and its field in it (the extension, in lower case)."""
    name = without_surrogates(member.name)
    if member.problem is not None:
        return f"#offset:{member.offset}", ""
    match = _NAME.fullmatch(name)
    return (match.group(1), match.group(2).lower()) if match else (name, "")
