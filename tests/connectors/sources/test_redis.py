"""Redis as a source, against a loopback of its protocol with the commands that are used.

SCAN behaves as documented: in no order, some keys more than once, all that are there throughout.
"""

from __future__ import annotations

import fnmatch
import json
import random
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from dlpagent.connectors.sources.redis import Redis
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
)
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError

pytest.importorskip("redis", reason="the extra redis is not installed")

VECTOR = b"\x00\x00\x80?" * 3


class Server:
    """Keys with hashes (dictionaries) or JSON (bytes); indexes by name: (key type, prefixes)."""

    def __init__(self, **indexes: tuple[str, list[str]]) -> None:
        self.indexes = indexes or {"docs": ("HASH", ["doc:"])}
        self.keys: dict[bytes, Any] = {}
        self.lock, self.chance = threading.Lock(), random.Random(1)
        self.fail_rate = 0.0

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        with self.lock:
            for key, text in records:
                self.keys[key.encode()] = {b"text": text.encode(), b"vector": VECTOR}

    def delete(self, ids: Sequence[str]) -> None:
        with self.lock:
            for one in ids:
                del self.keys[one.encode()]

    def answer(self, verb: str, given: list[bytes]) -> Any:
        with self.lock:
            match verb:
                case "FT._LIST":
                    return [name.encode() for name in self.indexes]
                case "FT.INFO":
                    return self.info(given[0].decode())
                case "SCAN":
                    return self.scan(int(given[0]), given[given.index(b"MATCH") + 1].decode())
                case "HGETALL":
                    return self.hash(given[0])
                case "JSON.GET":
                    found = self.keys.get(given[0])
                    return found if isinstance(found, bytes) else None
                case "SELECT" | "CLIENT" | "AUTH":
                    return "OK"
        return ValueError(f"ERR unknown command '{verb}'")

    def info(self, name: str) -> list[Any]:
        kind, prefixes = self.indexes[name]
        dollar = b"$." if kind == "JSON" else b""
        vector = [b"identifier", dollar + b"vector", b"attribute", b"vector", b"type", b"VECTOR",
                  b"algorithm", b"HNSW", b"dim", 3]  # fmt: skip
        text = [b"identifier", dollar + b"text", b"attribute", b"text", b"type", b"TEXT",
                b"WEIGHT", b"1", b"SORTABLE"]  # fmt: skip
        definition = [b"key_type", kind.encode(), b"prefixes", [one.encode() for one in prefixes],
                      b"default_score", b"1"]  # fmt: skip
        attributes = [text] if name == "words" else [text, vector]
        return [b"index_name", name.encode(), b"index_options", [], b"index_definition", definition,
                b"attributes", attributes, b"num_docs", len(self.keys)]  # fmt: skip

    def hash(self, key: bytes) -> Any:
        found = self.keys.get(key, {})
        if not isinstance(found, dict):
            return ValueError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return [one for pair in found.items() for one in pair]

    def scan(self, cursor: int, pattern: str) -> list[Any]:
        ordered = sorted(self.keys, key=hash)
        some = ordered[cursor : cursor + 50]
        some += self.chance.sample(ordered, min(5, len(ordered)))  # what a resize gives again
        wanted = (
            pattern.replace("\\[", "[[]")
            .replace("\\*", "[*]")
            .replace("\\?", "[?]")
            .replace("\\]", "]")
        )
        found = [one for one in some if fnmatch.fnmatchcase(one.decode("latin-1"), wanted)]
        following = cursor + 50 if cursor + 50 < len(ordered) else 0
        return [str(following).encode(), found]


class Handler(socketserver.StreamRequestHandler):
    """One connection in RESP2."""

    store: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2]
                     for _ in range(int(line[1:]))]  # fmt: skip
            if self.store.chance.random() < self.store.fail_rate:
                return
            self.wfile.write(encoded(self.store.answer(words[0].decode().upper(), words[1:])))


def encoded(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, ValueError):
        return b"-" + str(value).encode() + b"\r\n"
    if isinstance(value, str):
        return b"+" + value.encode() + b"\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(map(encoded, value))


@contextmanager
def serving(store: Server) -> Iterator[str]:
    class Own(Handler):
        pass

    Own.store = store
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Own) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="loopback")
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


def key(number: int) -> str:
    return f"doc:{number:05d}"


def some_records(count: int = 700) -> dict[str, str]:
    return {key(number): f"text {number} né" for number in range(count)}


def test_it_conforms() -> None:
    store = Server()
    store.put([*some_records().items(), ("other:1", "of no index")])
    expected = {one: [text] for one, text in some_records().items()}
    with serving(store) as address:
        quick = f"{address}?changes=ignore"
        check_reads_exactly(lambda: Redis(address), expected)
        check_discovers_the_same_again(lambda: Redis(address))
        check_resumes_everywhere(lambda: Redis(quick, batch_rows=150))
        check_closes_what_it_opens(lambda: Redis(quick), times=3)


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(resume_after: int | None) -> None:
    store = Server()
    store.put(list(some_records().items()))
    with serving(store) as address:
        check_misses_nothing_while_records_change(
            lambda: Redis(f"{address}?changes=ignore", batch_rows=120),
            store,
            some_records(),
            new_id=key,
            resume_after=resume_after,
        )


def test_a_bad_connection_costs_nothing() -> None:
    store = Server()
    store.put(list(some_records().items()))
    store.fail_rate = 0.01  # of single commands; a page is a pipeline of hundreds
    expected = {one: [text] for one, text in some_records().items()}
    with serving(store) as address:
        check_survives_failures(lambda: Redis(f"{address}?changes=ignore", batch_rows=50), expected)


def test_json_documents_hashes_and_prefixes_with_signs_are_read() -> None:
    store = Server(j=("JSON", ["j:"]), odd=("HASH", ["a[*]:", "b:"]), words=("HASH", ["w:"]))
    store.keys = {
        b"j:1": json.dumps({"text": "hi", "vector": [1, 2], "m": {"page": 3}}).encode(),
        b"a[*]:1": {b"content": b"starred", b"vector": VECTOR, b"raw": b"\xff\xfe\x00"},
        b"ax:1": {b"content": b"not meant"},
        b"b:1": b"no hash",
        b"b:\xff": {b"content": b"odd key"},
        b"w:1": {b"text": b"words only"},
    }
    with serving(store) as address:
        found = {(r["part"], r["text"], r["status"]) for r in each_row(Redis(address))}
    assert found == {
        ("text", "hi", "read"),
        ("m.page", "3", "read"),
        ("content", "starred", "read"),
        ("raw", None, "opaque"),
        ("content", "odd key", "read"),
    }


def test_the_change_key_is_made_of_the_content() -> None:
    store, keys = Server(), []
    with serving(store) as address:
        for text in ("a", "b", "a"):
            store.put([(key(1), text)])
            keys.append(next(Redis(address).discover()).change_key)
    assert keys[0] == keys[2] != keys[1]


def test_a_server_without_search_and_none_at_all_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Server()
    monkeypatch.setattr(store, "answer", lambda *_: ValueError("ERR unknown command"))
    with serving(store) as address, pytest.raises(SourceError) as caught:
        list(Redis(address).discover())
    assert "FT._LIST" in caught.value.remedy
    with pytest.raises(SourceError):
        list(Redis(address).discover())


@pytest.mark.parametrize("target", ["redis://:p@h", "redis://h?x=1", "redis://h?tls=perhaps"])
def test_addresses_with_passwords_or_unknown_settings_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError):
        Redis(target)
