"""A stream of text in pieces as large as can be, cut at line ends, and the rows they become."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from dlpagent.connectors.sources._decode import Decoded
from dlpagent.records import PartRows

# Up to here a text is one part, so that proximity is never cut.
MAX_WHOLE_BYTES = 32 << 20


class Readable(Protocol):
    """A binary file, or whatever reads like one: size bytes, fewer only at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


def pieces(file: Readable, encoding: str | None, want: int, limit: int) -> Iterator[bytes]:
    """The rest of the file in pieces of about `want` bytes, each ending behind a line end.

    A line longer than want makes a longer piece; one longer than limit is cut between characters.
    encoding: what a byte order mark named, or None.
    """
    width = 4 if encoding and "32" in encoding else 2 if encoding and "16" in encoding else 1
    newline = "\n".encode(encoding or "utf-8")
    raw = file.read(want)
    while raw:
        more = file.read(max(1, want // 64))
        if not more:
            yield raw
            return
        raw += more
        end = _cut(raw, newline)
        while end == 0 and len(raw) < limit and (more := file.read(want)):
            raw += more
            end = _cut(raw, newline)
        end = end or _between_characters(raw, width)
        yield raw[:end]
        raw = raw[end:] + file.read(max(0, want - (len(raw) - end)))


def add_text(
    rows: PartRows, decoded: Decoded, *, record_id: str, mime: str, locator: Mapping[str, Any]
) -> None:
    """Append the part `text`, and `#encoding` (unread) when bytes did not fit the encoding."""
    metadata = json.dumps({"encoding": decoded.encoding})
    rows.add(
        record_id=record_id,
        part="text",
        seq=0,
        text=decoded.text,
        mime=mime,
        metadata=metadata,
        locator=locator,
    )
    if decoded.invalid_bytes and decoded.encoding != "cp1252":
        found = f"{decoded.invalid_bytes} bytes that are not (read as U+FFFD)"
        rows.add(
            record_id=record_id,
            part="#encoding",
            seq=1,
            text=None,
            status="unread",
            problem=f"expected {decoded.encoding}, found {found}",
            locator=locator,
        )


def add_binary(rows: PartRows, kind: str, *, locator: Mapping[str, Any]) -> None:
    """Append the one row of a file that is no text; kind says what it is."""
    problem = f"expected text, found {kind}"
    rows.add(
        record_id="0",
        part="text",
        seq=0,
        text=None,
        status="opaque",
        problem=problem,
        locator=locator,
    )


def _cut(raw: bytes, newline: bytes) -> int:
    """Behind the last line end that stands at a whole character; 0 when there is none."""
    width = len(newline)
    end = raw.rfind(newline)
    while end > 0 and end % width:
        end = raw.rfind(newline, 0, end + width - 1)
    return end + width if end >= 0 else 0


def _between_characters(raw: bytes, width: int) -> int:
    """Near the end of raw, where no character is cut in two."""
    end = len(raw) - len(raw) % width
    if width == 1:
        for back in range(1, min(4, len(raw))):  # a UTF-8 character has up to three more bytes
            if raw[-back] >= 0xC0:
                return len(raw) - back
            if raw[-back] < 0x80:
                break
    elif width == 2 and 0xD8 <= max(raw[end - 2], raw[end - 1]) <= 0xDB:
        return end - 2  # half of a surrogate pair; or a character that may as well come next
    return end
