"""Logs that come as an export: a zip, the folder it was unpacked to, or one file of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._archive import Archive, Member, MemberStream, change_key_of
from dlpagent.connectors.sources._chatgpt_files import ExportFiles
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, values
from dlpagent.connectors.sources._log_heads import SNIFF_BYTES, Head, records_in
from dlpagent.connectors.sources._log_reader import LogRecord, RecordsOf, Step, read_steps
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.records import Asset, Checkpoint, without_surrogates

_MAX_FILE_BYTES = 32 << 20

# The members to read in order, each with what its values mean; None: it is no JSON of the export.
Plan = Callable[[Archive], Sequence[tuple[Member, RecordsOf | None]]]


@dataclass(frozen=True, slots=True)
class LogExport:
    """An export as one asset. Members that are no JSON are records with their text."""

    path: Path
    connector: str
    app: str
    batch_rows: int = 2000
    max_record_bytes: int = MAX_RECORD_BYTES
    max_file_bytes: int = _MAX_FILE_BYTES

    def asset(self) -> Asset:
        """Raises SourceError when there is no such export, or it is not a whole zip."""
        with Archive(self.path) as archive:
            key = change_key_of(archive, self.path)
            size = sum(member.packed_bytes for member in archive.members)
        uri = self.path.resolve().as_uri()
        return Asset(uri, "chat_log", self.connector, change_key=key, size_bytes=size, app=self.app)

    def read(
        self, asset: Asset, after: Checkpoint | None, plan: Plan
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The records of the planned members."""
        if after is not None and after.done:
            return
        with Archive(self.path) as archive:
            streams: list[MemberStream] = []
            steps = [self._step(archive, one, means, streams) for one, means in plan(archive)]

            def consumed() -> int:
                return min(asset.size_bytes or 0, sum(one.position for one in streams))

            yield from read_steps(steps, asset, after, self.batch_rows, consumed)

    def _step(
        self, archive: Archive, member: Member, means: RecordsOf | None, streams: list[MemberStream]
    ) -> Step:
        stream = MemberStream(archive, member)
        streams.append(stream)
        name = without_surrogates(member.name)
        files = ExportFiles(archive, self.max_file_bytes)
        return Step(
            without_surrogates(archive.place_of(member)),
            stream,
            partial(values, max_bytes=self.max_record_bytes),
            means or _nothing,
            prefix=f"{name}#",
            on_problem="protected" if member.is_protected else "unread",
            whole=None if means is not None else partial(_file_record, files, member, name),
        )


def member_head(archive: Archive, member: Member) -> Head:
    """The first objects of a JSON member."""
    blocks = MemberStream(archive, member).blocks()
    head = next(blocks, b"")[:SNIFF_BYTES]
    blocks.close()
    return records_in(head)


def _nothing(_value: object, _identity: str) -> Sequence[LogRecord]:
    return ()


def _file_record(files: ExportFiles, member: Member, name: str) -> Iterator[LogRecord]:
    parts = [
        ShapePart(
            row["part"], row["text"], status=row.get("status", "read"), problem=row.get("problem")
        )
        for row in files.rows_of(member, "text")
    ]
    yield LogRecord({"record_id": name}, parts)
