"""SQLite files with vectors as sources, written by sqlite-vec itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.sqlite_vec import SqliteVec
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
)
from dlpagent.connectors.testing.conformance import each_row
from dlpagent.errors import ConfigurationError, SourceError

# Python's own sqlite3 often cannot load extensions; apsw brings an SQLite that can.
apsw = pytest.importorskip("apsw", reason="apsw is not installed (test)")
extension = pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed (test)")

COUNT = 700
VECTOR = "[1, 2, 3, 4]"


def connected(path: Path) -> Any:
    connection = apsw.Connection(str(path))
    connection.enable_load_extension(True)
    connection.load_extension(extension.loadable_path())
    return connection


class Store:
    """The application that owns the file."""

    def __init__(self, path: Path, records: dict[str, str]) -> None:
        self.connection = connected(path)
        self.connection.execute("CREATE VIRTUAL TABLE docs USING vec0(v float[4], +text text)")
        with self.connection:
            for one, text in records.items():
                self.insert(one, text)

    def insert(self, one: str, text: str) -> None:
        insert = "INSERT INTO docs(rowid, v, text) VALUES (?, ?, ?)"
        self.connection.execute(insert, [int(one), VECTOR, text])

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        with self.connection:
            for one, text in records:
                update = "UPDATE docs SET text = ? WHERE rowid = ?"
                self.connection.execute(update, [text, int(one)])
                if not self.connection.changes():
                    self.insert(one, text)

    def delete(self, ids: Sequence[str]) -> None:
        with self.connection:
            for one in ids:
                self.connection.execute("DELETE FROM docs WHERE rowid = ?", [int(one)])


def some_records() -> dict[str, str]:
    return {str(number): f"text {number} né" for number in range(1, COUNT)}


def opened(path: Path | str, **settings: Any) -> Callable[[], SqliteVec]:
    return lambda: SqliteVec(str(path), **settings)


def test_every_row_is_read_once(tmp_path: Path) -> None:
    Store(tmp_path / "v.db", some_records())
    check_reads_exactly(
        opened(tmp_path / "v.db"), {one: [text] for one, text in some_records().items()}
    )
    check_discovers_the_same_again(opened(tmp_path / "v.db"))


def test_reading_goes_on_from_every_checkpoint_and_closes_the_file(tmp_path: Path) -> None:
    Store(tmp_path / "v.db", some_records())
    check_resumes_everywhere(opened(tmp_path / "v.db", batch_rows=90))
    check_closes_what_it_opens(opened(tmp_path / "v.db", batch_rows=90))


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(tmp_path: Path, resume_after: int | None) -> None:
    check_misses_nothing_while_records_change(
        opened(tmp_path / "v.db", batch_rows=60),
        Store(tmp_path / "v.db", some_records()),
        some_records(),
        new_id=lambda number: str(number + COUNT),
        resume_after=resume_after,
    )


COLUMNS = """CREATE VIRTUAL TABLE t USING vec0(
    id text primary key, v float[4] distance_metric=cosine, b bit[8], tenant text partition key,
    +body text, +n integer, +raw blob, genre text, year integer, ok boolean, score float,
    chunk_size=8)"""


def test_columns_of_every_kind_are_read(tmp_path: Path) -> None:
    connection = connected(tmp_path / "v.db")
    connection.execute(COLUMNS)
    genres = ["short", "twelve bytes", "thirteen byte", "", "né" * 20]
    for place, genre in enumerate(genres):
        connection.execute(
            "INSERT INTO t(id, v, b, tenant, body, n, raw, genre, year, ok, score) VALUES "
            "(?, ?, vec_bit(x'01'), ?, ?, ?, ?, ?, ?, ?, ?)",
            [f"key {place}", VECTOR, f"tenant {place % 2}", f"body {place}", 10**11 + place,
             b"plain bytes", genre, -(10**10) - place, True, 1.5],
        )  # fmt: skip
    connection.execute("DELETE FROM t WHERE id = 'key 1'")
    found: dict[str, dict[str, str]] = {}
    for row in each_row(SqliteVec(str(tmp_path / "v.db"))):
        found.setdefault(row["record_id"], {})[row["part"]] = row["text"]
    assert found == {
        f"key {place}": {
            "body": f"body {place}", "n": str(10**11 + place), "raw": "plain bytes",
            "tenant": f"tenant {place % 2}", "year": str(-(10**10) - place), "id": f"key {place}",
        } | ({"genre": genre} if genre else {})
        for place, genre in enumerate(genres)
        if place != 1
    }  # fmt: skip


def test_texts_in_ordinary_tables_are_read_and_vectors_there_are_not(tmp_path: Path) -> None:
    connection = connected(tmp_path / "v.db")
    connection.execute("CREATE VIRTUAL TABLE notes_vec USING vec0(v float[4])")
    connection.execute(  # as LangChain does
        "CREATE TABLE notes (rowid INTEGER PRIMARY KEY, text TEXT, metadata BLOB, text_embedding BLOB)"
    )
    connection.execute(
        "INSERT INTO notes VALUES (1, 'hi', ?, ?)", [b'{"source": "a.txt"}', b"\x00\xff" * 8]
    )
    connection.execute("CREATE TABLE k (a TEXT, b INT, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")
    connection.execute("INSERT INTO k VALUES ('x', 2, 'two'), ('x', 1, 'one'), ('é', 1, 'three')")
    connection.execute("CREATE TABLE odd (rowid TEXT, words TEXT)")
    connection.execute("INSERT INTO odd VALUES ('named so', 'w')")
    found = [(r["asset_uri"].partition("#")[2], r["record_id"], r["part"], r["text"])
             for r in each_row(SqliteVec(str(tmp_path / "v.db")))]  # fmt: skip
    assert {one for one in found if one[0] == "notes"} == {
        ("notes", "1", "text", "hi"),
        ("notes", "1", "metadata.source", "a.txt"),
    }
    assert [one[1:] for one in found if one[0] == "k" and one[2] == "c"] == [
        ("x,1", "c", "one"),
        ("x,2", "c", "two"),
        ("é,1", "c", "three"),
    ]
    assert ("odd", "1", "words", "w") in found
    source = opened(f"sqlite-vec://{tmp_path / 'v.db'}#k", batch_rows=1)
    check_resumes_everywhere(source)


def test_texts_that_are_no_utf8_are_read_as_far_as_they_are(tmp_path: Path) -> None:
    connection = connected(tmp_path / "v.db")
    connection.execute("CREATE VIRTUAL TABLE docs USING vec0(v float[4], +text text)")
    insert = "INSERT INTO docs(rowid, v, text) VALUES (?, ?, CAST(? AS TEXT))"
    connection.execute(insert, [1, VECTOR, b"caf\xe9 au lait"])
    connection.execute(insert, [2, VECTOR, "café".encode()])
    assert [row["text"] for row in each_row(SqliteVec(str(tmp_path / "v.db")))] == [
        "caf\ufffd au lait",
        "café",
    ]


def test_a_vector_without_a_text_is_no_content(tmp_path: Path) -> None:
    connection = connected(tmp_path / "v.db")
    connection.execute("CREATE VIRTUAL TABLE t USING vec0(v float[4])")
    connection.execute("INSERT INTO t(rowid, v) VALUES (1, ?)", [VECTOR])
    check_reads_exactly(opened(tmp_path / "v.db"), {}, coverage={"no_content": 1})


def test_the_change_key_follows_writes_also_into_the_journal(tmp_path: Path) -> None:
    store = Store(tmp_path / "v.db", {"1": "a"})
    store.connection.execute("PRAGMA journal_mode = WAL")
    keys = []
    for text in ("b", "c"):
        store.put([("1", text)])
        keys.append(next(SqliteVec(str(tmp_path / "v.db")).discover()).change_key)
        assert [row["text"] for row in each_row(SqliteVec(str(tmp_path / "v.db")))] == [text]
    assert keys[0] != keys[1]


def test_only_files_with_vectors_are_recognised(tmp_path: Path) -> None:
    Store(tmp_path / "v.db", {"1": "a"})
    with sqlite3.connect(tmp_path / "plain.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    (tmp_path / "broken.db").write_bytes((tmp_path / "v.db").read_bytes()[:500])
    (tmp_path / "text").write_text("x")
    assert SqliteVec.recognises(tmp_path / "v.db")
    for name in ("plain.db", "broken.db", "text", "none"):
        assert not SqliteVec.recognises(tmp_path / name)
        with pytest.raises(SourceError) as caught:
            list(SqliteVec(str(tmp_path / name)).discover())
        assert caught.value.remedy


def test_addresses_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        SqliteVec("sqlite-vec:///v.db?x=1")
