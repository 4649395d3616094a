"""Documents by real programs, and what lies inside what."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard

from tests.connectors.documents.hostile_zips import OUTSIDE, Entry, plain_zip, zipped
from tests.connectors.documents.reading import read

DATA = Path(__file__).resolve().parents[2] / "data" / "documents"
CARD = "4111 1111 1111 1111"


def sample(name: str) -> bytes:
    return (DATA / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sample.docx", {
            "text": f"Hello world, the credit card number is {CARD} visa", "comments": "COMMENTWORD",
            "header1": "HEADERWORD", "footer1": "FOOTERWORD", "properties=core": "Jane AUTHOR",
        }),
        ("sample.xlsx", {
            "sheet=Cards": "Bob\t4111111111111111\t1980-02-03", "comment1": "CELLCOMMENT",
            "sheet=Secret (hidden)": "HIDDENWORD",
        }),
        ("sample.pptx", {"slide=1": f"Card {CARD}", "notes=1": "NOTESWORD"}),
        ("sample.pdf", {
            "page=1": f"Page one: credit card {CARD}", "page=2": "Page two",
            "page=1#annotations": "mailto:linked@contoso.example", "outline": "OUTLINEWORD",
            "page=2#annotations": "FORMWORD", "properties": "XMPWORD",
        }),
        ("sample.odt", {"text": f"ODFWORD {CARD}"}),
        ("sample.rtf", {"text": "RTFWORD caf\u00e9 \u20ac"}),
        ("sample.html", {
            "text": "a\tb", "attributes": "alt: ALTWORD", "comments": "CMT", "scripts": "SCRIPTWORD",
        }),
        ("sample.eml", {"headers": "Subject: Gr\u00fc\u00dfe SUBJECTWORD", "body": "PLAINWORD",
                        "body~2": "HTMLWORD body"}),
        ("sample.msg", {"headers": "SUBJECTWORD", "body": "BODYWORD", "body~2": "HTMLWORD"}),
    ],
)  # fmt: skip
def test_documents_by_real_programs_are_read(name: str, expected: dict[str, str]) -> None:
    found = read(sample(name), name).texts()
    for part, words in expected.items():
        assert words in found.get(part, ""), (part, sorted(found))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sample.docx", "DELETEDWORD"), ("sample.xlsx", "FORMULAWORD"),
        ("sample.xlsx", "SHEETHEADER"), ("sample.xlsx", "1990-01-01 12:30:00"),
        ("sample.html", "METAWORD"), ("sample.html", "VALUEWORD"),
        ("sample.pdf", "ANNOTWORD"), ("sample.rtf", "mailto:x@y.example"),
    ],
)  # fmt: skip
def test_what_is_hidden_is_read(name: str, words: str) -> None:
    assert words in read(sample(name), name).all_text()


_LABEL = "MSIP_Label_f42aa342-8706-4288-bd11-ebb85995028c"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("sample.docx", [
            f"{_LABEL}_Enabled=true;{_LABEL}_SiteId=72f988bf-86f1-41af-91ab-2d7cd011db47",
            "MSIP_Label_aaaaaaaa-8706-4288-bd11-ebb85995028c_Enabled=true;"
            "MSIP_Label_aaaaaaaa-8706-4288-bd11-ebb85995028c_Method=Privileged;"
            "MSIP_Label_aaaaaaaa-8706-4288-bd11-ebb85995028c_SiteId=72f988bf-86f1-41af-91ab-2d7cd011db47",
        ]),
        ("sample.pdf", [f"{_LABEL}_Enabled=true;{_LABEL}_Method=Privileged"]),
        ("sample.eml", [
            f"{_LABEL}_Enabled=true;{_LABEL}_SiteId=72f988bf-86f1-41af-91ab-2d7cd011db47"
        ]),
        ("sample.msg", [f"{_LABEL}_Enabled=true;{_LABEL}_Method=Privileged"]),
        ("sample.xlsx", None),
    ],
)  # fmt: skip
def test_labels_that_documents_carry_are_the_records(name: str, labels: list[str] | None) -> None:
    rows = [row for row in read(sample(name), name).rows if row["record_id"] == "0"]
    assert rows
    assert all(row["labels"] == labels for row in rows)


@pytest.mark.parametrize("name", ["encrypted.pdf", "encrypted.docx"])
def test_encrypted_documents_are_protected_not_unread(name: str) -> None:
    assert read(sample(name), name).problems() == [("0", "#file", "protected")]


def test_a_document_in_a_zip_in_a_mail_in_a_zip_is_named_by_its_path() -> None:
    found = read(plain_zip({"b.eml": sample("sample.eml")}), "a.zip")
    assert found.records() == [
        "b.eml", "b.eml!b.pdf", "b.eml!b.pdf!inner.docx", "b.eml!inner.zip!c.docx",
        "b.eml!inner.zip!notes.txt",
    ]  # fmt: skip
    assert CARD in found.texts("b.eml!b.pdf")["page=1"]
    assert CARD in found.texts("b.eml!inner.zip!c.docx")["text"]
    parents = {row["record_id"]: row["parent_id"] for row in found.rows}
    assert parents["b.eml!b.pdf"] == "b.eml"


def test_a_mail_tells_who_wrote_it_and_when() -> None:
    row = read(sample("sample.eml"), "b.eml").rows[0]
    assert row["actor_id"] == "joerg@contoso.example"
    assert row["created_at"].isoformat() == "2024-01-01T09:00:00+00:00"


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as writer:
        info = tarfile.TarInfo("docs/a.docx")
        info.size = len(sample("sample.docx"))
        writer.addfile(info, io.BytesIO(sample("sample.docx")))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "record"),
    [
        ("n.txt.gz", gzip.compress(CARD.encode()), "n.txt"),
        ("n.txt.bz2", bz2.compress(CARD.encode()), "n.txt"),
        ("n.txt.xz", lzma.compress(CARD.encode()), "n.txt"),
        ("n.txt.zst", zstandard.compress(CARD.encode()), "n.txt"),
        ("unnamed", gzip.compress(CARD.encode()), "unnamed.unpacked"),
        ("d.tar", _tar(), "docs/a.docx"),
        ("d.tgz", gzip.compress(_tar()), "docs/a.docx"),
        ("d.tar.xz", lzma.compress(_tar()), "docs/a.docx"),
        ("d.tar.bz2", bz2.compress(_tar()), "docs/a.docx"),
    ],
)
def test_packed_files_and_archives_are_read(name: str, raw: bytes, record: str) -> None:
    assert CARD in read(raw, name).texts(record)["text"]


@pytest.mark.parametrize(
    ("magic", "words"),
    [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\x01\x00", "RAR"), (b"MSCF", "cabinet")],
)
def test_archives_nobody_unpacks_are_told_by_name(magic: bytes, words: str) -> None:
    found = read(magic + bytes(50), "x")
    assert found.problems() == [("0", "#file", "opaque")]
    assert words in found.rows[0]["problem"]


def test_limits_are_kept_and_told() -> None:
    deep = b"innermost"
    for _ in range(4):
        deep = plain_zip({"x.zip": deep, "beside.txt": b"beside"})
    found = read(deep, "a.zip", max_depth=3)
    assert ("x.zip!x.zip!x.zip!x.zip", "#file", "unread") in found.problems()
    assert found.all_text().count("beside") == 3
    many = plain_zip({f"{n}.txt": b"x" for n in range(20)})
    assert "max_entries" in str(read(many, "a.zip", max_entries=19).limit)
    assert read(many, "a.zip", max_entries=20).limit is None
    big = plain_zip({"a.txt": b"one two " * (3 << 17)})
    assert "max_unpacked_mb" in str(read(big, "a.zip", max_unpacked_mb=2).limit)
    assert read(big, "a.zip", max_unpacked_mb=4).limit is None
    held = plain_zip({"a.html": b"<html>" + b"x" * (2 << 20), "b.txt": b"after"})
    found = read(held, "a.zip", max_member_mb=1)
    assert found.problems() == [("a.html", "#file", "unread")]
    assert found.texts("b.txt") == {"text": "after"}


def test_names_that_lead_outside_are_told_and_their_content_is_read() -> None:
    found = read(zipped([Entry(f"../{OUTSIDE}".encode(), CARD.encode())]), "a.zip")
    assert found.texts(f"../{OUTSIDE}") == {"text": CARD}
    assert found.problems() == [(f"../{OUTSIDE}~2", "#file", "unread")]


def test_members_of_one_name_are_records_of_their_own() -> None:
    found = read(zipped([Entry(b"a.txt", b"first"), Entry(b"a.txt", b"second")]), "a.zip")
    assert [found.texts(one) for one in ("a.txt", "a.txt~2")] == [
        {"text": "first"},
        {"text": "second"},
    ]


def test_a_long_text_is_cut_into_records_that_hold_all_of_it() -> None:
    text = "".join(f"line {number} of many\n" for number in range(700_000))
    found = read(plain_zip({"a.txt": text.encode()}), "a.zip")
    assert "".join(row["text"] for row in found.rows) == text
    assert len(found.records()) > 3


def test_a_text_member_keeps_its_encoding_and_tells_bytes_that_do_not_fit() -> None:
    members = {"w.txt": "Größe".encode("utf-16"), "b.txt": "ä é ü".encode() + b"\xff"}
    found = read(plain_zip(members), "a.zip")
    assert found.texts("w.txt") == {"text": "Größe"}
    assert ("b.txt", "#encoding", "unread") in found.problems()
