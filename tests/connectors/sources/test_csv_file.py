"""CSV files as a source."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.csv_file import CsvFile
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import RECORD_SCHEMA, Checkpoint

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".zst": zstandard.compress,
}  # fmt: skip
HEADING = ["id", "customer_ssn", "note"]
TABLE = [[f"c{n}", f"123-45-{n:04}", "two\r\nlines; é 🙂" if n % 5 else ""] for n in range(900)]


def as_csv(rows: list[list[str]], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def batches_of(
    path: Path, after: Checkpoint | None = None, **given_settings: Any
) -> list[tuple[pa.RecordBatch, Checkpoint]]:
    source = CsvFile(str(path), **given_settings)
    (asset,) = source.discover()
    return list(source.read(asset, after))


def rows_of(path: Path, after: Checkpoint | None = None, **given_settings: Any) -> list[Any]:
    found = batches_of(path, after, **given_settings)
    return [row for batch, _ in found for row in batch.to_pylist()]


def short(rows: list[Any]) -> list[tuple[str, str, str | None]]:
    return [(row["record_id"], row["part"], row["text"]) for row in rows]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_filled_cell_is_a_part_with_its_heading_as_context(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], delimiter: str
) -> None:
    raw = as_csv([HEADING, *TABLE], delimiter)
    path = tmp_path / f"customers.csv{suffix}"
    path.write_bytes(pack(raw))
    rows = rows_of(path)
    assert short(rows) == [
        (row[0], part, text)
        for row in TABLE
        for part, text in zip(HEADING, row, strict=True)
        if text
    ]
    assert {row["context"] for row in rows} == {"id", "customer ssn", "note"}
    for row in rows:
        place = row["locator"]
        assert raw[place["offset"] :].startswith(row["record_id"].encode())
        assert place["row"] == int(row["record_id"][1:])


def test_batches_follow_the_schema_and_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(as_csv([HEADING, *TABLE]))
    found = batches_of(path, batch_rows=100)
    assert all(batch.schema.equals(RECORD_SCHEMA) for batch, _ in found)
    assert max(batch.num_rows for batch, _ in found) <= 100
    assert [checkpoint.done for _, checkpoint in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_reading_goes_on_from_every_checkpoint(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    rows = [[*row[:2], row[2].replace("🙂", "ü")] for row in TABLE]
    rows[700] = ["c700", "too", "many", "cells"]
    raw = as_csv([HEADING, *rows]) + b'x,"never closed\nc1,y,z\nc2,"q",r\n'
    path = tmp_path / f"c.csv{suffix}"
    path.write_bytes(pack(raw.decode().encode(encoding)))
    found = batches_of(path, batch_rows=250)
    whole = [row for batch, _ in found for row in batch.to_pylist()]
    assert len(found) > 8
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        again = Checkpoint(json.loads(json.dumps(checkpoint.cursor)), checkpoint.done)
        assert rows_of(path, again, batch_rows=250) == whole[given:]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings_are_told_from_the_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("name,city\nJürgen,Zürich\n".encode(encoding))
    assert short(rows_of(path)) == [("0", "name", "Jürgen"), ("0", "city", "Zürich")]


def test_uneven_rows_are_read_whole_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"id,name\na,Jo\nb\nc,Al,123-45-6789,x\nd,Bo,,\ne,Cy\n")
    rows = rows_of(path)
    assert short([row for row in rows if row["status"] == "read"]) == [
        ("a", "id", "a"), ("a", "name", "Jo"), ("b", "id", "b"), ("c", "id", "c"),
        ("c", "name", "Al"),
        ("c", "col2+", "123-45-6789,x"), ("d", "id", "d"), ("d", "name", "Bo"), ("e", "id", "e"),
        ("e", "name", "Cy"),
    ]  # fmt: skip
    wrong = [row for row in rows if row["status"] == "unread"]
    assert [(row["record_id"], row["part"]) for row in wrong] == [
        ("b", "#fields"),
        ("c", "#fields"),
    ]
    assert [row["problem"] for row in wrong] == [
        "expected 2 fields, found 1; all were read",
        "expected 2 fields, found 4; all were read",
    ]


def test_without_a_heading_columns_are_numbered_and_the_first_row_is_data(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"Jo,123-45-6789\nAl,123-45-6780\n")
    assert short(rows_of(path))[:2] == [("0", "col0", "Jo"), ("0", "col1", "123-45-6789")]


def test_a_heading_in_everyday_words_is_read_as_a_record_too(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"Customer Name,SSN\nJo,123-45-6789\n")
    found = batches_of(path)
    rows = [row for batch, _ in found for row in batch.to_pylist()]
    assert short(rows) == [
        ("#heading", "col0", "Customer Name"), ("#heading", "col1", "SSN"),
        ("0", "Customer Name", "Jo"), ("0", "SSN", "123-45-6789"),
    ]  # fmt: skip
    assert rows_of(path, found[0][1]) == rows[2:]


def test_bytes_that_do_not_decode_are_replaced_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("id,name\na,Zoë é ü ö\n".encode() + b"b,J\xff\xfe\nc,Al\n")
    rows = rows_of(path)
    assert ("b", "name", "J\ufffd\ufffd") in short(rows)
    (wrong,) = [row for row in rows if row["status"] == "unread"]
    assert (wrong["record_id"], wrong["part"]) == ("b", "#encoding")
    assert "2 bytes" in wrong["problem"]


def test_a_heading_that_may_be_a_value_is_no_part_name(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"4111111111111111,x\na,b\n")
    rows = rows_of(path, header=True)
    assert not any("4111" in row["part"] for row in rows)
    assert any(row["text"] == "4111111111111111" for row in rows)


def test_labels_in_a_column_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"id,text,sensitivity_label\na,x,Secret\nb,y,\n")
    assert {row["record_id"]: row["labels"] for row in rows_of(path)} == {
        "a": ["Secret"],
        "b": None,
    }


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"\xef\xbb\xbf", b"id,name\n"])
def test_a_file_without_rows_gives_one_empty_batch(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(raw)
    ((batch, checkpoint),) = batches_of(path)
    assert (batch.num_rows, checkpoint.done) == (0, True)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("share", range(1, 20))
def test_a_packed_file_cut_off_anywhere_is_read_up_to_there(
    tmp_path: Path, suffix: str, share: int
) -> None:
    packed = PACKERS[suffix](as_csv([HEADING, *TABLE]))
    path = tmp_path / f"c.csv{suffix}"
    path.write_bytes(packed[: len(packed) * share // 20])
    rows = rows_of(path)
    assert (rows[-1]["part"], rows[-1]["status"]) == ("#end", "unread")
    expected = short(
        [
            {"record_id": row[0], "part": part, "text": text}
            for row in TABLE
            for part, text in zip(HEADING, row, strict=True)
            if text
        ]
    )
    whole = [one for one in short(rows[:-1]) if not one[1].startswith("#")]
    assert whole[:-2] == expected[: max(0, len(whole) - 2)]


@pytest.mark.parametrize("share", range(20))
def test_a_plain_file_cut_off_anywhere_is_read_up_to_there(tmp_path: Path, share: int) -> None:
    raw = as_csv([HEADING, *TABLE[:60]])
    path = tmp_path / "c.csv"
    path.write_bytes(raw[: len(raw) * share // 20])
    for row in rows_of(path):
        assert row["text"] is None or row["text"].strip('"').encode() in raw or "�" in row["text"]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(raw)
    found = batches_of(path)
    assert found[-1][1].done


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", True), ("A.TSV", True), ("a.csv.gz", True), ("a.tsv.zst", True), ("a.json", False)],
)
def test_csv_is_recognised_by_name(tmp_path: Path, name: str, expected: bool) -> None:
    assert CsvFile.recognises(tmp_path / name) is expected


@pytest.mark.parametrize(
    "given_settings", [{"encoding": "klingon"}, {"encoding": "rot13"}, {"delimiter": "ab"}]
)
def test_settings_that_mean_nothing_are_refused(given_settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CsvFile("a.csv", **given_settings)
    assert caught.value.remedy


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        next(CsvFile(str(tmp_path / "absent.csv")).discover())
