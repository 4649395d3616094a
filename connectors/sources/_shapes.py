"""The parts of one record: chat shapes and any other JSON object or table row, as text leaves.

One walk serves all shapes, because a part is always named by its JSON path; a known chat shape only
adds the role and takes away the context its structural keys would give. Shapes known: OpenAI
messages and requests, ShareGPT conversations, Alpaca, prompt/completion, chosen/rejected.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from dlpagent.records import PartStatus, without_surrogates

# Deeper than any real record, shallow enough that a path stays readable.
MAX_DEPTH = 200
# Longer integers are no number anyone stores; Python itself refuses to print above 4,300 digits.
_MAX_INT_BITS = 4_000
# A key with more digits than this may itself be a value (a card number, a phone number, an SSN).
_MAX_KEY_DIGITS = 5
_MAX_KEY_CHARS = 64
_CONTEXT_KEYS = 3

_ROLES = {
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    "ai": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
    "function_call": "assistant", "tool_call": "assistant", "agent": "assistant",
    "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool",
    "ipython": "tool",
}  # fmt: skip
_MESSAGE_LISTS = frozenset({"messages", "conversations", "conversation", "dialog", "dialogue"})
_BODIES = ("content", "value", "parts", "text", "tool_calls", "function_call", "output", "refusal")
# Keys of chat formats that say nothing about what their value is.
_STRUCTURE = _MESSAGE_LISTS | {
    *_BODIES, "message", "choices", "chosen", "rejected", "prompt", "completion", "contents",
    "function", "arguments", "input", "type", "role", "from", "thinking", "reasoning", "summary",
    "delta", "response", "instruction", "image_url", "url", "source", "input_audio",
}  # fmt: skip
# Values of `type` that the chat formats define: constants, not content.
_TYPES = frozenset({
    "text", "image_url", "input_text", "output_text", "input_image", "input_file", "input_audio",
    "image", "function", "message", "tool_use", "tool_result", "thinking", "reasoning", "refusal",
    "function_call", "function_call_output", "file", "document",
})  # fmt: skip
_NAMED = frozenset({"type", "role", "from"})
_PLAIN = frozenset({"text", "content"})
_ASKED = ("instruction", "input", "prompt", "question", "query")
_ANSWERED = ("output", "response", "completion", "chosen", "rejected", "answer")
_PAIRS = (
    ("instruction", "output"), ("instruction", "response"), ("prompt", "completion"),
    ("prompt", "response"), ("prompt", "chosen"), ("chosen", "rejected"), ("question", "answer"),
)  # fmt: skip
_ID_KEYS = ("id", "uuid", "_id", "record_id")
_TEXT_MIMES = ("text/", "application/json", "application/xml", "application/x-ndjson")

_WORD = re.compile(r"[^\W\d_]+\d*|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z]{3})(?=\d)")
_PLAIN_KEY = re.compile(r'[^.\[\]"{}#\s][^.\[\]"{}#]*')
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*(;base64)?,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]{64,}")


class ShapePart(NamedTuple):
    """One part of a record. text is None when status is not "read"; problem then says why.

    role: system | user | assistant | tool, or None. context: the words of the keys above the value.
    """

    part: str
    text: str | None
    role: str | None = None
    context: str | None = None
    status: PartStatus = "read"
    problem: str | None = None


class _Node(NamedTuple):
    value: Any
    path: str
    keys: tuple[str, ...]
    role: str | None
    chat: bool
    depth: int


def parts_of(record: Mapping[str, Any]) -> Iterator[ShapePart]:
    """Every text of the record, in its own order: strings, integers, dates; text in bytes.

    Part names are JSON paths (`messages[1].content`, `meta.author`). Empty strings, booleans, nulls
    and fractions are not parts; neither are roles and types that a chat format defines. A key that
    may be a value itself (an e-mail address, six digits or more, over 64 characters) is a part
    `…{n}#key` and stands in paths as `{n}`, its position. What is not text (base64 media, binary)
    is an "opaque" part; what lies deeper than MAX_DEPTH is one "unread" part.
    """
    stack: list[_Node] = [_Node(record, "", (), None, False, 0)]
    top_roles = _top_roles(record)
    while stack:
        node = stack.pop()
        kind = type(node.value)
        if kind is str:
            if node.value:
                yield _text_part(node)
        elif kind is dict or isinstance(node.value, Mapping):
            if node.depth >= MAX_DEPTH:
                yield _too_deep(node)
            else:
                stack.extend(reversed(_members(node, top_roles if node.depth == 0 else {})))
        elif kind is list or kind is tuple:
            if node.depth >= MAX_DEPTH:
                yield _too_deep(node)
            else:
                stack.extend(reversed(_elements(node)))
        else:
            leaf = _other_leaf(node)
            if leaf is not None:
                yield leaf


def record_id_of(record: Mapping[str, Any]) -> str | None:
    """The record's own id: the first of id, uuid, _id, record_id that is an integer or a string."""
    for key in _ID_KEYS:
        value = record.get(key)
        if isinstance(value, str) and value and len(value) <= 512:
            return without_surrogates(value)
        if isinstance(value, int) and not isinstance(value, bool) and _is_printable(value):
            return str(value)
        if isinstance(value, Mapping) and isinstance(value.get("$oid"), str):  # MongoDB export
            return without_surrogates(value["$oid"])
    return None


