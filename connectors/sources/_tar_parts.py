"""What a member of a tar archive gives to its record: text, the leaves of JSON, or why nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlpagent.connectors.sources._decode import binary_kind, decode, mark_of
from dlpagent.connectors.sources._existing_labels import labels_of
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.connectors.sources._tar_members import TarMember, TarMembers
from dlpagent.records import PartRows

MAX_MEMBER_BYTES = 64 << 20
_HEAD_BYTES = 1 << 16
_JSON, _JSON_LINES = "json", ("jsonl", "ndjson")


class TarRecord:
    """The parts of one record; finish() gives them all the labels its JSON members carry."""

    def __init__(self, key: str, file: str, number: int) -> None:
        self.key = key
        self._file, self._number = file, number
        self._parts: list[tuple[ShapePart, int]] = []
        self._labels: dict[str, None] = {}

    def add(self, part: ShapePart, offset: int) -> None:
        """Append a part; offset: where its member begins in the unpacked archive."""
        self._parts.append((part, offset))

    def add_labels(self, value: object) -> None:
        """Note the labels in a JSON member."""
        if isinstance(value, dict):
            self._labels |= dict.fromkeys(labels_of(value) or ())

    def finish(self, rows: PartRows) -> None:
        """Put the record into the batch."""
        labels = list(self._labels) or None
        for seq, (part, offset) in enumerate(self._parts):
            rows.add(
                record_id=self.key,
                part=part.part,
                seq=seq,
                text=part.text,
                context=part.context,
                role=part.role,
                status=part.status,
                problem=part.problem,
                labels=labels,
                locator={"file": self._file, "offset": offset, "row": self._number},
            )


def add_member(
    record: TarRecord, members: TarMembers, member: TarMember, field: str, max_bytes: int
) -> None:
    """Append the parts of a member, named by its field (its extension)."""
    name = field or "#member"
    if member.problem is not None:
        record.add(_unread("#archive", member.problem), member.offset)
        return
    if leads_outside(member.name):
        found = "expected a name inside the archive, found one that leads outside (.. or /)"
        record.add(_unread("#name", f"{found}; nothing was written"), member.offset)
    if member.kind is not None:
        found = f"expected a file, found {member.kind}; it was not followed"
        record.add(_unread(name, found), member.offset)
        return
    for part in _parts(record, members, member, name, max_bytes):
        record.add(part, member.offset)


def leads_outside(name: str) -> bool:
    """True when unpacking under this name would write outside the folder."""
    plain = name.replace("\\", "/")
    return plain.startswith("/") or plain[1:2] == ":" or ".." in plain.split("/")


def _parts(
    record: TarRecord, members: TarMembers, member: TarMember, name: str, max_bytes: int
) -> Iterator[ShapePart]:
    raw = members.content(_HEAD_BYTES)
    kind = binary_kind(raw)
    if kind is not None:
        found = f"expected text, found {kind} of {member.size} bytes"
        yield ShapePart(name, None, None, None, "opaque", found)
        return
    if member.size > max_bytes:
        yield _unread(name, f"expected at most {max_bytes} bytes of text, found {member.size}")
        return
    raw += members.content(member.size - len(raw))
    yield from _json_parts(record, raw, name) or _text_parts(raw, name)
    if len(raw) < member.size:
        found = f"expected {member.size} bytes, found {len(raw)}; the archive is cut off"
        yield _unread(f"{name}#end", found)


def _text_parts(raw: bytes, name: str) -> Iterator[ShapePart]:
    encoding, length = mark_of(raw)
    decoded = decode(raw[length:], encoding)
    if decoded.text:
        yield ShapePart(name, decoded.text)
    if decoded.invalid_bytes:
        found = f"expected {decoded.encoding}, found {decoded.invalid_bytes} bytes that are not"
        yield _unread(f"{name}#encoding", f"{found}; they were read as U+FFFD")


def _json_parts(record: TarRecord, raw: bytes, name: str) -> Iterator[ShapePart] | None:
    """The leaves of a JSON member; None when it is not JSON, and is to be read as text."""
    extension = name.rsplit(".", 1)[-1]
    if extension == _JSON:
        given = [(name, raw)]
    elif extension in _JSON_LINES:
        lines = raw.split(b"\n")
        given = [(f"{name}[{place}]", line) for place, line in enumerate(lines) if line.strip()]
    else:
        return None
    parsed = [(path, parse(text)) for path, text in given]
    if any(value.problem is not None or value.invalid_bytes for _, value in parsed):
        return None
    for _, value in parsed:
        record.add_labels(value.value)
    return (part for path, value in parsed for part in _leaves(path, value.value))


def _leaves(path: str, value: Any) -> Iterator[ShapePart]:
    if isinstance(value, dict):
        for part in parts_of(value):
            joint = "" if part.part.startswith(("[", "{")) else "."
            yield part._replace(part=f"{path}{joint}{part.part}")
    else:
        for part in parts_of({"$": value}):
            yield part._replace(part=path + part.part[1:], context=None)


def _unread(name: str, problem: str) -> ShapePart:
    return ShapePart(name, None, None, None, "unread", problem)
