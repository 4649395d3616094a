"""Zips that lie about everything."""

from __future__ import annotations

import functools
import io
import random
import struct
import zipfile
import zlib
from dataclasses import dataclass

MB = 1 << 20
CARD = "card 4111 1111 1111 1111"
OUTSIDE = "dlpagent-hostile-canary"


@functools.lru_cache(maxsize=8)
def deflated(fill: bytes, size: int) -> tuple[bytes, int]:
    """Raw deflate data of so many equal bytes, and their checksum."""
    packer, checksum, out = zlib.compressobj(9, zlib.DEFLATED, -15), 0, []
    block = fill * MB
    for _ in range(size // MB):
        out.append(packer.compress(block))
        checksum = zlib.crc32(block, checksum)
    return b"".join([*out, packer.flush()]), checksum


@dataclass
class Entry:
    name: bytes
    data: bytes
    method: int = 0
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    flags: int = 0
    offset: int | None = None
    mode: int = 0o100644


def zipped(entries: list[Entry], comment: bytes = b"") -> bytes:
    """A zip that says exactly what it is told to say."""
    out, directory = bytearray(), bytearray()
    for one in entries:
        crc = zlib.crc32(one.data) if one.crc is None else one.crc
        size = len(one.data) if one.size is None else one.size
        packed = len(one.data) if one.packed is None else one.packed
        offset = len(out) if one.offset is None else one.offset
        fields = (one.flags, one.method, 0, 33, crc, packed, size, len(one.name))
        if one.offset is None:
            out += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, *fields, 0) + one.name + one.data
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 0x314, 20, *fields, 0, 0, 0, 0, one.mode << 16, offset
        )
        directory += one.name
    count = min(len(entries), 0xFFFF)
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(out), len(comment)
    )
    return bytes(out + directory + end + comment)


def plain_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in members.items():
            writer.writestr(name, data)
    return out.getvalue()


def zip_bomb(chance: random.Random) -> bytes:
    fill, size = chance.choice([(b"\0", 1024), (b"a", 400), (b"line\n", 320)])
    raw, crc = deflated(fill, size * MB)
    return zipped([Entry(b"bomb.txt", raw, 8, crc, size * MB), Entry(b"after.txt", CARD.encode())])


def zip_bomb_of_many(chance: random.Random) -> bytes:
    raw, crc = deflated(b"a", 32 * MB)
    return zipped(
        [Entry(b"%d.txt" % n, raw, 8, crc, 32 * MB) for n in range(chance.randint(12, 40))]
    )


@functools.lru_cache(maxsize=4)
def _nested(levels: int, width: int) -> bytes:
    inner, _ = deflated(b"\0", 64 * MB)
    raw = plain_zip({"0.txt": b"a" * 4096}) if levels == 0 else b""
    if levels:
        below = _nested(levels - 1, width)
        raw = plain_zip({f"lib{n}.zip": below for n in range(width)})
    return raw or inner


def zip_of_zips(chance: random.Random) -> bytes:
    return _nested(chance.choice([4, 5]), 10)


def zip_very_deep(chance: random.Random) -> bytes:
    raw = CARD.encode()
    for level in range(chance.randint(20, 120)):
        raw = plain_zip({f"{level}.zip": raw})
    return raw


def zip_overlapping(chance: random.Random) -> bytes:
    raw, crc = deflated(b"a", 32 * MB)
    kernel = Entry(b"0", raw, 8, crc, 32 * MB)
    copies = [
        Entry(b"%d" % n, raw, 8, crc, 32 * MB, offset=0) for n in range(1, chance.randint(50, 500))
    ]
    return zipped([kernel, *copies])


def zip_lying_sizes(chance: random.Random) -> bytes:
    raw, crc = deflated(b"a", 4 * MB)
    says = chance.choice([0, 1, 4 * MB - 1, 0xFFFFFFFE])
    packed = chance.choice([len(raw), 0xFFFFFFF0, 3])
    return zipped(
        [
            Entry(b"a.txt", raw, 8, crc, says, packed),
            Entry(b"b.txt", CARD.encode(), size=says, packed=0xFFFFFF00, crc=1),
        ]
    )


def zip_hostile_names(chance: random.Random) -> bytes:
    names = [
        f"../../../../../../tmp/{OUTSIDE}".encode(), f"/tmp/{OUTSIDE}".encode(),
        b"C:\\Windows\\" + OUTSIDE.encode(), b"\\\\?\\C:\\x", b"..\\..\\x.txt", b"CON", b"aux.txt",
        b"a\0b.txt", b"\xff\xfe\xfd", "\u202etxt.exe".encode(), b"new\nline\x1b[2J", b"x" * 60_000,
        b"", b".", b"/", b"a//b", b"\xed\xa0\x80",
    ]  # fmt: skip
    chance.shuffle(names)
    return zipped([Entry(one, CARD.encode(), flags=chance.choice([0, 0x800])) for one in names])


def zip_links(chance: random.Random) -> bytes:
    modes = [0o120777, 0o020666, 0o060666, 0o010666, 0o140777]
    chance.shuffle(modes)
    return zipped([Entry(b"m%d" % mode, b"/etc/passwd", mode=mode) for mode in modes])


def zip_protected(_: random.Random) -> bytes:
    return zipped(
        [Entry(b"secret.txt", b"0123456789abcdef", flags=1), Entry(b"aes.txt", b"x" * 40, 99)]
    )


def zip_many_entries(chance: random.Random) -> bytes:
    return zipped([Entry(b"%d" % n, b"") for n in range(chance.choice([20_000, 60_000]))])


def zip_odd_methods(chance: random.Random) -> bytes:
    methods = [1, 6, 9, 12, 14, 93, 95, 98, 300]
    return zipped([Entry(b"%d.txt" % m, chance.randbytes(200), m, size=100) for m in methods])


def zip_lost_directory(chance: random.Random) -> bytes:
    raw = plain_zip({f"{n}.txt": f"{CARD} {n}".encode() for n in range(50)})
    return raw[: chance.randint(60, len(raw) - 60)]


def zip_two_ends(chance: random.Random) -> bytes:
    first = plain_zip({"first.txt": CARD.encode()})
    return first + plain_zip({"second.txt": b"x"})[: chance.randint(30, 90)] + first[-22:]


def zip_in_garbage(chance: random.Random) -> bytes:
    raw = bytearray(b"PK\x03\x04" * chance.randint(1_000, 200_000))
    return bytes(raw + b"PK\x05\x06" + chance.randbytes(18))
