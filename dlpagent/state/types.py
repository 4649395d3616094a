"""Column types of the state: text as sources give it, JSON, and moments in time.

Everything is stored as plain text, so SQLite and PostgreSQL hold the same bytes and any tool can
read them. PostgreSQL text takes no NUL and neither database takes lone surrogates; a file name or
record id may hold both, so SourceText writes them escaped, reversibly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

Clock = Callable[[], datetime]

_ESCAPE = "\x1a"
_UNSAFE = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


def moment(time: datetime) -> str:
    """UTC as fixed-width ISO 8601 with microseconds and Z: text order is time order."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_of(text: str) -> datetime:
    """The inverse of moment()."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def storable(text: str) -> str:
    """Text any database takes: NUL, SUB and lone surrogates become SUB and four hex digits."""
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def restored(text: str) -> str:
    """The inverse of storable()."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def to_json(value: object) -> str:
    """Canonical JSON: sorted keys, ASCII only; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class SourceText(TypeDecorator[str]):
    """Text that came from a source: any string Python can hold comes back the same."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else restored(value)


class Json(TypeDecorator[Any]):
    """A JSON value as canonical text; None is SQL NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else to_json(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)
