"""FAISS folders as sources; pickles and JSON in the shapes LangChain and LlamaIndex write."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.faiss import Faiss
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
)
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError

# The header of a flat index as faiss writes it: code, dimension, number of vectors.
INDEX = b"IxF2" + (4).to_bytes(4, "little") + (3).to_bytes(8, "little") + bytes(40)


class Docstore:
    """Stands for LangChain's own, under its name."""

    __module__, __qualname__ = "langchain_community.docstore.in_memory", "InMemoryDocstore"

    def __init__(self, documents: dict[str, Any]) -> None:
        self._dict = documents


class PydanticDocument:
    """Stands for LangChain's own, under its name, with the state that a pydantic 2 model sets."""

    __module__, __qualname__ = "langchain_core.documents.base", "Document"

    def __init__(self, text: str, metadata: dict[str, Any]) -> None:
        self.fields = {"id": None, "metadata": metadata, "page_content": text, "type": "Document"}

    def __getstate__(self) -> dict[str, Any]:
        return {
            "__dict__": self.fields,
            "__pydantic_extra__": None,
            "__pydantic_fields_set__": {"page_content", "metadata"},
            "__pydantic_private__": None,
        }


class OldDocument(PydanticDocument):
    """The same in the form of pydantic 1."""

    __module__, __qualname__ = "langchain.schema", "Document"

    def __getstate__(self) -> dict[str, Any]:
        return {"__dict__": self.fields, "__fields_set__": {"page_content"},
                "__private_attribute_values__": {}}  # fmt: skip


@pytest.fixture(autouse=True)
def langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that pickles name while they are written; they are gone when they are read."""
    for made in (Docstore, PydanticDocument, OldDocument):
        steps = made.__module__.split(".")
        for depth in range(1, len(steps) + 1):
            name = ".".join(steps[:depth])
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        setattr(sys.modules[made.__module__], made.__qualname__, made)


def save(folder: Path, documents: dict[str, Any], name: str = "index", protocol: int = 5) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.faiss").write_bytes(INDEX)
    told = (Docstore(documents), dict(enumerate(documents)))
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(told, protocol=protocol))
    return folder


def opened(path: Path | str, **settings: Any) -> Callable[[], Faiss]:
    return lambda: Faiss(str(path), **settings)


def found(path: Path) -> list[tuple[str, str, str | None, str]]:
    rows = each_row(Faiss(str(path)))
    return [(row["record_id"], row["part"], row["text"], row["status"]) for row in rows]


@pytest.mark.parametrize("document", [PydanticDocument, OldDocument])
@pytest.mark.parametrize("protocol", range(6))
def test_langchain_documents_are_read_in_every_protocol(
    tmp_path: Path, document: Any, protocol: int
) -> None:
    metadata = {"source": "a.txt", "page": 7, "tags": ["p", "q"], "score": 0.5, "none": None}
    save(tmp_path / "f", {"a": document("hi né", metadata), "b": document("", {})}, "i", protocol)
    assert found(tmp_path / "f") == [
        ("a", "page_content", "hi né", "read"),
        ("a", "metadata.source", "a.txt", "read"),
        ("a", "metadata.page", "7", "read"),
        ("a", "metadata.tags[0]", "p", "read"),
        ("a", "metadata.tags[1]", "q", "read"),
        ("b", "page_content", None, "no_content"),
    ]


def some_documents() -> dict[str, Any]:
    return {f"{n:04d}": PydanticDocument(f"text {n}", {}) for n in range(700)}


def test_it_conforms(tmp_path: Path) -> None:
    save(tmp_path / "f", some_documents())
    check_reads_exactly(opened(tmp_path / "f"), {f"{n:04d}": [f"text {n}"] for n in range(700)})
    check_discovers_the_same_again(opened(tmp_path / "f"))
    check_resumes_everywhere(opened(tmp_path / "f", batch_rows=150))
    check_closes_what_it_opens(opened(tmp_path / "f", batch_rows=150))


class Hostile:
    """A pickle that does something when it is loaded."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_a_pickle_asks_for_is_done(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    hostile = Hostile(Path.touch, mark)
    documents = {"a": hostile, "b": PydanticDocument("hi", {"x": hostile})}
    save(tmp_path / "f", documents, protocol=protocol)
    rows = found(tmp_path / "f")
    assert not mark.exists()
    assert ("a", "record", None, "unread") in rows
    assert ("b", "page_content", "hi", "read") in rows
    (tmp_path / "f" / "index.pkl").write_bytes(pickle.dumps(hostile, protocol))
    with pytest.raises(SourceError, match="Nothing of it was executed"):
        found(tmp_path / "f")
    assert not mark.exists()


def test_small_pickles_of_endless_data_are_unread(tmp_path: Path) -> None:
    bomb: Any = ["x"]
    for _ in range(60):
        bomb = [bomb, bomb]
    ring: list[Any] = []
    ring.append(ring)
    told = {"a": PydanticDocument("a", {"x": bomb}), "b": PydanticDocument("b", {"x": ring}),
            "c": PydanticDocument("c", {"x": "fine"})}  # fmt: skip
    save(tmp_path / "f", told)
    assert [(one, status) for one, _, _, status in found(tmp_path / "f")] == [
        ("a", "unread"),
        ("b", "unread"),
        ("c", "read"),
        ("c", "read"),
    ]


