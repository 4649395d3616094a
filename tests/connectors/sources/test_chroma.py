"""Chroma folders and servers as sources, written by Chroma itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources import _http_store
from dlpagent.connectors.sources.chroma import Chroma
from dlpagent.connectors.testing.changes import check_misses_nothing_while_records_change
from dlpagent.connectors.testing.conformance import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
    each_row,
)
from dlpagent.connectors.testing.loopback import Faults, forwarding, serving
from dlpagent.errors import ConfigurationError, SourceError

chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed (test-stores)")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

COUNT = 700


def key(number: int) -> str:
    return f"{number:05d}"


class Store:
    """The application that owns a collection."""

    def __init__(self, client: Any, records: dict[str, str], name: str = "docs") -> None:
        self.collection = client.get_or_create_collection(name, embedding_function=None)
        self.put(list(records.items()))

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        self.collection.upsert(
            ids=[one for one, _ in records],
            embeddings=[[0.0, 1.0]] * len(records),
            documents=[text for _, text in records],
        )

    def delete(self, ids: Sequence[str]) -> None:
        self.collection.delete(ids=list(ids))


def some_records() -> dict[str, str]:
    return {key(number): f"text {number} né" for number in range(COUNT)}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("chroma")
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings), folder


@pytest.fixture
def folder(client: tuple[Any, Path]) -> Iterator[Path]:
    """A folder whose collections are those of the test."""
    yield client[1]
    for collection in client[0].list_collections():
        client[0].delete_collection(collection.name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of this module, by its port."""
    folder = tmp_path_factory.mktemp("served")
    with serving(lambda _: None) as free:  # type: ignore[arg-type, return-value]
        port = free.port
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            connected(port)
            yield port
        finally:
            process.terminate()


def connected(port: int) -> Any:
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    for _ in range(200):
        try:
            return chromadb.HttpClient("127.0.0.1", port, settings=settings)
        except ValueError:
            time.sleep(0.1)  # a process starts
    raise AssertionError("the server did not start")


@pytest.fixture
def served(server: int) -> Iterator[tuple[Any, int]]:
    client = connected(server)
    yield client, server
    for collection in client.list_collections():
        client.delete_collection(collection.name)


def opened(target: Path | str, **settings: Any) -> Callable[[], Chroma]:
    return lambda: Chroma(str(target), **settings)


# --- folders ----------------------------------------------------------------------------------


def test_every_record_of_every_collection_is_read_once(
    client: tuple[Any, Path], folder: Path
) -> None:
    Store(client[0], some_records())
    Store(client[0], {"x": "of another collection"}, "more")
    expected = {one: [text] for one, text in some_records().items()}
    check_reads_exactly(opened(folder), {**expected, "x": ["of another collection"]})
    check_discovers_the_same_again(opened(folder))
    assert len(list(Chroma(str(folder)).discover())) == 2


def test_reading_goes_on_from_every_checkpoint(client: tuple[Any, Path], folder: Path) -> None:
    Store(client[0], some_records())
    check_resumes_everywhere(opened(folder, batch_rows=150))


def test_nothing_stays_open(client: tuple[Any, Path], folder: Path) -> None:
    Store(client[0], some_records())
    check_closes_what_it_opens(opened(folder, batch_rows=300))


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(
    client: tuple[Any, Path], folder: Path, resume_after: int | None
) -> None:
    check_misses_nothing_while_records_change(
        opened(folder, batch_rows=120),
        Store(client[0], some_records()),
        some_records(),
        new_id=key,
        resume_after=resume_after,
    )


def test_the_change_key_follows_every_write_and_no_other_collection(
    client: tuple[Any, Path], folder: Path
) -> None:
    store = Store(client[0], {"a": "1"})
    keys = []
    for step in (
        lambda: None,
        lambda: store.put([("a", "2")]),
        lambda: store.collection.update(ids=["a"], metadatas=[{"k": "v"}]),
        lambda: store.delete(["a"]),
    ):
        step()
        keys.append(next(Chroma(f"chroma://{folder}#docs").discover()).change_key)
    assert len(set(keys)) == 4
    Store(client[0], {"b": "1"}, "other")
    assert next(Chroma(f"chroma://{folder}#docs").discover()).change_key == keys[-1]


def test_documents_and_metadata_are_parts(client: tuple[Any, Path], folder: Path) -> None:
    collection = client[0].create_collection("docs", embedding_function=None)
    metadata = {"source": "a.txt", "page": 7, "score": 0.5, "draft": True, "tags": ["p", "q"]}
    node = '{"text": "", "metadata": {"f": "a"}, "class_name": "TextNode"}'
    collection.add(
        ids=["a", "b", "c"],
        embeddings=[[0.0, 1.0]] * 3,
        documents=["hi", None, "node"],
        metadatas=[metadata, {"only": "metadata"}, {"_node_content": node, "f": "a"}],
    )
    found = [
        (r["record_id"], r["part"], r["text"], r["status"]) for r in each_row(Chroma(str(folder)))
    ]
    assert sorted(found, key=str) == sorted(
        [
            ("a", "document", "hi", "read"),
            ("a", "metadata.source", "a.txt", "read"),
            ("a", "metadata.page", "7", "read"),
            ("a", "metadata.tags[0]", "p", "read"),
            ("a", "metadata.tags[1]", "q", "read"),
            ("b", "metadata.only", "metadata", "read"),
            ("b", "document", None, "no_content"),
            ("c", "document", "node", "read"),
            ("c", "metadata.f", "a", "read"),
            ("c", "metadata._node_content.class_name", "TextNode", "read"),
        ],
        key=str,
    )


