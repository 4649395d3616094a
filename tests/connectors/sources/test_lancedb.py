"""LanceDB tables as sources, with the real engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dlpagent.connectors.sources.lancedb import LanceDb
from dlpagent.connectors.testing.changes import check_misses_nothing_while_records_change
from dlpagent.connectors.testing.conformance import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
    each_row,
)
from dlpagent.errors import ConfigurationError, SourceError

engine = pytest.importorskip("lancedb", reason="the extra lancedb is not installed")

VECTOR = pa.list_(pa.float32(), 4)
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("vector", VECTOR)])


def key(number: int) -> str:
    return f"key {number:05d}"


def rows(records: Sequence[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "id": [one for one, _ in records],
            "text": [text for _, text in records],
            "vector": pa.array([[0.0, 1.0, 2.0, 3.0]] * len(records), VECTOR),
        },
        SCHEMA,
    )


class Store:
    """The application that owns the table."""

    def __init__(self, folder: Path, records: dict[str, str]) -> None:
        self.table = engine.connect(str(folder)).create_table("docs", rows(list(records.items())))

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        merge = self.table.merge_insert("id")
        merge.when_matched_update_all().when_not_matched_insert_all().execute(rows(records))

    def delete(self, ids: Sequence[str]) -> None:
        names = ", ".join(f"'{one}'" for one in ids)
        self.table.delete(f"id IN ({names})")


@pytest.fixture
def records() -> dict[str, str]:
    return {key(number): f"text {number} né" for number in range(700)}


@pytest.fixture
def folder(tmp_path: Path, records: dict[str, str]) -> Path:
    Store(tmp_path / "db", records)
    return tmp_path / "db"


def opened(folder: Path, **settings: Any) -> Any:
    return lambda: LanceDb(str(folder), **settings)


def test_every_record_of_every_table_is_read_once(folder: Path, records: dict[str, str]) -> None:
    more = {"a": "first of another table", "b": "second"}
    engine.connect(str(folder)).create_table("more", rows(list(more.items())))
    expected = {one: [one, text] for one, text in (records | more).items()}
    check_reads_exactly(opened(folder), expected)
    check_discovers_the_same_again(opened(folder))


def test_reading_goes_on_from_every_checkpoint(folder: Path) -> None:
    check_resumes_everywhere(opened(folder, batch_rows=150))


def test_nothing_stays_open(folder: Path) -> None:
    check_closes_what_it_opens(opened(folder, batch_rows=300))


@pytest.mark.parametrize("resume_after", [None, 3])
def test_writes_meanwhile_make_nothing_be_missed(tmp_path: Path, resume_after: int | None) -> None:
    records = {f"{number:04d}": f"text {number}" for number in range(700)}
    store = Store(tmp_path / "db", records)
    check_misses_nothing_while_records_change(
        opened(tmp_path / "db", batch_rows=120),
        store,
        records,
        new_id=lambda number: f"{number:04d}",
        resume_after=resume_after,
    )


def test_the_change_key_follows_every_write(tmp_path: Path, records: dict[str, str]) -> None:
    store = Store(tmp_path / "db", records)
    keys = []
    for step in (lambda: None, lambda: store.put([("x", "y")]), lambda: store.delete(["x"])):
        step()
        (asset,) = LanceDb(str(tmp_path / "db")).discover()
        keys.append(asset.change_key)
    assert len(set(keys)) == 3


def test_a_version_that_was_cleaned_up_is_an_error_and_not_another_version(
    tmp_path: Path, records: dict[str, str]
) -> None:
    store = Store(tmp_path / "db", records)
    source = LanceDb(str(tmp_path / "db"), batch_rows=150)
    (asset,) = source.discover()
    reading = source.read(asset)
    _, checkpoint = next(reading)
    reading.close()
    store.delete([key(0)])
    with pytest.warns(UserWarning, match="removes every version"):
        store.table.optimize(cleanup_older_than=timedelta(0))
    with pytest.raises(SourceError) as caught:
        list(source.read(asset, checkpoint))
    assert "without --resume" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (  # LangChain
            {"id": ["n"], "text": ["hi"], "metadata": [{"source": "a.txt", "page": 7}]},
            [
                ("id", "n", "id"),
                ("text", "hi", None),
                ("metadata.source", "a.txt", "metadata source"),
                ("metadata.page", "7", "metadata page"),
            ],
        ),
        (  # LlamaIndex: what the node repeats is left out
            {
                "text": ["hi"],
                "metadata": [{"_node_content": '{"text": "hi", "metadata": {"f": "a"}}', "f": "a"}],
            },
            [("text", "hi", None), ("metadata.f", "a", "metadata f")],
        ),
        ({"text": [""], "n": [1.5]}, [("text", None, None)]),
        ({"note": ["only words"]}, [("note", "only words", "note")]),
    ],
)
def test_texts_are_found_where_clients_put_them(
    tmp_path: Path, columns: dict[str, Any], expected: list[tuple[str, str | None, str | None]]
) -> None:
    table = pa.table({**columns, "vector": pa.array([[0.0] * 4], VECTOR)})
    engine.connect(str(tmp_path / "db")).create_table("t", table)
    found = [
        (row["part"], row["text"], row["context"])
        for row in each_row(LanceDb(str(tmp_path / "db")))
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_an_empty_table_gives_one_empty_batch(tmp_path: Path) -> None:
    engine.connect(str(tmp_path / "db")).create_table("t", schema=SCHEMA)
    check_reads_exactly(opened(tmp_path / "db"), {})


def test_one_table_can_be_named(folder: Path) -> None:
    engine.connect(str(folder)).create_table("more", rows([("a", "b")]))
    source = LanceDb(f"lancedb://{folder}#more")
    assert [row["text"] for row in each_row(source)] == ["a", "b"]


def test_a_database_is_recognised_and_a_folder_with_more_is_not(folder: Path) -> None:
    assert LanceDb.recognises(folder)
    (folder / "notes.txt").write_text("x")
    assert not LanceDb.recognises(folder)
    assert not LanceDb.recognises(folder / "notes.txt")


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        list(LanceDb(str(tmp_path / "none")).discover())
    assert caught.value.remedy
    with pytest.raises(ConfigurationError):
        LanceDb("lancedb:///folder?x=1")
