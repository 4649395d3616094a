"""Weaviate as a source, against a loopback of its documented REST interface."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from dlpagent.connectors.sources.weaviate import Weaviate
from dlpagent.connectors.testing import Answer, Request, serving
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import SourceError
from tests.connectors.sources.http_stores import check_refuses, check_store

PROPERTIES = [{"name": "text", "dataType": ["text"]}, {"name": "image", "dataType": ["blob"]}]


class Server:
    """Collections of objects by tenant (None: without), ordered by UUID when `after` is given."""

    def __init__(self, **tenants: list[str]) -> None:
        self.tenants: dict[str, list[str]] = tenants or {"Docs": []}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {
            (name, tenant): {} for name, some in self.tenants.items() for tenant in some or [""]
        }
        self.lock = threading.Lock()

    def put(
        self, records: Sequence[tuple[str, Any]], place: tuple[str, str] = ("Docs", "")
    ) -> None:
        with self.lock:
            for one, text in records:
                self.objects[place][one] = text if isinstance(text, dict) else {"text": text}

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            for one in ids:
                del self.objects["Docs", ""][one]

    def definition(self, name: str) -> dict[str, Any]:
        enabled = bool(self.tenants[name])
        return {"class": name, "properties": PROPERTIES, "multiTenancyConfig": {"enabled": enabled}}

    def answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts == ["v1", "schema"]:
            return Answer({"classes": [self.definition(name) for name in self.tenants]})
        if parts[:2] == ["v1", "schema"] and parts[2] in self.tenants:
            if parts[3:] == ["tenants"]:
                return Answer(
                    [{"name": one, "activityStatus": "HOT"} for one in self.tenants[parts[2]]]
                )
            return Answer(self.definition(parts[2]))
        if parts == ["v1", "objects"]:
            return self.listed(request)
        return Answer({"error": [{"message": "not found"}]}, 404)

    def listed(self, request: Request) -> Answer:
        place = request.first("class"), request.first("tenant")
        if place[1] == "asleep":
            return Answer({"error": [{"message": "tenant not active"}]}, 422)
        after, limit = request.first("after", "none"), int(request.first("limit"))
        assert after != "none", "without `after` the order is not that of the cursor"
        with self.lock:
            ids = sorted(one for one in self.objects[place] if one > after)[:limit]
            objects = [{"class": place[0], "id": one, "properties": self.objects[place][one]}
                       for one in ids]  # fmt: skip
        return Answer({"objects": objects, "totalResults": len(objects)})


def key(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def opened(port: int, changes: str = "content", **settings: Any) -> Weaviate:
    return Weaviate(f"weaviate://127.0.0.1:{port}?changes={changes}", **settings)


def test_it_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    check_store(Server, opened, key, monkeypatch)


def test_what_is_no_weaviate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_refuses(opened, monkeypatch)


def test_every_tenant_is_an_asset_and_one_asleep_an_error() -> None:
    server = Server(Docs=[], Shared=["a/b c", "asleep"])
    server.put([(key(1), "plain")])
    server.put([(key(2), "of a tenant")], ("Shared", "a/b c"))
    with serving(server.answer) as running:
        assets = list(opened(running.port).discover())
        texts, errors = [], 0
        for asset in assets:
            try:
                for batch, _ in opened(running.port).read(asset):
                    texts += batch.column("text").to_pylist()
            except SourceError:
                errors += 1
        assert (len(assets), texts, errors) == (3, ["plain", "of a tenant"], 1)
        named = Weaviate(f"weaviate://127.0.0.1:{running.port}#Shared")
        assert len(list(named.discover())) == 2


def test_blobs_are_opaque_and_other_properties_are_parts() -> None:
    server = Server()
    server.put([(key(1), {"text": "hi", "image": "aGVsbG8=", "n": 3, "tags": ["p"], "none": None})])
    with serving(server.answer) as running:
        found = {(r["part"], r["text"], r["status"]) for r in each_row(opened(running.port))}
    assert found == {
        ("text", "hi", "read"),
        ("image", None, "opaque"),
        ("n", "3", "read"),
        ("tags[0]", "p", "read"),
    }


def test_the_key_comes_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAVIATE_API_KEY", "k")
    with serving(Server().answer) as running:
        list(opened(running.port).discover())
        assert running.seen[0].headers["authorization"] == "Bearer k"
