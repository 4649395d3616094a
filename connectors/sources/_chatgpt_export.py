"""The members of a ChatGPT export as records: conversations, other JSON, files nobody names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dlpagent.connectors.sources._archive import Archive, Member, MemberStream
from dlpagent.connectors.sources._chatgpt_conversation import Message, messages_of
from dlpagent.connectors.sources._chatgpt_files import ExportFiles, Row, locator_of, missing_file
from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._json_salvage import salvage
from dlpagent.connectors.sources._json_split import Span, values
from dlpagent.connectors.sources._record_rows import as_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of, record_id_of
from dlpagent.errors import SourceError
from dlpagent.records import PartStatus, without_surrogates

_CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json")
_MAX_USER_BYTES = 1 << 20
# A message is repeated with each branch that names a file; more often only in a hostile export.
_MAX_READS = 8

Cursor = dict[str, Any]
Record = Iterator[Row]
_RecordsOf = Callable[[Any, str, Row], Iterator[Record]]


class Unit(NamedTuple):
    """A conversation, a JSON element or a file. at and goes_on: the cursors before and behind it.

    records are made as they are asked for: what is not iterated is not read.
    """

    at: Cursor
    goes_on: Cursor
    records: Iterator[Record]


class ExportReader:
    """Gives the units of an open export in a fixed order, from a cursor on.

    Raises SourceError when the export holds no conversations file.
    """

    def __init__(self, archive: Archive, max_conversation_bytes: int, max_file_bytes: int) -> None:
        self._archive = archive
        self._max_bytes = max_conversation_bytes
        self._files = ExportFiles(archive, max_file_bytes)
        self._chats = conversation_members(archive)
        self._steps = [*self._chats, *self._others()]
        self._named: set[int] = set()
        self.actor = self._actor()
        self.consumed = 0

    def units(self, cursor: Cursor) -> Iterator[Unit]:
        """What is left from the cursor on; an empty cursor begins at the beginning."""
        first = int(cursor.get("step", 0))
        is_resumed = first > 0 or int(cursor.get("row", 0)) > 0
        for step, member in enumerate(self._steps[first:], first):
            begin = cursor if step == first and cursor else _cursor(step)
            self.consumed = sum(one.packed_bytes for one in self._steps[:step])
            if step < len(self._chats):
                yield from self._elements(member, begin, self._conversation)
            elif _is_json(member):
                yield from self._elements(member, begin, self._json_record)
            else:
                if is_resumed:  # what was named before the cursor must be known again
                    self._name_all()
                    is_resumed = False
                named = member.index in self._named
                records = iter(()) if named else iter([self._file_record(member)])
                yield Unit(begin, _cursor(step + 1), records)
        self.consumed = sum(member.packed_bytes for member in self._archive.members)

    def _others(self) -> list[Member]:
        """JSON first, then files, which need to know what the messages name."""
        if not self._chats:
            raise SourceError(
                "holds no conversations",
                where=str(self._archive.path),
                expected="conversations.json, or conversations-000.json and so on",
                found=f"{len(self._archive.members)} other files",
                remedy="Give the export as it was downloaded, or the folder it was unpacked to.",
            )
        # chat.html shows the same conversations once more.
        others = [one for one in self._archive.members if one.basename != "chat.html"]
        return sorted(
            (one for one in others if one not in self._chats),
            key=lambda one: (not _is_json(one), one.index),
        )

    def _actor(self) -> str | None:
        """The account: the e-mail address of user.json, else its id."""
        for member in self._archive.members:
            if member.basename == "user.json":
                raw = MemberStream(self._archive, member).read(_MAX_USER_BYTES)
                user = parse(raw).value if raw is not None else None
                for key in ("email", "id"):
                    if isinstance(user, dict) and isinstance(user.get(key), str) and user[key]:
                        return without_surrogates(user[key])
        return None

    def _elements(self, member: Member, begin: Cursor, records_of: _RecordsOf) -> Iterator[Unit]:
        stream = MemberStream(self._archive, member)
        at, before, step = begin, self.consumed, int(begin["step"])
        blocks = stream.blocks(int(at["offset"]))
        for span in values(blocks, int(at["offset"]), bool(at["in_array"]), self._max_bytes):
            goes_on = _cursor(step, span.goes_on, int(at["row"]) + 1, span.in_array)
            share = stream.position / max(member.size_bytes, stream.position, 1)
            self.consumed = before + int(member.packed_bytes * share)
            yield Unit(at, goes_on, self._span_records(member, span, int(at["row"]), records_of))
            at = goes_on
        if stream.problem is not None:
            row = int(at["row"])
            status: PartStatus = "protected" if member.is_protected else "unread"
            part = ShapePart("#stream", None, status=status, problem=stream.problem)
            record = _rows(_identity(member, row), [part], locator_of(self._archive, member))
            yield Unit(at, _cursor(step + 1), iter([record]))

    def _span_records(
        self, member: Member, span: Span, row: int, records_of: _RecordsOf
    ) -> Iterator[Record]:
        identity = _identity(member, row)
        locator = locator_of(self._archive, member, span.offset, row)
        problems: list[ShapePart] = []
        if span.raw is None:
            found = f"one of {span.size} bytes"
            problems.append(
                _unread("#record", f"a record of at most {self._max_bytes} bytes", found)
            )
        elif span.raw:
            parsed = parse(span.raw)
            if parsed.problem is None:
                yield from records_of(parsed.value, identity, locator)
            else:
                value, tail = salvage(span.raw)
                if value is not None:
                    yield from records_of(value, identity, locator)
                if tail.strip():
                    problems.append(ShapePart("#tail", tail))
                problems.append(ShapePart("#record", None, status="unread", problem=parsed.problem))
            if parsed.invalid_bytes:
                found = f"{parsed.invalid_bytes} bytes that are not (read as U+FFFD)"
                problems.append(_unread("#encoding", "UTF-8", found))
        if span.torn:
            problems.append(_unread("#stream", "the JSON to be closed", "the end of the file"))
        if problems:
            yield _rows(identity, problems, locator)

    def _conversation(self, value: Any, identity: str, locator: Row) -> Iterator[Record]:
        if not isinstance(value, dict):
            found = _unread("#record", "an object with a `mapping`", "another JSON value")
            yield _rows(identity, [*parts_of(as_record(value)), found], locator)
            return
        reads: Counter[int] = Counter()
        for message in messages_of(value, identity):
            named = [
                member.index
                for attachment in message.attachments
                for member in self._files.members_of(attachment)
            ]
            reads.update(named)
            self._named.update(named)
            spent = frozenset(index for index in named if reads[index] > _MAX_READS)
            yield self._message_rows(message, spent, locator)

    def _message_rows(self, message: Message, spent: frozenset[int], locator: Row) -> Record:
        for part in message.parts:
            yield {**message.columns, **_columns(part), "locator": locator}
        for attachment in message.attachments:
            name = f"attachments/{without_surrogates(attachment.name)}"
            common = {**message.columns, "mime": attachment.mime, "locator": locator}
            members = self._files.members_of(attachment)
            if not members:
                yield common | missing_file(attachment, name)
            for member in members:
                if member.index in spent:
                    expected = f"a file named by at most {_MAX_READS} messages of a conversation"
                    yield common | _columns(_unread(name, expected, "one named by more"))
                else:
                    for row in self._files.rows_of(member, name):
                        metadata = {
                            **message.columns.get("metadata", {}),
                            **row.get("metadata", {}),
                        }
                        yield common | row | {"metadata": metadata}

    def _json_record(self, value: Any, identity: str, locator: Row) -> Iterator[Record]:
        record = as_record(value)
        own = record_id_of(record)
        name = identity if own is None else f"{identity.rpartition('#')[0]}#{own}"
        yield _rows(name, parts_of(record), locator)

    def _file_record(self, member: Member) -> Record:
        identity = without_surrogates(member.name)
        for row in self._files.rows_of(member, "text"):
            yield {"record_id": identity, **row}

    def _name_all(self) -> None:
        for member in self._chats:
            blocks = MemberStream(self._archive, member).blocks()
            for row, span in enumerate(values(blocks, 0, False, self._max_bytes)):
                for _ in self._span_records(member, span, row, self._conversation):
                    pass


def conversation_members(archive: Archive) -> list[Member]:
    """The conversations files in order: those nearest to the top, deeper ones are uploads."""
    found = [one for one in archive.members if _CONVERSATIONS.fullmatch(one.basename)]
    top = min((one.name.count("/") for one in found), default=0)
    found = [one for one in found if one.name.count("/") == top]
    return archive.members if archive.is_file else sorted(found, key=lambda one: one.name)


def _rows(record_id: str, parts: Iterable[ShapePart], locator: Row) -> Record:
    for part in parts:
        yield {"record_id": record_id, **_columns(part), "locator": locator}


def _columns(part: ShapePart) -> Row:
    return part._asdict()


def _unread(part: str, expected: str, found: str) -> ShapePart:
    return ShapePart(part, None, status="unread", problem=f"expected {expected}, found {found}")


def _cursor(step: int, offset: int = 0, row: int = 0, in_array: bool = False) -> Cursor:
    return {"v": 1, "step": step, "offset": offset, "row": row, "in_array": in_array}


def _identity(member: Member, row: int) -> str:
    return f"{without_surrogates(member.name)}#{row}"


def _is_json(member: Member) -> bool:
    """A JSON file of the export itself, not one that somebody uploaded."""
    return member.name.endswith(".json") and not member.basename.startswith(("file-", "file_"))