@lru_cache(maxsize=4096)
def words_of(name: str) -> str:
    """The words of a key or column heading: customer_ssn and customer-ssn give customer ssn."""
    spaced = _CAMEL.sub(" ", name)
    return " ".join(_WORD.findall(spaced))[:200]


def role_of(value: object) -> str | None:
    """system | user | assistant | tool for the names chat formats give them; None when unknown."""
    return _ROLES.get(value.lower()) if isinstance(value, str) else None


def is_value_like(key: str) -> bool:
    """True when a key may be a value itself, so that it must be scanned and not be shown."""
    return len(key) > _MAX_KEY_CHARS or _name_of(key) is None


@lru_cache(maxsize=4096)
def _name_of(key: str) -> str | None:
    """How a short key stands in a path: `.key` or `["k.e.y"]`; None when it may be a value."""
    if "@" in key or sum(map(str.isdigit, key)) > _MAX_KEY_DIGITS:
        return None
    if _PLAIN_KEY.fullmatch(key) is None:
        escaped = without_surrogates(key).replace("\\", "\\\\").replace('"', '\\"')
        return f'["{escaped}"]'
    return f".{without_surrogates(key)}"


def _top_roles(record: Mapping[str, Any]) -> dict[str, str | None]:
    roles: dict[str, str | None] = {}
    if any(one in record and other in record for one, other in _PAIRS):
        roles |= dict.fromkeys(_ASKED, "user") | dict.fromkeys(_ANSWERED, "assistant")
        roles["system"] = "system"
    elif isinstance(record.get("prompt"), str):
        roles["prompt"] = "user"
    return roles


def _members(node: _Node, top_roles: Mapping[str, str | None]) -> list[_Node]:
    value, path, depth = node.value, node.path, node.depth + 1
    is_message = _is_message(value)
    role = (_message_role(value) if is_message else None) or node.role
    chat = node.chat or is_message
    media = "data" in value and _is_media(value)
    children: list[_Node] = []
    for place, (name, child) in enumerate(value.items()):
        key = name if isinstance(name, str) else str(name)
        if child is None or (chat and key in _NAMED and _is_constant(key, child)):
            continue
        shown = _name_of(key) if len(key) <= _MAX_KEY_CHARS else None
        if shown is None:
            here = f"{path}{{{place}}}"
            children.append(_Node(key, f"{here}#key", node.keys, role, chat, depth))
            children.append(_Node(child, here, node.keys, role, chat, depth))
            continue
        if media and key == "data":
            child = _Media(len(child))  # noqa: PLW2901  what follows must not see the base64 text
        silent = key in top_roles or (depth == 1 and key in _PLAIN)
        silent = silent or (key in _STRUCTURE and (chat or _begins_chat(key, child)))
        keys = node.keys if silent else (*node.keys, key)[-_CONTEXT_KEYS:]
        here = path + shown if path else shown.removeprefix(".")
        inner = chat and key in _STRUCTURE
        children.append(_Node(child, here, keys, top_roles.get(key, role), inner, depth))
    return children


