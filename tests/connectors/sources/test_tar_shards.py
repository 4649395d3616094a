"""WebDataset shards as a source, and the walk through their headers."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sources.tar_shards import TarShards
from dlpagent.records import Checkpoint

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".zst": zstandard.compress,
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
Members = list[tuple[str, bytes]]


def archive(members: Members, kind: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def shard(records: int = 30) -> Members:
    members: Members = []
    for number in range(records):
        key = f"train/{number:06}"
        members.append((f"{key}.txt", f"caption {number} né".encode()))
        members.append((f"{key}.json", json.dumps({"id": number, "meta": {"a": "x"}}).encode()))
        members.append((f"{key}.png", PNG))
    return members


def batches_of(
    path: Path, after: Checkpoint | None = None, **given_settings: Any
) -> list[tuple[pa.RecordBatch, Checkpoint]]:
    source = TarShards(str(path), **given_settings)
    (asset,) = source.discover()
    return list(source.read(asset, after))


def rows_of(path: Path, after: Checkpoint | None = None, **given_settings: Any) -> list[Any]:
    found = batches_of(path, after, **given_settings)
    return [row for batch, _ in found for row in batch.to_pylist()]


def put(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


def short(rows: list[Any]) -> list[tuple[str, str, str | None, str]]:
    return [(row["record_id"], row["part"], row["text"], row["status"]) for row in rows]


def expected(records: int) -> list[tuple[str, str, str | None, str]]:
    return [
        one
        for number in range(records)
        for key in [f"train/{number:06}"]
        for one in [
            (key, "txt", f"caption {number} né", "read"), (key, "json.id", str(number), "read"),
            (key, "json.meta.a", "x", "read"), (key, "png", None, "opaque"),
        ]
    ]  # fmt: skip


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_one_base_name_are_one_record(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], kind: int
) -> None:
    raw = archive(shard(), kind)
    rows = rows_of(put(tmp_path / f"s.tar{suffix}", pack(raw)))
    assert short(rows) == expected(30)
    assert [row["seq"] for row in rows] == [0, 1, 2, 3] * 30
    for row in rows:
        header = tarfile.TarInfo.frombuf(raw[row["locator"]["offset"] :][:512], "utf-8", "strict")
        assert header.name == f"{row['record_id']}.{row['part'].split('.')[0]}"


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reading_goes_on_from_every_checkpoint(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], kind: int
) -> None:
    members = [(f"{'long/' * 30}{name}é", content) for name, content in shard(12)] + shard(12)
    path = put(tmp_path / f"s.tar{suffix}", pack(archive(members, kind)))
    found = batches_of(path, batch_rows=10)
    whole = [row for batch, _ in found for row in batch.to_pylist()]
    assert len(found) > 5
    assert [checkpoint.done for _, checkpoint in found] == [False] * (len(found) - 1) + [True]
    given = 0
    for batch, checkpoint in found:
        given += batch.num_rows
        again = Checkpoint(json.loads(json.dumps(checkpoint.cursor)), checkpoint.done)
        assert rows_of(path, again, batch_rows=10) == whole[given:]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS.items())
@pytest.mark.parametrize("share", range(1, 20))
def test_an_archive_cut_off_anywhere_is_read_up_to_there_and_says_so(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], share: int
) -> None:
    packed = pack(
        archive([(f"{n:06}.txt", f"caption {n}".encode() * 9) for n in range(40)])[:41_984]
    )
    rows = rows_of(put(tmp_path / f"s.tar{suffix}", packed[: len(packed) * share // 20]))
    assert rows[-1]["status"] == "unread"
    assert "cut off" in rows[-1]["problem"]
    whole = [row for row in rows if row["status"] == "read"][:-1]
    assert [row["text"] for row in whole] == [f"caption {n}" * 9 for n in range(len(whole))]


def test_an_archive_that_ends_without_its_end_mark_says_so(tmp_path: Path) -> None:
    raw = archive([("a.txt", b"one")])[:1024]
    rows = rows_of(put(tmp_path / "s.tar", raw))
    assert [(row["text"], row["status"]) for row in rows] == [("one", "read"), (None, "unread")]


def test_a_damaged_header_does_not_hide_what_follows(tmp_path: Path) -> None:
    raw = bytearray(archive([("a.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three")]))
    raw[1024:1324] = b"\xaa" * 300
    rows = rows_of(put(tmp_path / "s.tar", bytes(raw)))
    assert [row["text"] for row in rows] == ["one", None, "three"]
    assert (rows[1]["part"], rows[1]["status"]) == ("#archive", "unread")
    assert "1024 bytes" in rows[1]["problem"]
    assert rows[1]["locator"]["offset"] == 1024


def test_archives_joined_end_to_end_are_both_read(tmp_path: Path) -> None:
    raw = archive([("a.txt", b"one")]) + archive([("b.txt", b"two")])
    assert [row["text"] for row in rows_of(put(tmp_path / "s.tar", raw))] == ["one", "two"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_reported_and_not_followed(tmp_path: Path, kind: bytes) -> None:
    secret = put(tmp_path / "secret.txt", b"do not read me")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("a.txt")
        info.type, info.linkname = kind, str(secret)
        tar.addfile(info)
    (row,) = rows_of(put(tmp_path / "s.tar", out.getvalue()))
    assert (row["part"], row["text"], row["status"]) == ("txt", None, "unread")
    assert "not followed" in row["problem"]


@pytest.mark.parametrize("name", ["../up.txt", "/etc/abs.txt", "a/../../b.txt", "C:\\x.txt"])
def test_names_that_lead_outside_are_reported_and_write_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = put(folder / "s.tar", archive([(name, b"text inside")]))
    before = sorted(tmp_path.rglob("*"))
    rows = rows_of(path)
    assert [(row["part"], row["status"]) for row in rows] == [("#name", "unread"), ("txt", "read")]
    assert rows[1]["text"] == "text inside"
    assert sorted(tmp_path.rglob("*")) == before


def test_chats_in_json_members_keep_their_roles(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    members = [("a.json", json.dumps(chat).encode()), ("b.jsonl", b'{"text":"x"}\n{"text":"y"}\n')]
    members += [("c.json", b'[1, {"k": "v"}]'), ("d.json", b"{half"), ("e.meta.json", b'{"a":"b"}')]
    rows = rows_of(put(tmp_path / "s.tar", archive(members)))
    assert [(row["part"], row["role"], row["text"]) for row in rows] == [
        ("json.messages[0].content", "user", "hi"), ("jsonl[0].text", None, "x"),
        ("jsonl[1].text", None, "y"), ("json[0]", None, "1"), ("json[1].k", None, "v"),
        ("json", None, "{half"), ("meta.json.a", None, "b"),
    ]  # fmt: skip


def test_labels_in_a_json_member_hold_for_the_whole_record(tmp_path: Path) -> None:
    members = [("a.txt", b"x"), ("a.json", b'{"sensitivity_label": "Secret"}'), ("b.txt", b"y")]
    rows = rows_of(put(tmp_path / "s.tar", archive(members)))
    assert [row["labels"] for row in rows] == [["Secret"], ["Secret"], None]


def test_texts_over_the_limit_are_reported_and_skipped(tmp_path: Path) -> None:
    members = [("a.txt", b"x" * 200_000), ("b.txt", b"y" * 100)]
    rows = rows_of(put(tmp_path / "s.tar", archive(members)), max_member_bytes=100_000)
    assert [(row["record_id"], row["status"]) for row in rows] == [("a", "unread"), ("b", "read")]
    assert "200000" in rows[0]["problem"]


def test_a_size_that_is_not_there_takes_no_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.txt")
    info.size = 1 << 40
    rows = rows_of(put(tmp_path / "s.tar", info.tobuf(tarfile.GNU_FORMAT) + b"short"))
    assert [row["status"] for row in rows] == ["unread", "unread"]


def test_bytes_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    text = "viele schöne Grüße — ".encode() * 3 + b"\xff"
    rows = rows_of(put(tmp_path / "s.tar", archive([("a.txt", text)])))
    assert [(row["part"], row["status"]) for row in rows] == [
        ("txt", "read"),
        ("txt#encoding", "unread"),
    ]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 20_000), junk=st.binary(min_size=1, max_size=600), packed=st.booleans())
def test_damaged_bytes_are_read_without_an_error(
    tmp_path: Path, place: int, junk: bytes, packed: bool
) -> None:
    raw = bytearray(archive(shard(4), tarfile.PAX_FORMAT))
    if packed:
        raw = bytearray(gzip.compress(bytes(raw)))
    place %= len(raw)
    raw[place : place + len(junk)] = junk
    assert batches_of(put(tmp_path / "s.tar", bytes(raw)))[-1][1].done


def test_an_empty_archive_gives_one_empty_batch(tmp_path: Path) -> None:
    for raw in (b"", archive([])):
        ((batch, checkpoint),) = batches_of(put(tmp_path / "s.tar", raw))
        assert (batch.num_rows, checkpoint.done) == (0, True)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("a.tar", b"", True), ("a.tar.gz", b"", True), ("a.tgz", b"", True),
        ("a.TAR.zst", b"", True),
        ("shard", archive([("a", b"x")]), True), ("a.zip", b"PK", False), ("a.gz", b"", False),
    ],
)  # fmt: skip
def test_tar_is_recognised_by_name_or_first_header(
    tmp_path: Path, name: str, raw: bytes, expected: bool
) -> None:
    assert TarShards.recognises(put(tmp_path / name, raw)) is expected
