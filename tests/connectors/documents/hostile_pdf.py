"""PDF documents made to hurt."""

from __future__ import annotations

import random
import zlib

from tests.connectors.documents.hostile_zips import MB, deflated


def pdf(objects: list[bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(
        out
        + b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, at)
    )


def pdf_stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R >>"
_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"


def pdf_page_counts(chance: random.Random) -> bytes:
    count = chance.choice([b"2147483647", b"-5", b"99999999999999", b"1000000", b"1e9"])
    return pdf(
        [
            _CATALOG,
            b"<< /Type /Pages /Kids [3 0 R] /Count " + count + b" >>",
            _PAGE,
            pdf_stream(b""),
        ]
    )


def pdf_page_loop(chance: random.Random) -> bytes:
    kids = chance.choice([b"[2 0 R 2 0 R]", b"[3 0 R 2 0 R]", b"[1 0 R]"]) * 1
    return pdf(
        [_CATALOG, b"<< /Type /Pages /Count 1000 /Parent 2 0 R /Kids " + kids + b" >>", _PAGE]
    )


def pdf_bomb(chance: random.Random) -> bytes:
    raw, _ = deflated(b"q BT ET Q\n", 600 * MB)
    data = b"\x78\xda" + raw
    layers = chance.choice([1, 1, 2, 3])
    for _ in range(layers - 1):
        data = zlib.compress(data, 9)
    filters = b"/Filter [" + b"/FlateDecode " * layers + b"]"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return pdf([_CATALOG, pages, _PAGE, pdf_stream(data, filters)])


def pdf_deep(chance: random.Random) -> bytes:
    depth = chance.choice([10_000, 1_000_000])
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return pdf([_CATALOG, pages, _PAGE, pdf_stream(b"[" * depth), b"<<" + b"/A [" * depth])


def pdf_loops(chance: random.Random) -> bytes:
    outline = b"<< /First 5 0 R /Last 5 0 R /Title (x) /Next 5 0 R /Parent 5 0 R >>"
    names = b"<< /Kids [6 0 R 6 0 R] >>"
    trees = b"/Names << /EmbeddedFiles 6 0 R >> /AcroForm << /Fields [7 0 R] >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R " + trees + b" >>"
    field = b"<< /Kids [7 0 R] /Parent 7 0 R /T (f) /FT /Tx /V 7 0 R >>"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    trailer = chance.choice([b"/Root 1 0 R /Prev 9", b"/Root 1 0 R /Info 1 0 R", b"/Root 1 0 R"])
    return pdf([catalog, pages, _PAGE, pdf_stream(b"/X Do"), outline, names, field], trailer)


def pdf_many_pages(chance: random.Random) -> bytes:
    count = chance.choice([10_500, 15_000])
    kids = b" ".join(b"%d 0 R" % (n + 3) for n in range(count))
    pages = b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % count
    return pdf([_CATALOG, pages, *[b"<< /Type /Page /Parent 2 0 R >>"] * count])
