"""Parquet as a source, on files written here."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.errors import SourceError
from dlpagent.records import RECORD_SCHEMA, Checkpoint

ROWS = 900


def table() -> pa.Table:
    return pa.table(
        {
            "id": [f"c{row}" for row in range(ROWS)],
            "name": [None if row % 3 else f"Jo {row}" for row in range(ROWS)],
            "card_number": [4111111111111111 + row for row in range(ROWS)],
            "note": ["" if row % 2 else "né 🙂" for row in range(ROWS)],
        }
    )


def write(path: Path, rows: Any, **options: Any) -> Path:
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.table(rows), path, **options)
    return path


def batches_of(
    path: Path, after: Checkpoint | None = None, **given_settings: Any
) -> list[tuple[pa.RecordBatch, Checkpoint]]:
    source = ParquetFile(str(path), **given_settings)
    (asset,) = source.discover()
    return list(source.read(asset, after))


def rows_of(path: Path, after: Checkpoint | None = None, **given_settings: Any) -> list[Any]:
    found = batches_of(path, after, **given_settings)
    return [row for batch, _ in found for row in batch.to_pylist()]


def refusal_of(path: Path) -> SourceError | None:
    """The error reading ends with, if any."""
    try:
        batches_of(path)
    except SourceError as error:
        return error
    return None


def texts_of(path: Path) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (row["record_id"], row["part"], row["text"], row["context"])
        for row in rows_of(path)
        if row["status"] == "read"
    ]


def test_every_filled_cell_is_a_part_next_to_those_of_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "customers.parquet", table(), row_group_size=250)
    expected = []
    for number, row in enumerate(table().to_pylist()):
        parts = [("id", row["id"], "id"), ("name", row["name"], "name")]
        parts += [("card_number", str(row["card_number"]), "card number")]
        parts += [("note", row["note"], "note")]
        filled = [part for part in parts if part[1]]
        for seq, (part, text, context) in enumerate(filled):
            expected.append((row["id"], part, seq, text, context, number // 250, number))
    assert [
        (
            row["record_id"], row["part"], row["seq"], row["text"], row["context"],
            row["locator"]["row_group"], row["locator"]["row"],
        )
        for row in rows_of(path)
    ] == expected  # fmt: skip


def test_batches_follow_the_schema_and_stay_small(tmp_path: Path) -> None:
    path = write(tmp_path / "customers.parquet", table())
    found = batches_of(path, batch_rows=100)
    assert all(batch.schema.equals(RECORD_SCHEMA) for batch, _ in found)
    assert max(batch.num_rows for batch, _ in found) <= 100
    assert [checkpoint.done for _, checkpoint in found] == [False] * (len(found) - 1) + [True]


def test_a_record_is_never_cut_between_two_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "customers.parquet", table())
    for batch, _ in batches_of(path, batch_rows=7):
        assert batch.column("seq")[0].as_py() == 0


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_reading_goes_on_from_every_checkpoint(
    tmp_path: Path, compression: str, version: str
) -> None:
    path = write(
        tmp_path / "c.parquet", table(), row_group_size=300, compression=compression,
        data_page_version=version,
    )  # fmt: skip
    found = batches_of(path, batch_rows=400)
    whole = [row for batch, _ in found for row in batch.to_pylist()]
    assert len(found) > 5
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        again = Checkpoint(json.loads(json.dumps(checkpoint.cursor)), checkpoint.done)
        assert rows_of(path, again, batch_rows=400) == whole[given:]


def test_roles_of_prompt_and_completion_columns_are_known(tmp_path: Path) -> None:
    path = write(tmp_path / "sft.parquet", {"prompt": ["Who?"], "completion": ["Me."]})
    assert [(row["part"], row["role"], row["context"]) for row in rows_of(path)] == [
        ("prompt", "user", None),
        ("completion", "assistant", None),
    ]


def test_messages_in_nested_columns_and_in_json_strings_are_the_same(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "my ssn"}, {"role": "assistant", "content": "no"}]
    nested = write(tmp_path / "n.parquet", {"messages": [messages]})
    string = write(tmp_path / "s.parquet", {"messages": [json.dumps(messages)]})
    expected = [
        ("messages[0].content", "user", "my ssn"),
        ("messages[1].content", "assistant", "no"),
    ]
    for path in (nested, string):
        assert [(row["part"], row["role"], row["text"]) for row in rows_of(path)] == expected


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array(["x"], pa.large_string()), "x"),
        (pa.array([b"x\xc3\xa9"]), "xé"),
        (pa.array([123456789], pa.int64()), "123456789"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([Decimal(4111111111111111)], pa.decimal128(20, 0)), "4111111111111111"),
        (pa.array([4111111111111111.0]), "4111111111111111"),
        (pa.array([datetime.date(1970, 1, 2)]), "1970-01-02"),
        (pa.array([0], pa.timestamp("ms", "Europe/Berlin")), "1970-01-01 00:00:00.000Z"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
    ],
)
def test_values_of_each_type_are_read_as_text(tmp_path: Path, column: pa.Array, text: str) -> None:
    path = write(tmp_path / "t.parquet", {"value": column})
    assert texts_of(path) == [("0", "value", text, "value")]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.5, 2.0]), pa.array([True, False]), pa.array([None, None]),
        pa.array([Decimal("1.50"), None]), pa.array([[0.1, 0.2], [4111111111111111.0, 1.0]]),
    ],
)  # fmt: skip
def test_fractions_vectors_and_truth_values_are_no_parts(tmp_path: Path, column: pa.Array) -> None:
    ((batch, checkpoint),) = batches_of(write(tmp_path / "f.parquet", {"value": column}))
    assert (batch.num_rows, checkpoint.done) == (0, True)


def test_columns_without_text_are_reported_once_for_the_file(tmp_path: Path) -> None:
    image = {"bytes": b"\x89PNG\0\xff", "path": "a.png"}
    given = {"raw": [b"\xff\xfe\0"] * 5, "image": [image] * 5, "input_ids": [[1, 2, 3]] * 5}
    rows = rows_of(write(tmp_path / "i.parquet", given))
    opaque = [(row["part"], row["status"]) for row in rows if row["status"] != "read"]
    assert opaque == [("raw", "opaque"), ("image.bytes", "opaque"), ("input_ids[]", "opaque")]
    assert all(row["text"] is None and row["problem"] for row in rows[:3])
    assert [row["part"] for row in rows[3:]] == ["image.path"] * 5


def test_structs_lists_and_maps_are_named_by_their_path(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("meta", pa.struct([("author", pa.string()), ("n", pa.int32())])),
            ("tags", pa.list_(pa.string())),
            ("props", pa.map_(pa.string(), pa.string())),
        ]
    )
    given = {"meta": [{"author": "A", "n": 7}, None], "tags": [["x", "y"], None]}
    given["props"] = [[("ssn", "1")], []]  # type: ignore[list-item]
    path = write(tmp_path / "n.parquet", pa.table(given, schema=schema))
    assert [(row[1], row[2]) for row in texts_of(path)] == [
        ("meta.author", "A"), ("meta.n", "7"), ("tags[0]", "x"), ("tags[1]", "y"),
        ("props.ssn", "1"),
    ]  # fmt: skip


def test_bytes_that_are_not_utf8_are_replaced_and_reported_in_their_row(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"J\xff\xfe", b"good"] * 200)
    column = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    rows = rows_of(write(tmp_path / "u.parquet", {"a": column}))
    assert [row["text"] for row in rows[:4]] == ["fine", "J��", None, "good"]
    wrong = [row for row in rows if row["status"] == "unread"]
    assert len(wrong) == 200
    assert {row["part"] for row in wrong} == {"#encoding"}
    assert "2 bytes" in wrong[0]["problem"]
    assert wrong[0]["locator"]["row"] == 1


def test_labels_a_row_already_carries_are_kept(tmp_path: Path) -> None:
    guid = "2096f6a2-d2f7-48be-b329-b73aaa526e5d"
    given = {"text": ["a", "b"], f"MSIP_Label_{guid}_Enabled": ["true", None]}
    rows = rows_of(write(tmp_path / "l.parquet", {**given, "x": [["q"], ["r"]]}))
    assert {row["record_id"]: row["labels"] for row in rows} == {"0": [guid], "1": None}
    flat = rows_of(
        write(tmp_path / "m.parquet", {"text": ["a", "b"], "sensitivity_label": ["Secret", None]})
    )
    assert {row["record_id"]: row["labels"] for row in flat} == {"0": ["Secret"], "1": None}


def test_a_damaged_column_is_reported_with_its_place_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    given = {
        "a": [f"a{row:06}" * 9 for row in range(4000)],
        "b": [f"b{row}" for row in range(4000)],
    }
    path = write(
        tmp_path / "d.parquet", given, row_group_size=1000, use_dictionary=False,
        write_page_checksum=True,
    )  # fmt: skip
    chunk = pq.read_metadata(path).row_group(2).column(0)
    raw = bytearray(path.read_bytes())
    middle = chunk.data_page_offset + chunk.total_compressed_size // 2
    raw[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(raw)
    found = batches_of(path, batch_rows=300)
    rows = [row for batch, _ in found for row in batch.to_pylist()]
    (wrong,) = [row for row in rows if row["status"] == "unread"]
    assert wrong["part"] == "a"
    assert wrong["locator"]["row_group"] == 2
    first = wrong["locator"]["row"]
    assert f"rows {first} to 2999" in wrong["problem"]
    assert f"({3000 - first} rows)" in wrong["problem"]
    assert [row["text"] for row in rows if row["part"] == "b"] == given["b"]
    read = [row["text"] for row in rows if row["part"] == "a" and row["status"] == "read"]
    assert read == given["a"][:first] + given["a"][3000:]
    done = 0
    for batch, checkpoint in found:
        done += batch.num_rows
        assert rows_of(path, checkpoint, batch_rows=300) == rows[done:]


def test_a_row_group_that_cannot_be_read_at_all_does_not_stop_the_next(tmp_path: Path) -> None:
    given = {"a": [f"text {row}" for row in range(3000)]}
    path = write(tmp_path / "d.parquet", given, row_group_size=1000, use_dictionary=False)
    chunk = pq.read_metadata(path).row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.data_page_offset : chunk.data_page_offset + 20] = b"\xff" * 20
    path.write_bytes(raw)
    rows = rows_of(path)
    (wrong,) = [row for row in rows if row["status"] == "unread"]
    assert "rows 1000 to 1999 of row group 1 (1000 rows)" in wrong["problem"]
    assert [row["text"] for row in rows if row["status"] == "read"] == given["a"][:1000] + given[
        "a"
    ][2000:]


@pytest.mark.parametrize("share", range(20))
def test_a_file_cut_off_anywhere_says_what_is_wrong(tmp_path: Path, share: int) -> None:
    whole = write(tmp_path / "c.parquet", table()).read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(whole[: len(whole) * share // 20])
    with pytest.raises(SourceError) as caught:
        batches_of(path)
    error = caught.value
    assert (error.where, bool(error.expected), bool(error.remedy)) == (str(path), True, True)
    assert "cut off" in error.found


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=30))
def test_damaged_bytes_never_raise_anything_but_source_errors(
    tmp_path: Path, place: int, junk: bytes
) -> None:
    path = write(tmp_path / "c.parquet", table().slice(0, 60), write_page_checksum=True)
    raw = bytearray(path.read_bytes())
    data_ends = pq.read_metadata(path).row_group(0).column(3).file_offset or len(raw) // 2
    place %= max(data_ends, 4)
    raw[place : place + len(junk)] = junk
    path.write_bytes(bytes(raw[: path.stat().st_size]))
    refusal = refusal_of(path)
    assert refusal is None or refusal.where == str(path)


def test_an_encrypted_file_is_reported_protected(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    path.write_bytes(b"PARE" + bytes(60) + b"\x30\0\0\0PARE")
    ((batch, checkpoint),) = batches_of(path)
    assert batch.column("status").to_pylist() == ["protected"]
    assert checkpoint.done


def test_an_empty_table_gives_one_empty_batch(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", table().slice(0, 0))
    ((batch, checkpoint),) = batches_of(path)
    assert (batch.num_rows, checkpoint.done) == (0, True)


def test_a_dictionary_that_spells_out_large_comes_in_small_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "b.parquet", {"t": ["x" * 1_000_000] * 40})
    assert path.stat().st_size < 200_000
    found = batches_of(path)
    assert sum(batch.num_rows for batch, _ in found) == 40
    assert max(batch.num_rows for batch, _ in found) <= 4


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.parquet", b"", True), ("a.pq", b"", True), ("data", b"PAR1xx", True),
        ("data", b"PARExx", True), ("a.csv", b"a,b", False),
    ],
)  # fmt: skip
def test_parquet_is_recognised_by_name_or_first_bytes(
    tmp_path: Path, name: str, head: bytes, expected: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(head)
    assert ParquetFile.recognises(path) is expected
    assert not ParquetFile.recognises(tmp_path)
    assert ParquetFile.recognises(tmp_path / "absent") is False


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        next(ParquetFile(str(tmp_path / "absent.parquet")).discover())


@pytest.mark.slow
def test_a_large_row_group_is_read_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.parquet"
    text = ("word " * 100).strip()
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), use_dictionary=False) as writer:
        writer.write_table(
            pa.table({"text": [f"{row} {text}" for row in range(600_000)]}), row_group_size=600_000
        )
    source = ParquetFile(str(path))
    (asset,) = source.discover()
    base, peak = pa.total_allocated_bytes(), 0
    for _ in source.read(asset):
        peak = max(peak, pa.total_allocated_bytes() - base)
    assert peak < 60_000_000
