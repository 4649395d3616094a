"""Files of rows: separators, encodings, headers; bad lines are told by number and never by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.edm_rows import RowFile
from dlpagent.classifiers.edm_schema import Field, Schema
from dlpagent.errors import ConfigurationError

SCHEMA = Schema("S", (Field("Id", searchable=True), Field("Name")))


def read(path: Path, data: bytes | str, separator: str = "") -> tuple[list[list[str]], RowFile]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    file = RowFile(path, SCHEMA, separator)
    return [row for chunk in file.chunks(2) for row in chunk], file


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "Id,Name\n1,x\n2,y\n3,z\n"),
        ("a.csv", "Name,Id\r\nx,1\r\ny,2\r\nz,3"),
        ("a.csv", '"Id","Name"\n"1","x"\n2,y\n\n3,z\n'),
        ("a.tsv", "Id\tName\n1\tx\n2\ty\n3\tz\n"),
        ("a.psv", "Id|Name\n1|x\n2|y\n3|z\n"),
        ("a.txt", "Id|Name\n1|x\n2|y\n3|z\n"),
        ("a.txt", "Id\tName\n1\tx\n2\ty\n3\tz\n"),
        ("a.csv", "\ufeffId,Name\n1,x\n2,y\n3,z\n"),
    ],
)
def test_rows_come_in_the_order_of_the_schema(name: str, data: str, tmp_path: Path) -> None:
    rows, file = read(tmp_path / name, data)
    assert rows == [["1", "x"], ["2", "y"], ["3", "z"]]
    assert file.bad.many == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8"])
def test_unicode_is_told_by_its_bytes(encoding: str, tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", "Id,Name\n1,Łódź\n".encode(encoding))
    assert rows == [["1", "Łódź"]]


def test_a_cell_in_quotation_marks_may_hold_separators_and_lines(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", 'Id,Name\n1,"x, ""y""\nz"\n')
    assert rows == [["1", 'x, "y"\nz']]


def test_lines_that_are_no_rows_are_counted_and_numbered(tmp_path: Path) -> None:
    rows, file = read(tmp_path / "a.csv", 'Id,Name\n1,x\n2\n3,y,z\n4,"a"b\n5,z\n')
    assert rows == [["1", "x"], ["5", "z"]]
    assert (file.bad.many, file.bad.first) == (3, [3, 4, 5])
    assert str(file.bad) == "line 3, 4, 5"


def test_all_lines_that_an_open_quotation_mark_swallows_are_counted(tmp_path: Path) -> None:
    rows, file = read(tmp_path / "a.csv", 'Id,Name\n1,x\n2,"y\n3,z\n4,z\n')
    assert rows == [["1", "x"]]
    assert (file.bad.many, file.bad.first) == (3, [3, 4, 5])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("Id\n1\n", "without or twice: Name"),
        ("Id,Name,Name\n1,x,y\n", "without or twice: Name"),
        ("Id,Name,More\n1,x,y\n", "not of the schema: column 3"),
        ("id,name\n1,x\n", "not of the schema: column 1, 2"),
        ("SECRET-4711,SECRET-4712\n", "not of the schema: column 1, 2"),
        ("", "0 column"),
    ],
)
def test_a_header_that_does_not_fit_is_told_without_what_it_says(
    data: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "a.csv", data)
    assert said in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert f"{tmp_path / 'a.csv'}:1" in str(caught.value)


def test_what_is_not_unicode_or_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not text in UTF-8") as caught:
        read(tmp_path / "a.csv", b"Id,Name\n1,caf\xe9 SECRET\n")
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(RowFile(tmp_path / "none.csv", SCHEMA).chunks())
