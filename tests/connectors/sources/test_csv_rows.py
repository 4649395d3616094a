"""Rows of a CSV file and the bytes they stand at."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources import _csv_rows
from dlpagent.connectors.sources._csv_rows import CsvRow, CsvRows
from dlpagent.connectors.sources._streams import ByteStream


def rows(raw: bytes, start: int = 0, plain_until: int = 0, encoding: str = "utf-8") -> list[CsvRow]:
    reader = CsvRows(ByteStream(io.BytesIO(raw)), encoding=encoding, delimiter=",")
    return list(reader.rows(start, plain_until))


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-32-be"]),
)
def test_what_was_written_is_read_and_every_row_can_be_read_alone(
    table: list[list[str]], end: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    raw = out.getvalue().encode(encoding)
    found = rows(raw, encoding=encoding)
    assert [row.cells for row in found] == table
    assert [row.end for row in found[-1:]] == [len(raw)] * bool(table)
    for place, row in enumerate(found):
        assert rows(raw, row.start, encoding=encoding) == found[place:]


@pytest.mark.parametrize(
    ("raw", "cells"),
    [
        (b"a,b\n\n\r\nc,d", [["a", "b"], ["c", "d"]]),
        (b'a,"b\r\nb"\r\nc,d\r\n', [["a", "b\r\nb"], ["c", "d"]]),
        (b'a,"say ""hi"""\n', [["a", 'say "hi"']]),
        (b"a\0b,c\n", [["a\0b", "c"]]),
        (b"a,b\x0bc\x1cd\xe2\x80\xa8e\n", [["a", "b\x0bc\x1cd\u2028e"]]),
    ],
)
def test_quotes_line_ends_and_blank_lines_are_read_as_csv_has_them(
    raw: bytes, cells: list[list[str]]
) -> None:
    assert [row.cells for row in rows(raw)] == cells


@pytest.mark.parametrize("raw", [b'a,b\n"c,d\ne,f\n', b'a,b\n"c,d', b'a,b\nx,"'])
def test_a_quote_that_is_never_closed_hides_nothing(raw: bytes) -> None:
    found = rows(raw)
    assert [row.cells for row in found] == [line.split(",") for line in raw.decode().splitlines()]
    assert [row.problem is not None for row in found] == [False, True] + [False] * (len(found) - 2)
    for place, row in enumerate(found[:-1]):
        assert [one.cells for one in rows(raw, row.end, row.plain_until)] == [
            one.cells for one in found[place + 1 :]
        ]


@pytest.mark.parametrize(("limit", "most"), [("MAX_ROW_CHARS", 50), ("MAX_ROW_LINES", 5)])
def test_a_quote_open_too_long_is_given_up_without_losing_the_rest(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(_csv_rows, limit, most)
    raw = b'a,"open\n' + b"".join(b"row %d,x\n" % number for number in range(100)) + b'"q",z\n'
    found = rows(raw)
    assert [row.cells for row in found[1:101]] == [[f"row {n}", "x"] for n in range(100)]
    assert found[0].cells == ["a", '"open']
    assert found[101].cells == ["q", "z"]


def test_a_line_too_long_is_told_and_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_rows, "MAX_LINE_CHARS", 3_000_000)
    raw = b"a,b\n" + b"x" * 9_000_000 + b"\nc,d\n"
    found = rows(raw)
    assert [row.cells for row in found] == [["a", "b"], None, ["c", "d"]]
    assert (found[1].start, found[1].end) == (4, 9_000_005)
    assert found[1].problem


def test_bytes_that_do_not_decode_keep_every_offset_right() -> None:
    found = rows(b"a\xff\xfe,b\nc,d\n")
    assert [(row.cells, row.start, row.end) for row in found] == [
        (["a\udcff\udcfe", "b"], 0, 6),
        (["c", "d"], 6, 10),
    ]


def test_half_a_character_at_the_end_is_told() -> None:
    reader = CsvRows(ByteStream(io.BytesIO(b"a\0,\0b\0\n\0c")), encoding="utf-16-le", delimiter=",")
    assert [row.cells for row in reader.rows(0)] == [["a", "b"]]
    assert reader.problem


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16-le", "cp1252"]))
def test_any_bytes_are_read_to_their_end(raw: bytes, encoding: str) -> None:
    found = rows(raw, encoding=encoding)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert not found or found[-1].end <= len(raw) + 1
