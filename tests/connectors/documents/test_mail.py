"""Mails: headers, bodies, attachments, what is encrypted or missing."""

from __future__ import annotations

import pytest

from tests.connectors.documents.reading import read

HEAD = b"From: a@contoso.example\r\nTo: b@contoso.example\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


def part(head: bytes, text: bytes) -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + text + b"\r\n"


@pytest.mark.parametrize(
    ("raw", "name", "words"),
    [
        (b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\nx", "headers", "Subject: Gr\u00fc\u00dfe"),
        (b"Subject: =?nonsense?q?x?=\r\n\r\nx", "headers", "Subject: =?nonsense?q?x?="),
        (b"Subject: one\r\n two\r\n\r\nx", "headers", "Subject: one two"),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\ncaf\xe9", "body", "caf\u00e9"),
        (b"Content-Type: text/plain; charset=utf-16-le\r\n\r\nh\0i\0", "body", "hi"),
        (b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=", "body", "hello"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=41=\r\nB", "body", "AB"),
        (b"DKIM-Signature: secretletters\r\nX-Note: kept\r\n\r\nx", "headers", "X-Note: kept"),
    ],
)
def test_headers_and_bodies_are_decoded(raw: bytes, name: str, words: str) -> None:
    found = read(b"Message-ID: <1>\r\n" + raw, "a.eml").texts()
    assert words in found[name]
    assert "secretletters" not in found["headers"]


def test_every_alternative_is_read_but_not_twice() -> None:
    def mail(html: bytes) -> dict[str, str]:
        plain = part(b"Content-Type: text/plain", b"the  same\r\nwords")
        raw = MIXED.replace(b"mixed", b"alternative") + plain
        return read(raw + part(b"Content-Type: text/html", html) + b"--b--", "a.eml").texts()

    assert "body~2" not in mail(b"<p>the same <b>words</b></p>")
    assert mail(b"<p>other words</p>")["body~2"] == "other words"
    assert mail(b"<a href='mailto:x@y.example'>the same words</a>")["body#attributes"]


def test_attached_mails_and_files_are_records_below_it() -> None:
    inner = b"Message-ID: <2>\r\nSubject: inner\r\n\r\ninner body"
    raw = (
        MIXED
        + part(b"Content-Type: message/rfc822", inner)
        + part(
            b'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"', b"1,2"
        )
        + part(b"Content-Type: text/plain; name*=utf-8''%C3%A4.txt", b"named")
        + b"--b--\r\nafterwards"
    )
    found = read(raw, "a.eml")
    assert found.texts("message.eml")["body"] == "inner body"
    assert found.texts("a.csv") == {"text": "1,2"}
    assert found.texts("ä.txt") == {"text": "named"}
    assert "afterwards" in found.texts()["around"]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (
            b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
            b"0\x80",
        ),
        (b'Content-Type: application/x-microsoft-rpmsg-message; name="message.rpmsg"', b"v"),
        (b"Content-Type: application/octet-stream", b"-----BEGIN PGP MESSAGE-----\n\nx"),
    ],
)
def test_encrypted_parts_are_protected(head: bytes, text: bytes) -> None:
    problems = read(MIXED + part(head, text) + b"--b--", "a.eml").problems()
    assert [status for _, _, status in problems] == ["protected"]


def test_an_encrypted_mail_is_protected() -> None:
    raw = MIXED.replace(b"mixed", b'encrypted; protocol="application/pgp-encrypted"')
    raw += part(b"Content-Type: application/pgp-encrypted", b"Version: 1") + b"--b--"
    assert ("0", "body", "protected") in read(raw, "a.eml").problems()


@pytest.mark.parametrize(
    "raw",
    [
        MIXED + part(b"Content-Type: text/plain", b"before the cut"),
        MIXED + b"before the cut",
        HEAD + b"Content-Type: multipart/mixed\r\n\r\nbefore the cut",
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\nYmVmb3JlIHRoZSBjdXQ",
    ],
)
def test_what_is_missing_is_told(raw: bytes) -> None:
    found = read(raw, "a.eml")
    assert "before the cut" in found.all_text()
    assert ("0", "#damage", "unread") in found.problems()


def test_deep_parts_are_told_and_do_not_recurse() -> None:
    raw = HEAD
    for level in range(400):
        raw += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    assert ("0", "#parts", "unread") in read(raw, "a.eml").problems()
