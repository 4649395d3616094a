"""Byte streams: plain, gzip and Zstandard, whole and broken."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources._streams import ByteStream, compression_of

TEXT = b"".join(b"line %d of many\n" % number for number in range(20_000))


def zstd_of_two_frames(raw: bytes) -> bytes:
    half = len(raw) // 2
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    return zstandard.compress(raw[:half]) + skippable + zstandard.compress(raw[half:])


def gzip_of_two_members(raw: bytes) -> bytes:
    half = len(raw) // 2
    return gzip.compress(raw[:half]) + gzip.compress(raw[half:]) + b"\0" * 100


PACKERS = [bytes, gzip.compress, gzip_of_two_members, zstandard.compress, zstd_of_two_frames]


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("start", [0, 1, 100_000, len(TEXT) - 1, len(TEXT)])
def test_blocks_are_the_unpacked_bytes_from_any_offset(
    pack: Callable[[bytes], bytes], start: int
) -> None:
    stream = ByteStream(io.BytesIO(pack(TEXT)))
    assert b"".join(stream.blocks(start)) == TEXT[start:]
    assert stream.problem is None


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_a_cut_stream_gives_what_decodes_and_a_problem(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(TEXT).rstrip(b"\0")
    for twentieth in range(1, 20):
        cut = packed[: len(packed) * twentieth // 20]
        stream = ByteStream(io.BytesIO(cut))
        assert TEXT.startswith(b"".join(stream.blocks()))
        assert stream.problem is not None


@pytest.mark.parametrize("pack", PACKERS)
def test_a_place_behind_the_end_is_a_problem(pack: Callable[[bytes], bytes]) -> None:
    stream = ByteStream(io.BytesIO(pack(TEXT)))
    assert b"".join(stream.blocks(len(TEXT) + 7)) == b""
    assert "7 bytes shorter" in str(stream.problem)


def test_a_damaged_member_ends_the_stream_with_a_problem() -> None:
    packed = bytearray(gzip_of_two_members(TEXT))
    packed[-150:-130] = b"\xff" * 20
    stream = ByteStream(io.BytesIO(bytes(packed)))
    assert TEXT.startswith(b"".join(stream.blocks())[: len(TEXT) // 2])
    assert stream.problem is not None
    assert "gzip" in stream.problem


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_comes_in_bounded_blocks(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(200_000_000))
    stream = ByteStream(io.BytesIO(packed))
    assert max(len(block) for block in stream.blocks()) <= 40_000_000


@settings(max_examples=50)
@given(st.sampled_from([b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x52\x2a\x4d\x18"]), st.binary())
def test_no_bytes_raise(magic: bytes, rest: bytes) -> None:
    assert compression_of(magic) is not None
    list(ByteStream(io.BytesIO(magic + rest)).blocks())
