"""Pickles that somebody made to do harm: followed as data, refused where data never looks so."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from dlpagent.connectors.sources._pickle_data import PickleError, Thing, followed, plain

PROTO = b"\x80\x04"
DEEP = b")" + b"\x85" * 200_000
"""A tuple in a tuple, again and again: hashing it would take the process along."""
DOUBLED = b")" + b"2\x86" * 60
"""A tuple of twice a tuple of twice …: 2^60 values in 120 bytes."""


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"}" + DEEP + b"K\x01s.", id="a deep key of a dictionary"),
        pytest.param(b"(" + DEEP + b"K\x01d.", id="a deep key of a whole dictionary"),
        pytest.param(b"\x8f(" + DEEP + b"\x90.", id="a deep member of a set"),
        pytest.param(b"(" + DEEP + b"\x91.", id="a deep member of a frozen set"),
        pytest.param(b"}" + DOUBLED + b"K\x01s.", id="a doubled key"),
        pytest.param(DOUBLED + DOUBLED + b"\x93.", id="a doubled name of a class"),
        pytest.param(DEEP + DEEP + b"\x93.", id="a deep name of a class"),
    ],
)
def test_a_key_or_name_without_end_is_refused(raw: bytes) -> None:
    with pytest.raises(PickleError):
        followed(PROTO + raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(DEEP + b".", id="tuples"),
        pytest.param(DOUBLED + b".", id="doubled tuples"),
        pytest.param(b"]" * 100_000 + b"a" * 99_999 + b".", id="lists"),
        pytest.param(
            b"cos\nsystem\n" * 100_000 + b")" + b"R\x85" * 100_000 + b".", id="calls of calls"
        ),
    ],
)
def test_deep_data_is_followed_and_never_made_plain(raw: bytes) -> None:
    value = followed(PROTO + raw)
    with pytest.raises(PickleError):
        plain(value)


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, None, True, b"x"]}, {("a", 1): {2}}, {frozenset({"b"}): ("c",)}, [{}, set()]],
)
def test_honest_data_is_what_it_was(value: Any) -> None:
    assert followed(pickle.dumps(value)) == value


def test_nothing_is_called() -> None:
    found = followed(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert isinstance(found, Thing)
    assert (found.made_by, found.arguments) == (("os", "system"), ("exit 1",))
