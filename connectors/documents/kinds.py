"""What a file is, by its first bytes; names are asked only where bytes do not tell."""

from __future__ import annotations

import re

from dlpagent.connectors.sources._decode import binary_kind, mark_of

HEAD_BYTES = 1 << 16

PDF, ZIP, OLE, RTF, HTML, MAIL, TAR, TEXT = (
    "pdf",
    "zip",
    "ole",
    "rtf",
    "html",
    "mail",
    "tar",
    "text",
)
PACKED = ("gzip", "zstd", "bzip2", "xz")

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", ZIP), (b"PK\x05\x06", ZIP), (b"PK\x07\x08PK\x03\x04", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE), (b"{\\rtf", RTF),
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)  # fmt: skip
# Archives nobody here unpacks.
_OTHER_ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!\x1a\x07", "a RAR archive"),
    (b"MSCF", "a cabinet archive"), (b"!<arch>\n", "an ar archive"),
    (b"\x60\xea", "an ARJ archive"), (b"\x1f\x9d", "compress data"),
)  # fmt: skip
_HTML_NAMES = (".html", ".htm", ".xhtml")
_HTML_HEAD = re.compile(rb"<(?:!doctype html|html)\b", re.IGNORECASE)
_MAIL_NAMES = (".eml", ".mht", ".mhtml")
# A mail begins with header lines, some of which only mails have.
_HEADER_LINE = re.compile(rb"[!-9;-~]+:[ \t]?[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n")
_MAIL_HEADERS = frozenset({
    b"received", b"return-path", b"mime-version", b"message-id", b"delivered-to", b"dkim-signature",
    b"content-type", b"from", b"to", b"subject", b"date",
})  # fmt: skip
_MIN_MAIL_HEADERS = 3


def kind_of(head: bytes, name: str) -> str | None:
    """One of the constants here; None for what is opaque (see opaque_kind)."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if b"%PDF-" in head[:1024]:
        return PDF
    if head[257:262] == b"ustar":
        return TAR
    if is_archive_left_packed(head):
        return None
    lower = name.lower()
    if lower.endswith(_MAIL_NAMES) or _is_mail(head):
        return MAIL
    if binary_kind(head) is not None:
        return None
    if lower.endswith(_HTML_NAMES) or _is_html(head[mark_of(head)[1] :]):
        return HTML
    return TEXT


def is_archive_left_packed(head: bytes) -> bool:
    """An archive in a form that is told by name and not read."""
    return any(head.startswith(magic) for magic, _ in _OTHER_ARCHIVES)


def opaque_kind(head: bytes) -> str:
    """What it is that cannot be read, in words."""
    for magic, kind in _OTHER_ARCHIVES:
        if head.startswith(magic):
            return kind
    return binary_kind(head) or "binary data"


def _is_html(head: bytes) -> bool:
    """By its first element, behind an XML declaration and comments."""
    rest = head.replace(b"\0", b"").lstrip()
    for begin, end in ((b"<?xml", b"?>"), *[(b"<!--", b"-->")] * 20):
        if rest.startswith(begin):
            rest = rest.partition(end)[2].lstrip()
    return _HTML_HEAD.match(rest) is not None


def _is_mail(head: bytes) -> bool:
    """By at least three different header lines that mails have, before anything else."""
    at, seen = 0, set()
    while match := _HEADER_LINE.match(head, at):
        seen.add(match.group().split(b":", 1)[0].strip().lower())
        at = match.end()
        if at > 1 << 14:
            break
    known = seen & _MAIL_HEADERS
    return len(known) >= _MIN_MAIL_HEADERS and bool(known - {b"from", b"to", b"subject", b"date"})
