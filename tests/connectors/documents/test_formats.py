"""The corners of each form: what a cell shows, what RTF and HTML hide, what zips claim."""

from __future__ import annotations

import zipfile

import pytest

from dlpagent.connectors.documents.html_text import read_html
from dlpagent.connectors.documents.kinds import kind_of
from dlpagent.connectors.documents.labels import LabelProperties
from dlpagent.connectors.documents.outlook import lzfu
from dlpagent.connectors.documents.rtf import RtfText, joined_surrogates
from dlpagent.connectors.documents.sheets import Workbook
from tests.connectors.documents.hostile_zips import Entry, plain_zip, zipped
from tests.connectors.documents.reading import read


@pytest.mark.parametrize(
    ("kind", "style", "raw", "shown"),
    [
        ("", "0", "4111111111111111", "4111111111111111"),
        ("n", "", "4.1111111111111111E15", "4111111111111111"),
        ("", "0", "1.5E-3", "1.5E-3"),
        ("", "0", "1e999", "1e999"),
        ("", "0", "nane", "nane"),
        ("", "1", "29254", "1980-02-03"),
        ("", "1", "32874.5208333333", "1990-01-01 12:30:00"),
        ("", "1", "-1", "-1"),
        ("", "1", "1e99", "1e99"),
        ("s", "0", "1", "second"),
        ("s", "0", "9", ""),
        ("s", "0", "-1", ""),
        ("str", "0", "as it is", "as it is"),
        ("b", "0", "1", ""),
        ("e", "0", "#REF!", "#REF!"),
    ],
)
def test_a_cell_is_what_a_reader_sees(kind: str, style: str, raw: str, shown: str) -> None:
    assert Workbook(["first", "second"], dates={"1"}).cell(kind, style, raw) == shown


@pytest.mark.parametrize(
    ("code", "is_date"),
    [("yyyy-mm-dd", True), ("[$-409]d/m", True), ('"day" 0', False), ("0.00", False), ("[Red]0", False),
     ("\\d0", False), ("#,##0", False), ("m/d/yy h:mm", True)],
)  # fmt: skip
def test_formats_of_cells_that_show_dates_are_known(code: str, is_date: bool) -> None:
    quoted = code.replace('"', "&quot;")
    sheet = "<c s='1'><v>29254</v></c>"
    found = read(plain_zip({
        "[Content_Types].xml": b"<Types/>",
        "xl/styles.xml": f"<s><numFmt numFmtId='200' formatCode=\"{quoted}\"/><cellXfs><xf numFmtId='0'/>"
        "<xf numFmtId='200'/></cellXfs></s>".encode(),
        "xl/worksheets/sheet1.xml": f"<worksheet><row>{sheet}</row></worksheet>".encode(),
    }), "a.xlsx")  # fmt: skip
    assert found.texts()["sheet=sheet1"] == ("1980-02-03" if is_date else "29254")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"{\rtf1 a\par b\tab c\~d}", "a\nb\tc\u00a0d"),
        (rb"{\rtf1\ansicpg1251 \'cf\'f0}", "\u041f\u0440"),
        (rb"{\rtf1\uc1 \u8364?\u-10179?\u-8704?}", "\u20ac\U0001f600"),
        (rb"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator x;}text{\*\annotation note}}", "textnote"),
        (rb"{\rtf1 a\{b\}\\c}", "a{b}\\c"),
        (b"{\\rtf1 a\\bin3 \x00}\x01b}", "ab"),
    ],
)
def test_rtf_is_read_as_it_is_shown(raw: bytes, text: str) -> None:
    found = RtfText(raw)
    assert joined_surrogates(found.text).strip() == text
    assert found.is_whole


@pytest.mark.parametrize("raw", [rb"{\rtf1 text", rb"{\rtf1 text\bin99 x}"])
def test_rtf_cut_off_is_told(raw: bytes) -> None:
    found = read(raw, "a.rtf")
    assert found.texts()["text"].startswith("text")
    assert ("0", "#end", "unread") in found.problems()


@pytest.mark.parametrize(
    "raw",
    ["<html><!--WORD", "<script>WORD", "<a href='WORD", "<style>WORD", "<![CDATA[WORD", "<?WORD"],
)
def test_html_that_does_not_end_hides_nothing(raw: str) -> None:
    assert "WORD" in "".join(text for _, text in read_html(raw).parts())


def test_html_is_one_text_with_cells_apart() -> None:
    page = "<p>4111 <b>1111</b>&nbsp;1111\n 1111</p><table><tr><td>a</td><td>b</td></tr></table>"
    assert dict(read_html(page).parts())["text"] == "4111 1111 1111 1111\n\n\ta\tb"
    assert dict(read_html("a<pre>b\nc</pre>d\ne").parts())["text"] == "a\nb\nc\nd e"


def test_compressed_rtf_is_unpacked_as_published() -> None:
    """The two examples of MS-OXRTFCP, sections 4.1.1 and 4.1.2."""
    first = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232"
        "0af32068656c090020627705b06c647d0a800fa0"
    )
    second = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert lzfu(first) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert lzfu(second) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    for cut in range(len(first)):
        assert lzfu(first)[: len(lzfu(first[:cut]))] == lzfu(first[:cut])


def test_a_label_taken_off_says_so() -> None:
    found = LabelProperties()
    guid = "f42aa342-8706-4288-bd11-ebb85995028c"
    found.add_info({"id": f"{{{guid}}}", "enabled": "1", "removed": "1"})
    found.add("Author", "x")
    found.add_info({"id": "nonsense"})
    assert found.values() == [f"MSIP_Label_{guid}_Enabled=false"]


def test_overlapping_members_and_wrong_checksums_are_told() -> None:
    raw = zipped([Entry(b"a.txt", b"text" * 9), Entry(b"b.txt", b"other", offset=0)])
    problems = {record: status for record, _, status in read(raw, "a.zip").problems()}
    assert problems["b.txt"] == "unread"
    found = read(zipped([Entry(b"a.txt", b"text", crc=1)]), "a.zip")
    assert found.texts("a.txt") == {"text": "text"}
    assert found.problems() == [("a.txt", "#end", "unread")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips_behind_other_bytes_are_read(
    tmp_path_factory: pytest.TempPathFactory, method: int
) -> None:
    path = tmp_path_factory.mktemp("zips") / "a.zip"
    path.write_bytes(b"#!/bin/sh\n" * 10)
    with zipfile.ZipFile(path, "a", method) as writer:
        writer.writestr("a.txt", "text " * 1000)
    raw = path.read_bytes()
    assert read(raw[100:], "a.zip").texts("a.txt") == {"text": "text " * 1000}


@pytest.mark.parametrize(
    "head",
    [b"<!--" * 10_000, b"X: " + b" " * 60_000, b"a:" * 30_000, b"<!---->" * 9_000, b"\0" * 60_000],
)
def test_looking_at_a_beginning_takes_no_time_whatever_it_holds(head: bytes) -> None:
    kind_of(head, "a")  # a pattern that backtracks would run for minutes
