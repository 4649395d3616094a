"""TFRecord files: checked, parsed without TensorFlow; damage costs the record it lies in."""

from __future__ import annotations

import gzip
import random
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors import testing
from dlpagent.connectors.sources._crc32c import crc32c, masked, plain_crc32c
from dlpagent.connectors.sources._tf_example import NotProtobufError, features_of
from dlpagent.connectors.sources.tfrecord import TfRecord
from dlpagent.service.wiring import open_sources


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def feature(value: Any) -> bytes:
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], float):
        return field(2, field(1, struct.pack(f"<{len(values)}f", *values)))
    if isinstance(values[0], int):
        return field(3, field(1, b"".join(varint(one % (1 << 64)) for one in values)))
    return field(1, b"".join(field(1, one) for one in values))


def example(**values: Any) -> bytes:
    entries = (field(1, field(1, n.encode()) + field(2, feature(v))) for n, v in values.items())
    return field(1, b"".join(entries))


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    head = struct.pack("<I", masked(plain_crc32c(length)))
    return length + head + data + struct.pack("<I", masked(plain_crc32c(data)))


def people(many: int) -> list[bytes]:
    return [
        example(id=f"r{n}".encode(), text=f"text {n} né".encode(), n=10**6 + n) for n in range(many)
    ]


def written(path: Path, records: list[bytes]) -> Path:
    path.write_bytes(b"".join(map(record, records)))
    return path


def rows(path: Path, **settings: Any) -> list[dict[str, Any]]:
    source = TfRecord(str(path), **settings)
    return [r for a in source.discover() for b, _ in source.read(a) for r in b.to_pylist()]


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, appendix B.4
        (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C), (b"123456789", 0xE3069283), (b"", 0),
    ],
)  # fmt: skip
def test_the_checksum_is_that_of_the_standard(data: bytes, crc: int) -> None:
    assert plain_crc32c(data) == crc == crc32c(data)


@given(st.binary(max_size=200))
def test_the_quick_checksum_is_the_plain_one(data: bytes) -> None:
    assert crc32c(data) == plain_crc32c(data)


@pytest.mark.parametrize("packed", [False, True])
def test_it_meets_the_conformance_kit(tmp_path: Path, packed: bool) -> None:
    path = written(tmp_path / "a.tfrecord", people(100))
    if packed:
        path = tmp_path / "a.tfrecord.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.tfrecord").read_bytes()))

    def opened() -> TfRecord:
        return TfRecord(str(path), batch_rows=25)

    expected = {f"r{n}": [f"r{n}", f"text {n} né", str(10**6 + n)] for n in range(100)}
    testing.check_reads_exactly(opened, expected)
    testing.check_resumes_everywhere(opened)
    testing.check_closes_what_it_opens(opened)


@pytest.mark.parametrize(
    "name", ["a.tfrecord", "train.tfrecord-00001-of-00010", "a.tfrec", "x.bin"]
)
def test_it_is_told_by_its_name_or_its_first_checksum(tmp_path: Path, name: str) -> None:
    written(tmp_path / name, people(1))
    (source,) = open_sources([str(tmp_path / name)])
    assert isinstance(source, TfRecord)


def test_features_of_every_type() -> None:
    found = features_of(
        example(
            text=b"words",
            many=[b"one", b"two"],
            n=-5,
            few=[1, 2],
            f=[0.5, 0.25],
            ids=list(range(40)),
            image=b"\x89PNG\r\n\x1a\n\0\0",
        )
    )
    assert found.values == {"text": "words", "many": ["one", "two"], "n": -5, "few": [1, 2]}
    assert found.opaque == {"ids": "a list of 40 numbers", "image": "bytes that are no text"}


def test_a_sequence_example_is_read_with_its_context() -> None:
    turns = field(
        1, field(1, b"turns") + field(2, b"".join(field(1, feature(t)) for t in (b"a", b"b")))
    )
    found = features_of(example(who=b"me") + field(2, turns))
    assert found.values == {"who": "me", "turns": ["a", "b"]}


@given(st.binary(max_size=60))
def test_any_bytes_are_features_or_refused(data: bytes) -> None:
    with suppress(NotProtobufError):
        assert isinstance(features_of(data).values, dict)


def test_a_damaged_record_is_told_with_its_place_and_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tfrecord", people(5))
    data = bytearray(path.read_bytes())
    third = 2 * len(record(people(1)[0]))
    data[third + 20] ^= 1
    path.write_bytes(data)
    found = rows(path)
    (lost,) = [row for row in found if row["status"] != "read"]
    assert (lost["locator"]["offset"], lost["locator"]["row"]) == (third, 2)
    assert "checksum" in lost["problem"]
    assert {row["record_id"] for row in found if row["status"] == "read"} == {
        "r0",
        "r1",
        "r3",
        "r4",
    }


def test_behind_a_length_that_is_damaged_nothing_is_guessed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tfrecord", people(5))
    data = bytearray(path.read_bytes())
    size = len(record(people(1)[0]))
    data[size] ^= 1
    path.write_bytes(data)
    found = rows(path)
    assert {row["record_id"] for row in found if row["status"] == "read"} == {"r0"}
    assert f"{len(data) - size} bytes were not read" in found[-1]["problem"]


@pytest.mark.parametrize("keep", [0.1, 0.34, 0.66, 0.9])
def test_of_a_file_that_is_cut_off_the_whole_records_are_read(tmp_path: Path, keep: float) -> None:
    path = written(tmp_path / "a.tfrecord", people(30))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    found = rows(path, batch_rows=10)
    read = [row["text"] for row in found if row["part"] == "text" and row["status"] == "read"]
    assert read == [f"text {n} né" for n in range(len(read))]
    assert len(read) >= int(30 * keep) - 2
    assert [row["status"] for row in found].count("unread") == 1


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_never_give_a_record_that_was_not_written(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = written(tmp_path / "a.tfrecord", people(20))
    data = bytearray(path.read_bytes())
    for _ in range(4):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    found = rows(path)
    assert {row["text"] for row in found if row["part"] == "text" and row["text"]} <= {
        f"text {n} né" for n in range(20)
    }
    assert "unread" in {row["status"] for row in found}


def test_what_is_no_example_is_text_or_opaque(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tfrecord", [b"just a line of words", b"\x01\0\0\0\x01\x02"])
    assert [(row["text"], row["status"]) for row in rows(path)] == [
        ("just a line of words", "read"), (None, "opaque"),
    ]  # fmt: skip


def test_a_record_above_the_limit_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tfrecord", [example(text=b"x" * 5_000), *people(1)])
    found = rows(path, max_record_bytes=1_000)
    assert found[0]["status"] == "unread"
    assert found[-1]["record_id"] == "r0"
