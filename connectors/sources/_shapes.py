"""The parts of one record: chat shapes and any other JSON object or table row, as text leaves.

One walk serves all shapes, because a part is always named by its JSON path; a known chat shape only
adds the role and takes away the context its structural keys would give. Shapes known: OpenAI
messages and requests, ShareGPT conversations, Alpaca, prompt/completion, chosen/rejected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dlpagent.connectors.sources._keys import is_value_like, step_of, words_of
from dlpagent.connectors.sources._leaves import (
    Leaf,
    NoText,
    digits_of_float,
    is_printable,
    leaf_of,
    unread,
)
from dlpagent.records import PartStatus, without_surrogates

__all__ = [
    "MAX_DEPTH",
    "ShapePart",
    "is_value_like",
    "parts_of",
    "record_id_of",
    "role_of",
    "words_of",
]

# Deeper than any real record, shallow enough that a path stays readable.
MAX_DEPTH = 200
_CONTEXT_KEYS = 3
# Lists of numbers under these keys are a tokeniser's: no pattern can match them.
_TOKEN_KEYS = frozenset({
    "input_ids", "token_ids", "tokens", "attention_mask", "token_type_ids", "position_ids",
    "labels", "label_ids", "special_tokens_mask", "loss_mask", "decoder_input_ids",
})  # fmt: skip
_MIN_TOKENS = 16

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
    "delta", "response", "thoughts", "instruction", "image_url", "url", "source", "input_audio",
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
ID_KEYS = frozenset(_ID_KEYS)
_MAX_ID_CHARS = 512
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]{64,}")


_TOO_DEEP = unread(f"nesting deeper than {MAX_DEPTH} levels")


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
    and fractions are not parts (4111111111111111.0 is no fraction: its digits are read); neither
    are roles and types that a chat format defines. A key that may be a value itself is a part
    `…{n}#key` and stands in paths as `{n}`, its position. What is not text (base64 media, binary,
    token numbers) is an "opaque" part; what lies deeper than MAX_DEPTH is one "unread" part.
    """
    stack: list[_Node] = [_Node(record, "", (), None, False, 0)]
    top_roles = _top_roles(record)
    while stack:
        node = stack.pop()
        kind = type(node.value)
        if kind is dict or (kind is not str and isinstance(node.value, Mapping)):
            if node.depth >= MAX_DEPTH:
                yield _part(node, _TOO_DEEP)
            else:
                stack.extend(reversed(_members(node, top_roles if node.depth == 0 else {})))
        elif kind is list or kind is tuple:
            if node.depth >= MAX_DEPTH:
                yield _part(node, _TOO_DEEP)
            else:
                stack.extend(reversed(_elements(node)))
        else:
            leaf = leaf_of(node.value)
            if leaf is not None:
                yield _part(node, leaf)


def record_id_of(record: Mapping[str, Any]) -> str | None:
    """The record's own id: the first of id, uuid, _id, record_id that is an integer or a string."""
    for key in _ID_KEYS:
        value = record.get(key)
        if value is None:
            continue
        if isinstance(value, Mapping):  # {"$oid": "…"} in MongoDB exports
            value = value.get("$oid")
        if isinstance(value, str) and 0 < len(value) <= _MAX_ID_CHARS:
            return without_surrogates(value)
        if type(value) is int and is_printable(value):
            return str(value)
    return None


def role_of(value: object) -> str | None:
    """system | user | assistant | tool for the names chat formats give them; None when unknown."""
    return _ROLES.get(value.lower()) if isinstance(value, str) else None


def _top_roles(record: Mapping[str, Any]) -> dict[str, str | None]:
    roles: dict[str, str | None] = {}
    if any(one in record and other in record for one, other in _PAIRS):
        roles |= dict.fromkeys(_ASKED, "user") | dict.fromkeys(_ANSWERED, "assistant")
        roles["system"] = "system"
    elif "prompt" in record:
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
        shown = step_of(key)
        if shown is None:
            here = f"{path}{{{place}}}"
            children.append(_Node(key, f"{here}#key", node.keys, role, chat, depth))
            children.append(_Node(child, here, node.keys, role, chat, depth))
            continue
        if media and key == "data":
            child = NoText(len(child), "characters of base64 media")  # noqa: PLW2901
        silent = key in top_roles or (depth == 1 and key in _PLAIN)
        silent = silent or (key in _STRUCTURE and (chat or _begins_chat(key, child)))
        keys = node.keys if silent else (*node.keys, key)[-_CONTEXT_KEYS:]
        here = path + shown if path else shown.removeprefix(".")
        inner = chat and key in _STRUCTURE
        children.append(_Node(child, here, keys, top_roles.get(key, role), inner, depth))
    return children


def _elements(node: _Node) -> list[_Node]:
    if _are_tokens(node):
        return [node._replace(value=NoText(len(node.value), "token numbers"))]
    depth = node.depth + 1
    return [
        _Node(child, f"{node.path}[{index}]", node.keys, node.role, node.chat, depth)
        for index, child in enumerate(node.value)
        if child is not None and (type(child) is not float or digits_of_float(child))
    ]


def _are_tokens(node: _Node) -> bool:
    if not node.keys or node.keys[-1] not in _TOKEN_KEYS or len(node.value) < _MIN_TOKENS:
        return False
    return all(type(one) is int for one in node.value)


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


def _part(node: _Node, leaf: Leaf) -> ShapePart:
    context = None
    if node.keys and leaf.text is not None:
        context = " ".join(words for words in map(words_of, node.keys) if words) or None
    return ShapePart(
        node.path + leaf.suffix, leaf.text, node.role, context, leaf.status, leaf.problem
    )
