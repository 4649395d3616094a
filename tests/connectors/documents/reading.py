"""What a document says, read in this process: parts and statuses by place."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from dlpagent.connectors.documents.limits import Budget, LimitReachedError, Limits
from dlpagent.connectors.documents.report import Report, Row
from dlpagent.connectors.documents.walk import Walk


@dataclass
class Read:
    """rows in order; limit: what stopped the whole file."""

    rows: list[Row] = field(default_factory=list)
    limit: str | None = None

    def texts(self, record: str = "0") -> dict[str, str]:
        """part → text of one record."""
        return {r["part"]: r["text"] for r in self.rows if r["record_id"] == record and r["text"]}

    def all_text(self) -> str:
        return "\n".join(row["text"] for row in self.rows if row["text"])

    def problems(self) -> list[tuple[str, str, str]]:
        """(record, part, status) of what was not read."""
        return [
            (r["record_id"], r["part"], r["status"]) for r in self.rows if r["status"] != "read"
        ]

    def records(self) -> list[str]:
        return list(dict.fromkeys(row["record_id"] for row in self.rows))


def read(raw: bytes, name: str = "file", **limits: Any) -> Read:
    """Everything in the bytes, without a child process."""
    found = Read()
    report = Report(found.rows.extend, Budget(Limits(**limits), len(raw)))
    try:
        Walk(report).read_file(io.BytesIO(raw), name)
    except LimitReachedError as reached:
        found.limit = reached.problem
    report.flush()
    return found
