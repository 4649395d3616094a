"""Telling the form of a CSV file from its head."""

from __future__ import annotations

import pytest

from dlpagent.connectors.sources._csv_form import Form, form_of


def form(head: str | bytes, **given: object) -> Form:
    raw = head if isinstance(head, bytes) else head.encode()
    settings = {"encoding": None, "delimiter": None, "header": None, "tabs": False, **given}
    return form_of(raw, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        ("a,b,c\n1,2,3\n", ","), ("a;b\n1,5;2\n3,5;4\n", ";"), ("a\tb\n1, 2\t3\n", "\t"),
        ("a|b\nx, y|z\n", "|"), ('a,b\n"x;y;z",1\n"q;r;s",2\n', ","), ("one\ntwo\n", ","),
        ("a;b;c\n1;2;3\n4;5\n", ";"), ("text,meta\nHi; you, x\nOh; me, y\n", ","),
    ],
)  # fmt: skip
def test_the_delimiter_is_the_one_that_cuts_rows_alike(head: str, delimiter: str) -> None:
    assert form(head).delimiter == delimiter


def test_a_tsv_without_any_other_sign_is_cut_at_tabs() -> None:
    assert form("one\ntwo\n", tabs=True).delimiter == "\t"


@pytest.mark.parametrize(
    ("head", "heading", "is_sure"),
    [
        ("id,name\n1,Jo\n", ("id", "name"), True),
        ("text\tmeta\nHi\tyou\n", ("text", "meta"), True),
        ("Customer Name,SSN\nJo,123-45-6789\n", ("Customer Name", "SSN"), False),
        ("customer_ssn,val\nx,1\n", ("customer_ssn", "val"), True),
        ("Date of Birth;Comment\n1.1.1970;none\n", ("Date of Birth", "Comment"), False),
        ("Jo,Smith\nAl,Jones\n", None, False),
        ("Jo,123-45-6789\nAl,123-45-6780\n", None, False),
        ("jo@contoso.example,Jo\nal@contoso.example,Al\n", None, False),
        ("1,2\n3,4\n", None, False),
        ("a,a\nb,b\n", None, False),
        ("name\n", ("name",), True),
        ("4111111111111111,x\n", None, False),
        ("", None, False),
    ],
)
def test_a_heading_is_told_from_a_row_of_data(
    head: str, heading: tuple[str, ...] | None, is_sure: bool
) -> None:
    found = form(head)
    assert (found.heading, found.is_sure) == (heading, is_sure)


@pytest.mark.parametrize(
    ("raw", "encoding", "skip"),
    [
        (b"a,b\n", "utf-8", 0),
        (b"\xef\xbb\xbfa,b\n", "utf-8", 3),
        ("\ufeffa,b\n".encode("utf-16-le"), "utf-16-le", 2),
        ("\ufeffa,b\n".encode("utf-16-be"), "utf-16-be", 2),
        ("a,b\nc,d\n".encode("utf-16-le"), "utf-16-le", 0),
        ("a,b\nc,d\n".encode("utf-16-be"), "utf-16-be", 0),
        ("name\nJürgen\n".encode("cp1252"), "cp1252", 0),
        ("name\nJürgen\n".encode(), "utf-8", 0),
    ],
)
def test_the_encoding_is_told_by_mark_or_by_what_decodes(
    raw: bytes, encoding: str, skip: int
) -> None:
    found = form(raw)
    assert (found.encoding, found.skip_bytes) == (encoding, skip)


@pytest.mark.parametrize(
    ("head", "columns"),
    [
        ("id,,id,name\n1,2,3,4\n", ("id", "col1", "id~2", "name")),
        ("1,2\n3,4\n", ("col0", "col1")),
        ("id,name\n1,2,3\n4,5,6\n", ("id", "name", "col2")),
        ("id,name\n1,2,3\n4,5\n", ("id", "name")),
    ],
)
def test_columns_are_as_many_as_most_rows_have(head: str, columns: tuple[str, ...]) -> None:
    assert form(head).columns == columns


def test_what_is_given_is_believed() -> None:
    found = form("a;b\n1;2\n", encoding="cp1252", delimiter=",", header=True)
    assert found == Form("cp1252", 0, ",", ("a;b",), True, ("a;b",))
    assert form("id,name\n1,Jo\n", header=False).heading is None
