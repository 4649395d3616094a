"""Who a file is: through renames, truncation, growth and packing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dlpagent.service.agent.identity import (
    HEAD_BYTES,
    is_packed,
    is_packed_copy,
    mark_from,
    mark_of,
    whole_bytes,
)

LINE = b'{"id": 1}\n'


@pytest.mark.parametrize(
    ("content", "start", "whole"),
    [
        (b"", 0, 0),
        (b"torn", 0, 0),
        (b"a\n", 0, 2),
        (b"a\nb", 0, 2),
        (b"a\nb\n", 2, 4),
        (b"a\nb", 2, 2),
        (b"x" * (1 << 20) + b"\ny" * 3, 0, (1 << 20) + 5),
        (b"a\n" + b"y" * (3 << 20), 0, 2),
    ],
)
def test_lines_are_whole_up_to_the_last_line_end(
    tmp_path: Path, content: bytes, start: int, whole: int
) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert whole_bytes(file, start) == whole


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_a_mark_survives_growth_and_json(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(LINE * size)
    with path.open("rb") as file:
        mark = mark_from(mark_of(file, path, size * len(LINE)).as_json())
    assert mark is not None
    assert mark.head_bytes == min(size * len(LINE), HEAD_BYTES)
    with path.open("ab") as file:
        file.write(b"more\n" * 2000)
    with path.open("rb") as file:
        assert mark.is_in(file)


@pytest.mark.parametrize(
    "after", [b"", LINE * 50, b"other\n" * 5000, LINE * 500 + b"X" + LINE * 600], ids=range(4)
)
def test_a_file_that_shrank_or_has_other_bytes_is_another(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(LINE * 1000)
    with path.open("rb") as file:
        mark = mark_of(file, path, 1000 * len(LINE))
    path.write_bytes(after)
    with path.open("rb") as file:
        assert not mark.is_in(file)


@pytest.mark.parametrize(
    ("content", "same"),
    [(LINE * 1000, True), (LINE * 1001, False), (LINE * 999, False), (b"#" + LINE * 1000, False)],
)
def test_a_packed_log_is_known_only_when_it_holds_what_was_read(
    tmp_path: Path, content: bytes, same: bool
) -> None:
    path, packed = tmp_path / "f", tmp_path / "f.gz"
    path.write_bytes(LINE * 1000)
    with path.open("rb") as file:
        mark = mark_of(file, path, 1000 * len(LINE))
    packed.write_bytes(gzip.compress(content))
    with packed.open("rb") as file:
        assert is_packed(file)
        assert is_packed_copy(file, mark) is same
    packed.write_bytes(gzip.compress(content)[:-30])
    with packed.open("rb") as file:
        assert not is_packed_copy(file, mark)


def test_what_is_no_mark_is_none() -> None:
    assert mark_from({}) is None
    assert mark_from({"path": "x"}) is None
