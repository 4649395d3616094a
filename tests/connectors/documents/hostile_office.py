"""XML and Office documents made to hurt."""

from __future__ import annotations

import random

from tests.connectors.documents.hostile_zips import CARD, MB, Entry, deflated, plain_zip, zipped

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(document: bytes, **more: bytes) -> bytes:
    return plain_zip({
        "[Content_Types].xml": b"<Types/>", "word/document.xml": document,
        **{name.replace("__", "/").replace("_xml", ".xml"): data for name, data in more.items()},
    })  # fmt: skip


def body(inside: str) -> bytes:
    run = f"<w:p><w:r><w:t>{inside}</w:t></w:r></w:p>"
    return f"<w:document {_W}><w:body>{run}</w:body></w:document>".encode()


def xml_entities(chance: random.Random) -> bytes:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    heads = [
        f'<!DOCTYPE d [<!ENTITY l0 "lol">{levels}]>',
        '<!DOCTYPE d [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d [<!ENTITY l11 SYSTEM "http://192.0.2.1/x">]>',
        '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://192.0.2.1/x.dtd"> %p;<!ENTITY l11 "x">]>',
        f'<!DOCTYPE d [<!ENTITY l11 "{"a" * 50_000}">]>',
    ]
    return docx(chance.choice(heads).encode() + body("&l11;" * chance.choice([1, 1_000])))


def xml_deep(chance: random.Random) -> bytes:
    depth = chance.choice([5_000, 100_000, 1_000_000])
    return docx(b"<a>" * depth + b"</a>" * chance.choice([0, depth]))


def xml_huge(chance: random.Random) -> bytes:
    kind = chance.randint(0, 3)
    if kind == 0:
        return docx(b"<d " + b" ".join(b'a%d="x"' % n for n in range(200_000)) + b">")
    if kind == 1:
        return docx(b'<d a="' + b"x" * (30 * MB) + b'"')
    if kind == 2:
        return docx(b"<d><" + b"n" * (10 * MB))
    return docx(b"<!--" * (5 * MB))


def xml_bomb_part(_: random.Random) -> bytes:
    raw, crc = deflated(b"<w:p>", 320 * MB)
    return zipped(
        [
            Entry(b"[Content_Types].xml", b"<Types/>"),
            Entry(b"word/document.xml", raw, 8, crc, 10),
        ]
    )


def xml_bad_encoding(chance: random.Random) -> bytes:
    said = chance.choice(["utf-16", "utf-8", "x-none", "utf-7", "ebcdic-cp-us"])
    return docx(
        f'<?xml version="1.0" encoding="{said}"?>'.encode() + body("\xff") + b"\xff\xfe\xed\xa0\x80"
    )


def xlsx_loops(chance: random.Random) -> bytes:
    places = [-1, 10**12, "x", "1e999"]
    cells = "".join(
        f'<row r="{n}"><c r="XFD{1 << 31}" t="s" s="-1"><v>{chance.choice(places)}</v></c>'
        f'<c t="n" s="999"><v>{chance.choice(["1e308", "nan", "-1", "9" * 5000])}</v></c></row>'
        for n in range(200)
    )
    return plain_zip({
        "[Content_Types].xml": b"<Types/>",
        "xl/workbook.xml": b'<workbook><sheets><sheet name="a" id="r"/><sheet name="a" id="r"/></sheets>',
        "xl/_rels/workbook.xml.rels": b'<R><Relationship Id="r" Target="../../xl/workbook.xml"/></R>',
        "xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{cells}</sheetData></worksheet>".encode(),
    })  # fmt: skip


def docx_in_docx(chance: random.Random) -> bytes:
    raw = docx(body(CARD))
    for level in range(chance.randint(12, 60)):
        raw = plain_zip({
            "[Content_Types].xml": b"<Types/>", "word/document.xml": body(str(level)),
            "word/embeddings/inner.docx": raw,
        })  # fmt: skip
    return raw
