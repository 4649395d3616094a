"""Keyword dictionaries as people save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.dictionary import read_dictionary
from dlpagent.errors import ConfigurationError, DlpAgentError


@pytest.mark.parametrize(
    ("data", "terms"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\r\n  two  \r\n", ["one", "two"]),
        (b"one, two,three\nfour", ["one", "two", "three", "four"]),
        (b'"one, two",three', ["one, two", "three"]),
        (b"one\none\nOne", ["one", "One"]),
        ("één\nдва\n三".encode(), ["één", "два", "三"]),
        ("één\nдва".encode("utf-16"), ["één", "два"]),
        ("\ufeffone".encode(), ["one"]),
    ],
)
def test_terms_stand_on_lines_or_between_commas(
    tmp_path: Path, data: bytes, terms: list[str]
) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes(data)
    assert read_dictionary(path) == terms


@pytest.mark.parametrize(
    "data",
    [b"", b"\n , \n", b"\xff\xfe\x00", b"caf\xe9", b'"' + b"x\n" * 10],
    ids=["empty", "blank", "cut", "latin", "open quote"],
)
def test_what_is_no_dictionary_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes(data)
    with pytest.raises(DlpAgentError, match=r"terms\.txt"):
        read_dictionary(path)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_dictionary(tmp_path / name)
