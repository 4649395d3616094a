"""Open WebUI's database."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.open_webui import OpenWebUi
from dlpagent.connectors.testing import check_closes_what_it_opens, check_resumes_everywhere

SAMPLE = Path(__file__).parents[2] / "data" / "open-webui" / "webui.db"


def rows_of(path: Path) -> list[dict[str, Any]]:
    source = OpenWebUi(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "webui.db"
    shutil.copy(SAMPLE, path)
    return path


def test_the_database_says_what_the_export_says_and_whose_it_is() -> None:
    assert OpenWebUi.recognises(SAMPLE)
    rows = {(row["record_id"], row["part"]): row for row in rows_of(SAMPLE)}
    passport = rows["ow-1#a", "content"]
    assert (passport["text"], passport["role"]) == ("My passport is X1234567", "user")
    assert (passport["actor_id"], passport["conversation_id"]) == (
        "jane.placeholder@contoso.example", "ow-1",
    )  # fmt: skip
    export = rows_of(SAMPLE.with_name("chats-export.json"))
    assert {row["text"] for row in export if row["role"]} <= {row["text"] for row in rows.values()}


def test_other_tables_are_read_and_those_of_credentials_are_not(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("CREATE TABLE memory(id text, user_id text, content text, created_at bigint)")
        db.execute("INSERT INTO memory VALUES ('m1', 'u1', 'my IBAN is known', 1767225600)")
        db.execute("CREATE TABLE auth(id text, password text)")
        db.execute("INSERT INTO auth VALUES ('u1', 'a hash')")
    rows = rows_of(database)
    (memory,) = [row for row in rows if row["part"] == "content" and "memory" in row["record_id"]]
    assert (memory["record_id"], memory["text"]) == ("memory#m1", "my IBAN is known")
    assert memory["actor_id"] == "jane.placeholder@contoso.example"
    assert not any("hash" in (row["text"] or "") for row in rows)


def test_a_chat_that_is_no_json_is_told_and_its_beginning_read(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE chat SET chat = substr(chat, 1, length(chat) * 2 / 3)")
    rows = rows_of(database)
    assert any(row["text"] == "My passport is X1234567" for row in rows)
    assert [row["part"] for row in rows if row["status"] == "unread"] == ["chat"]


def test_what_lies_in_the_write_ahead_log_is_seen(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA journal_mode = wal")
        before = next(OpenWebUi(str(database)).discover()).change_key
        db.execute("UPDATE chat SET title = 'written a moment ago'")
        db.commit()
        assert next(OpenWebUi(str(database)).discover()).change_key != before
        assert any(row["text"] == "written a moment ago" for row in rows_of(database))


@pytest.mark.parametrize("kept", [40, 5000, 9000])
def test_a_cut_database_is_told(database: Path, kept: int) -> None:
    database.write_bytes(database.read_bytes()[:kept])
    assert "unread" in [row["status"] for row in rows_of(database)]


def test_another_database_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE chat(id text)")
    assert not OpenWebUi.recognises(path)


def test_the_database_resumes_behind_any_record_and_is_closed(database: Path) -> None:
    check_resumes_everywhere(lambda: OpenWebUi(str(database), batch_rows=1))
    check_closes_what_it_opens(lambda: OpenWebUi(str(database)), times=2)
