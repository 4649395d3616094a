"""The files LangChain and LlamaIndex keep beside a FAISS index, and the records in them.

LangChain writes `<name>.faiss` and `<name>.pkl`, a pickle of (docstore, {place: id}). LlamaIndex
writes `docstore.json` and others, which are JSON; its FAISS index is `…vector_store.json`, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ijson

from dlpagent.connectors.sources._files import head_of, opened
from dlpagent.connectors.sources._pickle_data import PickleError, Thing, followed, plain
from dlpagent.connectors.sources._store_rows import Fields, Unread
from dlpagent.errors import SourceError

# Below which key of its files LlamaIndex keeps records by their ids.
_JSON_ROOTS = {
    "docstore.json": "docstore/data",
    "index_store.json": "index_store/data",
    "graph_store.json": "graph_dict",
}
_VECTOR_STORE = "vector_store.json"
_METADATA = "metadata_dict"
_INDEX_SUFFIXES = (".faiss", ".index")
_UNPICKLED = "expected a document of LangChain, found something else"


def is_index(path: Path) -> bool:
    """True for a FAISS index, by its first bytes: a four-letter code beginning with I, dimension."""
    head = head_of(path, 16)
    if len(head) < 16 or head[:1] != b"I" or not head[:4].isalnum():
        return False
    dimension, total = struct.unpack("<iq", head[4:])
    return bool(0 < dimension < 1 << 20 and 0 <= total < 1 << 40)


def is_docstore(path: Path) -> bool:
    """True for a file of LangChain's or LlamaIndex's whose records are read."""
    return _root_of(path) is not None or (
        path.suffix == ".pkl" and any(path.with_suffix(s).is_file() for s in _INDEX_SUFFIXES)
    )


def is_bare_index(path: Path) -> bool:
    """True for an index without a file of texts beside it."""
    beside = (path.with_suffix(".pkl"), path.with_name("docstore.json"))
    return is_index(path) and not any(one.is_file() for one in beside)


def files_in(folder: Path) -> tuple[list[Path], bool]:
    """The files to be read, and whether there are only such files and their indexes."""
    children = [one for one in sorted(folder.iterdir()) if not one.name.startswith(".")]
    mine = [one for one in children if one.is_file() and (is_docstore(one) or is_bare_index(one))]
    rest = [one for one in children if one not in mine and not is_index(one)]
    return mine, not rest and bool(mine)


def records_of(path: Path) -> Iterator[tuple[str, Fields | Unread]]:
    """Every record of a file in its order. Raises SourceError when it cannot be read."""
    if is_index(path):
        return iter(())
    root = _root_of(path)
    return _pickled(path) if root is None else _json_records(path, root)


def size_of_index(path: Path) -> tuple[int, int]:
    """How many vectors an index holds, and of which dimension."""
    dimension, total = struct.unpack("<iq", head_of(path, 16)[4:])
    return total, dimension


def _root_of(path: Path) -> str | None:
    if path.name.endswith(_VECTOR_STORE):
        return None if is_index(path) else _METADATA
    return _JSON_ROOTS.get(path.name)


def _json_records(path: Path, root: str) -> Iterator[tuple[str, Fields]]:
    try:
        with opened(path) as file:
            for record_id, value in ijson.kvitems(file, root, use_float=True):
                yield record_id, _node(value)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise SourceError(
            "cannot be read to its end",
            where=str(path),
            expected="JSON as LlamaIndex persists it",
            found=type(error).__name__,
            remedy="Persist the index again; a copy may have been cut off.",
        ) from None


def _node(value: Any) -> Fields:
    """A node or document; LlamaIndex wraps it in {"__data__", "__type__"}."""
    if isinstance(value, Mapping) and "__data__" in value:
        value = value["__data__"]
    return value if isinstance(value, Mapping) else {"value": value}


def _pickled(path: Path) -> Iterator[tuple[str, Fields | Unread]]:
    try:
        with opened(path) as file:
            found = followed(file.read())
        documents = found[0].state["_dict"]
        items = list(documents.items())
    except (PickleError, AttributeError, TypeError, KeyError, IndexError) as error:
        said = str(error) if isinstance(error, PickleError) else "another shape"
        raise SourceError(
            "is no docstore",
            where=str(path),
            expected="a pickle as LangChain writes it: an InMemoryDocstore, and ids by place",
            found=said,
            remedy="Nothing of it was executed. Save the index again with LangChain.",
        ) from None
    for record_id, document in items:
        yield str(record_id), _document(document)


def _document(document: Any) -> Fields | Unread:
    try:
        fields = _state(document)
        shown = {
            name: plain(fields[name]) for name in ("page_content", "metadata") if name in fields
        }
    except (PickleError, TypeError, KeyError):
        return Unread(_UNPICKLED)
    return shown if "page_content" in shown else Unread(_UNPICKLED)


def _state(document: Any) -> Mapping[str, Any]:
    """The fields of a pydantic model (1 or 2), or of a plain object."""
    if not isinstance(document, Thing) or not isinstance(document.state, Mapping):
        raise PickleError("no document")
    state = document.state
    inner = state.get("__dict__", state)
    if not isinstance(inner, Mapping):
        raise PickleError("no document")
    return inner
