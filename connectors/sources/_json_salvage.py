"""What can still be read of a damaged JSON value: all before the damage, and the rest as text."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}
# What may be missing between the damage and the closing brackets, most likely first.
_ENDINGS = ("", "null", ":null")
_NO_DIGITS = 4_000


class Salvaged(NamedTuple):
    """value: as it stood before the damage, closed there; None when nothing of it can be told.

    tail: the text from the damage on, as it stands in the file.
    """

    value: Any
    tail: str


def salvage(raw: bytes) -> Salvaged:
    """The readable beginning of a value that parse() refused, and the text behind it."""
    text = raw.decode("utf-8", errors="replace")
    try:
        return Salvaged(_loads(text), "")
    except json.JSONDecodeError as error:
        place = error.pos
    except (RecursionError, ValueError):
        return Salvaged(None, text)
    begun = text[:place]
    return Salvaged(_closed(begun), text[place:])


def _closed(begun: str) -> Any:
    """The value of a text that breaks off between two tokens."""
    open_brackets: list[str] = []
    for token in _TOKEN.finditer(begun):
        mark = token.group()
        if mark in _CLOSES:
            open_brackets.append(_CLOSES[mark])
        elif mark in ("}", "]") and open_brackets:
            open_brackets.pop()
    closers = "".join(reversed(open_brackets))
    for start in (begun, begun.rstrip().removesuffix(",")):
        for ending in _ENDINGS:
            try:
                return _loads(start + ending + closers)
            except (RecursionError, ValueError):
                continue
    return None


def _loads(text: str) -> Any:
    return json.loads(text, strict=False, parse_int=_int_or_text)


def _int_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= _NO_DIGITS else digits