def test_writes_that_only_reached_the_journal_are_read(
    client: tuple[Any, Path], folder: Path
) -> None:
    Store(client[0], {"a": "settled"})
    with sqlite3.connect(folder / "chroma.sqlite3") as connection:  # as a crash leaves it
        topic = connection.execute(
            "SELECT topic FROM embeddings_queue ORDER BY seq_id DESC LIMIT 1"
        ).fetchone()
        connection.execute(
            "INSERT INTO embeddings_queue (seq_id, operation, topic, id, metadata) "
            "VALUES (9000000, 0, ?, 'b', ?)",
            [*topic, '{"chroma:document": "waiting", "k": "v"}'],
        )
    try:
        found = list(each_row(Chroma(str(folder))))
    finally:
        with sqlite3.connect(folder / "chroma.sqlite3") as connection:
            connection.execute("DELETE FROM embeddings_queue WHERE seq_id = 9000000")
        connection.close()
    documents = [row["text"] for row in found if row["part"] == "document"]
    assert documents == ["settled", "waiting"]


def test_reading_writes_nothing(client: tuple[Any, Path], folder: Path) -> None:
    Store(client[0], {"a": "1"})
    before = (folder / "chroma.sqlite3").stat().st_mtime_ns
    list(each_row(Chroma(str(folder))))
    assert (folder / "chroma.sqlite3").stat().st_mtime_ns == before


def test_a_folder_is_recognised_by_its_file(folder: Path, tmp_path: Path) -> None:
    assert Chroma.recognises(folder)
    assert not Chroma.recognises(tmp_path)


def test_what_is_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(SourceError) as caught:
        list(Chroma(str(tmp_path)).discover())
    assert caught.value.remedy
    sqlite3.connect(tmp_path / "other").close()
    (tmp_path / "chroma.sqlite3").write_bytes(b"")
    with pytest.raises(SourceError, match=r"Chroma 0\.4\.15"):
        list(Chroma(str(tmp_path)).discover())


# --- servers ----------------------------------------------------------------------------------


def test_a_server_is_read_like_a_folder(served: tuple[Any, int]) -> None:
    Store(served[0], some_records())
    Store(served[0], {"x": "of another"}, "more")
    expected = {one: [text] for one, text in (some_records() | {"x": "of another"}).items()}
    target = f"chroma://127.0.0.1:{served[1]}"
    check_reads_exactly(opened(target), expected)
    check_discovers_the_same_again(opened(target))
    check_resumes_everywhere(opened(f"{target}?changes=ignore", batch_rows=150))
    check_closes_what_it_opens(opened(f"{target}?changes=ignore"), times=3)


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_to_a_server_meanwhile_make_nothing_be_missed(
    served: tuple[Any, int], resume_after: int | None
) -> None:
    check_misses_nothing_while_records_change(
        opened(f"chroma://127.0.0.1:{served[1]}?changes=ignore", batch_rows=120),
        Store(served[0], some_records()),
        some_records(),
        new_id=key,
        resume_after=resume_after,
    )


def test_fields_of_a_server_are_parts_in_the_order_of_their_names(
    served: tuple[Any, int],
) -> None:
    collection = served[0].create_collection("docs", embedding_function=None)
    names = ["source", "page", "author", "topic", "kind", "zone"]
    collection.add(
        ids=[key(n) for n in range(50)],
        embeddings=[[0.0, 1.0]] * 50,
        documents=["hi"] * 50,
        metadatas=[{name: f"{name} {n}" for name in names} for n in range(50)],
    )
    parts: dict[str, list[str]] = {}
    for row in each_row(Chroma(f"chroma://127.0.0.1:{served[1]}")):
        parts.setdefault(row["record_id"], []).append(row["part"])
    expected = ["document", *(f"metadata.{name}" for name in sorted(names))]
    assert all(found == expected for found in parts.values())
    assert len(parts) == 50


def test_the_change_key_of_a_server_is_made_of_its_content(served: tuple[Any, int]) -> None:
    store = Store(served[0], {"a": "1", "b": "2"})
    target = f"chroma://127.0.0.1:{served[1]}#docs"

    def key_now() -> str | None:
        return next(Chroma(target).discover()).change_key

    first = key_now()
    store.put([("a", "3")])
    assert key_now() != first
    store.put([("a", "1")])
    assert key_now() == first


def test_a_bad_connection_to_a_server_costs_nothing(
    served: tuple[Any, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(_http_store, "_wait", waits.append)
    Store(served[0], some_records())
    with serving(forwarding(f"http://127.0.0.1:{served[1]}"), Faults(rate=0.1)) as bad:
        target = f"chroma://127.0.0.1:{bad.port}?changes=ignore"
        expected = {one: [text] for one, text in some_records().items()}
        for _ in range(8):
            check_survives_failures(opened(target, batch_rows=100), expected)
        assert sum(bad.faults.happened.values()) == len(waits) > 0


def test_all_databases_of_a_tenant_are_found(served: tuple[Any, int]) -> None:
    admin = chromadb.AdminClient(
        chromadb.config.Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host="127.0.0.1",
            chroma_server_http_port=served[1],
            anonymized_telemetry=False,
        )
    )
    admin.create_database("second")
    client = chromadb.HttpClient("127.0.0.1", served[1], database="second")
    try:
        Store(client, {"z": "in the second"})
        assets = list(Chroma(f"chroma://127.0.0.1:{served[1]}").discover())
        assert [asset.uri.partition("?")[2] for asset in assets] == [
            "tenant=default_tenant&database=second#docs"
        ]
    finally:
        client.delete_collection("docs")
        admin.delete_database("second")


@pytest.mark.parametrize(
    "target",
    ["chroma://h?tls=perhaps", "chroma://h?x=1", "chroma://u:p@h", "chroma://h?changes=often"],
)
def test_addresses_that_mean_nothing_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Chroma(target)
    assert "u:p" not in str(caught.value)
