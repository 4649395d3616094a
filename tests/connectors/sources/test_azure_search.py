"""Azure AI Search as a source, against a loopback of its documented REST interface."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dlpagent.connectors.sources import azure_search
from dlpagent.connectors.sources.azure_search import AzureSearch
from dlpagent.connectors.testing import Answer, Request, check_reads_exactly, serving
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import SourceError
from tests.connectors.sources.http_stores import check_refuses, check_store

FIELDS = [
    {"name": "id", "type": "Edm.String", "key": True, "filterable": True, "retrievable": True},
    {"name": "content", "type": "Edm.String", "retrievable": True},
    {"name": "content_vector", "type": "Collection(Edm.Single)", "dimensions": 3,
     "retrievable": False},
    {"name": "metadata", "type": "Edm.String", "retrievable": True},
]  # fmt: skip


class Server:
    """One index; a query gives documents in no order, at most 1,000 of them."""

    def __init__(self, fields: Any = FIELDS) -> None:
        self.fields, self.lock = fields, threading.Lock()
        self.documents: dict[str, dict[str, Any]] = {}

    def put(self, records: Sequence[tuple[str, Any]]) -> None:
        with self.lock:
            for one, text in records:
                fields = text if isinstance(text, dict) else {"content": text}
                self.documents[one] = {"id": one, **fields}

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            for one in ids:
                del self.documents[one]

    def answer(self, request: Request) -> Answer:
        assert request.first("api-version")
        if request.path == "/indexes":
            return Answer({"value": [{"name": "docs", "fields": self.fields}]})
        if request.path == "/indexes/docs":
            return Answer({"name": "docs", "fields": self.fields})
        if request.path == "/indexes/docs/docs/search":
            return self.search(request.json())
        return Answer({"error": {"code": "", "message": "not found"}}, 404)

    def search(self, body: dict[str, Any]) -> Answer:
        assert body["search"] == "*"
        assert body["top"] <= 1000
        select = body["select"].split(",")
        hidden = {one["name"] for one in self.fields if not one["retrievable"]}
        assert not hidden.intersection(select), (
            "the service refuses fields that are not retrievable"
        )
        with self.lock:
            found = [
                one for one in self.documents.values() if matches(one["id"], body.get("filter"))
            ]
        random.Random(len(found)).shuffle(found)
        value = [{"@search.score": 1.0, **{name: one.get(name) for name in select}}
                 for one in found[: body["top"]]]  # fmt: skip
        return Answer({"@odata.count": len(found), "value": value})


def matches(key: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    for condition in wanted.split(" and "):
        found = re.fullmatch(r"id (gt|le) '((?:[^']|'')*)'", condition)
        assert found, condition
        other = found[2].replace("''", "'")
        if not (key > other if found[1] == "gt" else key <= other):
            return False
    return True


def opened(port: int, changes: str = "content", **settings: Any) -> AzureSearch:
    return AzureSearch(f"azure-search://127.0.0.1:{port}?tls=false&changes={changes}", **settings)


def test_it_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_search, "_PAGE", 90)
    check_store(Server, opened, lambda number: f"{number:05d}", monkeypatch, count=400)


def test_what_is_no_azure_search_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_refuses(opened, monkeypatch)


def test_metadata_in_a_string_is_read_by_path() -> None:
    server = Server()
    server.put([("1", {"content": "hi", "metadata": '{"source": "a.txt", "page": 3}'})])
    with serving(server.answer) as running:
        found = {(row["part"], row["text"]) for row in each_row(opened(running.port))}
    assert found == {("content", "hi"), ("metadata.source", "a.txt"), ("metadata.page", "3")}


def test_texts_that_can_only_be_searched_are_told_once() -> None:
    fields = [*FIELDS, {"name": "secret", "type": "Edm.String", "retrievable": False}]
    server = Server(fields)
    server.put([("1", "hi")])
    with serving(server.answer) as running:
        coverage = {"read": 1, "unread": 1}
        check_reads_exactly(lambda: opened(running.port), {"1": ["hi"]}, coverage=coverage)
        server.delete(["1"])
        check_reads_exactly(lambda: opened(running.port), {}, coverage={"unread": 1})


def test_keys_with_quotes_are_asked_for_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_search, "_PAGE", 2)
    server = Server()
    server.put([(f"o'{number}'", f"text {number}") for number in range(9)])
    with serving(server.answer) as running:
        found = [r["text"] for r in each_row(opened(running.port)) if r["part"] == "content"]
    assert found == [f"text {number}" for number in range(9)]


def test_an_index_whose_key_cannot_be_compared_is_an_error() -> None:
    server = Server([{**FIELDS[0], "filterable": False}, *FIELDS[1:]])
    server.put([("1", "hi")])
    with serving(server.answer) as running:
        (asset,) = opened(running.port).discover()
        with pytest.raises(SourceError, match="filterable"):
            list(opened(running.port).read(asset))


@pytest.mark.parametrize(
    ("name", "header", "sent"),
    [("AZURE_SEARCH_KEY", "api-key", "k"), ("AZURE_SEARCH_TOKEN", "authorization", "Bearer k")],
)
def test_keys_come_by_the_environment(
    name: str, header: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "k")
    with serving(Server().answer) as running:
        list(opened(running.port).discover())
        assert running.seen[0].headers[header] == sent