def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    save(tmp_path / "f", {})
    lie = b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"x."
    (tmp_path / "f" / "index.pkl").write_bytes(lie)
    with pytest.raises(SourceError, match="is no docstore"):
        found(tmp_path / "f")


def test_a_pickle_cut_anywhere_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "f", {"a": PydanticDocument("hi", {"k": "v"})})
    whole = (tmp_path / "f" / "index.pkl").read_bytes()
    for place in range(len(whole)):
        (tmp_path / "f" / "index.pkl").write_bytes(whole[:place])
        with pytest.raises(SourceError):
            found(tmp_path / "f")


def test_a_pickle_with_any_byte_changed_gives_rows_or_an_error(tmp_path: Path) -> None:
    save(tmp_path / "f", {"a": PydanticDocument("hi", {"k": "v"})})
    whole = (tmp_path / "f" / "index.pkl").read_bytes()
    for place in range(len(whole)):
        for byte in (0, 40, 98, 255):
            changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
            (tmp_path / "f" / "index.pkl").write_bytes(changed)
            try:
                found(tmp_path / "f")
            except SourceError as error:
                assert error.remedy  # noqa: PT017 - either outcome is right


def test_llamaindex_stores_are_read(tmp_path: Path) -> None:
    node = {"id_": "n1", "text": "node text", "metadata": {"file": "a.txt"}, "embedding": None}
    stores: dict[str, Any] = {
        "docstore.json": {"docstore/data": {"n1": {"__data__": node, "__type__": "1"}}},
        "index_store.json": {"index_store/data": {"i": {"__type__": "vector_store",
                             "__data__": '{"summary": "s"}'}}},
        "default__vector_store.json": {"embedding_dict": {"n1": [0.5, 1.5]},
                                       "metadata_dict": {"n1": {"file": "a.txt"}}},
        "graph_store.json": {"graph_dict": {}},
    }  # fmt: skip
    for name, value in stores.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "image__vector_store.json").write_bytes(INDEX)
    assert Faiss.recognises(tmp_path)
    assert {(part, text) for _, part, text, _ in found(tmp_path)} == {
        ("id_", "n1"),
        ("text", "node text"),
        ("metadata.file", "a.txt"),
        ("value", '{"summary": "s"}'),
        ("file", "a.txt"),
    }
    (tmp_path / "docstore.json").write_text('{"docstore/data": {"n1": {"__data__": ')
    with pytest.raises(SourceError, match="cannot be read to its end"):
        found(tmp_path)


def test_an_index_without_texts_is_opaque(tmp_path: Path) -> None:
    (tmp_path / "lone.faiss").write_bytes(INDEX)
    assert Faiss.recognises(tmp_path)
    check_reads_exactly(opened(tmp_path), {}, coverage={"opaque": 1})
    (row,) = each_row(Faiss(str(tmp_path)))
    assert "3 vectors of 4" in row["problem"]


def test_folders_with_other_files_are_left_to_the_walk_but_pickles_are_not(tmp_path: Path) -> None:
    save(tmp_path / "f", {"a": PydanticDocument("hi", {})})
    assert Faiss.recognises(tmp_path / "f")
    (tmp_path / "f" / "notes.txt").write_text("x")
    assert not Faiss.recognises(tmp_path / "f")
    assert Faiss.recognises(tmp_path / "f" / "index.pkl")
    assert Faiss.recognises(tmp_path / "f" / "index.faiss")
    assert not Faiss.recognises(tmp_path / "f" / "notes.txt")
    assert found(tmp_path / "f" / "index.pkl") == [("a", "page_content", "hi", "read")]
    assert found(tmp_path / "f" / "index.faiss") == []  # told by its pickle


def test_an_index_faiss_wrote_is_known_as_one(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed (test-stores)")
    np = pytest.importorskip("numpy")
    for number, index in enumerate(
        (faiss.IndexFlatL2(8), faiss.IndexHNSWFlat(8, 4), faiss.IndexIDMap(faiss.IndexFlatIP(8)))
    ):
        if number == 2:
            index.add_with_ids(np.zeros((5, 8), "float32"), np.arange(5))
        else:
            index.add(np.zeros((5, 8), "float32"))
        faiss.write_index(index, str(tmp_path / f"{number}.faiss"))
    problems = [row["problem"] for row in each_row(Faiss(str(tmp_path)))]
    assert len(problems) == 3
    assert all("5 vectors of 8" in problem for problem in problems)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        list(Faiss(str(tmp_path)).discover())
    with pytest.raises(SourceError):
        list(Faiss(str(tmp_path / "none")).discover())
    with pytest.raises(ConfigurationError):
        Faiss("faiss:///f?x=1")
