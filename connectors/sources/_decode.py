"""Bytes as text: by byte order mark, else UTF-8, else Windows-1252; or what they are instead."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from dlpagent.connectors.sources._json_parse import invalid_utf8_bytes

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# First bytes of common formats whose beginning may look like text.
_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or Office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"BZh", "bzip2 data"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"{\\rtf", "an RTF document"),
)
# Above this share of control characters even bytes without NUL are no text.
_MAX_CONTROL_SHARE = 0.1
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\x08\x1b")) + b"\x7f"
_SNIFF_BYTES = 1 << 16


class Decoded(NamedTuple):
    """invalid_bytes did not fit the encoding and stand as U+FFFD, or as Latin-1 in Windows-1252."""

    text: str
    encoding: str
    invalid_bytes: int = 0


def mark_of(head: bytes) -> tuple[str | None, int]:
    """The encoding a byte order mark names and the mark's length; (None, 0) without one."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return None, 0


def binary_kind(head: bytes) -> str | None:
    """What the first bytes say when they are not text ("a PDF document"); None for text."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if mark_of(head)[0] is not None:
        return None
    head = head[:_SNIFF_BYTES]
    if b"\0" in head:
        return "binary data (NUL bytes)"
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return "binary data" if controls > len(head) * _MAX_CONTROL_SHARE else None


def decode(raw: bytes, encoding: str | None = None) -> Decoded:
    """The text of raw, which holds no byte order mark. encoding: what the mark before it named.

    Without one it is UTF-8 when all of it is, or most of what is not ASCII; else Windows-1252.
    """
    if encoding is not None and encoding != "utf-8":
        text = raw.decode(encoding, errors="replace")
        width = 4 if "32" in encoding else 2
        lost = text.count("\ufffd") - raw.decode(encoding, errors="ignore").count("\ufffd")
        return Decoded(text, encoding, lost * width)
    try:
        return Decoded(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", errors="replace")
    invalid = invalid_utf8_bytes(raw, text)
    other = sum(not char.isascii() for char in text) - text.count("\ufffd")
    if encoding == "utf-8" or other > invalid:
        return Decoded(text, "utf-8", invalid)
    return _decode_windows(raw)


def _decode_windows(raw: bytes) -> Decoded:
    try:
        return Decoded(raw.decode("cp1252"), "cp1252")
    except UnicodeDecodeError:  # five bytes mean nothing there; browsers read them as Latin-1 too
        undefined = sum(raw.count(bytes([byte])) for byte in b"\x81\x8d\x8f\x90\x9d")
        text = "".join(_WINDOWS[byte] for byte in raw)
        return Decoded(text, "cp1252", undefined)


_WINDOWS = [bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(256)]
