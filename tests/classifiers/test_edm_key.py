"""The key of an EDM store: only its owner reads it, and it is looked for where it is said to be."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dlpagent.classifiers.edm_key import derived, find_key, key_id, new_key, read_key
from dlpagent.errors import ConfigurationError, StateError


def test_a_new_key_is_only_for_its_owner_and_read_again(tmp_path: Path, home: Path) -> None:
    key, place = new_key(tmp_path / "folder" / "a.key")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert read_key(place) == key
    other, place = new_key(None)
    assert place == home / "edm" / f"{key_id(other)}.key"
    assert other != key


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_text("something")
    with pytest.raises(StateError, match="cannot be made"):
        new_key(tmp_path / "a.key")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("ab" * 32, 0o640, "read by others"), ("ab" * 31, 0o600, "does not hold"),
     ("zz" * 32, 0o600, "does not hold"), ("", 0o600, "does not hold")],
)  # fmt: skip
def test_what_is_no_key_or_open_to_others_is_refused(
    text: str, mode: int, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(StateError, match=said) as caught:
        read_key(path)
    assert not text or text not in str(caught.value)


def test_a_key_is_found_beside_the_store_and_in_the_home_folder(tmp_path: Path) -> None:
    store = tmp_path / "store"
    key, place = new_key(None)
    assert find_key(store, key_id(key)) == key
    place.rename(tmp_path / "store.key")
    assert find_key(store, key_id(key)) == key
    (tmp_path / "store.key").rename(tmp_path / "other.key")
    assert find_key(store, key_id(key), tmp_path / "other.key") == key
    with pytest.raises(ConfigurationError) as caught:
        find_key(store, key_id(key))
    assert str(tmp_path / "store.key") in str(caught.value)
    assert f"{key_id(key)}.key" in str(caught.value)


def test_the_key_of_another_store_is_named_as_such(tmp_path: Path) -> None:
    key, place = new_key(tmp_path / "a.key")
    other, _ = new_key(tmp_path / "b.key")
    with pytest.raises(ConfigurationError, match="another key") as caught:
        find_key(tmp_path / "store", key_id(other), place)
    assert key.hex() not in str(caught.value)


def test_keys_for_different_purposes_and_salts_differ() -> None:
    found = {derived(b"k" * 32, salt, purpose) for salt in (b"1", b"2") for purpose in ("a", "b")}
    assert len(found) == 4
