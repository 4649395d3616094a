"""The files of a ChatGPT export as parts: read when they are text, named as opaque when not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dlpagent.connectors.documents.kinds import TEXT, kind_of
from dlpagent.connectors.sources._archive import Archive, Member, MemberStream
from dlpagent.connectors.sources._chatgpt_conversation import Attachment
from dlpagent.connectors.sources._decode import binary_kind, decode, mark_of
from dlpagent.records import without_surrogates

# How members begin: file-AbC123-name.csv, file_000000001-name.png.
_ASSET_NAME = re.compile(r"file[-_][0-9A-Za-z]+")
_SNIFF_BYTES = 1 << 16

# Arguments of PartRows.add, but metadata as a dict.
Row = dict[str, Any]


class ExportFiles:
    """Finds the members a message names and reads them, each up to max_file_bytes."""

    def __init__(self, archive: Archive, max_file_bytes: int) -> None:
        self._archive, self._max_file_bytes = archive, max_file_bytes
        self._by_key: dict[str, list[Member]] = {}
        for member in archive.members:
            key = _ASSET_NAME.match(member.basename)
            self._by_key.setdefault(key.group() if key else member.basename, []).append(member)

    def members_of(self, attachment: Attachment) -> list[Member]:
        """By the attachment's id; else by its name, when one member only bears it."""
        found = self._by_key.get(attachment.asset_id or "", [])
        by_name = self._by_key.get(attachment.name, [])
        return found or (by_name if len(by_name) == 1 else [])

    def rows_of(self, member: Member, part: str) -> Iterator[Row]:
        """The part with its text, or why there is none; and a second row for broken encoding.

        A document is many parts, `attachments/a.docx#text`; so is one inside an archive.
        """
        stream = MemberStream(self._archive, member)
        blocks = stream.blocks()
        raw = bytearray(next(blocks, b""))
        head = bytes(raw[:_SNIFF_BYTES])
        kind = binary_kind(head)
        is_document = kind is not None and kind_of(head, member.basename) not in (None, TEXT)
        is_wanted = kind is None or is_document
        while is_wanted and len(raw) <= self._max_file_bytes and (block := next(blocks, b"")):
            raw += block
        blocks.close()
        row: Row = {"part": part, "locator": locator_of(self._archive, member)}
        if is_document and stream.problem is None and len(raw) <= self._max_file_bytes:
            yield from _document_rows(row, bytes(raw), member.basename)
        elif not is_wanted:
            yield row | _problem("opaque", f"expected text, found {kind}")
        elif stream.problem is not None:
            yield row | _problem("protected" if member.is_protected else "unread", stream.problem)
        elif len(raw) > self._max_file_bytes:
            limit = f"expected at most {self._max_file_bytes} bytes, found more"
            yield row | _problem("unread", limit)
        else:
            yield from _text_rows(row, bytes(raw))


def locator_of(
    archive: Archive, member: Member, offset: int | None = None, row: int | None = None
) -> Row:
    """offset: bytes in the unpacked member."""
    return {"file": without_surrogates(archive.place_of(member)), "offset": offset, "row": row}


def missing_file(attachment: Attachment, part: str) -> Row:
    """The row of a file that a message names and the export does not hold."""
    asked = attachment.asset_id or "of that name"
    problem = f"expected the file {asked} in the export, found none"
    return {"part": part, **_problem("opaque", problem)}


def _text_rows(row: Row, raw: bytes) -> Iterator[Row]:
    encoding, mark = mark_of(raw)
    text, used, invalid = decode(raw[mark:], encoding)
    yield row | {"text": text, "metadata": {"encoding": used}}
    if invalid and used != "cp1252":
        problem = f"expected {used}, found {invalid} bytes that are not (read as U+FFFD)"
        yield row | {"part": f"{row['part']}#encoding", **_problem("unread", problem)}


def _document_rows(row: Row, raw: bytes, name: str) -> Iterator[Row]:
    """Read by the child process, as files are."""
    # slow to import, and few exports hold documents
    from dlpagent.connectors.documents.child import Question  # noqa: PLC0415
    from dlpagent.connectors.documents.limits import Limits  # noqa: PLC0415
    from dlpagent.connectors.documents.parent import rows_of  # noqa: PLC0415

    place = row["locator"]["file"]
    for given in rows_of(Question("", name, Limits(), raw), len(raw)):
        for one in given:
            inside = f"!{one['inner']}" if one["inner"] else ""
            part = one["part"] if one["part"].startswith("#") else f"#{one['part']}"
            found = row | {"part": f"{row['part']}{inside}{part}"}
            found["locator"] = row["locator"] | {"file": f"{place}{inside}{part}"}
            found |= {key: one[key] for key in ("text", "status", "problem")}
            yield found | ({"labels": one["labels"]} if one.get("labels") else {})


def _problem(status: str, problem: str) -> Row:
    return {"text": None, "status": status, "problem": problem}