def _elements(node: _Node) -> list[_Node]:
    depth = node.depth + 1
    return [
        _Node(child, f"{node.path}[{index}]", node.keys, node.role, node.chat, depth)
        for index, child in enumerate(node.value)
        if child is not None and type(child) is not float  # vectors are long
    ]


class _Media(NamedTuple):
    chars: int


def _is_message(value: Mapping[str, Any]) -> bool:
    if role_of(value.get("role")) is None and not ("from" in value and "value" in value):
        return False
    return any(body in value for body in _BODIES)


def _begins_chat(key: str, value: object) -> bool:
    """A list of messages by its name, a message, or a list that begins with one."""
    if key in _MESSAGE_LISTS:
        return True
    first = value[0] if type(value) is list and value else value
    return isinstance(first, dict) and (
        _is_message(first) or isinstance(first.get("message"), dict)
    )


def _message_role(value: Mapping[str, Any]) -> str | None:
    return role_of(value.get("role")) or role_of(value.get("from"))


def _is_constant(key: str, value: object) -> bool:
    if key == "type":
        return isinstance(value, str) and value in _TYPES
    return role_of(value) is not None


def _is_media(value: Mapping[str, Any]) -> bool:
    """Base64 media beside its own type: {data, media_type} or {data, format}."""
    data = value.get("data")
    if data is None:
        return False
    named = any(isinstance(value.get(key), str) for key in ("media_type", "mime_type", "format"))
    return named and isinstance(data, str) and _BASE64.fullmatch(data) is not None


def _context(node: _Node) -> str | None:
    if not node.keys:
        return None
    return " ".join(words for words in map(words_of, node.keys) if words) or None


def _text_part(node: _Node) -> ShapePart:
    text = node.value
    if text.startswith("data:"):
        media = _DATA_URL.match(text[:300])
        if media:
            return _data_url(node, media)
    return ShapePart(node.path, text, node.role, _context(node))


def _data_url(node: _Node, head: re.Match[str]) -> ShapePart:
    mime = head.group(1) or "text/plain"
    body = node.value[head.end() :]
    name = f"{node.path}#data"
    if not mime.startswith(_TEXT_MIMES):
        return _opaque(node, f"{len(body)} characters of {mime} data in a data URL")
    try:
        raw = base64.b64decode(body) if head.group(2) else unquote_to_bytes(body)
        return ShapePart(name, raw.decode("utf-8"), node.role, _context(node))
    except (binascii.Error, ValueError):
        return _opaque(node, f"a data URL of {mime} that does not decode to UTF-8 text")


def _other_leaf(node: _Node) -> ShapePart | None:
    value = node.value
    if value is None or isinstance(value, (bool, float)):
        return None
    if isinstance(value, (int, Decimal)):
        return _number_part(node)
    if isinstance(value, (date, datetime, time)):
        return ShapePart(node.path, value.isoformat(), node.role, _context(node))
    if isinstance(value, _Media):
        return _opaque(node, f"{value.chars} characters of base64 media")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes_part(node, bytes(value))
    return _unread(node, f"a value of type {type(value).__name__}")


def _number_part(node: _Node) -> ShapePart | None:
    value = node.value
    if isinstance(value, Decimal):  # decimal(p, 0) columns hold integers; others are fractions
        if not value.is_finite() or value.as_tuple().exponent != 0:
            return None
    elif not _is_printable(value):
        return _unread(node, f"an integer of {value.bit_length()} bits")
    return ShapePart(node.path, str(value), node.role, _context(node))


def _bytes_part(node: _Node, raw: bytes) -> ShapePart | None:
    if not raw:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        return _opaque(node, f"{len(raw)} bytes that are not UTF-8 text")
    return ShapePart(node.path, text, node.role, _context(node))


def _is_printable(value: int) -> bool:
    return value.bit_length() <= _MAX_INT_BITS


def _too_deep(node: _Node) -> ShapePart:
    return _unread(node, f"nesting deeper than {MAX_DEPTH} levels")


def _unread(node: _Node, found: str) -> ShapePart:
    problem = f"expected text or numbers, found {found}"
    return ShapePart(node.path, None, node.role, None, "unread", problem)


def _opaque(node: _Node, found: str) -> ShapePart:
    problem = f"expected text, found {found}"
    return ShapePart(node.path, None, node.role, None, "opaque", problem)
