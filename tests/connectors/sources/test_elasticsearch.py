"""Elasticsearch and OpenSearch as sources, against a loopback of their documented interface."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dlpagent.connectors.sources.elasticsearch import Elasticsearch
from dlpagent.connectors.testing import Answer, Request, check_reads_exactly, serving
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError
from tests.connectors.sources.http_stores import check_refuses, check_store

MAPPING = {"properties": {"text": {"type": "text"}, "v": {"type": "dense_vector", "dims": 3}}}
SHARDS = 2


class Server:
    """Indexes of two shards, each of which numbers the writes to it: numbers repeat between them."""

    def __init__(self, **mappings: Any) -> None:
        self.mappings: dict[str, Any] = mappings or {"docs": MAPPING}
        self.documents: dict[str, dict[str, tuple[int, Any]]] = {n: {} for n in self.mappings}
        self.numbers = dict.fromkeys(((n, s) for n in self.mappings for s in range(SHARDS)), -1)
        self.lock = threading.Lock()
        self.failed = 0

    def put(self, records: Sequence[tuple[str, Any]], name: str = "docs") -> None:
        with self.lock:
            for one, text in records:
                source = text if isinstance(text, dict) else {"text": text, "v": [1, 2, 3]}
                self.documents[name][one] = (self.number(name, one), source)

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            for one in ids:
                self.number("docs", one)
                self.documents["docs"].pop(one)

    def number(self, name: str, one: str) -> int:
        shard = sum(one.encode()) % SHARDS
        self.numbers[name, shard] += 1
        return self.numbers[name, shard]

    def answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts == ["_mapping"]:
            return Answer({name: {"mappings": one} for name, one in self.mappings.items()})
        if parts[0] not in self.mappings:
            return Answer({"error": {"type": "index_not_found_exception"}}, 404)
        name, verb = parts[0], "/".join(parts[1:])
        if verb == "_mapping":
            return Answer({name: {"mappings": self.mappings[name]}})
        if verb == "_refresh":
            return Answer({"_shards": {"failed": 0}})
        if verb == "_stats/docs" and request.first("level") == "shards":
            shards = {str(s): [{"seq_no": {"max_seq_no": self.numbers[name, s]}},
                               {"seq_no": {"max_seq_no": self.numbers[name, s] - 1}}]
                      for s in range(SHARDS)}  # fmt: skip
            return Answer({"indices": {name: {"uuid": f"u-{name}", "shards": shards}}})
        if verb == "_search":
            return self.search(name, request.json())
        return Answer({"error": "no such verb"}, 400)

    def search(self, name: str, body: dict[str, Any]) -> Answer:
        assert body["sort"] == [{"_seq_no": "asc"}]
        lowest, without = 0, set()
        if "bool" in body["query"]:
            (place,), (gone,) = body["query"]["bool"]["filter"], body["query"]["bool"]["must_not"]
            lowest, without = place["range"]["_seq_no"]["gte"], set(gone["ids"]["values"])
        with self.lock:
            found = sorted(
                ((number, one, source) for one, (number, source) in self.documents[name].items()
                 if number >= lowest and one not in without),
                key=lambda hit: (hit[0], sum(hit[1].encode()) % SHARDS),
            )[: body["size"]]  # fmt: skip
        hits = [{"_id": one, "sort": [number], "_source": without_paths(source, body["_source"]["excludes"])}
                if source is not None else {"_id": one, "sort": [number]}
                for number, one, source in found]  # fmt: skip
        return Answer(
            {"timed_out": False, "_shards": {"failed": self.failed}, "hits": {"hits": hits}}
        )


def without_paths(source: Any, paths: list[str]) -> Any:
    return {name: value for name, value in source.items() if name not in paths}


def opened(port: int, **settings: Any) -> Elasticsearch:
    settings.pop("changes", None)  # the index tells by itself
    return Elasticsearch(f"elasticsearch://127.0.0.1:{port}", **settings)


def test_it_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    check_store(Server, opened, lambda number: f"{number:05d}", monkeypatch)


def test_what_is_no_elasticsearch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_refuses(opened, monkeypatch)


def test_indexes_without_vectors_and_those_of_the_server_are_left_out() -> None:
    nested = {"properties": {"chunk": {"properties": {"emb": {"type": "knn_vector"}}}}}
    server = Server(
        **{"docs": MAPPING, "plain": {"properties": {"t": {"type": "text"}}}, "os": nested,
           ".internal": MAPPING, ".ds-logs-1": MAPPING, "empty": {}}
    )  # fmt: skip
    with serving(server.answer) as running:
        found = [asset.uri.partition("#")[2] for asset in opened(running.port).discover()]
        assert found == [".ds-logs-1", "docs", "os"]
        named = Elasticsearch(f"opensearch://127.0.0.1:{running.port}#.internal")
        assert len(list(named.discover())) == 1


def test_the_change_key_follows_every_write() -> None:
    server, keys = Server(), []
    with serving(server.answer) as running:
        for step in (
            lambda: None,
            lambda: server.put([("a", "b")]),
            lambda: server.put([("a", "c")]),
            lambda: server.delete(["a"]),
        ):
            step()
            (asset,) = opened(running.port).discover()
            keys.append(asset.change_key)
    assert len(set(keys)) == 4


def test_an_index_that_keeps_no_source_is_unread() -> None:
    server = Server()
    server.put([("a", "x")])
    server.documents["docs"]["b"] = (server.number("docs", "b"), None)
    with serving(server.answer) as running:
        check_reads_exactly(
            lambda: opened(running.port), {"a": ["x"]}, coverage={"read": 1, "unread": 1}
        )


def test_shards_that_do_not_answer_are_an_error_and_not_absent() -> None:
    server = Server()
    server.put([("a", "x")])
    server.failed = 1
    with serving(server.answer) as running:
        (asset,) = opened(running.port).discover()
        with pytest.raises(SourceError, match="a part of the index"):
            list(opened(running.port).read(asset))


def test_documents_of_langchain_are_read_by_path() -> None:
    server = Server()
    server.put([("a", {"text": "hi", "metadata": {"source": "a.txt", "page": 3}})])
    with serving(server.answer) as running:
        found = {(row["part"], row["text"]) for row in each_row(opened(running.port))}
    assert found == {("text", "hi"), ("metadata.source", "a.txt"), ("metadata.page", "3")}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"ELASTIC_API_KEY": "k"}, "ApiKey k"),
        ({"OPENSEARCH_USER": "u", "OPENSEARCH_PASSWORD": "p"}, "Basic dTpw"),
        ({}, None),
    ],
)
def test_keys_come_by_the_environment(
    given: dict[str, str], sent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with serving(Server().answer) as running:
        list(opened(running.port).discover())
        assert running.seen[0].headers.get("authorization") == sent
    with pytest.raises(ConfigurationError):
        Elasticsearch("elasticsearch://u:p@h")
