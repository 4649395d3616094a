"""What the records of vector stores look like, as LangChain, LlamaIndex and plain clients store them.

| written by | text in | metadata in |
|---|---|---|
| LangChain | page_content, text, document, content | metadata, cmetadata, _metadata_json, or beside |
| LlamaIndex | text, content, chunk, document | _node_content (the whole node, as JSON in a string) |

Metadata may be an object, or JSON in a string; it may stand beside the text or in a field of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

# LlamaIndex keeps the whole node as JSON in one string, and copies its metadata beside it.
NODE = "_node_content"
# Metadata as an object, or as JSON in a string where the store knows no objects.
METADATA_FIELDS = frozenset({"metadata", "metadata_", "cmetadata", "_metadata_json"})
# Where a chunk's own text stands: the name says nothing about the text.
BODY_FIELDS = ("page_content", "text", "content", "document", "chunk", "chunk_text")
_NODE_TEXT = f"{NODE}.text"
# Ids that stores and their clients make up: UUIDs, digests, short numbers. They are no one's data.
_MADE_UP = re.compile(
    r"(?:node_|doc_|doc:)?[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|[0-9a-f]{40}|[0-9a-f]{64}|-?\d{1,7}",
    re.IGNORECASE,
)


def parts_of_payload(payload: Mapping[str, Any]) -> Iterator[ShapePart]:
    """Every text of a payload; parts are named `payload.page_content`, `payload.metadata.source`."""
    return parts_of_record(payload, "payload")


def parts_of_record(record: Mapping[str, Any], prefix: str = "") -> Iterator[ShapePart]:
    """Every text of a record; parts are named by their paths, behind the prefix if there is one.

    What a LlamaIndex node repeats of the fields beside it is given once.
    """
    for part in parts_of(unfolded(record)):
        context = None if _is_body(part.part) else part.context
        yield part._replace(part=_behind(prefix, part.part), context=context)


def unfolded(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with metadata and nodes that are JSON in strings as the objects they are."""
    found = dict(record)
    for name in METADATA_FIELDS.intersection(found):
        metadata = _object_in(found[name])
        if metadata is not None:
            found[name] = _with_node(metadata, {**found, **metadata})
    return _with_node(found, found)


def is_made_up(record_id: str) -> bool:
    """True for ids that only a store or its client can have chosen: they need not be scanned."""
    return _MADE_UP.fullmatch(record_id) is not None


def bodies_in(names: Iterable[str]) -> list[str]:
    """Those of the fields that hold a chunk's own text."""
    return [name for name in names if name in BODY_FIELDS]


def may_be_folded(names: Iterable[str]) -> bool:
    """True when a field of such a name is a LlamaIndex node, which must be read by itself."""
    return NODE in names


def _is_body(path: str) -> bool:
    return path in BODY_FIELDS or path == _NODE_TEXT or path.endswith(f".{_NODE_TEXT}")


def _behind(prefix: str, path: str) -> str:
    joint = "" if not prefix or path.startswith(("[", "{")) else "."
    return f"{prefix}{joint}{path}"


def _with_node(fields: Mapping[str, Any], beside: Mapping[str, Any]) -> Mapping[str, Any]:
    node = _object_in(fields.get(NODE)) if isinstance(fields.get(NODE), str) else None
    if node is None:
        return fields
    inner = {key: _unrepeated(key, value, beside) for key, value in node.items()}
    return {**fields, NODE: inner}


def _object_in(value: object) -> Mapping[str, Any] | None:
    """The object, or the one a string or bytes hold as JSON; None for anything else."""
    if isinstance(value, Mapping):
        return value
    raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(raw, bytes) or not raw.startswith(b"{"):
        return None
    parsed = parse(raw)
    return parsed.value if parsed.problem is None and isinstance(parsed.value, dict) else None


def _unrepeated(key: str, value: Any, beside: Mapping[str, Any]) -> Any:
    if key == "text" and value and any(beside.get(body) == value for body in BODY_FIELDS):
        return None
    if key == "metadata" and isinstance(value, dict):
        return {name: one for name, one in value.items() if beside.get(name) != one}
    return value
