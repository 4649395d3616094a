"""Purview audit logs that were saved: the CSV of an audit search, its JSON, blobs of the feed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors.sources._audit_file import audit_file, is_audit
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.records import Asset, Checkpoint


class PurviewAudit:
    """Each audit record is a record, named by its Id."""

    name = "purview-audit"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger records are reported unread, so that memory stays bounded."""
        self._file = audit_file(Path(target), self.name, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By a column AuditData, or records of AI use bare, in `value` or in `auditData`."""
        return is_audit(path)

    def discover(self) -> Iterator[Asset]:
        yield self._file.log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any record."""
        return self._file.read(asset, after)
