"""Pages, rich text, compound files, JSON and CSV made to hurt."""

from __future__ import annotations

import random
import struct

from tests.connectors.documents.hostile_damage import sample
from tests.connectors.documents.hostile_zips import CARD, MB


def html_hostile(chance: random.Random) -> bytes:
    return b"<html>" + chance.choice([
        b"<div>" * 300_000, b"<!--" + b"x" * (5 * MB), b"<" * 300_000, b"</" * 200_000,
        b"&#x110000;&#0;&#xD800;&#" + b"9" * 100_000 + b";", b'<a href="' + b"y" * (5 * MB),
        b"<script>" + b"z" * (5 * MB), b"<!" * 200_000, b"<?" * 200_000, b"<![CDATA[" * 100_000,
        b"<a " + b"b=c " * 200_000 + b">", b"<svg><style><!--</style>" * 50_000, b"\0" * 100_000,
    ])  # fmt: skip


def rtf_hostile(chance: random.Random) -> bytes:
    return b"{\\rtf1 " + chance.choice([
        b"{" * 1_000_000, b"}" * 100_000, b"\\bin2147483647 " + b"x" * 1_000, b"\\bin-9 " * 10_000,
        b"\\u-99999999? " * 1_000, b"\\uc99999999 \\u1 " * 1_000, b"\\'zz\\'" * 10_000,
        b"\\ansicpg99999 \\'ff", b"\\" * 500_000, b"{\\*\\" + b"a" * 500_000,
    ])  # fmt: skip


def compound_hostile(chance: random.Random) -> bytes:
    raw = bytearray(sample("msg"))
    kind = chance.randint(0, 3)
    if kind == 0:  # allocation tables that go round
        at = 512 * (1 + int.from_bytes(raw[76:80], "little"))
        for place in range(at, min(at + 512, len(raw) - 4), 4):
            raw[place : place + 4] = struct.pack("<L", chance.randrange(len(raw) // 512))
    elif kind == 1:
        raw[24:76] = chance.randbytes(52)
    elif kind == 2:
        del raw[chance.randint(512, len(raw) - 512) :]
    else:
        raw[512:] = chance.randbytes(len(raw) - 512)
    return bytes(raw)


def magic_and_noise(chance: random.Random) -> bytes:
    magic = chance.choice([
        b"%PDF-1.7\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x1f\x8b\x08", b"BZh9",
        b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x01\0",
        b"PAR1", b"ARROW1\0\0", b"SQLite format 3\0", b"PK\x05\x06",
    ])  # fmt: skip
    return magic + chance.randbytes(chance.choice([0, 10, 500, 5_000, 100_000]))


def text_long_line(chance: random.Random) -> bytes:
    return CARD.encode() + b" " + chance.choice([b"a", b"\xe9", b"\xf0\x9f\x98\x80"]) * 25 * MB * 4


def json_long_line(_: random.Random) -> bytes:
    return b'{"text": "' + CARD.encode() + b"x" * (100 * MB) + b'"}\n{"text": "after"}\n'


def json_deep(chance: random.Random) -> bytes:
    opens = chance.choice([b"[", b'{"a":'])
    depth = chance.choice([10_000, 200_000])
    return opens * depth + b"1" + (b"]" if opens == b"[" else b"}") * chance.choice([0, depth])


def jsonl_deep(chance: random.Random) -> bytes:
    return b'{"text": "before"}\n{"a": ' + json_deep(chance) + b'}\n{"text": "after"}\n'


def json_surrogates(_: random.Random) -> bytes:
    return (b'{"text": "\\ud800 x \\udc00 ' + CARD.encode() + b'", "\\ud800": 1}\n') * 50


def json_numbers(chance: random.Random) -> bytes:
    one = chance.choice([b"9" * 100_000, b"1e999999", b"-", b"NaN", b"0x10", b'"\xff\xfe"'])
    return b'{"text": "x", "n": ' + one + b"}\n" + b'{"text": "after"}\n'


def csv_hostile(chance: random.Random) -> bytes:
    return b"a,b\n" + chance.choice([
        b'"' + b"x,\n" * 300_000, b"," * 1_000_000, b'"a""' * 200_000, b"\0" * 10_000,
        b"1,2,3\n4\n" * 1_000 + b'"unclosed',
    ])  # fmt: skip
