"""Addresses of stores, and what is refused in them."""

from __future__ import annotations

import pytest

from dlpagent.connectors.sources._store_address import address_of, found_or_refused
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Asset


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("s://h:1/a%20b?x=1&y=#n%2Fm", ("s", "h", 1, "/a b", {"x": "1", "y": ""}, "n/m")),
        ("s:///folder", ("s", "", None, "/folder", {}, "")),
        ("s://[::1]:5/", ("s", "::1", 5, "/", {}, "")),
        ("s://h?x=1&x=2", ("s", "h", None, "", {"x": "2"}, "")),
    ],
)
def test_an_address_is_taken_apart(target: str, expected: tuple[object, ...]) -> None:
    found = address_of(target, "s://h", ("x", "y"))
    parts = (found.scheme, found.host, found.port, found.path, dict(found.settings), found.only)
    assert parts == expected


@pytest.mark.parametrize(
    "target", ["s://u:hunter2@h", "s://hunter2@h", "s://h:port", "s://h?z=hunter2", "s://h?hunter2"]
)
def test_secrets_and_unknown_settings_are_refused_and_not_shown(target: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        address_of(target, "s://h", ("x",))
    assert "hunter2" not in str(caught.value).replace("setting hunter2", "")
    assert caught.value.remedy


def test_settings_are_words_or_flags() -> None:
    address = address_of("s://h?x=true&y=b", "s://h", ("x", "y"))
    assert address.flag("x")
    assert not address.flag("z")
    assert (address.choice("y", ("a", "b")), address.choice("z", ("a", "b"))) == ("b", "a")
    with pytest.raises(ConfigurationError):
        address.flag("y")
    assert address.shown == "s://h"


def test_a_collection_that_was_named_and_is_not_there_is_an_error() -> None:
    asset = Asset("s://h#c", "vector_collection", "s")
    assert list(found_or_refused(iter([asset]), "c", "s://h")) == [asset]
    assert list(found_or_refused(iter([]), "", "s://h")) == []
    with pytest.raises(SourceError, match="no such collection"):
        list(found_or_refused(iter([]), "c", "s://h"))
