"""Rows of one file as the child sends them: each part of each document, with its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlpagent.connectors.documents.limits import Budget
from dlpagent.records import PartStatus, without_surrogates

# Arguments of PartRows.add, without locator.
Row = dict[str, Any]

MAX_PART_CHARS = 4_000_000
_MAX_RECORD_ROWS = 2_000
_MAX_RECORD_CHARS = 4_000_000
_SEND_CHARS = 250_000
_SEND_ROWS = 500
_SEND_AFTER_S = 0.5
_MAX_NAME_CHARS = 300


@dataclass(slots=True)
class Report:
    """Numbers records and parts, and hands rows over soon enough that a killed child loses little.

    send takes rows in order. place is the document being read, "" for the file itself.
    """

    send: Callable[[list[Row]], None]
    budget: Budget
    depth: int = 0
    _rows: list[Row] = field(default_factory=list)
    _chars: int = 0
    _sent_at: float = field(default_factory=time.monotonic)
    _used: dict[str, int] = field(default_factory=dict)

    def document(
        self,
        inner: str,
        mime: str | None = None,
        *,
        labels: Sequence[str] | None = None,
        **columns: Any,
    ) -> Document:
        """A record for the document at a place inside the file. columns: as PartRows.add has them."""
        inner = tidy_name(inner)
        shared = {"mime": mime, "labels": list(labels) if labels else None, **columns}
        return Document(self, inner, self.unique(inner or "0"), shared)

    def unique(self, identity: str) -> str:
        """The name itself, or with ~2, ~3 … behind it when it was used before."""
        count = self._used.get(identity, 0) + 1
        self._used[identity] = count
        return identity if count == 1 else f"{identity}~{count}"

    def row(self, row: Row) -> None:
        """Take a row; send the gathered ones when they are many, long or old."""
        self._rows.append(row)
        self._chars += len(row["text"] or "")
        is_old = time.monotonic() - self._sent_at > _SEND_AFTER_S
        if is_old or self._chars > _SEND_CHARS or len(self._rows) > _SEND_ROWS:
            self.flush()

    def flush(self) -> None:
        """Send what is gathered."""
        if self._rows:
            self.send(self._rows)
        self._rows, self._chars, self._sent_at = [], 0, time.monotonic()


@dataclass(slots=True)
class Document:
    """One document: its parts are rows of one record, or of several when they are too many.

    inner: its path inside the file, `b.eml!c.docx`; "" for the file itself.
    """

    report: Report
    inner: str
    record_id: str
    columns: Row
    _parts: dict[str, int] = field(default_factory=dict)
    _rows: int = 0
    _chars: int = 0

    def text(self, part: str, text: str, **columns: Any) -> None:
        """A part that was read; nothing when there is no text. Very long ones are cut in pieces."""
        while text and not text.isspace():
            piece, text = _cut(text)
            self._row(part, piece, "read", None, columns)

    def problem(self, part: str, problem: str, status: PartStatus = "unread") -> None:
        """A part that was not read, and why."""
        self._row(part, None, status, problem, {})

    def _row(
        self, part: str, text: str | None, status: PartStatus, problem: str | None, columns: Row
    ) -> None:
        size = len(text or "")
        if self._rows and (
            self._rows >= _MAX_RECORD_ROWS or self._chars + size > _MAX_RECORD_CHARS
        ):
            self.record_id = self.report.unique(self.inner or "0")
            self._rows = self._chars = 0
        count = self._parts[part] = self._parts.get(part, 0) + 1
        self.report.row({
            **self.columns,
            **columns,
            "record_id": self.record_id,
            "inner": self.inner,
            "part": tidy_name(part if count == 1 else f"{part}~{count}"),
            "seq": self._rows,
            "text": None if text is None else without_surrogates(text),
            "status": status,
            "problem": problem,
        })  # fmt: skip
        self._rows += 1
        self._chars += size


def tidy_name(name: str) -> str:
    """A name from inside a file as it may be shown: no control characters, not endless."""
    shown = without_surrogates("".join(char if char.isprintable() else "\ufffd" for char in name))
    if len(shown) <= _MAX_NAME_CHARS:
        return shown
    return f"{shown[: _MAX_NAME_CHARS // 2]}…{shown[-_MAX_NAME_CHARS // 2 :]}"


def _cut(text: str) -> tuple[str, str]:
    if len(text) <= MAX_PART_CHARS:
        return text, ""
    end = text.rfind("\n", MAX_PART_CHARS // 2, MAX_PART_CHARS) + 1 or MAX_PART_CHARS
    return text[:end], text[end:]
