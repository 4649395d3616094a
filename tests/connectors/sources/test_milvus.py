"""Milvus Lite folders and Milvus servers as sources, with the real engine behind both."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.milvus import Milvus
from dlpagent.connectors.testing import (
    Answer,
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    serving,
)
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError

pymilvus = pytest.importorskip("pymilvus", reason="the extra milvus is not installed")
lite = pytest.importorskip(
    "milvus_lite.server_manager", reason="milvus-lite is not installed (test-stores)"
)
pytestmark = pytest.mark.filterwarnings("ignore")

COUNT = 700


def key(number: int) -> str:
    return f"{number:05d}"


def some_records() -> dict[str, str]:
    return {key(number): f"text {number} né" for number in range(COUNT)}


class Store:
    """The application that owns the collection; it opens and closes the store for each write."""

    def __init__(self, place: Path | str, records: dict[str, str], name: str = "docs") -> None:
        self.place, self.name = place, name
        client = pymilvus.MilvusClient(str(place))
        schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("pk", pymilvus.DataType.VARCHAR, max_length=100, is_primary=True)
        schema.add_field("text", pymilvus.DataType.VARCHAR, max_length=2000)
        schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=4)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="L2")
        client.create_collection(name, schema=schema, index_params=index)
        shuffled = list(records.items())
        random.Random(1).shuffle(shuffled)
        if shuffled:
            client.upsert(name, [row(*one) for one in shuffled])
        client.close()

    def put(self, records: Sequence[tuple[str, str]], **more: Any) -> None:
        self._with(lambda client: client.upsert(self.name, [row(*one) | more for one in records]))

    def delete(self, ids: Sequence[str]) -> None:
        self._with(lambda client: client.delete(self.name, ids=list(ids)))

    def _with(self, act: Callable[[Any], Any]) -> None:
        client = pymilvus.MilvusClient(str(self.place))
        try:
            client.load_collection(self.name)
            act(client)
        finally:
            client.close()


def row(record_id: str, text: str) -> dict[str, Any]:
    return {"pk": record_id, "text": text, "vector": [0.0, 1.0, 2.0, 3.0]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module, by its address."""
    folder = tmp_path_factory.mktemp("served")
    with serving(lambda _: Answer({})) as free:
        port = free.port
    command = [str(Path(sys.executable).with_name("milvus-lite")), "server"]
    with subprocess.Popen(
        [*command, "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            await_start(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def await_start(uri: str) -> None:
    for _ in range(100):
        try:
            pymilvus.MilvusClient(uri).close()
            return
        except pymilvus.MilvusException:
            time.sleep(0.1)  # a process starts
    raise AssertionError("the server did not start")


@pytest.fixture
def served(server: str) -> Iterator[str]:
    yield server
    client = pymilvus.MilvusClient(server)
    for name in client.list_collections():
        client.drop_collection(name)
    client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    Store(tmp_path / "m.db", some_records())
    return tmp_path / "m.db"  # type: ignore[return-value]


def opened(target: Path | str, **settings: Any) -> Callable[[], Milvus]:
    return lambda: Milvus(str(target), **settings)


def test_every_record_of_every_collection_is_read_once(folder: Path) -> None:
    Store(folder, {"00x": "of another collection"}, "more")
    expected = {one: [text] for one, text in some_records().items()}
    check_reads_exactly(opened(folder), expected | {"00x": ["00x", "of another collection"]})
    check_discovers_the_same_again(opened(folder))


def test_reading_goes_on_from_every_checkpoint(folder: Path) -> None:
    check_resumes_everywhere(opened(folder, batch_rows=200))


def test_nothing_stays_open(folder: Path) -> None:
    check_closes_what_it_opens(opened(folder), times=3)


def test_the_change_key_follows_every_write_and_no_reading(tmp_path: Path) -> None:
    store = Store(tmp_path / "m.db", {"00001": "a", "00002": "b"})

    def key_now() -> str | None:
        (asset,) = Milvus(str(tmp_path / "m.db")).discover()
        return asset.change_key

    keys = [key_now()]
    list(each_row(Milvus(str(tmp_path / "m.db"))))
    assert key_now() == keys[0]
    store.put([("00001", "c")])
    keys.append(key_now())
    store.delete(["00002"])
    keys.append(key_now())
    assert len(set(keys)) == 3


def test_fields_of_the_schema_and_others_are_parts(tmp_path: Path) -> None:
    store = Store(tmp_path / "m.db", {})
    store.put([("00001", "hi")], source="a.txt", page=7, nested={"a": ["b"]})
    found = {(r["part"], r["text"], r["context"]) for r in each_row(Milvus(str(tmp_path / "m.db")))}
    assert found == {
        ("text", "hi", None),
        ("source", "a.txt", "source"),
        ("page", "7", "page"),
        ("nested.a[0]", "b", "nested a"),
    }


def test_keys_that_are_numbers_are_read_in_their_order(tmp_path: Path) -> None:
    client = pymilvus.MilvusClient(str(tmp_path / "m.db"))
    client.create_collection("docs", dimension=4)
    client.insert(
        "docs", [{"id": n, "vector": [0.0] * 4, "text": f"t{n}"} for n in (5, 100, -3, 20)]
    )
    client.close()
    assert [r["text"] for r in each_row(Milvus(str(tmp_path / "m.db")))] == [
        "t-3",
        "t5",
        "t20",
        "t100",
    ]


def test_keys_with_quotes_can_be_gone_on_from(tmp_path: Path) -> None:
    ids = ['a"b', "a'b", "a\\b", "z"]
    Store(tmp_path / "m.db", {one: f"text {place}" for place, one in enumerate(ids)})
    check_resumes_everywhere(opened(tmp_path / "m.db", batch_rows=1), at_least_batches=4)


def test_an_empty_collection_gives_one_empty_batch(tmp_path: Path) -> None:
    Store(tmp_path / "m.db", {})
    check_reads_exactly(opened(tmp_path / "m.db"), {})


def test_a_folder_another_process_holds_is_an_error(folder: Path) -> None:
    lite.server_manager_instance.release_all()
    hold = (
        "import sys, pymilvus\n"
        "client = pymilvus.MilvusClient(sys.argv[1])\n"
        "client.load_collection('docs')\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
        "client.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(SourceError) as caught:
            list(Milvus(str(folder)).discover())
        other.communicate()
    assert caught.value.remedy


def test_the_folder_is_free_for_other_processes_after_it_was_read(folder: Path) -> None:
    lite.server_manager_instance.release_all()
    list(each_row(Milvus(str(folder))))
    take = "import sys, milvus_lite.db as db; db.MilvusLite(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", take, str(folder)], check=True)


def test_a_folder_is_recognised(folder: Path, tmp_path: Path) -> None:
    assert Milvus.recognises(folder)
    assert not Milvus.recognises(tmp_path)
    with pytest.raises(SourceError):
        list(Milvus(str(tmp_path)).discover())


def test_a_server_is_read_like_a_folder(served: str) -> None:
    Store(served, some_records())
    Store(served, {"00x": "of another"}, "more")
    target = served.replace("http:", "milvus:")
    expected = {one: [text] for one, text in some_records().items()}
    check_reads_exactly(opened(target), expected | {"00x": ["00x", "of another"]})
    check_discovers_the_same_again(opened(target))
    check_resumes_everywhere(opened(f"{target}?changes=ignore", batch_rows=200))


@pytest.mark.parametrize("resume_after", [None, 2])
def test_writes_to_a_server_meanwhile_make_nothing_be_missed(
    served: str, resume_after: int | None
) -> None:
    check_misses_nothing_while_records_change(
        opened(f"{served.replace('http:', 'milvus:')}?changes=ignore", batch_rows=120),
        Store(served, some_records()),
        some_records(),
        new_id=key,
        resume_after=resume_after,
    )


def test_the_change_key_of_a_server_is_made_of_its_content(served: str) -> None:
    store, keys = Store(served, {"a": "1", "b": "2"}), []
    for text in ("1", "3", "1"):
        store.put([("a", text)])
        (asset,) = Milvus(served.replace("http:", "milvus:")).discover()
        keys.append(asset.change_key)
    assert keys[0] == keys[2] != keys[1]


def test_a_collection_that_is_not_loaded_is_an_error_unless_it_may_be(served: str) -> None:
    Store(served, {"a": "1"})
    client = pymilvus.MilvusClient(served)
    client.release_collection("docs")
    client.close()
    target = served.replace("http:", "milvus:")
    (asset,) = Milvus(target).discover()
    with pytest.raises(SourceError, match="load=true"):
        list(Milvus(target).read(asset))
    assert len(list(each_row(Milvus(f"{target}?load=true")))) == 2


@pytest.mark.parametrize("target", ["milvus://h?load=perhaps", "milvus://h?x=1", "milvus://u:p@h"])
def test_addresses_that_mean_nothing_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError):
        Milvus(target)


def test_a_folder_may_be_named_by_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "store.db", {"a": "one"})
    monkeypatch.chdir(tmp_path)
    (asset,) = Milvus("store.db").discover()
    assert asset.uri.startswith(f"milvus://{tmp_path}/store.db")
