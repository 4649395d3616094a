"""Messages anywhere inside what went into a run of a chain or came out of it, with who said them.

Known: {role, content}, {type: human, content}, {type: human, data: {content}}, and LangChain's
serialised messages {lc: 1, id: […, "HumanMessage"], kwargs: {content}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dlpagent.connectors.sources._keys import step_of
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    list_at,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._shapes import MAX_DEPTH, ShapePart, parts_of

_CLASSES = {
    "HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system",
    "ToolMessage": "tool", "FunctionMessage": "tool", "ChatMessage": None,
}  # fmt: skip
_TYPES = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
}
_CONSTANTS = frozenset({"lc", "id", "type"})


class _Said(NamedTuple):
    path: str
    message: Mapping[str, Any]
    inner: str  # below which key of the message its content stands, "" for none
    role: str | None


def run_parts(value: Any, name: str, role: str) -> Iterator[ShapePart]:
    """The parts of an input or output: messages with their own roles, all else with the given one."""
    found: list[_Said] = []
    rest = _split(value, name, found, 0)
    said: set[str] = set()
    for one in found:
        for part in _message_parts(one, role):
            said.add(part.text or "")
            yield part
    for part in chat_parts({name: rest}, role):
        # LangChain writes the text of a generation beside its message once more.
        if not (part.text in said and part.part.endswith(".text")):
            yield part._replace(context=None)


def _split(value: Any, path: str, found: list[_Said], depth: int) -> Any:
    """The value without its messages, which are added to found."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_split(one, f"{path}[{n}]", found, depth + 1) for n, one in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    said = _said(value, path)
    if said is not None:
        found.append(said)
        return None
    kept = {}
    for number, (key, one) in enumerate(value.items()):
        step = step_of(key) if isinstance(key, str) else None
        here = path + (f"{{{number}}}" if step is None else step)
        kept[key] = _split(one, here, found, depth + 1)
    return kept


def _said(value: Mapping[str, Any], path: str) -> _Said | None:
    kwargs, data = dict_at(value, "kwargs"), dict_at(value, "data")
    if "lc" in value and "content" in kwargs:
        names = [one for one in list_at(value, "id") if isinstance(one, str)]
        kind = (names or [""])[-1].removesuffix("Chunk")
        role = _CLASSES.get(kind) or role_of(kwargs.get("role")) or _kind(kwargs)
        return _Said(path, value, "kwargs", role)
    if _kind(value) is not None and "content" in data:
        return _Said(path, value, "data", _kind(value))
    if "content" in value and (role_of(value.get("role")) or _kind(value)):
        return _Said(path, value, "", role_of(value.get("role")) or _kind(value))
    return None


def _kind(value: Mapping[str, Any]) -> str | None:
    return _TYPES.get((text_at(value, "type") or "").lower().removesuffix("messagechunk"))


def _message_parts(one: _Said, otherwise: str) -> Iterator[ShapePart]:
    role = one.role or otherwise
    inner = dict_at(one.message, one.inner) if one.inner else one.message
    here = f"{one.path}.{one.inner}" if one.inner else one.path
    yield from content_parts(inner.get("content"), role, f"{here}.content")
    rest = {key: child for key, child in inner.items() if key not in ("content", "role")}
    if _kind(inner):
        del rest["type"]
    for part in chat_parts(rest, role):
        yield part._replace(part=f"{here}.{part.part}")
    if one.inner:
        around = {
            key: child
            for key, child in one.message.items()
            if key != one.inner and not (key in _CONSTANTS and _is_constant(child))
        }
        for part in parts_of(around):
            yield part._replace(part=f"{one.path}.{part.part}", role=role)


def _is_constant(value: Any) -> bool:
    """A version, a name, or the path of a class."""
    if isinstance(value, list):
        return all(isinstance(one, str) and one.isidentifier() for one in value)
    return isinstance(value, int) or (isinstance(value, str) and value.isidentifier())
