"""The parts of a vector record's payload, as LangChain, LlamaIndex and plain clients store it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

# LlamaIndex keeps the whole node as JSON in one string, and copies its metadata beside it.
_NODE = "_node_content"
# Where a chunk's own text stands: the name says nothing about the text.
_BODIES = frozenset({"page_content", "text", "content", "document", f"{_NODE}.text"})


def parts_of_payload(payload: Mapping[str, Any]) -> Iterator[ShapePart]:
    """Every text of the payload; parts are named `payload.page_content`, `payload.metadata.source`.

    What a LlamaIndex node repeats of the fields beside it is given once.
    """
    for part in parts_of(_with_node(payload)):
        joint = "" if part.part.startswith(("[", "{")) else "."
        context = None if part.part in _BODIES else part.context
        yield part._replace(part=f"payload{joint}{part.part}", context=context)


def _with_node(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    node = payload.get(_NODE)
    if not isinstance(node, str) or not node.startswith("{"):
        return payload
    parsed = parse(node.encode("utf-8", "replace"))
    if parsed.problem is not None or not isinstance(parsed.value, dict):
        return payload
    inner = {key: _unrepeated(key, value, payload) for key, value in parsed.value.items()}
    return {**payload, _NODE: inner}


def _unrepeated(key: str, value: Any, payload: Mapping[str, Any]) -> Any:
    if key == "text" and payload.get("text") == value:
        return None
    if key == "metadata" and isinstance(value, dict):
        return {name: one for name, one in value.items() if payload.get(name) != one}
    return value
