"""Pinecone as a source, against a loopback of its documented REST interface."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dlpagent.connectors.sources.pinecone import Pinecone
from dlpagent.connectors.testing import Answer, Request, serving
from dlpagent.connectors.testing.conformance import each_row, stored
from dlpagent.errors import SourceError
from tests.connectors.sources.http_stores import check_refuses, check_store


class Server:
    """One index, its control plane and its data plane at one address; ids listed in their order."""

    def __init__(self, spaces: Sequence[str] = ("",)) -> None:
        self.spaces: dict[str, dict[str, Any]] = {one: {} for one in spaces}
        self.lock, self.age, self.is_pod = threading.Lock(), 0, False

    def put(self, records: Sequence[tuple[str, Any]], space: str = "") -> None:
        with self.lock:
            for one, text in records:
                self.spaces[space][one] = text if isinstance(text, dict) else {"text": text}

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            for one in ids:
                del self.spaces[""][one]

    def answer(self, request: Request) -> Answer:
        assert request.headers["x-pinecone-api-version"]
        here = {"name": "notes", "host": request.headers["host"], "dimension": 2}
        space = self.spaces.get(request.first("namespace"))
        match request.path:
            case "/indexes":
                return Answer({"indexes": [here]})
            case "/indexes/notes":
                return Answer(here)
            case "/describe_index_stats":
                counts = {one: {"vectorCount": len(some)} for one, some in self.spaces.items()}
                return Answer({"namespaces": counts, "dimension": 2})
            case "/vectors/list" if space is not None and not self.is_pod:
                return self.listed(request, space)
            case "/vectors/fetch" if space is not None:
                assert len(request.target) < 4_000
                with self.lock:
                    found = {one: {"id": one, "values": [1, 2], "metadata": dict(space[one])}
                             for one in request.query["ids"] if one in space}  # fmt: skip
                return Answer({"vectors": found})
        return Answer({"code": 3, "message": "not supported"}, 400)

    def listed(self, request: Request, space: dict[str, Any]) -> Answer:
        """Tokens are good only until the server ages."""
        after = ""
        if token := request.first("paginationToken"):
            age, after = json.loads(base64.b64decode(token))
            if age != self.age:
                return Answer({"code": 3, "message": "invalid pagination token"}, 400)
        with self.lock:
            ids = sorted(one for one in space if one > after)[: int(request.first("limit"))]
        answer: dict[str, Any] = {"vectors": [{"id": one} for one in ids]}
        if ids and ids[-1] != max(space):
            following = base64.b64encode(json.dumps([self.age, ids[-1]]).encode()).decode()
            answer["pagination"] = {"next": following}
        return Answer(answer)


def opened(port: int, changes: str = "content", **settings: Any) -> Pinecone:
    return Pinecone(f"pinecone://127.0.0.1:{port}?tls=false&changes={changes}", **settings)


def test_it_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    check_store(Server, opened, lambda number: f"{number:05d}", monkeypatch)


def test_what_is_no_pinecone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_refuses(opened, monkeypatch)


def expected(count: int = 700) -> list[str]:
    return [f"text {number}" for number in range(count)]


def test_page_tokens_that_expire_cost_nothing() -> None:
    server = Server()
    server.put([(f"{number:05d}", text) for number, text in enumerate(expected())])
    with serving(server.answer) as running:
        source = opened(running.port, batch_rows=30)
        (asset,) = source.discover()
        found, checkpoint = [], None
        while checkpoint is None or not checkpoint.done:  # between readings, and within them
            reading = source.read(asset, checkpoint)
            for batch, after in reading:
                checkpoint = stored(after)
                found += batch.column("text").to_pylist()
                server.age += 1
                if server.age % 3 == 0:
                    reading.close()
                    break
    assert found == expected()


def test_every_namespace_is_an_asset() -> None:
    server = Server(("", "a b", "c/d"))
    for place, space in enumerate(server.spaces):
        server.put([("x", f"text {place}")], space)
    with serving(server.answer) as running:
        assert len(list(opened(running.port).discover())) == 3
        found = [r["text"] for r in each_row(opened(running.port)) if r["part"] == "text"]
        assert found == ["text 0", "text 1", "text 2"]
        named = Pinecone(f"pinecone://127.0.0.1:{running.port}?tls=false#notes/a b")
        assert len(list(named.discover())) == 1


def test_records_without_metadata_are_no_content_and_ids_that_someone_chose_are_read() -> None:
    server = Server()
    server.put([("12", {}), ("jo@example.org", {"text": "hi"})])
    with serving(server.answer) as running:
        found = [(r["part"], r["text"], r["status"]) for r in each_row(opened(running.port))]
    assert found == [
        ("record", None, "no_content"),
        ("text", "hi", "read"),
        ("id", "jo@example.org", "read"),
    ]


def test_long_ids_are_asked_for_in_portions() -> None:
    server = Server()
    server.put([(f"{number:0400d}", f"text {number}") for number in range(150)])
    with serving(server.answer) as running:
        found = [r["text"] for r in each_row(opened(running.port)) if r["part"] == "text"]
    assert found == expected(150)


def test_an_index_whose_ids_cannot_be_listed_is_an_error() -> None:
    server = Server()
    server.put([("a", "b")])
    server.is_pod = True
    with serving(server.answer) as running:
        (asset,) = opened(running.port).discover()
        with pytest.raises(SourceError, match="refuses"):
            list(opened(running.port).read(asset))


def test_the_key_comes_by_the_environment_and_reads_cost_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", "k")
    server = Server()
    server.put([("a", "b")])
    with serving(server.answer) as running:
        (asset,) = Pinecone(f"pinecone://127.0.0.1:{running.port}?tls=false").discover()
        assert asset.change_key is None
        assert all(one.headers["api-key"] == "k" for one in running.seen)
        assert "/vectors/fetch" not in {one.path for one in running.seen}
