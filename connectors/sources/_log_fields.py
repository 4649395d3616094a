"""Fields of log records, whatever type they turn out to have, and the parts made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dlpagent.connectors.sources._chatgpt_conversation import time_of
from dlpagent.connectors.sources._shapes import MAX_DEPTH, ShapePart, parts_of, role_of
from dlpagent.records import without_surrogates

__all__ = [
    "actor_of", "chat_parts", "content_parts", "dict_at", "first_text", "first_time", "json_or_text",
    "list_at", "nanos_of", "no_content", "rest_of", "role_of", "text_at", "time_of", "without",
]  # fmt: skip

_MAX_COLUMN_CHARS = 512
# The account in a working folder: the transcript names nobody else.
_HOME = re.compile(r"(?:/home/|/Users/|[A-Za-z]:\\Users\\)([^/\\]+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Blocks in which a tool speaks, whoever the message around them says it is from.
_TOOL_BLOCKS = frozenset({
    "tool_result", "function_call_output", "tool_call_response", "server_tool_result",
    "web_search_tool_result", "mcp_tool_result", "custom_tool_call_output", "local_shell_output",
})  # fmt: skip


def dict_at(value: object, *keys: str) -> Mapping[str, Any]:
    """The object at the end of the keys; an empty one when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def list_at(value: object, *keys: str) -> list[Any]:
    """The list at the end of the keys; an empty one when there is none."""
    found = dict_at(value, *keys[:-1]).get(keys[-1]) if keys else value
    return found if isinstance(found, list) else []


def text_at(value: object, *keys: str) -> str | None:
    """A text or number that fits a column (ids, names) at the end of the keys, else None."""
    found = dict_at(value, *keys[:-1]).get(keys[-1])
    if isinstance(found, int) and not isinstance(found, bool) and found.bit_length() < 64:
        return str(found)
    if isinstance(found, str) and 0 < len(found) <= _MAX_COLUMN_CHARS:
        return without_surrogates(found)
    return None


def first_text(value: object, *paths: str) -> str | None:
    """The first of some paths (`user`, `metadata.user_id`) that holds one."""
    return next((text for path in paths if (text := text_at(value, *path.split(".")))), None)


def first_time(value: object, *paths: str) -> datetime | None:
    """The first of some paths that holds a time, in UTC."""
    for path in paths:
        *folders, key = path.split(".")
        time = time_of(dict_at(value, *folders).get(key))
        if time is not None:
            return time
    return None


def nanos_of(value: object) -> datetime | None:
    """Nanoseconds since 1970, as a number or its digits (OTLP writes 64-bit numbers so)."""
    try:
        return _EPOCH + timedelta(microseconds=int(str(value)[:20]) // 1000)
    except (ValueError, OverflowError):
        return None


def json_or_text(value: Any) -> Any:
    """The object or list inside a string of JSON; any other value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        found = json.loads(value, strict=False)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, (dict, list)) else value


def actor_of(folder: object) -> str | None:
    """The account whose home a working folder lies in."""
    found = _HOME.match(folder) if isinstance(folder, str) else None
    return found.group(1)[:100] if found else None


def rest_of(value: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields that are not known; those known to be plain are kept when they turn out not to be.

    Known fields hold ids, times and constants: a known field with an object, a list or a long text
    is none of these, so it is scanned with the rest.
    """
    return {
        key: child
        for key, child in value.items()
        if key not in known
        or isinstance(child, (Mapping, list))
        or (isinstance(child, str) and len(child) > _MAX_COLUMN_CHARS)
    }


def without(value: Any, is_dropped: Callable[[str, Any], bool], depth: int = 0) -> Any:
    """The value without some fields, at any depth (list places stay as they are)."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [without(child, is_dropped, depth + 1) for child in value]
    if isinstance(value, Mapping):
        return {
            key: without(child, is_dropped, depth + 1)
            for key, child in value.items()
            if not is_dropped(key, child)
        }
    return value


def chat_parts(value: Mapping[str, Any], role: str | None) -> Iterator[ShapePart]:
    """The parts of a message: keys of chat formats give no context, all bear its role."""
    shown = {"role": role or "user", "content": None}
    shown |= {key: child for key, child in value.items() if key != "role"}
    for part in parts_of(shown):
        yield part._replace(role=role)
    if "role" in value and role_of(value["role"]) is None:
        yield from parts_of({"role": {"name": value["role"]}})


def content_parts(content: Any, role: str | None, name: str = "content") -> Iterator[ShapePart]:
    """The parts of a message's content: a text, or blocks; what tools gave bears the role tool."""
    if not isinstance(content, list):
        yield from _under(name, content, role)
        return
    for place, block in enumerate(content):
        is_tool = isinstance(block, dict) and text_at(block, "type") in _TOOL_BLOCKS
        yield from _under(f"{name}[{place}]", block, "tool" if is_tool else role)


def _under(name: str, value: Any, role: str | None) -> Iterator[ShapePart]:
    if isinstance(value, Mapping) and "role" in value:
        found: Iterable[ShapePart] = parts_of({"messages": [value]})
        prefix = len("messages[0]")
    else:
        found = parts_of({"role": role or "user", "content": value})
        prefix = len("content")
    for part in found:
        yield part._replace(part=name + part.part[prefix:], role=part.role if prefix > 7 else role)


def no_content(part: str, reason: str) -> ShapePart:
    """A part that the log says it does not hold: reported, never taken for clean."""
    return ShapePart(part, None, status="no_content", problem=reason)
