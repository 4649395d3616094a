"""Every line whole, every id once, whatever a crash, a full disk or a second process does."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sinks import _append
from dlpagent.connectors.sinks._append import AppendFile, encode
from dlpagent.errors import SinkError
from dlpagent.ports import Receipt

PREFIX = b'{"Id":"'


def opened(path: Path, **settings: int) -> AppendFile:
    return AppendFile(path, prefix=PREFIX, **settings)


def line(ident: str, **more: object) -> tuple[str, bytes]:
    return ident, encode({"Id": ident, **more})


def appended(path: Path, *lines: tuple[str, bytes], **settings: int) -> list[Receipt]:
    """The receipts of a sink that opens the file, appends and closes."""
    file = opened(path, **settings)
    try:
        return file.append(lines)
    finally:
        file.close()


def ids_in(path: Path) -> list[str]:
    return [json.loads(text)["Id"] for text in path.read_text("utf-8").splitlines()]


def test_lines_are_appended_and_receipts_name_file_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "events.jsonl"
    file = opened(path)
    receipts = file.append([line("a"), line("b", note="é")])
    assert [(r.event_id, r.ok, r.detail) for r in receipts] == [
        ("a", True, f"{path}:0"),
        ("b", True, f"{path}:{len(line('a')[1]) + 1}"),
    ]
    assert ids_in(path) == ["a", "b"]


def test_a_repeat_is_not_written_and_its_receipt_names_the_first_place(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = opened(path)
    first = file.append([line("a"), line("b")])
    assert file.append([line("b"), line("c"), line("c")])[0] == first[1]
    file.close()
    again = appended(path, line("a"), line("b"), line("c"))
    assert ids_in(path) == ["a", "b", "c"]
    assert list(again[:2]) == list(first)


def test_a_torn_last_line_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    appended(path, line("a"), line("b", note="größer 機密"))
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        assert appended(path, line("b", note="größer 機密"))[0].ok
        assert path.read_bytes() == whole, f"cut at byte {cut}"


def test_a_torn_first_line_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = line("a")[1] + b"\n"
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert appended(path, line("a"))[0].detail == f"{path}:0"
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "tail",
    [b"\0" * 30, b"\0" * 30 + b"\n", b'{"Id":"b","x":\n', b'{"Id":"b"' + b"\0" * 9 + b"\n"],
    ids=["zeros", "zeros and line end", "half a line and line end", "zeros inside"],
)
def test_what_a_power_cut_leaves_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line("a")[1] + b"\n" + tail)
    appended(path, line("b"))
    assert ids_in(path) == ["a", "b"]


def test_a_file_of_zeros_only_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\0" * 4096)
    appended(path, line("a"))
    assert ids_in(path) == ["a"]


@pytest.mark.parametrize("held", [b"precious notes", b'{"id": 1}\n', b"\n", b'{"Ix":"'])
def test_a_file_of_something_else_is_left_untouched(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(held)
    with pytest.raises(SinkError, match="left untouched"):
        appended(path, line("a"))
    assert path.read_bytes() == held


def test_a_foreign_last_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line("a")[1] + b"\n# rotated by ops\n")
    appended(path, line("b"))
    assert path.read_bytes().splitlines()[1] == b"# rotated by ops"


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_only_the_owner_can_read_the_file_even_if_it_was_open_before(tmp_path: Path) -> None:
    fresh, loose = tmp_path / "fresh.jsonl", tmp_path / "loose.jsonl"
    loose.write_bytes(line("a")[1] + b"\n")
    loose.chmod(0o644)
    for path in (fresh, loose):
        appended(path, line("b"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_latest_ids_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = opened(path, window=2)
    file.append([line("a"), line("b"), line("c")])
    file.append([line("b"), line("c"), line("a")])
    assert ids_in(path) == ["a", "b", "c", "a"]
    file.close()
    appended(path, line("c"), line("a"), line("b"), window=2)
    assert ids_in(path) == ["a", "b", "c", "a", "b"]


def test_memory_stays_bounded_however_long_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("wb") as out:
        for number in range(40_000):
            out.write(line(f"{number:036d}", pad="x" * 200)[1] + b"\n")
    tracemalloc.start()
    file = opened(path, window=1_000)
    file.append([line("new")])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    file.close()
    assert peak < 2_000_000, f"{peak} bytes for a file of {path.stat().st_size}"


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_refusing_disk_leaves_no_half_line_and_asks_for_a_retry(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    file = opened(path)
    kept = file.append([line("a")])
    real_write = os.write
    calls = 0

    def full_disk(descriptor: int, data: memoryview) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, data[:5])

    def broken_sync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(_append.os, failing, full_disk if failing == "write" else broken_sync)
        receipts = file.append([line("b"), line("a")])
    assert [(r.ok, r.retry) for r in receipts] == [(False, True), (True, True)]
    assert receipts[1] == kept[0]
    assert ids_in(path) == ["a"]
    assert file.append([line("b")])[0].ok
    assert ids_in(path) == ["a", "b"]


def test_a_second_writer_is_refused_while_the_first_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, second = opened(path), opened(path)
    first.append([line("a")])
    with pytest.raises(SinkError, match="in use"):
        second.append([line("b")])
    first.close()
    assert second.append([line("b")])[0].ok
    assert ids_in(path) == ["a", "b"]


def test_a_rotated_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = opened(path)
    file.append([line("a")])
    path.rename(tmp_path / "events.1.jsonl")
    file.append([line("b")])
    assert ids_in(path) == ["b"]
    assert ids_in(tmp_path / "events.1.jsonl") == ["a"]


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "events.jsonl"):
        with pytest.raises(SinkError) as caught:
            appended(path, line("a"))
        assert str(path) in str(caught.value)


def test_a_killed_writer_loses_nothing_it_gave_a_receipt_for(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    program = (
        "import sys,os\n"
        "from dlpagent.connectors.sinks._append import AppendFile, encode\n"
        'file = AppendFile(sys.argv[1], prefix=b\'{"Id":"\')\n'
        "for n in range(int(sys.argv[2]), 10**6):\n"
        "    file.append([(str(n), encode({'Id': str(n), 'pad': 'x' * 500}))])\n"
        "    print(n, flush=True)\n"
    )
    begin = 0
    acknowledged: list[str] = []
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(begin)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert child.stdout is not None
        for _, text in zip(range(50), child.stdout, strict=False):
            acknowledged.append(text.strip())
        child.kill()
        child.communicate()
        begin = max(0, int(acknowledged[-1]) - 5)
    file = opened(path)
    file.append([line("end")])
    written = ids_in(path)
    assert set(acknowledged) <= set(written)
    assert len(written) == len(set(written))


@given(st.dictionaries(st.text(), st.text(alphabet=st.characters())))
def test_any_text_becomes_one_line(held: dict[str, str]) -> None:
    encoded = encode({"Id": "a", "held": held, "list": list(held.values())})
    assert b"\n" not in encoded
    assert json.loads(encoded)["list"] == [
        "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
        for text in held.values()
    ]
