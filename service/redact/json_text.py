"""JSON with the place of every string and number, so that they are changed where they stand.

Key order, spacing, escapes and number formats of everything else stay as they are, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._record_rows import as_record
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.service.redact.rewriting import Rewritten, Text, apply
from dlpagent.service.redact.settling import Unwritable

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,\ufeff]+', re.S)
_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u.{4}|\\.|.", re.S
)
_NUMBER = re.compile(r"-?\d+(?:\.0+)?")
# Python prints no integer above 4,300 digits.
_MAX_DIGITS = 1_200


class Literal(str):
    """A string of a document, or a number's digits, that knows where it stands. parts_of keeps it."""

    span: tuple[int, int]
    is_number: bool


class _Number(int):
    """An integer whose text is a Literal."""

    literal: Literal

    def __str__(self) -> str:
        return self.literal


class JsonText:
    """One JSON document as a record (see settling.Record)."""

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self._literals: list[Literal | None] = []
        self.texts: list[Text] = []
        self.problem: str | None = None
        parsed = parse(raw.encode("utf-8", "surrogateescape"))
        if parsed.problem is not None:
            self.problem = parsed.problem
            return
        if parsed.invalid_bytes:
            self.problem = f"expected UTF-8, found {parsed.invalid_bytes} bytes that are not"
        self._take(_tree(raw))

    def _take(self, tree: Any) -> None:
        for part in parts_of(as_record(tree)):
            if part.text is None:
                self.problem = self.problem or part.problem
                continue
            literal = part.text if isinstance(part.text, Literal) else None
            self._literals.append(literal)
            is_number = literal is not None and literal.is_number
            self.texts.append(Text(str.__str__(part.text), part.context, is_number))

    def edited(self, found: Sequence[Rewritten]) -> str:
        """The document with the edits in its literals."""
        changes = []
        for literal, text, answer in zip(self._literals, self.texts, found, strict=True):
            if not answer.edits:
                continue
            if literal is None:
                raise Unwritable(
                    "something was found in a data URL, which cannot be edited in place"
                )
            changes.append((literal.span, self._written(literal, text, answer)))
        raw = self._raw
        for (start, end), new in sorted(changes, reverse=True):
            raw = raw[:start] + new + raw[end:]
        return raw

    def _written(self, literal: Literal, text: Text, answer: Rewritten) -> str:
        start, end = literal.span
        if literal.is_number:
            return apply(text.text, answer.edits)
        pieces = _PIECE.findall(self._raw[start + 1 : end - 1])
        if len(pieces) != len(text.text):
            raise Unwritable("something was found in a string whose escapes cannot be followed")
        for edit in reversed(answer.edits):
            pieces[edit.start : edit.end] = [self._escaped(edit.new)]
        return f'"{"".join(pieces)}"'

    def _escaped(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._raw.isascii())[1:-1]


def _tree(raw: str) -> Any:
    """The value of well-formed JSON, its strings and whole numbers as literals."""
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[Literal | None] = [None]
    for found in _TOKEN.finditer(raw):
        token = found[0]
        if token in ",:":
            continue
        if token in "]}":
            stack.pop()
            keys.pop()
            continue
        is_open = token in "[{"
        value: Any = _value(token, found.span()) if not is_open else [] if token == "[" else {}
        parent = stack[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif keys[-1] is None:
            keys[-1] = value
            continue
        else:
            parent[_unused(keys[-1], parent)] = value
            keys[-1] = None
        if is_open:
            stack.append(value)
            keys.append(None)
    return root[0] if root else None


def _value(token: str, span: tuple[int, int]) -> Any:
    if token.startswith('"'):
        return _literal(json.loads(token, strict=False), span)
    if token in ("true", "false"):
        return token == "true"
    if _NUMBER.fullmatch(token) and len(token) <= _MAX_DIGITS:
        number = _Number(token.partition(".")[0])
        number.literal = _literal(str(int(number)), span, is_number=True)
        return number
    try:  # 4.1e15 is no fraction: its digits are read
        fraction = float(token)
        if fraction.is_integer() and abs(fraction) < 2.0**53:
            number = _Number(int(fraction))
            number.literal = _literal(str(int(fraction)), span, is_number=True)
            return number
    except ValueError:
        pass
    return None  # null, and fractions, which are no text


def _literal(text: str, span: tuple[int, int], *, is_number: bool = False) -> Literal:
    literal = Literal(text)
    literal.span, literal.is_number = span, is_number
    return literal


def _unused(key: Literal, taken: dict[Literal, Any]) -> Literal:
    """The key; one that came before gets another name, so that both its values are looked at."""
    count = 1
    unused = key
    while unused in taken:
        count += 1
        unused = _literal(f"{key} {count}", key.span)
    return unused
