"""ChatGPT exports: the zip (with one conversations.json or shards), its folder, or bare JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._archive import Archive, MemberStream, change_key_of
from dlpagent.connectors.sources._chatgpt_export import Cursor, ExportReader, conversation_members
from dlpagent.connectors.sources._files import head_of
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.records import Asset, Checkpoint, PartRows

_APP = "ChatGPT"
_SNIFF_BYTES = 1 << 16
_MAX_FILE_BYTES = 32 << 20
# Members of this export that others do not have, for an export without any conversation.
_OWN_MEMBERS = frozenset({"chat.html", "message_feedback.json", "shared_conversations.json"})


class ChatGptExport:
    """Each message is a record: `CONVERSATION#MESSAGE`; titles are `CONVERSATION#title`.

    Files named by a message are its parts `attachments/<name>`; other members are records.
    """

    name = "chatgpt"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        max_conversation_bytes: int = MAX_RECORD_BYTES,
        max_file_bytes: int = _MAX_FILE_BYTES,
    ) -> None:
        """Larger conversations and files are reported unread, so that memory stays bounded."""
        self._path = Path(target)
        self._batch_rows = batch_rows
        self._max_conversation_bytes = max_conversation_bytes
        self._max_file_bytes = max_file_bytes

    @staticmethod
    def recognises(path: Path) -> bool:
        """By a conversations file whose first conversation has a `mapping` of messages."""
        try:
            if path.is_file() and path.suffix.lower() == ".json":
                return _is_chat(head_of(path, _SNIFF_BYTES))
            if path.is_dir():
                heads = (head_of(child, _SNIFF_BYTES) for child in path.glob("conversations*.json"))
                return any(_is_chat(head) for head in heads)
            if path.suffix.lower() != ".zip":
                return False
            with Archive(path) as archive:
                return _is_export(archive)
        except Exception:  # noqa: BLE001  a question about a file of any kind must not fail
            return False

    def discover(self) -> Iterator[Asset]:
        with Archive(self._path) as archive:
            yield Asset(
                self._path.resolve().as_uri(),
                "chat_log",
                self.name,
                "record",
                change_key=change_key_of(archive, self._path),
                size_bytes=sum(member.packed_bytes for member in archive.members),
                app=_APP,
            )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The cursor holds v, step (which member), offset, row and in_array in it, and skip.

        skip counts the records of the conversation at offset that were given already.
        """
        if after is not None and after.done:
            return
        with Archive(self._path) as archive:
            reader = ExportReader(archive, self._max_conversation_bytes, self._max_file_bytes)
            rows = PartRows(asset.uri, max_rows=self._batch_rows)
            batches = _batches(reader, rows, dict(after.cursor) if after is not None else {})
            for batch, (cursor, consumed), last in mark_last(batches):
                yield batch, Checkpoint(cursor, done=last, bytes_read=consumed)


def _batches(
    reader: ExportReader, rows: PartRows, cursor: Cursor
) -> Iterator[tuple[pa.RecordBatch, tuple[Cursor, int]]]:
    skip = int(cursor.get("skip", 0))
    goes_on = cursor
    for at, goes_on, records in reader.units(cursor):  # noqa: B007  used behind the loop
        for number, record in enumerate(records):
            if number < skip:
                continue
            for seq, row in enumerate(record):
                known = row.pop("metadata", None)
                metadata = json.dumps(known) if known else None
                rows.add(seq=seq, app=_APP, actor_id=reader.actor, metadata=metadata, **row)
            if rows.is_full():
                yield rows.take(), ({**at, "skip": number + 1}, reader.consumed)
        skip = 0
    yield rows.take(), ({**goes_on, "skip": 0}, reader.consumed)


def _is_export(archive: Archive) -> bool:
    names = {member.basename for member in archive.members}
    for member in conversation_members(archive):
        if member.name.count("/") <= 1:
            head = next(MemberStream(archive, member).blocks(), b"")[:_SNIFF_BYTES]
            is_empty = head.strip(b"\xef\xbb\xbf \t\r\n[]") == b""
            return _is_chat(head) or (is_empty and not _OWN_MEMBERS.isdisjoint(names))
    return False


def _is_chat(head: bytes) -> bool:
    return b'"mapping"' in head and (b'"message"' in head or b'"current_node"' in head)
