"""Where a findings writer writes to, and the rows of a findings batch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from dlpagent.findings import FINDING_SCHEMA


class Output:
    """Bytes onto a binary stream, or onto a text stream (through its buffer when it has one)."""

    def __init__(self, stream: IO[bytes] | io.TextIOBase) -> None:
        self._text: io.TextIOBase | None = None
        self._bytes: Any = stream
        if isinstance(stream, io.TextIOBase):
            stream.flush()
            self._bytes = getattr(stream, "buffer", None)
            self._text = stream if self._bytes is None else None
        self.is_terminal = stream.isatty()
        self.encoding = str(getattr(stream, "encoding", None) or "utf-8")

    def write(self, data: bytes) -> None:
        """Write UTF-8 bytes."""
        if self._text is not None:
            self._text.write(data.decode())
        else:
            self._bytes.write(data)

    def write_text(self, text: str) -> None:
        """Write text for a person, in the encoding of the stream; what it lacks becomes "?"."""
        if self._text is not None:
            self._text.write(text)
        else:
            self._bytes.write(text.encode(self.encoding, "replace"))

    def flush(self) -> None:
        """Hand everything on."""
        (self._text or self._bytes).flush()


def rows_of(findings: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch of FINDING_SCHEMA as tuples in its column order; column by column."""
    return zip(*(findings.column(name).to_pylist() for name in FINDING_SCHEMA.names), strict=True)
