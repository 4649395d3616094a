"""Bytes as text."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._decode import binary_kind, decode, mark_of


@pytest.mark.parametrize(
    ("raw", "text", "encoding", "invalid"),
    [
        (b"plain", "plain", "utf-8", 0),
        ("größe".encode(), "größe", "utf-8", 0),
        ("größe".encode("utf-8-sig"), "größe", "utf-8", 0),
        ("größe 😀".encode("utf-16"), "größe 😀", "utf-16-le", 0),
        (b"\xfe\xff" + "größe".encode("utf-16-be"), "größe", "utf-16-be", 0),
        ("größe".encode("utf-32"), "größe", "utf-32-le", 0),
        (b"gr\xf6\xdfe \x80 5", "größe € 5", "cp1252", 0),
        (b"gr\xf6\xdfe \x81", "größe \x81", "cp1252", 1),
        ("日本語 Text".encode() + b" \xff", "日本語 Text \ufffd", "utf-8", 1),
        (b"\xef\xbb\xbfcaf\xe9", "caf\ufffd", "utf-8", 1),
        (b"\xff\xfea\0b", "a\ufffd", "utf-16-le", 1),
    ],
)
def test_text_is_decoded_by_mark_else_utf8_else_windows(
    raw: bytes, text: str, encoding: str, invalid: int
) -> None:
    marked, size = mark_of(raw)
    found = decode(raw[size:], marked)
    assert (found.text, found.encoding) == (text, encoding)
    assert (found.invalid_bytes > 0) == (invalid > 0)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None),
        (b"name,salary\n", None),
        ("größe".encode("utf-16"), None),
        (b"\x1b[31mred\x1b[0m\tlog\r\n", None),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04", "a zip archive or Office document"),
        (gzip.compress(b"x", mtime=0), "gzip data"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"text \0 text", "binary data (NUL bytes)"),
        (bytes(range(1, 32)) * 9, "binary data"),
    ],
)
def test_binary_data_is_known_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert binary_kind(head) == kind


@given(st.text())
def test_all_utf8_is_read_as_it_is(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8", 0)


@given(st.binary(), st.sampled_from([None, "utf-8", "utf-16-le", "utf-32-be"]))
def test_no_bytes_raise(raw: bytes, encoding: str | None) -> None:
    decode(raw, encoding)
    mark_of(raw)
    binary_kind(raw)
