"""Documents, mails and archives: PDF, Office, OpenDocument, RTF, HTML, .eml, .msg, zip, tar …"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.documents import kinds
from dlpagent.connectors.documents.limits import Limits
from dlpagent.connectors.sources._files import file_asset, head_of, opened
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources._tar_members import TarMembers
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

# Packed files of these names have connectors of their own.
_ROWS = (".jsonl", ".ndjson", ".jsonlines", ".json", ".csv", ".tsv", ".tab", ".psv", ".parquet")
_PACKED = (".gz", ".zst", ".bz2", ".xz")
_NEEDS = {kinds.PDF: "pypdfium2", kinds.OLE: "olefile"}
_LOOKED_AT = 200
_MAX_PASSED_BYTES = 64 << 20
_LIMITS = Limits()


class DocumentFile:
    """Each document is a record: the file itself `0`, what lies inside it by its path `b.eml!c.docx`.

    Parsed in a child process with limits (see Limits). Very long documents are several records.
    """

    name = "document"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        max_seconds: float = _LIMITS.max_seconds,
        max_memory_mb: int = _LIMITS.max_memory_mb,
        max_depth: int = _LIMITS.max_depth,
        max_entries: int = _LIMITS.max_entries,
        max_unpacked_mb: int = _LIMITS.max_unpacked_mb,
        max_member_mb: int = _LIMITS.max_member_mb,
    ) -> None:
        self._path = Path(target)
        self._batch_rows = batch_rows
        self._limits = Limits(
            max_seconds, max_memory_mb, max_depth, max_entries, max_unpacked_mb, max_member_mb
        )

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the first bytes; of tar archives those with documents in them only."""
        head = head_of(path, kinds.HEAD_BYTES)
        if not head:
            return False
        name = path.name.lower()
        kind = kinds.kind_of(head, name)
        if kind in kinds.PACKED:
            plain = next((name.removesuffix(end) for end in _PACKED if name.endswith(end)), name)
            if plain.endswith(_ROWS):
                return False
            is_tar = plain.endswith((".tar", ".tgz", ".tzst"))
            return not is_tar or kind not in ("gzip", "zstd") or _holds_documents(path)
        if kind == kinds.TAR:
            return _holds_documents(path)
        if name.endswith(_ROWS):
            return False
        return kind not in (None, kinds.TEXT) or kinds.is_archive_left_packed(head)

    def discover(self) -> Iterator[Asset]:
        """The one file. Raises SourceError when it is not there."""
        yield file_asset(self._path, "document", self.name)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The cursor holds v and records, how many were read: they are read again and passed over.

        Raises SourceError when the file cannot be opened, or the extra `documents` is missing.
        """
        if after is not None and after.done:
            return
        passed = int(after.cursor.get("records", 0)) if after is not None else 0
        with opened(self._path) as file:
            _ask_for_extra(kinds.kind_of(file.read(kinds.HEAD_BYTES), self._path.name), self._path)
        for batch, records, last in mark_last(self._batches(asset, passed)):
            cursor = {"v": 1, "records": records}
            yield (
                batch,
                Checkpoint(cursor, done=last, bytes_read=asset.size_bytes if last else None),
            )

    def _batches(self, asset: Asset, passed: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        # slow to import, and not needed to recognise files
        from dlpagent.connectors.documents.child import Question  # noqa: PLC0415
        from dlpagent.connectors.documents.parent import rows_of  # noqa: PLC0415

        path = str(self._path.resolve())
        question = Question(path, self._path.name, self._limits)
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        answers = rows_of(question, asset.size_bytes or 0)
        records, before = 0, None
        try:
            for given in answers:
                for row in given:
                    if row["record_id"] != before:
                        if rows.is_full():
                            yield rows.take(), records
                        records, before = records + 1, row["record_id"]
                    if records > passed:
                        rows.add(**columns_of(row, path))
        finally:
            answers.close()
        yield rows.take(), records


def columns_of(row: dict[str, Any], file: str) -> dict[str, Any]:
    """A row of the child as arguments of PartRows.add; file: the place of the whole."""
    inner = row.pop("inner")
    place = f"{file}!{inner}" if inner else file
    part = row["part"] if row["part"].startswith("#") else f"#{row['part']}"
    locator: Mapping[str, Any] = {"file": place + part}
    return {**row, "locator": locator}


def _holds_documents(path: Path) -> bool:
    """True when one of the first members of a tar is a document, not data of a data set."""
    try:
        with path.open("rb") as file:
            members = TarMembers(ByteStream(file), 0)
            for number, member in enumerate(members):
                if number >= _LOOKED_AT:
                    break
                kind = kinds.kind_of(members.content(4096), member.name)
                if kind not in (None, kinds.TEXT):
                    return True
                if member.size > _MAX_PASSED_BYTES:  # behind it only by unpacking all of it
                    break
    except (OSError, ValueError):
        return False
    return False


def _ask_for_extra(kind: str | None, path: Path) -> None:
    package = _NEEDS.get(kind or "")
    if package is not None and importlib.util.find_spec(package) is None:
        raise SourceError(
            "cannot be read with what is installed",
            where=str(path),
            expected=f"the package {package}, which reads it",
            found="none",
            remedy="Install it: pip install 'dlpagent[documents]'.",
        )
