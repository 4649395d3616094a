"""A file over ranged reads is the bytes it stands for, and fetches little more than is asked of it."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._object_file import BLOCK_BYTES, ObjectFile
from dlpagent.errors import SourceError

DATA = random.Random(7).randbytes(3 * BLOCK_BYTES + 1234)


def opened(fetched: list[tuple[int, int]]) -> ObjectFile:
    def fetch(start: int, stop: int) -> bytes:
        fetched.append((start, stop))
        return DATA[start:stop]

    return ObjectFile(len(DATA), fetch, lambda: None)


@given(
    st.lists(
        st.tuples(st.integers(-10, len(DATA) + 10), st.integers(0, 2 * BLOCK_BYTES)), max_size=12
    )
)
def test_any_seeks_and_reads_give_the_bytes_of_the_object(steps: list[tuple[int, int]]) -> None:
    ours, theirs = opened([]), io.BytesIO(DATA)
    for place, size in steps:
        assert ours.seek(max(0, place)) == theirs.seek(max(0, place))
        assert ours.read(size) == theirs.read(size)
        assert ours.tell() == theirs.tell()
    assert ours.seek(-5, io.SEEK_END) == theirs.seek(-5, io.SEEK_END)
    assert ours.read() == theirs.read()


def test_reading_in_a_row_fetches_every_byte_once_in_few_and_growing_steps() -> None:
    fetched: list[tuple[int, int]] = []
    file = io.BufferedReader(opened(fetched), 1 << 16)
    assert b"".join(iter(lambda: file.read(10_000), b"")) == DATA
    assert sum(stop - start for start, stop in fetched) == len(DATA)
    assert len(fetched) <= 3


def test_a_look_at_the_end_fetches_no_more_than_two_blocks() -> None:
    fetched: list[tuple[int, int]] = []
    file = opened(fetched)
    file.seek(-8, io.SEEK_END)
    assert file.read(8) == DATA[-8:]
    assert sum(stop - start for start, stop in fetched) <= 2 * BLOCK_BYTES


def test_an_answer_that_is_too_short_is_no_end_of_the_file() -> None:
    file = ObjectFile(1_000, lambda start, stop: b"x" * (stop - start - 1), lambda: None)
    with pytest.raises(SourceError, match="999"):
        file.read(10)
