"""Distinct pairs of SIT and value key: counted once, digested without order, in bounded memory."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.pairs import (
    PAIR,
    DistinctPairs,
    dictionary_of,
    distinct,
    modular_sums,
    pair_words,
    run_starts,
)


def words(sits, keys):
    first, second = pair_words(dictionary_of(pa.array(sits)), pa.array(keys, type=pa.string()))
    return list(zip(first.tolist(), second.tolist(), strict=True))


KEY = "0123456789abcdef" * 2


def test_the_number_of_a_pair_never_changes():
    # Event ids are made from digests, digests from these numbers: they hold across versions.
    assert words(["sit"], [KEY]) == [(0x9967A4F41BC2FA84, 0xCA95E2AF9BA942EA)]
    assert words(["sit"], ["a key that is not hexadecimal"]) == [
        (0x35BA70B4D9AC14F7, 0x2F25B3EE75C5DEA9)
    ]


@pytest.mark.parametrize(
    ("sits", "keys"),
    [
        (["a", "b"], [KEY, KEY]),
        (["a", "a"], [KEY, KEY[:-1] + "0"]),
        (["a", "a"], [KEY, "1" + KEY[1:]]),
        (["a", "a"], [KEY, KEY.upper()]),
        (["a", "a"], [KEY, KEY + "0"]),
        (["a", "a"], ["", "0" * 32]),
    ],
)
def test_pairs_that_differ_have_other_numbers_in_both_halves(sits, keys):
    one, other = words(sits, keys)
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_a_number_does_not_depend_on_the_neighbours_of_its_pair():
    keys = [KEY, "short", "", KEY[::-1], "é" * 16]
    sits = ["a", "b", "a", "c", "b"]
    together = words(sits, keys)
    assert together == [words([sit], [key])[0] for sit, key in zip(sits, keys, strict=True)]
    array = pa.array(["x", *keys, "y"]).slice(1, 5)
    first, _ = pair_words(dictionary_of(pa.array(sits)), array)
    assert first.tolist() == [a for a, _ in together]


def test_numbers_are_spread_evenly_even_for_keys_that_count_up():
    found = words(["s"] * 4096, [f"{number:032x}" for number in range(4096)])
    for half in (0, 1):
        high_bytes = np.bincount([pair[half] >> 56 for pair in found], minlength=256)
        assert high_bytes.max() < 48  # 16 on average


@given(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=20), st.data())
def test_sums_are_exact_modulo_2_to_the_128(numbers, data):
    cuts = data.draw(st.sets(st.integers(1, len(numbers)), max_size=3))
    starts = sorted({0, *(cut for cut in cuts if cut < len(numbers))})
    first = np.array([number >> 64 for number in numbers], dtype=np.uint64)
    second = np.array([number & (2**64 - 1) for number in numbers], dtype=np.uint64)
    expected = [
        sum(numbers[start:end]) % 2**128
        for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True)
    ]
    assert modular_sums(first, second, np.array(starts)) == expected


def test_runs_begin_where_any_column_changes():
    one, two = np.array([1, 1, 2, 2, 2]), np.array([5, 5, 5, 6, 6])
    assert run_starts(one, two).tolist() == [0, 2, 3]
    assert run_starts(np.array([])).tolist() == []


def pairs(rows):
    return np.array(rows, dtype=PAIR)


def test_a_pair_is_kept_once_at_its_highest_confidence():
    rows = pairs([(1, 1, 0, 65), (2, 1, 0, 75), (1, 1, 0, 85), (1, 2, 0, 1), (1, 1, 0, 75)])
    assert distinct(rows).tolist() == [(1, 1, 0, 85), (1, 2, 0, 1), (2, 1, 0, 75)]


@pytest.mark.parametrize("limit", [1, 7, 100, 100_000])
def test_however_little_fits_into_memory_the_distinct_pairs_are_the_same(limit):
    chance = random.Random(limit)
    rows = [
        (chance.randrange(60) << 56, chance.randrange(3), 0, chance.choice([65, 75, 85]))
        for _ in range(2000)
    ]
    expected = distinct(pairs(rows)).tolist()
    with DistinctPairs(limit) as gathered:
        for start in range(0, len(rows), 90):
            gathered.add(pairs(rows[start : start + 90]))
        found = np.concatenate(list(gathered.parts())).tolist()
    assert sorted(found) == expected
    assert len(expected) == 180


def test_scratch_files_are_private_and_go_when_it_is_closed(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with DistinctPairs(1) as gathered:
        gathered.add(pairs([(1, 1, 0, 65), (2**63, 1, 0, 65)]))
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        assert len(list(Path(folder).iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_gathered_gives_nothing():
    with DistinctPairs() as gathered:
        assert list(gathered.parts()) == []
