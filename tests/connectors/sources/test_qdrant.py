"""Qdrant servers as sources, against a loopback of the REST interface with Qdrant's own engine.

The engine (qdrant-edge) orders, pages and stores points as a server does; what stands between it
and the source are the three requests that the documentation of the interface describes.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as engine

from dlpagent.connectors.sources import _http_store
from dlpagent.connectors.sources.qdrant import Qdrant
from dlpagent.connectors.testing import (
    Answer,
    Faults,
    Request,
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
    serving,
)
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError

pytest.importorskip("httpx", reason="the extra qdrant is not installed")

COUNT = 700
POINT = [0.1, 0.2, 0.3, 0.4]


class Server:
    """Collections, each a shard of the engine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shards, self.lock = folder, dict[str, Any](), threading.Lock()

    def create(self, name: str) -> None:
        path = self.folder / name
        path.mkdir()
        vectors = engine.EdgeVectorParams(size=4, distance=engine.Distance.Dot)
        self.shards[name] = engine.EdgeShard.create(str(path), engine.EdgeConfig(vectors=vectors))

    def put(self, records: Sequence[tuple[Any, Any]], name: str = "docs") -> None:
        points = [
            engine.Point(own(one), POINT, text if isinstance(text, dict) else {"text": text})
            for one, text in records
        ]
        with self.lock:
            self.shards[name].update(engine.UpdateOperation.upsert_points(points))

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            gone = engine.UpdateOperation.delete_points([own(one) for one in ids])
            self.shards["docs"].update(gone)

    def answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if request.method == "GET" and parts == ["collections"]:
            return ok({"collections": [{"name": name} for name in self.shards]})
        if request.method == "POST" and parts[0::2] == ["collections", "points"]:
            return self.scroll(request, parts[1])
        return Answer({"status": {"error": "Not found"}}, 404)

    def scroll(self, request: Request, name: str) -> Answer:
        if name not in self.shards:
            return Answer({"status": {"error": f"Collection `{name}` doesn't exist!"}}, 404)
        body = request.json()
        assert set(body) <= {"limit", "offset", "with_payload", "with_vector"}
        offset = body.get("offset")
        asked = engine.ScrollRequest(
            offset=None if offset is None else own(offset), limit=body["limit"],
            with_payload=body["with_payload"], with_vector=body["with_vector"],
        )  # fmt: skip
        with self.lock:
            found, following = self.shards[name].scroll(asked)
        points = [{"id": sent(one.id), "payload": one.payload} for one in found]
        return ok({"points": points, "next_page_offset": following and sent(following)})


def ok(result: Any) -> Answer:
    return Answer({"result": result, "status": "ok", "time": 0.001})


def own(given: Any) -> Any:
    return int(given) if str(given).lstrip("-").isdigit() else str(given)


def sent(given: Any) -> Any:
    return given if isinstance(given, int) else str(given)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    found.create("docs")
    yield found
    for shard in found.shards.values():
        shard.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    told: list[float] = []
    monkeypatch.setattr(_http_store, "_wait", told.append)
    return told


def some_records() -> dict[str, str]:
    numbers = {str(number): f"text {number} né" for number in range(0, COUNT, 2)}
    return numbers | {str(uuid.UUID(int=n)): f"named {n}" for n in range(5, 300)}


def opened(target: str, **settings: Any) -> Callable[[], Qdrant]:
    return lambda: Qdrant(target.replace("http:", "qdrant:"), **settings)


def test_every_point_of_every_collection_is_read_once(server: Server) -> None:
    server.put(list(some_records().items()))
    server.create("more notes")
    server.put([(999_999, "of another")], "more notes")
    expected = {one: [text] for one, text in some_records().items()} | {"999999": ["of another"]}
    with serving(server.answer) as running:
        check_reads_exactly(opened(running.url), expected)
        check_discovers_the_same_again(opened(running.url))
        check_resumes_everywhere(opened(running.url + "?changes=ignore", batch_rows=150))
        check_closes_what_it_opens(opened(running.url + "?changes=ignore"), times=3)


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(server: Server, resume_after: int | None) -> None:
    records = {str(number): f"text {number}" for number in range(COUNT)}
    server.put(list(records.items()))
    with serving(server.answer) as running:
        check_misses_nothing_while_records_change(
            opened(running.url + "?changes=ignore", batch_rows=120),
            server,
            records,
            new_id=str,
            resume_after=resume_after,
        )


def test_a_bad_connection_costs_nothing(server: Server, waits: list[float]) -> None:
    server.put(list(some_records().items()))
    expected = {one: [text] for one, text in some_records().items()}
    with serving(server.answer, Faults(rate=0.1)) as running:
        for _ in range(8):
            check_survives_failures(opened(running.url, batch_rows=100), expected)
        assert running.faults.happened
    assert len(waits) == sum(running.faults.happened.values())


@pytest.mark.parametrize("asked", [7, "soon", "Wed, 21 Oct 2015 07:28:00 GMT", 9999])
def test_the_server_is_asked_again_when_it_said_so(
    server: Server, waits: list[float], asked: int | str
) -> None:
    with serving(server.answer, Faults(rate=1, statuses=(429,), retry_after=str(asked))) as running:
        with pytest.raises(SourceError, match="status 429"):
            list(opened(running.url)().discover())
        first = {7: 7.0, "soon": 0.25, 9999: 60.0}.get(asked, 0.0)
        assert (len(running.seen), waits[0], len(waits)) == (5, first, 4)


def test_payloads_are_parts_named_by_their_paths(server: Server) -> None:
    payload = {"page_content": "hi", "metadata": {"source": "a.txt"}, "n": 7}
    server.put([(1, payload), (2, {})])
    with serving(server.answer) as running:
        found = [(r["part"], r["text"], r["status"]) for r in each_row(opened(running.url)())]
    assert sorted(found, key=str) == sorted(
        [
            ("payload.page_content", "hi", "read"),
            ("payload.metadata.source", "a.txt", "read"),
            ("payload.n", "7", "read"),
            ("payload", None, "no_content"),
        ],
        key=str,
    )


def test_the_key_is_sent_and_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "hunter2")
    with serving(server.answer) as running:
        (asset,) = opened(running.url)().discover()
        assert running.seen[0].headers["api-key"] == "hunter2"
        assert "hunter2" not in repr(asset)
    with serving(lambda _: Answer({"echo": "hunter2"}, 403)) as running:
        with pytest.raises(SourceError) as caught:
            list(opened(running.url)().discover())
        assert "hunter2" not in str(caught.value)
        assert caught.value.remedy


def test_a_collection_deleted_meanwhile_is_an_error(server: Server) -> None:
    with serving(server.answer) as running:
        source = opened(running.url)()
        (asset,) = source.discover()
        server.shards.pop("docs").close()
        with pytest.raises(SourceError, match="404"):
            list(source.read(asset))


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"<html>", "JSON"), ({}, "shape"), ([], "shape"), ({"result": None}, "shape"), (b"", "JSON")],
)
def test_what_is_no_qdrant_is_an_error(answer: Any, said: str) -> None:
    with serving(lambda _: Answer(answer)) as running, pytest.raises(SourceError, match=said):
        list(opened(running.url)().discover())


@pytest.mark.parametrize("target", ["qdrant://h?tls=perhaps", "qdrant://u:p@h", "qdrant://h?x=1"])
def test_addresses_that_mean_nothing_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError):
        Qdrant(target)
