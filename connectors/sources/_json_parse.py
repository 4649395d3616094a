"""One JSON value from its bytes, reading as much as can be read of what is not quite JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

import ijson
import msgspec

from dlpagent.connectors.sources._shapes import MAX_DEPTH

# Python prints no integer above 4,300 digits; longer digits are kept as the text they are.
_MAX_INT_DIGITS = 1_200
_BOM = b"\xef\xbb\xbf"
decode_strictly = msgspec.json.Decoder().decode
# What decode_strictly raises on what is not JSON in UTF-8, or too deep for it.
NOT_JSON = (msgspec.MsgspecError, ValueError, RecursionError)


class Parsed(NamedTuple):
    """value is meaningless when problem is set. invalid_bytes were not UTF-8 and read as U+FFFD."""

    value: Any
    invalid_bytes: int = 0
    problem: str | None = None


def parse(raw: bytes) -> Parsed:
    """The value of raw. Also read: NaN, lone surrogates, raw control characters, bad UTF-8.

    Nesting no parser follows is cut a little below MAX_DEPTH, where parts_of reports it. problem
    never holds text of raw.
    """
    try:
        return Parsed(decode_strictly(raw))
    except NOT_JSON:
        return _parse_leniently(raw)


def _parse_leniently(raw: bytes) -> Parsed:
    raw = raw.removeprefix(_BOM)
    try:
        text, invalid = raw.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = raw.decode("utf-8", errors="replace")
        invalid = invalid_utf8_bytes(raw, text)
    try:
        return Parsed(json.loads(text, strict=False, parse_int=_int_or_text), invalid)
    except json.JSONDecodeError as error:
        # The parser's words name a kind of mistake, never what stands there.
        what = error.msg.split(":")[0].rstrip(" \\")
        return Parsed(None, invalid, f"expected JSON, found at character {error.pos}: {what}")
    except RecursionError:
        return _parse_deep(text.encode("utf-8", errors="replace"), invalid)
    except ValueError as error:
        return Parsed(None, invalid, f"expected JSON, found {type(error).__name__}")


def invalid_utf8_bytes(raw: bytes, text: str) -> int:
    """How many bytes of raw became U+FFFD in text, its decoding with errors="replace"."""
    replaced = text.count("\ufffd") - raw.count("\ufffd".encode())
    return len(raw) - (len(text.encode("utf-8")) - 3 * replaced)


def _int_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else digits


def _parse_deep(raw: bytes, invalid: int) -> Parsed:
    """The value with everything below the depth limit left out, built without recursion."""
    try:
        return Parsed(_build(raw), invalid)
    except (ijson.JSONError, ValueError, IndexError):
        return Parsed(None, invalid, "expected JSON, found deep nesting that is not well formed")


def _build(raw: bytes) -> Any:
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[str] = [""]
    skipped = 0
    for event, value in ijson.basic_parse(raw):
        if event in ("end_map", "end_array"):
            if skipped:
                skipped -= 1
            else:
                stack.pop()
                keys.pop()
        elif event in ("start_map", "start_array"):
            if skipped or len(stack) > MAX_DEPTH + 2:
                skipped += 1
                continue
            child: Any = {} if event == "start_map" else []
            _put(stack[-1], keys[-1], child)
            stack.append(child)
            keys.append("")
        elif skipped:
            continue
        elif event == "map_key":
            keys[-1] = value
        else:
            _put(stack[-1], keys[-1], float(value) if isinstance(value, Decimal) else value)
    return root[0]


def _put(parent: Any, key: str, child: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = child
    else:
        parent.append(child)
