"""Mails made to hurt."""

from __future__ import annotations

import base64
import random

from tests.connectors.documents.hostile_damage import flipped
from tests.connectors.documents.hostile_zips import CARD, MB, OUTSIDE, Entry, deflated, zipped

_HEAD = b"From: a@contoso.example\r\nTo: b@contoso.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def mail_many_parts(chance: random.Random) -> bytes:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\n" + CARD.encode() + b"\r\n"
    return (
        _HEAD
        + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + part * chance.choice([10_100, 30_000])
    )


def mail_deep(chance: random.Random) -> bytes:
    out = bytearray(_HEAD)
    for level in range(chance.choice([300, 3_000])):
        out += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    return bytes(out)


def mail_in_mail(chance: random.Random) -> bytes:
    return (_HEAD + b"Content-Type: message/rfc822\r\n\r\n") * chance.choice([40, 900])


def mail_headers(chance: random.Random) -> bytes:
    heads = [
        b"X: " + b"a" * (10 * MB), b"X: y\r\n" * 300_000, b"X:\r\n" + b" a\r\n" * 500_000,
        b"Subject: =?utf-8?b?" + b"A" * MB + b"?=", b"Subject: =?nonsense?q?x?= =?utf-8?q?=ff=fe?=",
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999", b"Date: 1 Jan 0000 00:00:00 -2359",
        b"Content-Type: text/plain; charset=" + b"x" * 100_000, b"Content-Type: ;;;=;*0*=''",
        b"From: " + b"(" * 100_000, b"From: " + b"<" * 100_000 + b"@", b"msip_labels: MSIP_Label_" * 10_000,
        b'Content-Disposition: attachment; filename*0*=utf-8\'\'%ff; filename*9999999999="x"',
    ]  # fmt: skip
    return _HEAD + chance.choice(heads) + b"\r\n\r\n" + CARD.encode()


def mail_attachments(chance: random.Random) -> bytes:
    raw, crc = deflated(b"\0", 64 * MB)
    bomb = zipped([Entry(b"%d.txt" % n, raw, 8, crc, 1) for n in range(20)])
    names = [f"../../../tmp/{OUTSIDE}", f"/tmp/{OUTSIDE}", "a\0b", "x" * 9_000, "CON", ""]
    parts = b"".join(
        b'--b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename="%s"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n%s\r\n"
        % (name.encode(), base64.encodebytes(flipped(bomb, chance, 2)))
        for name in names
    )
    return _HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + parts


def mail_broken(chance: random.Random) -> bytes:
    encoding = chance.choice([b"base64", b"quoted-printable", b"x-uuencode", b"nonsense"])
    kind = chance.choice(
        [b"text/plain; charset=nonsense", b"multipart/mixed", b"a/b/c", b"message/rfc822"]
    )
    return (
        _HEAD + b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        + chance.randbytes(2_000) + b"\xed\xa0\x80" + CARD.encode()
    )  # fmt: skip
