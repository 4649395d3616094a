"""Small EDM stores for tests, built the way a user builds them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from dlpagent.classifiers.edm_build import build_store
from dlpagent.classifiers.edm_schema import Field, Schema
from dlpagent.classifiers.edm_store import Store

KEY = bytes(range(32))

MEMBERS = Schema(
    "Members",
    (
        Field("Number", searchable=True, case_insensitive=True, ignored_delimiters="-/ "),
        Field("Name", searchable=True, case_insensitive=True),
        Field("Town", case_insensitive=True),
        Field("Born"),
        Field("Code", searchable=True),
    ),
)

ROWS = [
    ["M-1001-77", "Anna Maria Berg", "Old Town", "1980-02-01", "Zx9"],
    ["M-1002-78", "Jo Long", "Kiel", "1990-03-04", "zx9"],
    ["M-1003-79", "Anna Maria Berg", "Kiel", "1971-05-06", "Qy7"],
    ["M-1004-80", "Łucja Żak", "Łódź", "1966-07-08", ""],
    ["M-1005-81", "王小明", "北京", "2001-09-10", "Rr1"],
]


def write_rows(
    path: Path, rows: Sequence[Sequence[str]], schema: Schema = MEMBERS, separator: str = ","
) -> Path:
    """A file of rows with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(schema.names)
        writer.writerows(rows)
    return path


def store_of(folder: Path, rows: Sequence[Sequence[str]] = ROWS, schema: Schema = MEMBERS) -> Store:
    """A store in folder/store with its key beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "store.key"
    if not key.exists():
        key.touch(0o600)
        key.write_text(KEY.hex())
    data = write_rows(folder / "rows.csv", rows, schema)
    build_store(schema, data, folder / "store", KEY)
    return Store(folder / "store")
