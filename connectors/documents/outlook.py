"""Old compound files (OLE): Outlook mails (.msg), encrypted Office documents, Office 97–2003."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.limits import Budget
from dlpagent.connectors.documents.mail import Attachment

MSG_MIME = "application/vnd.ms-outlook"
_MAIN_STREAMS = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "Book": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
}
# MAPI properties (MS-OXPROPS) and what a reader calls them.
_TEXTS = (
    ("0037", "Subject"), ("0C1A", "From"), ("0C1F", "From"), ("5D01", "From"), ("0E04", "To"),
    ("0E03", "Cc"), ("0E02", "Bcc"), ("0070", "Topic"),
)  # fmt: skip
_BODY, _HTML, _RTF, _TRANSPORT_HEADERS = "1000", "1013", "1009", "007D"
_ATTACHMENT = re.compile(r"__attach_version1\.0_#[0-9A-Fa-f]{8}")
_RECIPIENT = re.compile(r"__recip_version1\.0_#[0-9A-Fa-f]{8}")
_RUN = re.compile(rb"(?:[\x20-\x7e\t\r\n\xa0-\xff]\x00){6,}|[\x20-\x7e\t\r\n\x80-\xff]{6,}")
# The dictionary that LZFu begins with (MS-OXRTFCP 2.1.2.1).
_LZFU_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
# What olefile says when data are missing; its other remarks are on style.
_LOSS = re.compile("incomplete|out of range|less than|referenced twice|not enough")
_MAX_RTF_BYTES = 32 << 20


class Compound:
    """An open compound file, for a with statement. Raises OSError when it is not a whole one."""

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        import olefile  # noqa: PLC0415 - of an extra

        self._ole: Any = olefile.OleFileIO(file)
        self._budget = budget
        self.names = {"/".join(path) for path in self._ole.listdir(streams=True, storages=True)}

    def __enter__(self) -> Compound:
        return self

    def __exit__(self, *_: object) -> None:
        self._ole.close()

    @property
    def is_mail(self) -> bool:
        """An Outlook message."""
        return "__properties_version1.0" in self.names

    @property
    def is_encrypted(self) -> bool:
        """An Office document or mail that needs a password or rights."""
        tops = {name.split("/", 1)[0] for name in self.names}
        return bool(tops & {"EncryptedPackage", "\x06DataSpaces", "EncryptionInfo", "\tDRMContent"})

    @property
    def office_mime(self) -> str | None:
        """The type of an Office document of before 2007."""
        return next((mime for name, mime in _MAIN_STREAMS.items() if name in self.names), None)

    def damage(self) -> str | None:
        """What the reader noticed so far: streams that end early, tables that go astray."""
        said = [str(message) for _, message in self._ole.parsing_issues]
        issues = [one for one in said if _LOSS.search(one)]
        if not issues:
            return None
        return f"expected a whole compound file, found {len(issues)} places of damage"

    def read(self, name: str) -> bytes:
        """A stream; nothing when there is none."""
        if name not in self.names:
            return b""
        raw = bytes(self._ole.openstream(name).read())
        self._budget.take_bytes(len(raw))
        return raw

    def runs(self) -> str:
        """Runs of characters in the main streams of an old Office document, in both widths."""
        found = []
        for name in _MAIN_STREAMS:
            for match in _RUN.finditer(self.read(name)):
                raw = match.group()
                found.append(raw.decode("utf-16-le" if raw[1:2] == b"\0" else "cp1252", "replace"))
        return "\n".join(found).replace("\r", "\n")


class OutlookMail:
    """A message, or one attached to it. prefix: its storage inside the file, "" or ending in /."""

    def __init__(self, compound: Compound, prefix: str = "") -> None:
        self._compound, self._prefix = compound, prefix

    def headers(self) -> str:
        """Sender, recipients, subject, and the headers it travelled with."""
        lines = [f"{name}: {text}" for tag, name in _TEXTS if (text := self._text(tag))]
        for storage in self._storages(_RECIPIENT):
            names = [self._text(tag, storage) for tag in ("3001", "3003", "39FE")]
            lines.append("Recipient: " + " ".join(dict.fromkeys(name for name in names if name)))
        lines.append(self._text(_TRANSPORT_HEADERS))
        return "\n".join(line for line in lines if line)

    def labels(self) -> list[str]:
        """Of its header msip_labels."""
        found = LabelProperties()
        text = self._text(_TRANSPORT_HEADERS)
        match = re.search(r"(?im)^msip_labels:((?:.*)(?:\r?\n[ \t].*)*)", text)
        if match:
            found.add_text(re.sub(r"\s*\r?\n\s*", "", match[1]))
        return found.values()

    @property
    def sender(self) -> str | None:
        """The SMTP address."""
        return self._text("5D01") or self._text("0C1F") or None

    def plain(self) -> str:
        """The body as plain text."""
        return self._text(_BODY)

    def html(self) -> bytes:
        """The body as HTML, in bytes."""
        return self._stream(_HTML, "0102") or self._text(_HTML).encode()

    def rtf(self) -> bytes:
        """The body as RTF, unpacked."""
        return lzfu(self._stream(_RTF, "0102"))

    def attachments(self) -> Iterator[Attachment]:
        """Attached files."""
        for storage in self._storages(_ATTACHMENT):
            name = self._text("3707", storage) or self._text("3704", storage)
            name = name or self._text("3001", storage) or storage.strip("/")
            raw = self._stream("3701", "0102", storage)
            if raw:
                yield Attachment(name, raw, name.lower().endswith(".rpmsg"))

    def messages(self) -> Iterator[tuple[str, OutlookMail]]:
        """Attached messages."""
        for storage in self._storages(_ATTACHMENT):
            inner = f"{storage}__substg1.0_3701000D/"
            if f"{self._prefix}{inner}__properties_version1.0" in self._compound.names:
                name = self._text("3001", storage) or "message"
                yield f"{name}.msg", OutlookMail(self._compound, self._prefix + inner)

    def _storages(self, pattern: re.Pattern[str]) -> list[str]:
        size = len(self._prefix)
        tops = {
            name[size:].split("/", 1)[0]
            for name in self._compound.names
            if name.startswith(self._prefix)
        }
        return sorted(f"{name}/" for name in tops if pattern.fullmatch(name))

    def _text(self, tag: str, storage: str = "") -> str:
        wide = self._stream(tag, "001F", storage)
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        return self._stream(tag, "001E", storage).decode("cp1252", "replace").rstrip("\0")

    def _stream(self, tag: str, kind: str, storage: str = "") -> bytes:
        return self._compound.read(f"{self._prefix}{storage}__substg1.0_{tag}{kind}")


def lzfu(raw: bytes) -> bytes:
    """Compressed RTF unpacked (MS-OXRTFCP); as much as is there."""
    if len(raw) < 16:
        return b""
    _, size, mark, _ = struct.unpack_from("<4I", raw)
    if mark == 0x414C454D:  # "MELA": not compressed
        return raw[16 : 16 + size]
    window = bytearray(_LZFU_START.ljust(4096, b" "))
    out, write = bytearray(), len(_LZFU_START)
    for place, length, byte in _lzfu_steps(raw[16:]):
        if length and place == write & 4095:
            break
        for step in range(length or 1):
            given = window[(place + step) & 4095] if length else byte
            window[write & 4095] = given
            write += 1
            out.append(given)
        if len(out) >= min(size, _MAX_RTF_BYTES):
            break
    return bytes(out)


def _lzfu_steps(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Each step: a byte (length 0), or a place in the window and how many bytes to copy."""
    at = 0
    while at < len(raw):
        flags = raw[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                if at >= len(raw):
                    return
                yield 0, 0, raw[at]
                at += 1
            else:
                if at + 1 >= len(raw):
                    return
                word = raw[at] << 8 | raw[at + 1]
                yield word >> 4, (word & 15) + 2, 0
                at += 2
