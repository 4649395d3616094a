"""Rows as one text: folded like the reference, offsets that lead back, windows that keep rows apart."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.rows import FOLDABLE_BLOCKS, Rows, rows_of_texts, windows_of
from dlpagent.classifiers.normalise import Subject, shadow_of

TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text("ab1\u200bé中１ﬁ\u00ad\u00a0😀", max_size=12),
        st.text("ab 1\n", max_size=12),
    ),
    min_size=1,
    max_size=6,
)


def rows_of(texts: list[str | None]) -> Rows:
    (rows,) = rows_of_texts(pa.array(texts, pa.large_string()))
    return rows


@given(TEXTS)
def test_every_row_is_the_shadow_of_its_text(texts: list[str | None]) -> None:
    rows = rows_of(texts)
    got = [rows.data[start:end].decode() for start, end in zip(rows.starts, rows.ends, strict=True)]
    assert got == [shadow_of(text or "") for text in texts]
    assert all(rows.data[start - 1 : start] == b"\n" for start in rows.starts.tolist())


@given(TEXTS)
def test_offsets_count_code_points_through_all_rows(texts: list[str | None]) -> None:
    rows = rows_of(texts)
    whole = rows.data.decode()
    shadows = [shadow_of(text or "") for text in texts]
    for first, last, shadow in zip(rows.char_starts, rows.char_ends, shadows, strict=True):
        assert whole[first:last] == shadow


@given(TEXTS)
def test_what_folding_removed_is_known(texts: list[str | None]) -> None:
    rows = rows_of(texts)
    for row, text in enumerate(texts):
        subject = Subject.of(text or "")
        lost = rows.moved.get(row)
        for place in range(len(subject.text)):
            before = 0 if lost is None else int(np.searchsorted(lost, place, side="right"))
            assert place + before == subject.original(place, place + 1)[0]


def test_windows_of_different_rows_never_join() -> None:
    rows = rows_of(["x" * 40, "y" * 40, "z" * 400])
    ends = np.array([40, 43, 90])
    windows = windows_of(rows, rows.rows_of(ends), ends, 8)
    assert b"xy" not in windows.data
    for place in np.flatnonzero(np.frombuffer(windows.data, dtype=np.uint8) == ord("y")).tolist():
        assert rows.data[int(windows.back(np.array([place + 1]))[0]) - 1] == ord("y")


@pytest.mark.slow
def test_no_character_outside_the_blocks_is_matched_as_another() -> None:
    inside = {code for block in FOLDABLE_BLOCKS for code in block}
    others = (code for code in range(128, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    assert [
        code for code in others if code not in inside and shadow_of(chr(code)) != chr(code)
    ] == []
